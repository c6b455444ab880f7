//! governance entity: proposals, votes, delegations, voting power, validators, and what follows
//! from them.
mod index;
