//! What pages cost on a log of many rows, under the plans that PostgreSQL makes for any parameters.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::world::World;

/// 3,000 blocks of 10 transactions, each followed by 10 events of work.
const FILL: &str = "
    INSERT INTO blocks (height, hash, timestamp, timestamp_ms, tx_count, gas_used, gas_limit,
                        total_amount, total_fees)
    SELECT h, sha256(('b' || h)::bytea), 't', h * 1000, 10, 0, 0, 0, 0
    FROM generate_series(1, 3000) h;
    INSERT INTO transactions (pos, tx_id, tx_key, sender, recipient, amount, fee,
                              transaction_type, output_count)
    SELECT (h << 20) + i, decode(md5(h || '/' || i), 'hex'), h * 10 + i, 's' || h, 'whale', 5, 1,
           'transfer', 0
    FROM generate_series(1::bigint, 3000) h, generate_series(0, 9) i;
    INSERT INTO address_txs
    SELECT chert_address_key(sender), pos, 1, 5, NULL FROM transactions
    UNION ALL SELECT chert_address_key('whale'), pos, 0, NULL, 5 FROM transactions;
    INSERT INTO event_log (seq, type, height, hash, tx_count, created_at, spans)
    SELECT h * 21 - 9, 'block.applied', h, sha256(('b' || h)::bytea), 10, 1, 10
    FROM generate_series(1, 3000) h;
    INSERT INTO event_log (seq, type, created_at, address_key, data)
    SELECT h * 21 - 9 + i, 'work.validated', 1, chert_address_key('s' || h), '{}'
    FROM generate_series(1, 3000) h, generate_series(1, 10) i;
    ANALYZE blocks, transactions, address_txs, event_log;";

/// Pages of the database that a statement reads.
async fn buffers(db: &mut PgConnection, types: &str, sql: &str, values: &str) -> i64 {
    let prepare = format!("PREPARE q({types}) AS {sql}");
    sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *db).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE q({values})");
    let plan: serde_json::Value =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_one(&mut *db).await.unwrap();
    sqlx::raw_sql("DEALLOCATE q").execute(db).await.unwrap();
    let top = &plan[0]["Plan"];
    top["Shared Hit Blocks"].as_i64().unwrap() + top["Shared Read Blocks"].as_i64().unwrap()
}

#[tokio::test]
async fn pages_read_what_they_give_however_long_the_log_is() {
    let (world, _writer) = World::new().await;
    let mut db = PgConnection::connect(&world.url).await.unwrap();
    sqlx::raw_sql(FILL).execute(&mut db).await.unwrap();
    sqlx::raw_sql("SET plan_cache_mode = force_generic_plan; SET jit = off")
        .execute(&mut db)
        .await
        .unwrap();
    let numbers = include_str!("../../src/entities/event/numbers.sql");
    let party = include_str!("../../src/entities/event/party.sql");
    let next = include_str!("../../src/entities/event/next_party.sql");
    let of_party =
        |name: &str| format!("30000, 40000, chert_address_key('{name}'), '{{block.applied}}', 100");
    // The numbers of 100 events hold 5 blocks; the window of 10,000 holds 476.
    let page = buffers(&mut db, "bigint, bigint", numbers, "30000, 30100").await;
    let rare =
        buffers(&mut db, "bigint, bigint, uuid, text[], bigint", party, &of_party("s1500")).await;
    let busy =
        buffers(&mut db, "bigint, bigint, uuid, text[], bigint", party, &of_party("whale")).await;
    let jump = buffers(&mut db, "bigint, uuid", next, "100, chert_address_key('s2900')").await;
    println!("pages read: {page} for 100 numbers, {rare}, {busy} for a window, {jump} to jump");
    assert!(page < 250, "{page} pages for 100 numbers");
    assert!(rare < 5_000, "{rare} pages for a window with one transaction");
    assert!(busy < 25_000, "{busy} pages for a window of 4,760 transactions");
    assert!(jump < 50, "{jump} pages to jump over 2,800 blocks");
}
