//! The key of an address is the same in SQL and in Rust.
#![allow(clippy::unwrap_used, reason = "tests")]

use chert_testkit::TestDatabase;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use silica_models::Address;
use sqlx::{Connection, PgConnection};

const CASES: usize = 200;

#[tokio::test]
async fn sql_and_rust_agree() {
    let database = TestDatabase::create().await;
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    let any = prop_oneof![
        "\\PC{1,60}",
        "0[xX][0-9a-fA-F]{0,40}",
        "VAL[0-9a-fA-Fg]{0,40}",
        "[a-zA-Z0-9_]{1,64}",
        "0x[0-9A-F]{1,10}\u{e9}?",
    ];
    let mut runner = TestRunner::deterministic();
    let mut texts: Vec<String> =
        ["0x", "VAL", "0X12AB", "VALabCD", "0xABcd"].map(str::to_owned).to_vec();
    while texts.len() < CASES {
        texts.push(any.new_tree(&mut runner).unwrap().current());
    }
    for text in texts {
        let Ok(address) = Address::parse(&text) else { continue };
        let sql: String = sqlx::query_scalar("SELECT chert_address_key($1)::text")
            .bind(&text)
            .fetch_one(&mut db)
            .await
            .unwrap();
        assert_eq!(sql, address.key().to_uuid().to_string(), "{text:?}");
    }
    db.close().await.unwrap();
}
