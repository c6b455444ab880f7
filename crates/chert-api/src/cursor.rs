//! Cursors: opaque to clients, a small versioned binary to us.
//!
//! A cursor names the last row of a page (keyset), so pages neither skip nor repeat rows while
//! blocks arrive. It is bound to its list; one from another list is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Problem;

const VERSION: u8 = 1;
/// Version, list, scope, position.
const HEAD_BYTES: usize = 1 + 1 + 4 + 8;
/// Id of an identity.
const ID_BYTES: usize = 32;
/// Folded name of an identity: 64 characters of 4 bytes.
const NAME_BYTES_MAX: usize = 64 * 4;
/// An identity found by name: its id and its folded name.
const TAIL_BYTES_MAX: usize = ID_BYTES + NAME_BYTES_MAX;
/// A proposal's id at most.
const PROPOSAL_BYTES_MAX: usize = chert_store::entities::governance::PROPOSAL_ID_BYTES_MAX;
/// A leaderboard's snapshot id.
const SNAPSHOT_BYTES: usize = 8;
/// Slug of a project or id of an oracle at most.
const WORK_NAME_BYTES_MAX: usize = 128;
/// An address key.
const KEY_BYTES: usize = 16;
/// Longest cursor text.
pub const CURSOR_CHARS_MAX: usize = (HEAD_BYTES + TAIL_BYTES_MAX).div_ceil(3) * 4;

/// The list that a cursor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    /// Blocks by height, descending.
    Blocks = 1,
    /// Transactions by place, descending.
    Transactions = 2,
    /// Transactions of one block by place, ascending.
    BlockTransactions = 3,
    /// One address's history by place, descending.
    History = 4,
    /// Orphans by height and hash, descending.
    Orphans = 5,
    /// Lines of a leaderboard by place; the tail is the snapshot.
    Leaderboard = 30,
    /// One identity's submissions: 0 for what is open, else the time of the decision plus one, and
    /// the submission's id, descending.
    PouwHistory = 31,
    /// One identity's days, descending.
    PouwSeries = 32,
    /// Projects by slug.
    Projects = 33,
    /// Oracles by id.
    Oracles = 34,
    /// Events by number; the scope binds it to the filter.
    Events = 40,
    /// Wallets of one identity by time and key, descending.
    Wallets = 6,
    /// Identities by likeness of name (the position), name and id.
    Identities = 7,
    /// Proposals by time and id, descending.
    Proposals = 10,
    /// Votes of one proposal by time and voter, descending.
    Votes = 11,
}

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The list.
    pub list: List,
    /// What distinguishes lists of one kind (part of the address's key); 0 where nothing does.
    pub scope: u32,
    /// Height or place of the last row shown.
    pub position: i64,
    /// Tie-breaker where the position alone is not unique.
    pub tail: Vec<u8>,
}

impl Cursor {
    /// A place by its position alone.
    pub fn at(list: List, scope: u32, position: i64) -> Self {
        Self { list, scope, position, tail: Vec::new() }
    }

    /// A place by a name alone.
    pub fn named(list: List, name: &str) -> Self {
        Self { list, scope: 0, position: 0, tail: name.as_bytes().to_vec() }
    }

    /// The tail as a name.
    pub fn tail_text(&self) -> Result<&str, Problem> {
        let name = std::str::from_utf8(&self.tail).ok().filter(|name| !name.contains('\0'));
        name.ok_or_else(|| Problem::invalid("cursor is damaged; start again without a cursor"))
    }

    /// The text for clients.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.tail.len());
        bytes.push(VERSION);
        bytes.push(self.list as u8);
        bytes.extend_from_slice(&self.scope.to_be_bytes());
        bytes.extend_from_slice(&self.position.to_be_bytes());
        bytes.extend_from_slice(&self.tail);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a client's text for the given list.
    pub fn decode(text: &str, list: List, scope: u32) -> Result<Self, Problem> {
        let refuse = || {
            Problem::invalid("cursor is not one that this list gave; start again without a cursor")
        };
        if text.len() > CURSOR_CHARS_MAX {
            return Err(refuse());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
        let (head, tail) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(refuse)?;
        let fields: [u8; HEAD_BYTES] = head.try_into().map_err(|_| refuse())?;
        let [version, kind, s0, s1, s2, s3, p0, p1, p2, p3, p4, p5, p6, p7] = fields;
        let cursor = Self {
            list,
            scope: u32::from_be_bytes([s0, s1, s2, s3]),
            position: i64::from_be_bytes([p0, p1, p2, p3, p4, p5, p6, p7]),
            tail: tail.to_vec(),
        };
        let tail_fits = match list {
            List::Orphans => (1..=silica_models::BLOCK_HASH_BYTES_MAX).contains(&tail.len()),
            List::Proposals => (1..=PROPOSAL_BYTES_MAX).contains(&tail.len()),
            List::Votes | List::Wallets => tail.len() == KEY_BYTES,
            List::Identities => (ID_BYTES..=TAIL_BYTES_MAX).contains(&tail.len()),
            List::Leaderboard => tail.len() == SNAPSHOT_BYTES,
            List::PouwHistory => tail.len() == ID_BYTES,
            List::Projects | List::Oracles => (1..=WORK_NAME_BYTES_MAX).contains(&tail.len()),
            _ => tail.is_empty(),
        };
        let ours = version == VERSION && kind == list as u8 && cursor.scope == scope;
        if ours && tail_fits && cursor.position >= 0 { Ok(cursor) } else { Err(refuse()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(scope: u32, position in 0_i64.., tail in proptest::collection::vec(any::<u8>(), 1..=65)) {
            let plain = Cursor::at(List::History, scope, position);
            let read = Cursor::decode(&plain.encode(), List::History, scope).ok();
            prop_assert_eq!(read, Some(plain.clone()));
            prop_assert!(Cursor::decode(&plain.encode(), List::Blocks, scope).is_err());
            prop_assert!(Cursor::decode(&plain.encode(), List::History, !scope).is_err());
            let orphan = Cursor { list: List::Orphans, scope: 0, position, tail };
            let read = Cursor::decode(&orphan.encode(), List::Orphans, 0).ok();
            prop_assert_eq!(read, Some(orphan));
        }

        #[test]
        fn noise_is_refused_not_fatal(text in "\\PC{0,200}") {
            prop_assert!(Cursor::decode(&text, List::Transactions, 0).is_err());
        }
    }
}
