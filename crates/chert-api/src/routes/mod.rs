//! The routes: one file per resource, each reading from the wire types to the handlers.

pub mod addresses;
pub mod block_transactions;
pub mod blocks;
pub mod health;
pub mod orphans;
pub mod search;
pub mod stats;
pub mod status;
pub mod text;
pub mod transactions;
pub mod web;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::openapi;
use crate::state::ApiState;

/// Every path of the API description, and the pages; labels of the HTTP metrics.
pub const PATHS: [&str; 21] = [
    "/v1/explorer/blocks",
    "/v1/explorer/block/{height}",
    "/v1/explorer/block/{height}/transactions",
    "/v1/explorer/transactions",
    "/v1/explorer/tx/{hash}",
    "/v1/explorer/address/{addr}/balance",
    "/v1/explorer/address/{addr}/history",
    "/v1/explorer/search",
    "/v1/explorer/stats",
    "/v1/explorer/orphans",
    "/v1/status",
    "/health",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/",
    "/app.js",
    "/style.css",
    "/docs",
    "/docs/",
    "/docs/{*rest}",
];

/// The documented routes, with their documentation.
pub(crate) fn documented() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(blocks::list_blocks))
        .routes(routes!(blocks::get_block))
        .routes(routes!(block_transactions::list_block_transactions))
        .routes(routes!(transactions::list_transactions))
        .routes(routes!(transactions::get_transaction))
        .routes(routes!(addresses::get_balance))
        .routes(routes!(addresses::list_history))
        .routes(routes!(search::search))
        .routes(routes!(stats::get_stats))
        .routes(routes!(orphans::list_orphans))
        .routes(routes!(status::get_status))
        .routes(routes!(health::get_health))
        .routes(routes!(health::get_readiness))
        .routes(routes!(health::get_metrics))
        .routes(routes!(web::get_openapi))
}

/// Every route, and the fallback.
pub(crate) fn router() -> Router<ApiState> {
    let (documented, _) = documented().split_for_parts();
    documented.merge(web::pages()).fallback(web::not_found)
}
