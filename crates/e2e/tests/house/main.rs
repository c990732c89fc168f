//! The order of the house: the arrows between crates, and documents that name
//! what is there. Needs no cluster.

mod arrows;
mod tree;
