//! Every hot read walks its index, over a filled database, with a generic plan as well as with a
//! plan for the values at hand: the real statements are run and PostgreSQL tells how it ran them.
#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "tests")]
mod support;

use std::future::Future;
use std::sync::{Arc, Mutex};

use chert_store::Store;
use chert_store::entities::{address, block, counter, transaction};
use chert_testkit::TestDatabase;
use silica_models::{Address, BlockHash, TxId, TxPosition};
use sqlx::postgres::PgPoolOptions;
use support::{WHALE, fill, run_sql};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const BLOCKS: i64 = 20_000;
const TXS: i64 = 10;
/// Rows that any step of a plan may touch: a page and a little.
const ROWS_MAX: u64 = 250;

/// Collects the plans that `auto_explain` sends as notices.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Plans {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{value:?}"));
            }
            fn record_str(&mut self, _: &Field, value: &str) {
                self.0.push_str(value);
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains("Query Text") {
            self.0.lock().unwrap().push(text.0.replace("\\n", "\n").replace("\\\"", "\""));
        }
    }
}

/// What a plan must and must not hold.
struct Expect<'a> {
    name: &'a str,
    indexes: &'a [&'a str],
    sort: bool,
    rows_max: u64,
}

async fn check<T>(plans: &Plans, expect: &Expect<'_>, statement: impl Future<Output = T>) {
    let name = expect.name;
    plans.0.lock().unwrap().clear();
    statement.await;
    let plan = plans.0.lock().unwrap().concat();
    assert!(plan.contains("Query Text"), "{name}: no plan was reported");
    // `cargo test --test explain -- --nocapture` shows the plans.
    println!("{name}\n{plan}");
    let plan = plan.split_once("WHERE c.pipeline = 'chain'").map_or(plan.as_str(), |(_, p)| p);
    for table in ["blocks", "transactions", "address_txs", "addresses"] {
        assert!(!plan.contains(&format!("Seq Scan on {table}")), "{name}:\n{plan}");
    }
    assert!(expect.sort || !plan.contains("Sort"), "{name} sorts:\n{plan}");
    for index in expect.indexes {
        assert!(plan.contains(index), "{name} does not use {index}:\n{plan}");
    }
    for actual in plan.split("(actual ").skip(1) {
        let number = |key: &str| -> u64 {
            let text = actual.split_once(key).unwrap().1;
            text.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
        };
        let rows = number("rows=") * number("loops=");
        assert!(rows <= expect.rows_max, "{name}: a step touches {rows} rows:\n{plan}");
    }
}

#[tokio::test]
async fn hot_reads_walk_their_indexes() {
    let plans = Plans::default();
    let subscriber = tracing_subscriber::registry().with(plans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let database = TestDatabase::create().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url).await.unwrap();
    fill(&pool, 0, BLOCKS, TXS).await;
    run_sql(&pool, "VACUUM ANALYZE").await;
    run_sql(
        &pool,
        "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
         SET auto_explain.log_level = notice; SET auto_explain.log_analyze = on;
         SET auto_explain.log_timing = off; SET auto_explain.log_buffers = off",
    )
    .await;
    for mode in ["force_generic_plan", "force_custom_plan"] {
        run_sql(&pool, &format!("SET plan_cache_mode = {mode}")).await;
        check_all(&plans, &Store::from_pool(pool.clone()).unwrap()).await;
    }
    pool.close().await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    let deep = TxPosition::block_start(500).as_i64();
    let (_, detail) = block::query::find_block_by_height(db, 700).await.unwrap();
    let detail = detail.unwrap();
    let hash = BlockHash::from_bytes(detail.block.hash.clone());
    let tx_id = TxId::from_bytes(detail.transactions[3].tx_id.clone());
    let whale = Address::parse(WHALE).unwrap();
    let expect = |name, indexes| Expect { name, indexes, sort: false, rows_max: ROWS_MAX };

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
    };
    let by = Expect { sort: true, ..expect("search", &["blocks_hash", "transactions_tx_key"]) };
    check(plans, &by, counter::query::list_search_hits(db, &search)).await;

    let offset = |name, index| Expect { rows_max: 10_001, ..expect(name, index) };
    let by = offset("tx offset", &["transactions_pkey"]);
    check(plans, &by, transaction::query::find_transaction_position(db, 10_000)).await;
    let by = offset("history offset", &["address_txs_key"]);
    check(plans, &by, address::query::find_history_position(db, whale.key(), 10_000)).await;
}
