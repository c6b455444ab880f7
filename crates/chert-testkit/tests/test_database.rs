//! The databases of the tests, tested.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like tests")]

use std::time::Instant;

use chert_testkit::TestDatabase;
use sqlx::{Connection, PgConnection};

async fn tables(url: &str) -> i64 {
    let mut db = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut db)
        .await
        .unwrap()
}

#[tokio::test]
async fn databases_are_migrated_and_separate() {
    let first = TestDatabase::create().await;
    let started = Instant::now();
    let second = TestDatabase::create().await;
    println!("a database from the template took {:?}", started.elapsed());
    let empty = TestDatabase::create_empty().await;

    let mut db = PgConnection::connect(&first.url).await.unwrap();
    sqlx::query("CREATE TABLE only_here (x int)").execute(&mut db).await.unwrap();
    assert!(tables(&second.url).await > 0);
    assert_eq!(tables(&first.url).await, tables(&second.url).await + 1);
    assert_eq!(tables(&empty.url).await, 0);
}

#[tokio::test]
async fn parallel_creation_builds_one_template() {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        tasks.spawn(TestDatabase::create());
    }
    let databases = tasks.join_all().await;
    let mut db = PgConnection::connect(&databases[0].url).await.unwrap();
    let templates: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_database WHERE datname = 'chert_template_' || $1",
    )
    .bind(chert_migration::schema_digest())
    .fetch_one(&mut db)
    .await
    .unwrap();
    assert_eq!(templates, 1);
}

#[tokio::test]
async fn a_dropped_database_is_gone_even_with_connections_open() {
    let witness = TestDatabase::create_empty().await;
    let mut db = PgConnection::connect(&witness.url).await.unwrap();
    let dropped = TestDatabase::create_empty().await;
    let closed = TestDatabase::create_empty().await;
    let names = vec![dropped.name().to_owned(), closed.name().to_owned()];
    let _open = PgConnection::connect(&dropped.url).await.unwrap();

    drop(dropped);
    closed.close().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = ANY($1)")
        .bind(names)
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn terminate_connections_ends_those_of_this_database_only() {
    let victim = TestDatabase::create_empty().await;
    let other = TestDatabase::create_empty().await;
    let mut ended = PgConnection::connect(&victim.url).await.unwrap();
    let mut kept = PgConnection::connect(&other.url).await.unwrap();
    assert_eq!(victim.terminate_connections().await.unwrap(), 1);
    assert!(ended.ping().await.is_err());
    kept.ping().await.unwrap();
}
