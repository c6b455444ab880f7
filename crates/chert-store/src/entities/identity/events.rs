//! What a change of an identity's record has to tell the event log.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sqlx::PgConnection;

use crate::StoreError;
use crate::entities::event::{EventType, NewEvent};

/// What is compared of a record; texts are compared by their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub identity_id: Vec<u8>,
    /// Everybody may see its figures.
    pub public: bool,
    pub profile_version: i64,
    /// Unix seconds.
    pub updated_at: i64,
    pub profile: String,
    pub visibility: String,
    pub links: String,
}

/// Reads what is compared of a part of a record.
type Part = fn(&Seen) -> &str;

/// The parts by their names in the log.
const PARTS: [(&str, Part); 3] = [
    ("profile", |seen| &seen.profile),
    ("links", |seen| &seen.links),
    ("visibility", |seen| &seen.visibility),
];

/// Records by identity.
pub(super) type SeenById = BTreeMap<Vec<u8>, Seen>;

/// The records of these identities, as far as they exist. Indexes: the primary keys.
pub(super) async fn load_seen(
    db: &mut PgConnection,
    ids: &[Vec<u8>],
) -> Result<SeenById, StoreError> {
    let rows = sqlx::query_as!(
        Seen,
        r#"SELECT i.identity_id, p.identity_id IS NOT NULL AS "public!", i.profile_version,
                  i.updated_at, i.stats_visibility AS visibility,
                  md5(ROW(i.display_name, i.avatar_hash, i.bio)::text) AS "profile!",
                  COALESCE((SELECT md5(string_agg(
                                ROW(l.wallet_address, l.link_type, l.verified_at)::text, ','
                                ORDER BY l.wallet_address))
                            FROM wallet_links l WHERE l.identity_id = i.identity_id), '')
                      AS "links!"
           FROM identities i LEFT JOIN public_identities p ON p.identity_id = i.identity_id
           WHERE i.identity_id = ANY($1)"#,
        ids
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.identity_id.clone(), row)).collect())
}

/// An event for every identity whose record is another than before and was written since
/// `since_s`, Unix seconds, or is gone. Whether it is shown and to whom its wallets belong is told
/// however old the record says it is: open streams go by it.
pub(super) fn updates(before: &SeenById, after: &SeenById, since_s: i64) -> Vec<NewEvent> {
    let ids: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let update = |id: &Vec<u8>| {
        let (old, new) = (before.get(id), after.get(id));
        let differs = |part: Part| old.map(part) != new.map(part);
        let rights = old.is_some() && (differs(|seen| &seen.visibility) || differs(|s| &s.links));
        if old == new || (!rights && new.is_some_and(|new| new.updated_at < since_s)) {
            return None;
        }
        let changed: Vec<&str> =
            PARTS.into_iter().filter(|(_, part)| differs(*part)).map(|(name, _)| name).collect();
        let data = json!({
            "identity_id": hex::encode(id),
            "profile_version": new.map(|new| new.profile_version),
            "changed": changed,
            "removed": new.is_none(),
        });
        let event = NewEvent::new(EventType::IdentityUpdated, data);
        Some(event.about(None, Some(id.clone())))
    };
    ids.into_iter().filter_map(update).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: u8, version: i64, links: &str) -> (Vec<u8>, Seen) {
        let seen = Seen {
            identity_id: vec![id],
            public: true,
            profile_version: version,
            updated_at: version * 10,
            profile: "p".to_owned(),
            visibility: "public".to_owned(),
            links: links.to_owned(),
        };
        (vec![id], seen)
    }

    fn update(id: u8, version: Option<i64>, changed: &[&str]) -> NewEvent {
        let data = json!({"identity_id": hex::encode([id]), "profile_version": version,
                          "changed": changed, "removed": version.is_none()});
        NewEvent::new(EventType::IdentityUpdated, data).about(None, Some(vec![id]))
    }

    #[test]
    fn what_differs_is_told_unless_it_is_old() {
        let before = SeenById::from([
            seen(1, 5, "a"),
            seen(2, 5, "a"),
            seen(3, 5, "a"),
            seen(6, 1, "a"),
            seen(7, 1, "a"),
        ]);
        let after = SeenById::from([
            seen(1, 5, "a"),
            seen(2, 6, "b"),
            seen(4, 2, ""),
            seen(5, 3, ""),
            seen(6, 2, "a"),
            seen(7, 2, "b"),
        ]);
        let all = ["profile", "links", "visibility"];
        let told = updates(&before, &after, 30);
        assert_eq!(
            told,
            [
                update(2, Some(6), &["links"]),
                update(3, None, &all),
                update(5, Some(3), &all),
                update(7, Some(2), &["links"]),
            ]
        );
    }
}
