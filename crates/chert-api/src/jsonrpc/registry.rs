//! `identity_registryUpdates` (contract §2.11): the registry's current records by block.

use chert_store::entities::identity::node_query::{
    REGISTRY_ROWS_MAX, RegistryRow, RegistryRows, list_registry,
};
use serde::{Deserialize, Serialize};

use super::Outcome;
use super::dispatch::Rpc;
use crate::answer::{Answer, Freshness};
use crate::error::Problem;
use crate::routes::text::Hex;
use crate::state::ApiState;

/// Records of a page when the client does not say.
const LIMIT_DEFAULT: u16 = 128;
const LIMIT_MAX: u16 = 1_024;

const _: () = assert!(LIMIT_MAX as i64 == REGISTRY_ROWS_MAX);

#[derive(Serialize)]
struct Page<'a> {
    /// Every record changed up to this block is on this page or on one before.
    latest_block: i64,
    updates: Vec<Record<'a>>,
}

#[derive(Serialize)]
struct Record<'a> {
    identity_id: Hex<'a>,
    display_name: Option<&'a str>,
    avatar_hash: Option<Hex<'a>>,
    bio: Option<&'a str>,
    stats_visibility: &'a str,
    wallet_links: Vec<Link>,
    created_at: i64,
    updated_at: i64,
    updated_at_block: i64,
    profile_version: i64,
}

#[derive(Deserialize)]
struct StoredLink {
    address: String,
    #[serde(rename = "type")]
    link_type: String,
    proof: String,
    created_at: i64,
    verified_at: Option<i64>,
    height: i64,
}

#[derive(Serialize)]
struct Link {
    wallet_address: String,
    link_type: String,
    proof_signature: String,
    created_at: i64,
    verified_at: Option<i64>,
    updated_at_block: i64,
}

impl<'a> Record<'a> {
    fn new(row: &'a RegistryRow) -> Result<Self, Problem> {
        let links: Vec<StoredLink> = serde_json::from_str(&row.links).map_err(Problem::internal)?;
        let links = links.into_iter().map(|link| Link {
            wallet_address: link.address,
            link_type: link.link_type,
            proof_signature: format!("0x{}", link.proof),
            created_at: link.created_at,
            verified_at: link.verified_at,
            updated_at_block: link.height,
        });
        Ok(Self {
            identity_id: Hex(&row.identity_id),
            display_name: row.display_name.as_deref(),
            avatar_hash: row.avatar_hash.as_deref().map(Hex),
            bio: row.bio.as_deref(),
            stats_visibility: &row.stats_visibility,
            wallet_links: links.collect(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            updated_at_block: row.height,
            profile_version: row.profile_version,
        })
    }
}

/// Leaves the rows of a page and tells up to which block it is complete.
///
/// A page that is cut is cut before a block, so that none is split; where one block alone fills it,
/// the client has to ask for more at once (contract §11 row 35).
fn cut(found: &mut RegistryRows, from: i64, limit: usize) -> i64 {
    let Some(beyond) = found.rows.get(limit).map(|row| row.height) else {
        return found.known_height.max(from);
    };
    let whole = found.rows.iter().take(limit).take_while(|row| row.height < beyond).count();
    match whole {
        0 => {
            found.rows.truncate(limit);
            beyond
        }
        _ => {
            found.rows.truncate(whole);
            beyond - 1
        }
    }
}

/// `identity_registryUpdates [from_block, limit]`, `from_block` included. Nothing is kept: what it
/// shows may change with any update of the registry.
pub(super) async fn updates(api: &ApiState, rpc: &Rpc) -> Outcome {
    let from = rpc.params.whole(&["from_block"], 0)?.unwrap_or(0);
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let limit = rpc.params.limit(1, LIMIT_DEFAULT, LIMIT_MAX)?;
    let load = async {
        let rows = i64::from(limit) + 1;
        let (checkpoint, mut found) = list_registry(api.store().readers(), from, rows).await?;
        let latest_block = cut(&mut found, from, usize::from(limit));
        let updates: Result<Vec<_>, Problem> = found.rows.iter().map(Record::new).collect();
        Answer::json(&checkpoint, Freshness::Revalidate, &Page { latest_block, updates: updates? })
    };
    Ok(std::sync::Arc::new(load.await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(heights: &[i64]) -> RegistryRows {
        let row = |height: &i64| RegistryRow {
            identity_id: vec![1; 32],
            display_name: None,
            avatar_hash: None,
            bio: None,
            stats_visibility: "public".to_owned(),
            links: "[]".to_owned(),
            created_at: 0,
            updated_at: 0,
            height: *height,
            profile_version: 1,
        };
        RegistryRows { rows: heights.iter().map(row).collect(), known_height: 90 }
    }

    #[test]
    fn pages_are_cut_between_blocks() {
        for (heights, limit, shown, latest) in [
            (vec![], 2, 0, 90),
            (vec![5, 5], 2, 2, 90),
            (vec![5, 6, 6], 2, 1, 5),
            (vec![5, 5, 9], 2, 2, 8),
            (vec![5, 5, 5], 2, 2, 5),
        ] {
            let mut found = rows(&heights);
            assert_eq!(cut(&mut found, 3, limit), latest, "{heights:?}");
            assert_eq!(found.rows.len(), shown, "{heights:?}");
        }
        assert_eq!(cut(&mut rows(&[]), 95, 2), 95);
    }
}
