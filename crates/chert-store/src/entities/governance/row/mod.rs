//! Governance's tables as SeaORM sees them. They hold identities that may be hidden: only the
//! queries beside them read these rows, and hand out public identities alone.

pub mod proposal;
pub mod public_identity;
pub mod transition;
pub mod vote;
