//! What streams read beside pages walks its indexes, with 30 000 rows of the log.

use chert_store::Store;
use chert_store::entities::event::{list_block_rows_at, list_block_rows_before};
use chert_store::entities::identity::visible::{guard_identity, list_public};
use silica_models::IdentityId;

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::run_sql;

/// Blocks of no transaction, nine other events after each.
const FILL: &str = "
    INSERT INTO event_log (seq, type, height, hash, created_at)
    SELECT h * 10, 'block.applied', h, sha256(('b' || h)::bytea), 1 FROM generate_series(1, 3000) h;
    INSERT INTO event_log (seq, type, created_at, data)
    SELECT h * 10 + i, 'work.validated', 1, '{}'
    FROM generate_series(1, 3000) h, generate_series(1, 9) i;
    INSERT INTO identities (identity_id, stats_visibility, created_at, updated_at, profile_version,
                            last_synced_block, wallet_count)
    SELECT sha256(n::text::bytea), 'public', 1, 1, 1, 1, 0 FROM generate_series(1, 20000) n;
    ANALYZE event_log, identities";

#[tokio::test]
async fn reads_of_streams_walk_their_indexes() {
    with_plans(async |pool| run_sql(&pool, FILL).await, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let pool = store.pool();
    let expect = |name, indexes, rows_max| Expect {
        name,
        indexes,
        sort: true,
        rows_max,
        tables: &["event_log", "identities"],
    };
    let before = expect("list_block_rows_before", &["event_log_type"], 200);
    check(plans, &before, async {
        let rows = list_block_rows_before(pool, 15_005, 100).await.unwrap();
        let heights: Vec<i64> = rows.iter().map(|row| row.height).collect();
        assert_eq!(heights, Vec::from_iter((1_401..=1_500).rev()));
    })
    .await;
    let at = expect("list_block_rows_at", &["event_log_block"], 20);
    check(plans, &at, async {
        let rows = list_block_rows_at(pool, &[7, 1_000], 2_998).await.unwrap();
        let heights: Vec<i64> = rows.iter().map(|row| row.height).collect();
        assert_eq!(heights, [7, 1_000, 2_998, 2_999, 3_000]);
        assert!(rows.iter().all(|row| row.applied && row.first_seq == row.last_seq));
    })
    .await;
    let nobody = IdentityId([0; 32]);
    check(plans, &expect("list_public", &["identities_pkey"], 4), list_public(pool, &[nobody]))
        .await;
    check(plans, &expect("guard_identity", &["identities_pkey"], 4), guard_identity(pool, &nobody))
        .await;
    let (_, head) = store.event_head().await.unwrap();
    assert_eq!(head.oldest_seq, 10);
}
