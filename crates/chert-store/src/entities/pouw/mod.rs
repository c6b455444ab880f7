//! What useful work adds up to: rollups by hour, day, subject, project and oracle.
mod big;
mod clock;
mod definition;
mod rac;
mod rebuild;
mod rollup;
pub use clock::*;
pub use rac::*;
pub(crate) use rebuild::*;
pub(crate) use rollup::*;
