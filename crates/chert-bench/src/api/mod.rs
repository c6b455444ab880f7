//! Reading: cached and uncached endpoints, busy addresses, growth, mixed load.

mod addresses;
mod cached;
mod data;
mod growth;
mod mixed;
mod overload;
mod signed;
mod tabs;
pub(crate) mod uncached;

use crate::bench::Bench;
use data::Data;

/// Names of the results.
pub(crate) const NAMES: [&str; 19] = [
    "api.cached",
    "api.block",
    "api.transaction",
    "api.history",
    "api.busiest",
    "api.deep_page",
    "api.overload",
    "api.signed_ed25519",
    "api.signed_ml_dsa_44",
    "api.signed_ml_dsa_65",
    "api.signed_ml_dsa_87",
    "api.explorer_tabs",
    "api.growth_block",
    "api.growth_transaction",
    "api.growth_history",
    "api.growth_memory",
    "api.mixed_idle",
    "api.mixed_backfill",
    "api.mixed_reorg",
];

/// Measures what is asked for.
pub(crate) async fn run(bench: &mut Bench) -> anyhow::Result<()> {
    let small = Data::load(bench, "small", bench.scale.api_blocks).await?;
    if bench.wants("api.cached") {
        cached::run(bench, &small).await?;
    }
    if bench.wants_any(&["api.block", "api.transaction", "api.history"]) {
        uncached::run(bench, &small).await?;
    }
    if bench.wants_any(&["api.busiest", "api.deep_page"]) {
        addresses::run(bench, &small).await?;
    }
    if bench.wants("api.overload") {
        overload::run(bench, &small).await?;
    }
    if NAMES.iter().any(|name| name.starts_with("api.signed") && bench.wants(name)) {
        signed::run(bench, &small).await?;
    }
    if bench.wants("api.explorer_tabs") {
        tabs::run(bench, &small).await?;
    }
    let wants_large = NAMES
        .iter()
        .any(|name| bench.wants(name) && (name.contains("growth") || name.contains("mixed")));
    let large = match bench.scale.large_blocks.filter(|_| wants_large) {
        Some(blocks) => Some(Data::load(bench, "large", blocks).await?),
        None => None,
    };
    if let Some(large) = &large
        && NAMES.iter().any(|name| name.contains("growth") && bench.wants(name))
    {
        growth::run(bench, &small, large).await?;
    }
    // Last, because it writes.
    if NAMES.iter().any(|name| name.contains("mixed") && bench.wants(name)) {
        mixed::run(bench, large.as_ref().unwrap_or(&small)).await?;
    }
    for data in large.iter().chain([&small]) {
        bench.postgres.drop(&data.name).await?;
    }
    Ok(())
}
