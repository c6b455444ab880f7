//! Every hot read walks its index, over a filled database, with a generic plan as well as with a
//! plan for the values at hand: the real statements are run and PostgreSQL tells how it ran them.

use chert_store::Store;
use chert_store::entities::{address, block, counter, transaction};
use silica_models::{Address, BlockHash, IdentityId, TxId, TxPosition};

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::{WHALE, fill};

const BLOCKS: i64 = 20_000;
const TXS: i64 = 10;
/// Rows that any step of a plan may touch: a page and a little.
const ROWS_MAX: u64 = 250;
/// Filled tables.
const TABLES: &[&str] = &["blocks", "transactions", "address_txs", "addresses"];

#[tokio::test]
async fn hot_reads_walk_their_indexes() {
    with_plans(async |pool| fill(&pool, 0, BLOCKS, TXS).await, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    let deep = TxPosition::block_start(500).as_i64();
    let (_, detail) = block::query::find_block_by_height(db, 700).await.unwrap();
    let detail = detail.unwrap();
    let hash = BlockHash::from_bytes(detail.block.hash.clone());
    let tx_id = TxId::from_bytes(detail.transactions[3].tx_id.clone());
    let whale = Address::parse(WHALE).unwrap();
    let expect =
        |name, indexes| Expect { name, indexes, sort: false, rows_max: ROWS_MAX, tables: TABLES };

    let by = expect("block by height", &["blocks_pkey", "transactions_pkey"]);
    check(plans, &by, block::query::find_block_by_height(db, 700)).await;
    let by = expect("block by hash", &["blocks_hash", "transactions_pkey"]);
    check(plans, &by, block::query::find_block_by_hash(db, &hash)).await;
    let by = Expect { sort: true, ..expect("tx by id", &["transactions_tx_key", "blocks_pkey"]) };
    check(plans, &by, transaction::query::find_transaction(db, &tx_id)).await;
    let by = expect("block list", &["blocks_pkey"]);
    check(plans, &by, block::query::list_blocks(db, None, 0, 51)).await;
    check(plans, &by, block::query::list_blocks(db, Some(500), 0, 101)).await;
    check(plans, &by, block::query::list_blocks(db, None, 10_000, 101)).await;
    let by = expect("tx list", &["transactions_pkey", "blocks_pkey"]);
    check(plans, &by, transaction::query::list_transactions(db, None, 101)).await;
    check(plans, &by, transaction::query::list_transactions(db, Some(deep), 101)).await;
    check(plans, &by, transaction::query::list_transactions_at_height(db, 9, None, 101)).await;
    let by = expect("txs of a hash", &["blocks_hash", "transactions_pkey"]);
    check(plans, &by, transaction::query::list_transactions_of_hash(db, &hash, None, 101)).await;
    let by = expect("history", &["address_txs_key", "transactions_pkey", "blocks_pkey"]);
    check(plans, &by, address::query::list_history(db, whale.key(), None, 26)).await;
    check(plans, &by, address::query::list_history(db, whale.key(), Some(deep), 101)).await;
    let by = expect("summary", &["addresses_pkey"]);
    check(plans, &by, address::query::get_address_summary(db, &whale)).await;
    let search = counter::query::SearchTerms {
        height: Some(7),
        hash: Some(hash),
        tx_id: Some(tx_id),
        address: Some(whale.clone()),
        identity_id: Some(IdentityId([7; 32])),
        name: Some("al".to_owned()),
    };
    let by = Expect { sort: true, ..expect("search", &["blocks_hash", "transactions_tx_key"]) };
    check(plans, &by, counter::query::list_search_hits(db, &search)).await;

    let offset = |name, index| Expect { rows_max: 10_001, ..expect(name, index) };
    let by = offset("tx offset", &["transactions_pkey"]);
    check(plans, &by, transaction::query::find_transaction_position(db, 10_000)).await;
    let by = offset("history offset", &["address_txs_key"]);
    check(plans, &by, address::query::find_history_position(db, whale.key(), 10_000)).await;
}
