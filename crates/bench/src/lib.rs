//! Measures the judge from outside, by its public interface alone.
//!
//! Each module measures one thing and gives numbers and tables; the binary
//! `bench` prints them. Simulations are functions of a seed: who runs them
//! again gets the same numbers.

pub mod accuracy;
pub mod calibrate;
pub mod corpus;
pub mod engine;
pub mod figure;
pub mod figures;
pub mod logistic;
pub mod look;
pub mod many;
pub mod memory;
pub mod pairs;
pub mod power;
pub mod random;
pub mod report;
pub mod simulate;
pub mod splits;
pub mod table;
pub mod unseen;
