//! Reads of oracles: the list, and the figures of one.

use sqlx::PgExecutor;

use super::performance::{Performance, Window};
use crate::read::{checkpoint_of, no_checkpoint, present, timed};
use crate::{Checkpoint, StoreError};

/// An oracle as the list shows it. Its address is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleListRow {
    /// 40 hex digits; the URL for an oracle that has no feed.
    pub oracle_id: String,
    /// For people.
    pub name: String,
    /// `feed` or `probe`.
    pub mode: String,
    /// A key is pinned.
    pub signed: bool,
    /// `active`, `paused`, `diverged`, `refused` or `retired`.
    pub state: String,
    /// A code.
    pub last_error: Option<String>,
    /// As the oracle says.
    pub software_version: Option<String>,
    /// As the oracle says.
    pub network_id: Option<String>,
    /// Unix seconds.
    pub first_seen_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Last item of its feed that was taken in; absent without a feed.
    pub cursor_seq: Option<i64>,
    /// Last item of its feed.
    pub head_seq: Option<i64>,
    /// Unix seconds when the last item was taken in.
    pub last_item_at: Option<i64>,
}

/// Oracles after an id, by id. Indexes: `oracles_pkey`, `oracle_feeds_epoch` per oracle.
pub async fn list_oracles(
    db: impl PgExecutor<'_>,
    after: &str,
    offset: u32,
    rows: i64,
) -> Result<(Checkpoint, Vec<OracleListRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  o.oracle_id AS "oracle_id?", o.name AS "name?", o.mode AS "mode?",
                  o.signed AS "signed?", o.state AS "state?", o.last_error AS "last_error?",
                  o.software_version AS "software_version?", o.network_id AS "network_id?",
                  o.first_seen_at AS "first_seen_at?", o.updated_at AS "updated_at?",
                  f.cursor_seq AS "cursor_seq?", f.head_seq AS "head_seq?",
                  f.last_item_at AS "last_item_at?"
           FROM checkpoints c
           LEFT JOIN LATERAL (
               SELECT * FROM oracles WHERE oracle_id > $1 ORDER BY oracle_id OFFSET $2 LIMIT $3
           ) o ON TRUE
           LEFT JOIN LATERAL (
               SELECT cursor_seq, head_seq, last_item_at FROM oracle_feeds
               WHERE oracle_id = o.oracle_id ORDER BY feed_epoch DESC LIMIT 1
           ) f ON TRUE
           WHERE c.pipeline = 'chain'
           ORDER BY o.oracle_id"#,
        after,
        i64::from(offset),
        rows
    );
    let rows = timed!("list_oracles", statement.fetch_all(db)).await?;
    let checkpoint = checkpoint_of!(rows.first().ok_or_else(no_checkpoint)?);
    let mut oracles = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(oracle_id) = row.oracle_id else { continue };
        oracles.push(OracleListRow {
            oracle_id,
            name: present("oracles.name", row.name)?,
            mode: present("oracles.mode", row.mode)?,
            signed: present("oracles.signed", row.signed)?,
            state: present("oracles.state", row.state)?,
            last_error: row.last_error,
            software_version: row.software_version,
            network_id: row.network_id,
            first_seen_at: present("oracles.first_seen_at", row.first_seen_at)?,
            updated_at: present("oracles.updated_at", row.updated_at)?,
            cursor_seq: row.cursor_seq,
            head_seq: row.head_seq,
            last_item_at: row.last_item_at,
        });
    }
    Ok((checkpoint, oracles))
}

/// Figures of an oracle and when they were computed (Unix seconds).
#[derive(Debug, Clone, PartialEq)]
pub struct PerformanceRow {
    /// Unix seconds; absent where nothing has been computed yet.
    pub computed_at: Option<i64>,
    /// The figures; those of no sample where nothing has been computed yet.
    pub performance: Performance,
}

/// Figures of an oracle in a window; `None` for an oracle that is not known.
/// Indexes: the primary keys of `oracles` and `oracle_performance`.
pub async fn find_performance(
    db: impl PgExecutor<'_>,
    oracle_id: &str,
    window: Window,
) -> Result<(Checkpoint, Option<PerformanceRow>), StoreError> {
    let statement = sqlx::query!(
        r#"SELECT c.height AS cp_height, c.hash AS cp_hash, c.tip_time_ms AS cp_tip_time_ms,
                  c.finalized_height AS cp_finalized_height, c.finality_depth AS cp_finality_depth,
                  c.node_height AS cp_node_height, c.bulk AS cp_bulk,
                  o.oracle_id AS "oracle_id?", p.computed_at AS "computed_at?", p.body AS "body?"
           FROM checkpoints c
           LEFT JOIN oracles o ON o.oracle_id = $1
           LEFT JOIN oracle_performance p ON p.oracle_id = o.oracle_id AND p."window" = $2
           WHERE c.pipeline = 'chain'"#,
        oracle_id,
        window.as_str()
    );
    let row = timed!("find_performance", statement.fetch_optional(db)).await?;
    let row = row.ok_or_else(no_checkpoint)?;
    let checkpoint = checkpoint_of!(row);
    if row.oracle_id.is_none() {
        return Ok((checkpoint, None));
    }
    let performance = match row.body {
        Some(body) => serde_json::from_value(body)
            .map_err(|e| StoreError::Corrupt(format!("oracle_performance.body: {e}")))?,
        None => Performance::default(),
    };
    Ok((checkpoint, Some(PerformanceRow { computed_at: row.computed_at, performance })))
}
