//! The routes: one file per resource, each reading from the wire types to the handlers.

pub mod addresses;
pub mod alerts;
pub mod block_transactions;
pub mod blocks;
pub mod event_stream;
pub mod events;
pub mod governance_power;
pub mod governance_stats;
pub mod health;
pub mod identities;
pub mod identity_search;
pub mod orphans;
pub mod pouw_history;
pub mod pouw_leaderboard;
pub mod pouw_network;
pub mod pouw_oracles;
pub mod pouw_stats;
pub mod pouw_submissions;
pub mod profile_updates;
pub mod proposals;
pub mod search;
pub mod stats;
pub mod status;
pub mod text;
pub mod transactions;
pub mod votes;
pub mod wallet_verification;
pub mod web;

use axum::Router;
use axum::routing::post;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::ApiState;
use crate::{jsonrpc, openapi};

/// Every path of the API description, and the pages; labels of the HTTP metrics.
pub const PATHS: [&str; 47] = [
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
    "/v1/identity",
    "/v1/identity/{id}",
    "/v1/identity/{id}/wallets",
    "/v1/identity/{id}/stats",
    "/v1/identity/search",
    "/v1/identity/{id}/wallets/{address}/challenge",
    "/v1/identity/{id}/wallets/verify",
    "/v1/governance/proposals",
    "/v1/governance/proposals/{id}",
    "/v1/governance/proposals/{id}/votes",
    "/v1/governance/stats/{identity_id}",
    "/v1/governance/power/{identity_id}",
    "/v1/pouw/stats/{identity_id}",
    "/v1/pouw/leaderboard",
    "/v1/pouw/leaderboard/around/{identity_id}",
    "/v1/pouw/history/{identity_id}",
    "/v1/pouw/series/{identity_id}",
    "/v1/pouw/submissions/{submission_id}",
    "/v1/pouw/oracles",
    "/v1/pouw/oracle/{oracle_id}/performance",
    "/v1/pouw/projects",
    "/v1/pouw/network",
    "/v1/events",
    "/v1/events/stream",
    "/v1/status",
    "/jsonrpc",
    "/alerts",
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
        .routes(routes!(profile_updates::create_identity))
        .routes(routes!(
            identities::get_identity,
            profile_updates::update_identity,
            profile_updates::delete_identity
        ))
        .routes(routes!(identities::list_wallets))
        .routes(routes!(identities::get_identity_stats))
        .routes(routes!(identity_search::search_identities))
        .routes(routes!(wallet_verification::get_challenge))
        .routes(routes!(wallet_verification::verify_wallet))
        .routes(routes!(proposals::list_proposals))
        .routes(routes!(proposals::get_proposal))
        .routes(routes!(votes::list_votes))
        .routes(routes!(governance_stats::get_stats))
        .routes(routes!(governance_power::get_power))
        .routes(routes!(pouw_stats::get_pouw_stats))
        .routes(routes!(pouw_leaderboard::get_leaderboard))
        .routes(routes!(pouw_leaderboard::get_leaderboard_around))
        .routes(routes!(pouw_history::list_pouw_history))
        .routes(routes!(pouw_history::list_pouw_series))
        .routes(routes!(pouw_submissions::get_submission))
        .routes(routes!(pouw_oracles::list_oracles))
        .routes(routes!(pouw_oracles::get_oracle_performance))
        .routes(routes!(pouw_network::list_projects))
        .routes(routes!(pouw_network::get_network))
        .routes(routes!(events::list_events))
        .routes(routes!(event_stream::stream_events))
        .routes(routes!(status::get_status))
        .routes(routes!(jsonrpc::post_jsonrpc))
        .routes(routes!(alerts::get_alerts))
        .routes(routes!(health::get_health))
        .routes(routes!(health::get_readiness))
        .routes(routes!(health::get_metrics))
        .routes(routes!(web::get_openapi))
}

/// Every route, and the fallback.
pub(crate) fn router() -> Router<ApiState> {
    let (documented, _) = documented().split_for_parts();
    // The node's clients post to either path (contract §1.1).
    let root = Router::new().route("/", post(jsonrpc::post_jsonrpc));
    documented.merge(web::pages()).merge(root).fallback(web::not_found)
}
