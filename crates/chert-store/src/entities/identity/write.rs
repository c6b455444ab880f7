//! Derives identities again from their versions and tells whom that concerns.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use uuid::Uuid;

use super::derive::Interval;
use super::events::{SeenById, load_seen, updates};
use super::rebuild::{LINKS, PROFILES};
use super::versions::{derive_intervals, load_intervals};
use crate::StoreError;
use crate::entities::event::NewEvent;
use crate::entities::leaderboard::{IdentityChanges, identities_changed};
use crate::entities::{governance, work};

/// Who becomes public and who ceases to be, from the visibilities before and after; an identity
/// that is gone is hidden.
fn visibility_changes(before: &SeenById, after: &SeenById) -> IdentityChanges {
    let ids: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let mut changes = IdentityChanges::default();
    for id in ids {
        let was = before.get(id).is_some_and(|seen| seen.public);
        let is = after.get(id).is_some_and(|seen| seen.public);
        match (was, is) {
            (true, false) => changes.hidden.push(id.clone()),
            (false, true) => changes.shown.push(id.clone()),
            _ => {}
        }
    }
    changes
}

/// Writes profiles, links and intervals of these identities anew and moves what hangs on them:
/// votes, work and boards. All in the caller's transaction, which holds `feeds('identity')`.
///
/// Gives what the log has to tell: records written before `since_s` (Unix seconds) are no news.
pub(super) async fn derive_again(
    db: &mut PgConnection,
    touched: BTreeSet<Vec<u8>>,
    now_s: i64,
    since_s: i64,
) -> Result<Vec<NewEvent>, StoreError> {
    if touched.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Vec<u8>> = touched.into_iter().collect();
    let before = load_seen(db, &ids).await?;
    write_profiles(db, &ids).await?;
    let after = load_seen(db, &ids).await?;
    let moved = write_intervals(db, &ids).await?;
    if !moved.wallets.is_empty() {
        governance::reattribute(db, &moved.wallets, &moved.identities, now_s).await?;
        work::reattribute(db, &moved.wallets).await?;
    }
    let mut told = updates(&before, &after, since_s);
    let changes = visibility_changes(&before, &after);
    if !changes.hidden.is_empty() || !changes.shown.is_empty() {
        told.extend(identities_changed(db, &changes, now_s.saturating_mul(1000)).await?);
    }
    Ok(told)
}

async fn write_profiles(db: &mut PgConnection, ids: &[Vec<u8>]) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM identities i WHERE i.identity_id = ANY($1)
         AND NOT EXISTS (SELECT 1 FROM identity_versions v WHERE v.identity_id = i.identity_id)",
        ids
    )
    .execute(&mut *db)
    .await?;
    sqlx::query(PROFILES.put).bind(ids).execute(&mut *db).await?;
    sqlx::query!("DELETE FROM wallet_links WHERE identity_id = ANY($1)", ids)
        .execute(&mut *db)
        .await?;
    sqlx::query(LINKS.put).bind(ids).execute(&mut *db).await?;
    Ok(())
}

/// Whose intervals are not what they were.
#[derive(Debug, Default)]
struct Moved {
    wallets: Vec<Uuid>,
    identities: Vec<Vec<u8>>,
}

async fn write_intervals(db: &mut PgConnection, ids: &[Vec<u8>]) -> Result<Moved, StoreError> {
    let mut stored = load_intervals(db, ids).await?;
    let mut derived = derive_intervals(db, ids).await?;
    let mut moved = Moved::default();
    let mut wallets = BTreeSet::new();
    let mut fresh = Vec::new();
    for id in ids {
        let old = stored.remove(id).unwrap_or_default();
        let new = derived.remove(id).unwrap_or_default();
        if old == new {
            continue;
        }
        let differing = old.iter().filter(|i| !new.contains(i));
        wallets
            .extend(differing.chain(new.iter().filter(|i| !old.contains(i))).map(|i| i.wallet_key));
        moved.identities.push(id.clone());
        fresh.extend(new.into_iter().map(|interval| (id.as_slice(), interval)));
    }
    moved.wallets = wallets.into_iter().collect();
    sqlx::query!(
        "DELETE FROM wallet_link_intervals WHERE identity_id = ANY($1)",
        &moved.identities
    )
    .execute(&mut *db)
    .await?;
    insert_intervals(db, &fresh).await?;
    Ok(moved)
}

/// Stores intervals of identities that have none stored.
pub(super) async fn insert_intervals(
    db: &mut PgConnection,
    rows: &[(&[u8], Interval)],
) -> Result<(), StoreError> {
    let ids: Vec<&[u8]> = rows.iter().map(|(id, _)| *id).collect();
    let keys: Vec<Uuid> = rows.iter().map(|(_, i)| i.wallet_key).collect();
    let from_heights: Vec<i64> = rows.iter().map(|(_, i)| i.from_height).collect();
    let from_times: Vec<i64> = rows.iter().map(|(_, i)| i.from_time).collect();
    let to_heights: Vec<Option<i64>> =
        rows.iter().map(|(_, i)| i.end.map(|(height, _)| height)).collect();
    let to_times: Vec<Option<i64>> =
        rows.iter().map(|(_, i)| i.end.map(|(_, time)| time)).collect();
    let addresses: Vec<&str> = rows.iter().map(|(_, i)| i.wallet_address.as_str()).collect();
    sqlx::query!(
        "INSERT INTO wallet_link_intervals (identity_id, wallet_key, from_height, from_time,
                                            to_height, to_time, wallet_address)
         SELECT * FROM UNNEST($1::bytea[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[],
                              $6::bigint[], $7::text[])",
        &ids as &[&[u8]],
        &keys,
        &from_heights,
        &from_times,
        &to_heights as &[Option<i64>],
        &to_times as &[Option<i64>],
        &addresses as &[&str]
    )
    .execute(db)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::events::Seen;
    use super::*;

    #[test]
    fn what_is_gone_is_hidden() {
        let seen = |id: u8, public: bool| Seen {
            identity_id: vec![id],
            public,
            profile_version: 1,
            updated_at: 1,
            profile: String::new(),
            visibility: String::new(),
            links: String::new(),
        };
        let map = |pairs: &[(u8, bool)]| -> SeenById {
            pairs.iter().map(|(id, public)| (vec![*id], seen(*id, *public))).collect()
        };
        let before = map(&[(1, true), (2, false), (3, true), (4, true), (5, false)]);
        let after = map(&[(1, false), (2, true), (3, true), (6, true), (7, false)]);
        let changes = visibility_changes(&before, &after);
        assert_eq!(changes.hidden, [vec![1], vec![4]]);
        assert_eq!(changes.shown, [vec![2], vec![6]]);
    }
}
