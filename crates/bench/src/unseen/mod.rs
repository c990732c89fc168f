//! Pairs of logs of systems that the judge has not been made for.
//!
//! Each pair is a function of a system, a cause and a seed. About a quarter of the
//! systems is held out: their pairs are scored apart, so that mending the judge
//! by what it gets wrong in the others shows whether the mend is general.

mod cause;
mod pen;
mod score;
mod stores;
mod story;
mod systems;
mod tongue;
mod voice;
mod words;

pub use cause::{CAUSES, Cause};
pub use score::{Options, Report, cases, run, write_pairs};
pub use story::{Case, Told, tell};
pub use systems::{SYSTEMS, System};
