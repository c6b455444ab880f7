//! The reads behind the node's own interface walk their indexes, over a filled database.

use chert_store::Store;
use chert_store::entities::counter::node_query::ActivityRange;
use chert_store::entities::{address, block, counter};
use silica_models::{Address, BlockHash};

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::{WHALE, fill};

const BLOCKS: i64 = 20_000;
const TXS: i64 = 4;
/// Filled tables.
const TABLES: &[&str] = &["blocks", "transactions", "address_txs", "addresses"];

#[tokio::test]
async fn reads_of_the_nodes_face_walk_their_indexes() {
    with_plans(async |pool| fill(&pool, 0, BLOCKS, TXS).await, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    let whale = Address::parse(WHALE).unwrap();
    let expect =
        |name, indexes, rows_max| Expect { name, indexes, sort: true, rows_max, tables: TABLES };

    let indexes = &["blocks_pkey", "transactions_pkey"];
    let by = expect("100 full blocks", indexes, 600);
    check(plans, &by, block::node_query::list_full_blocks(db, None, 101, true)).await;
    check(plans, &by, block::node_query::list_full_blocks(db, Some(500), 101, true)).await;
    let by = expect("a full block", indexes, 20);
    let (_, found) = block::node_query::find_full_block_by_height(db, 700, true).await.unwrap();
    let hash = BlockHash::from_bytes(found.unwrap().hash);
    check(plans, &by, block::node_query::find_full_block_by_height(db, 700, true)).await;
    let by = expect("a full block by hash", &["blocks_hash", "transactions_pkey"], 20);
    check(plans, &by, block::node_query::find_full_block_by_hash(db, &hash, true)).await;
    let by = expect("wallet history", &["address_txs_key", "addresses_pkey"], 250);
    check(plans, &by, address::node_query::get_wallet_history(db, whale.key(), 100, 20)).await;
    let by = expect("fees", &["transactions_pkey", "blocks_pkey"], 250);
    check(plans, &by, counter::node_query::get_fee_levels(db)).await;

    // The last hour of a chain with a block every two seconds: 1 800 blocks, not 20 000.
    let to_ms = (1_783_000_000 + BLOCKS * 2) * 1_000;
    let range = ActivityRange { from_ms: to_ms - 3_600_000, to_ms, bucket_ms: 60_000 };
    let by = expect("activity", &["blocks_pkey"], 2_100);
    check(plans, &by, counter::node_query::get_activity(db, range)).await;
}
