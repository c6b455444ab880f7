//! Identities, governance and useful work: reads against pgbench of the same SQL, search, boards,
//! taking in feeds, hiding.

mod boards;
mod feed;
mod load;
mod reads;
mod search;
mod work_items;

use crate::bench::Bench;
use load::People;

/// Names of the results.
pub(crate) const NAMES: [&str; 11] = [
    "people.leaderboard",
    "people.pouw_stats",
    "people.history",
    "people.proposal",
    "people.votes",
    "people.search",
    "people.search_rate",
    "people.refresh",
    "people.refresh_live",
    "people.hide",
    "people.feed_ingest",
];

/// Measures what is asked for.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let people = People::load(bench).await?;
    bench.postgres.warm(&people.name).await?;
    if bench.wants_any(&reads::NAMES) {
        reads::run(bench, &people).await?;
    }
    if bench.wants_any(&["people.search", "people.search_rate"]) {
        search::run(bench, &people).await?;
    }
    // From here on they write.
    if bench.wants("people.refresh") {
        boards::refresh(bench, &people).await?;
    }
    if bench.wants("people.refresh_live") {
        boards::live(bench, &people).await?;
    }
    if bench.wants("people.hide") {
        boards::hide(bench, &people).await?;
    }
    if bench.wants("people.feed_ingest") {
        feed::run(bench, &people).await?;
    }
    bench.postgres.drop(&people.name).await
}
