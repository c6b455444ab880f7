//! Finding identities by name: names that begin with the text, then names that hold it, then names
//! like it.
//!
//! Names and text are compared folded (`chert_name_fold`: case, accents, invisible characters), and
//! inside a tier ordered by folded name, byte by byte, and id. The tiers exclude each other, so a
//! place is (tier, name, id) and pages neither skip nor repeat.

use super::tiers::{Needle, list_tier};
use crate::checkpoint::load_checkpoint;
use crate::{Checkpoint, Store, StoreError};

/// What a name has in common with the text, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// It begins with it.
    Prefix = 0,
    /// It holds it.
    Inside = 1,
    /// Some part of it is like it.
    Like = 2,
}

impl Tier {
    /// The tier of a number from outside.
    pub fn from_i64(number: i64) -> Option<Self> {
        [Self::Prefix, Self::Inside, Self::Like].into_iter().find(|tier| *tier as i64 == number)
    }
}

/// A place in the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Tier of the last identity shown.
    pub tier: Tier,
    /// Its folded name.
    pub name: String,
    /// Its id.
    pub identity_id: Vec<u8>,
}

impl Place {
    fn start_of(tier: Tier) -> Self {
        Self { tier, name: String::new(), identity_id: Vec::new() }
    }
}

/// An identity that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundIdentity {
    /// How.
    pub tier: Tier,
    /// Its folded name, at most 64 characters.
    pub name_search: String,
    /// 32 bytes.
    pub identity_id: Vec<u8>,
    /// As the registry has it.
    pub display_name: Option<String>,
    /// 32 bytes.
    pub avatar_hash: Option<Vec<u8>>,
    /// `public`, `friends_only` or `private`.
    pub stats_visibility: String,
    /// Unix seconds.
    pub updated_at: i64,
}

impl FoundIdentity {
    /// Its place in the result.
    pub fn place(&self) -> Place {
        let (name, identity_id) = (self.name_search.clone(), self.identity_id.clone());
        Place { tier: self.tier, name, identity_id }
    }
}

/// Identities by name, from a place on where given, at most `rows`.
///
/// Of names that are only like the text, a thousand are considered. Indexes:
/// `identities_name_prefix` for names that begin with the text and for frequent parts,
/// `identities_name_trigram` for rarer parts and for likeness.
pub async fn list_named(
    store: &Store,
    text: &str,
    after: Option<Place>,
    rows: i64,
) -> Result<(Checkpoint, Vec<FoundIdentity>), StoreError> {
    let mut tx = store.begin_snapshot().await?;
    let checkpoint = load_checkpoint(&mut *tx).await?;
    let folded = sqlx::query_scalar!(r#"SELECT chert_name_fold($1) AS "folded!""#, text)
        .fetch_one(&mut *tx)
        .await?;
    let needle = Needle::new(folded);
    let mut found = Vec::new();
    if !needle.is_empty() {
        let first = after.as_ref().map_or(Tier::Prefix, |place| place.tier);
        for tier in [Tier::Prefix, Tier::Inside, Tier::Like] {
            let missing = rows - i64::try_from(found.len()).unwrap_or(i64::MAX);
            if tier < first || missing <= 0 {
                continue;
            }
            let start = Place::start_of(tier);
            let from = after.as_ref().filter(|place| place.tier == tier).unwrap_or(&start);
            found.extend(list_tier(&mut tx, &needle, from, missing).await?);
        }
    }
    tx.commit().await?;
    Ok((checkpoint, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_have_numbers() {
        for tier in [Tier::Prefix, Tier::Inside, Tier::Like] {
            assert_eq!(Tier::from_i64(tier as i64), Some(tier));
        }
        assert_eq!(Tier::from_i64(3), None);
        assert_eq!(Tier::from_i64(-1), None);
    }
}
