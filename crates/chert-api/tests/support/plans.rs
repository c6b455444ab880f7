//! Runs statements and checks the plans that PostgreSQL had for them.
#![allow(dead_code, clippy::unwrap_used, missing_docs, reason = "tests")]

use std::future::Future;
use std::sync::{Arc, Mutex};

use chert_store::Store;
use chert_testkit::TestDatabase;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::support::run_sql;

/// Collects the plans that `auto_explain` sends as notices.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<Vec<String>>>);

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
pub struct Expect<'a> {
    pub name: &'a str,
    pub indexes: &'a [&'a str],
    pub sort: bool,
    pub rows_max: u64,
    /// Filled tables, which may not be scanned.
    pub tables: &'a [&'a str],
}

pub async fn check<T>(plans: &Plans, expect: &Expect<'_>, statement: impl Future<Output = T>) {
    let name = expect.name;
    plans.0.lock().unwrap().clear();
    statement.await;
    let plan = plans.0.lock().unwrap().concat();
    assert!(plan.contains("Query Text"), "{name}: no plan was reported");
    // `cargo test --test explain -- --nocapture` shows the plans.
    println!("{name}\n{plan}");
    let plan = plan.split_once("WHERE c.pipeline = 'chain'").map_or(plan.as_str(), |(_, p)| p);
    for table in expect.tables {
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

/// Fills a database and checks the plans of reads over it: generic ones, and those for the values at
/// hand.
pub async fn with_plans(fill: impl AsyncFn(PgPool), check_all: impl AsyncFn(&Plans, &Store)) {
    let plans = Plans::default();
    let subscriber = tracing_subscriber::registry().with(plans.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let database = TestDatabase::create().await;
    let pool = connect(&database, 2).await;
    fill(pool.clone()).await;
    run_sql(&pool, "VACUUM ANALYZE").await;
    pool.close().await;
    let pool = connect(&database, 1).await;
    report_plans(&pool).await;
    for mode in ["force_generic_plan", "force_custom_plan"] {
        run_sql(&pool, &format!("SET plan_cache_mode = {mode}")).await;
        check_all(&plans, &Store::from_pool(pool.clone()).unwrap()).await;
    }
    pool.close().await;
}

async fn connect(database: &TestDatabase, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).connect(&database.url).await.unwrap()
}

/// Has the pool's one connection report its plans.
async fn report_plans(pool: &PgPool) {
    run_sql(
        pool,
        "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
         SET auto_explain.log_level = notice; SET auto_explain.log_analyze = on;
         SET auto_explain.log_timing = off; SET auto_explain.log_buffers = off",
    )
    .await;
}
