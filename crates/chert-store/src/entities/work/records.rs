//! Items as they came, penalties, and what oracles report of themselves.

use std::collections::BTreeMap;

use silica_models::{ReportRecord, SlashRecord};
use sqlx::PgConnection;
use uuid::Uuid;

use super::page::{Parsed, WorkPage};
use crate::StoreError;

/// Keeps the items of a page; gives the first that is stored already with other contents.
pub(super) async fn put_items(
    db: &mut PgConnection,
    page: &WorkPage,
) -> Result<Option<i64>, StoreError> {
    let items = || page.items.iter();
    let seqs: Vec<i64> = items().map(|i| i.seq).collect();
    let kinds: Vec<String> = items().map(|i| i.kind.replace('\0', "")).collect();
    let hashes: Vec<Option<&[u8]>> = items().map(|i| i.hash.as_ref().map(|h| &h[..])).collect();
    let signatures: Vec<i16> = items().map(|i| i.signature.as_i16()).collect();
    let bodies: Vec<&[u8]> = items().map(|i| i.body.as_slice()).collect();
    let errors: Vec<Option<String>> = items()
        .map(|i| match &i.parsed {
            Parsed::Malformed(reason) => Some(reason.replace('\0', "")),
            _ => None,
        })
        .collect();
    let added = sqlx::query!(
        "INSERT INTO oracle_feed_items (oracle_id, feed_epoch, seq, kind, hash, signature_status,
                                        received_at, body, error)
         SELECT $1, $2, t.seq, t.kind, t.hash, t.signature, $3, t.body, t.error
         FROM UNNEST($4::bigint[], $5::text[], $6::bytea[], $7::smallint[], $8::bytea[],
                     $9::text[]) AS t(seq, kind, hash, signature, body, error)
         ON CONFLICT (oracle_id, feed_epoch, seq) DO NOTHING",
        page.oracle_id,
        page.feed_epoch,
        page.now_s,
        &seqs,
        &kinds,
        &hashes as &[Option<&[u8]>],
        &signatures,
        &bodies as &[&[u8]],
        &errors as &[Option<String>]
    )
    .execute(&mut *db)
    .await?;
    if usize::try_from(added.rows_affected()).is_ok_and(|rows| rows == page.items.len()) {
        return Ok(None);
    }
    let diverged = sqlx::query_scalar!(
        "SELECT min(i.seq)
         FROM UNNEST($3::bigint[], $4::bytea[], $5::bytea[]) AS t(seq, hash, body)
         JOIN oracle_feed_items i ON i.oracle_id = $1 AND i.feed_epoch = $2 AND i.seq = t.seq
         WHERE i.hash IS DISTINCT FROM t.hash OR (t.hash IS NULL AND i.body <> t.body)",
        page.oracle_id,
        page.feed_epoch,
        &seqs,
        &hashes as &[Option<&[u8]>],
        &bodies as &[&[u8]]
    )
    .fetch_one(db)
    .await?;
    Ok(diverged)
}

/// Takes over penalties, the newest of each id.
pub(super) async fn put_slashes(db: &mut PgConnection, page: &WorkPage) -> Result<(), StoreError> {
    let slashes: BTreeMap<&str, (i64, &SlashRecord)> = page
        .items
        .iter()
        .filter_map(|item| match &item.parsed {
            Parsed::Slash(slash) => Some((slash.slash_id.as_str(), (item.seq, slash))),
            _ => None,
        })
        .collect();
    if slashes.is_empty() {
        return Ok(());
    }
    let values = || slashes.values().map(|(_, slash)| *slash);
    let ids: Vec<&str> = slashes.keys().copied().collect();
    let seqs: Vec<i64> = slashes.values().map(|(seq, _)| *seq).collect();
    let addresses: Vec<&str> = values().map(|s| s.account.as_str()).collect();
    let keys: Vec<Uuid> = values().map(|s| s.account.key().to_uuid()).collect();
    let reasons: Vec<&str> = values().map(|s| s.reason.as_str()).collect();
    let points: Vec<i64> = values().map(|s| s.points_deducted).collect();
    let submissions: Vec<Option<&[u8]>> =
        values().map(|s| s.submission_id.as_ref().map(|id| &id[..])).collect();
    let slashed: Vec<i64> = values().map(|s| s.slashed_at).collect();
    let decays: Vec<Option<i64>> = values().map(|s| s.decays_at).collect();
    let states: Vec<&str> = values().map(|s| s.state.as_str()).collect();
    sqlx::query!(
        "INSERT INTO oracle_slashes AS s (oracle_id, slash_id, miner_address, account_key, reason,
                                          points_deducted, submission_id, slashed_at, decays_at,
                                          state, feed_epoch, feed_seq)
         SELECT $1, t.id, t.address, t.key, t.reason, t.points, t.submission, t.slashed, t.decays,
                t.state, $2, t.seq
         FROM UNNEST($3::text[], $4::text[], $5::uuid[], $6::text[], $7::bigint[], $8::bytea[],
                     $9::bigint[], $10::bigint[], $11::text[], $12::bigint[])
             AS t(id, address, key, reason, points, submission, slashed, decays, state, seq)
         ON CONFLICT (oracle_id, slash_id) DO UPDATE SET
             miner_address = EXCLUDED.miner_address, account_key = EXCLUDED.account_key,
             reason = EXCLUDED.reason, points_deducted = EXCLUDED.points_deducted,
             submission_id = EXCLUDED.submission_id, slashed_at = EXCLUDED.slashed_at,
             decays_at = EXCLUDED.decays_at, state = EXCLUDED.state,
             feed_epoch = EXCLUDED.feed_epoch, feed_seq = EXCLUDED.feed_seq
         WHERE (s.feed_epoch, s.feed_seq) < (EXCLUDED.feed_epoch, EXCLUDED.feed_seq)",
        page.oracle_id,
        page.feed_epoch,
        &ids as &[&str],
        &addresses as &[&str],
        &keys,
        &reasons as &[&str],
        &points,
        &submissions as &[Option<&[u8]>],
        &slashed,
        &decays as &[Option<i64>],
        &states as &[&str],
        &seqs
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes over the oracle's reports of itself, the last of each window.
pub(super) async fn put_reports(db: &mut PgConnection, page: &WorkPage) -> Result<(), StoreError> {
    let reports: BTreeMap<(i64, i64), (i64, &ReportRecord)> = page
        .items
        .iter()
        .filter_map(|item| match &item.parsed {
            Parsed::Report(r) => Some(((r.window_start, r.window_end), (item.seq, r))),
            _ => None,
        })
        .collect();
    if reports.is_empty() {
        return Ok(());
    }
    let (starts, ends): (Vec<i64>, Vec<i64>) = reports.keys().copied().unzip();
    let seqs: Vec<i64> = reports.values().map(|(seq, _)| *seq).collect();
    let bodies: Vec<&serde_json::Value> = reports.values().map(|(_, r)| &r.body).collect();
    sqlx::query!(
        "INSERT INTO oracle_reports (oracle_id, window_start, window_end, body, feed_seq)
         SELECT $1, t.s, t.e, t.body, t.seq
         FROM UNNEST($2::bigint[], $3::bigint[], $4::jsonb[], $5::bigint[]) AS t(s, e, body, seq)
         ON CONFLICT (oracle_id, window_start, window_end) DO UPDATE SET
             body = EXCLUDED.body, feed_seq = EXCLUDED.feed_seq",
        page.oracle_id,
        &starts,
        &ends,
        &bodies as &[&serde_json::Value],
        &seqs
    )
    .execute(db)
    .await?;
    Ok(())
}
