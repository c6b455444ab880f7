//! `unwind(apply(x))` leaves every table as it was, for every entity at once.
#![expect(clippy::expect_used, reason = "a failure is the test's failure")]

use chert_devnet::{Chain, ChainConfig, Profile};
use chert_store::{BatchRows, Change, PoolSettings, Writer};
use chert_testkit::{TestDatabase, dump};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use silica_models::Block;

fn batch(chain: &Chain, heights: std::ops::RangeInclusive<u64>) -> BatchRows {
    let mut rows = BatchRows::default();
    for height in heights {
        let text = chain.block(height).expect("a block of the chain").to_string();
        let raw = serde_json::value::RawValue::from_string(text).expect("JSON");
        rows.add(&Block::parse(&raw).expect("a block")).expect("rows");
    }
    rows
}

async fn commit(writer: &mut Writer, unwind_to: Option<u64>, rows: &BatchRows) {
    let change = Change { unwind_to, rows, follow: true, allow_deep: true, now_s: 1 };
    writer.commit(&change).await.expect("a commit");
}

#[tokio::test]
async fn unwind_takes_back_exactly_what_apply_did() {
    for seed in 1..=4 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut profile =
            if rng.random_bool(0.5) { Profile::small() } else { Profile::realistic() };
        profile.odd_records = true;
        let block_time = std::time::Duration::from_secs(rng.random_range(60..4_000));
        let chain = Chain::new(ChainConfig {
            seed,
            history: 120,
            profile,
            block_time,
            ..Default::default()
        });
        let database = TestDatabase::create().await;
        let mut writer =
            Writer::open(&PoolSettings::new(&database.url), 12).await.expect("a writer");
        let mut states = Vec::new();
        let mut next = 0;
        while next < 40 {
            let last = next + rng.random_range(0..9);
            commit(&mut writer, None, &batch(&chain, next..=last)).await;
            states.push((last, dump::dump(&database.url).await.expect("a dump")));
            next = last + 1;
        }
        // Back, one state at a time or over several, and forward again to where it was.
        let end = states.pop().expect("a state");
        while let Some((height, before)) = states.pop() {
            commit(&mut writer, Some(height), &BatchRows::default()).await;
            assert_eq!(dump::dump(&database.url).await.expect("a dump"), before, "seed {seed}");
            if rng.random_bool(0.3) {
                states.pop();
            }
        }
        let height = u64::try_from(writer.checkpoint().height).expect("a block is stored");
        commit(&mut writer, None, &batch(&chain, height + 1..=end.0)).await;
        assert_eq!(dump::dump(&database.url).await.expect("a dump"), end.1, "seed {seed}");
        drop(writer);
        database.close().await.expect("closed");
    }
}
