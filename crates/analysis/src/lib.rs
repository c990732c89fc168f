//! The pipeline: gather, judge, explain, decide.
