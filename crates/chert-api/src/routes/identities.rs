//! Identities: profile, wallets, and what they did.
//!
//! The registry is public, so profile and wallets show every identity; its figures only where the
//! identity shows them.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::identity::link_row::Model;
use chert_store::entities::identity::query::{self, ProfileRow};
use chert_store::entities::identity::stats::get_identity_figures;
use chert_store::privacy::{Closed, Viewer};
use serde::Serialize;
use silica_models::IdentityId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::governance_stats::GovernanceStatsView;
use super::pouw_stats::PouwStatsView;
use super::text::Hex;
use crate::answer::{Answer, Freshness, now_ms};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::{Problem, ProblemBody};
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// An identity as the registry has it now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Profile<'a> {
    /// Its id.
    #[schema(value_type = String,
             example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")]
    pub identity_id: Hex<'a>,
    /// Its name, if it has one; not unique.
    #[schema(example = "quarry-42")]
    pub display_name: Option<&'a str>,
    /// Hash of its picture.
    #[schema(value_type = Option<String>)]
    pub avatar_hash: Option<Hex<'a>>,
    /// What it says of itself.
    #[schema(example = "Folding since 2025")]
    pub bio: Option<&'a str>,
    /// Who may see its figures: `public`, `friends_only` or `private`.
    #[schema(example = "public")]
    pub stats_visibility: &'a str,
    /// Wallets it links.
    #[schema(example = 1)]
    pub wallet_count: i32,
    /// Unix seconds.
    #[schema(example = 1782800000)]
    pub created_at: i64,
    /// Unix seconds.
    #[schema(example = 1782800060)]
    pub updated_at: i64,
    /// Block of the current version.
    #[schema(example = 18390)]
    pub last_synced_block: i64,
    /// The registry's count of versions; an update names it.
    #[schema(example = 2)]
    pub profile_version: i64,
    /// Identities that follow it.
    #[schema(example = 0)]
    pub followers_count: i64,
    /// Identities it follows.
    #[schema(example = 0)]
    pub following_count: i64,
}

impl<'a> Profile<'a> {
    fn new(row: &'a ProfileRow) -> Self {
        Self {
            identity_id: Hex(&row.identity_id),
            display_name: row.display_name.as_deref(),
            avatar_hash: row.avatar_hash.as_deref().map(Hex),
            bio: row.bio.as_deref(),
            stats_visibility: &row.stats_visibility,
            wallet_count: row.wallet_count,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_synced_block: row.last_synced_block,
            profile_version: row.profile_version,
            followers_count: row.followers_count,
            following_count: row.following_count,
        }
    }
}

/// A wallet that an identity links.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletItem<'a> {
    /// The registry's spelling.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub wallet_address: &'a str,
    /// `main`, `mining`, `staking`, `trading`, `governance`, or another name.
    #[schema(example = "main")]
    pub link_type: &'a str,
    /// The proof in the registry, hex. What it was made over is the registry's to say.
    #[schema(value_type = String, example = "abcdef")]
    pub proof_signature: Hex<'a>,
    /// Unix seconds.
    #[schema(example = 1782800000)]
    pub created_at: i64,
    /// When the node verified the proof, Unix seconds; null where it did not.
    #[schema(example = 1782800060)]
    pub verified_at: Option<i64>,
    /// Block of the link's last change.
    #[schema(example = 18390)]
    pub last_synced_block: i64,
}

impl<'a> WalletItem<'a> {
    fn new(row: &'a Model) -> Self {
        Self {
            wallet_address: &row.wallet_address,
            link_type: &row.link_type,
            proof_signature: Hex(&row.proof_signature),
            created_at: row.created_at,
            verified_at: row.verified_at,
            last_synced_block: row.last_synced_block,
        }
    }
}

/// A page of an identity's wallets.
#[derive(Debug, Serialize, ToSchema)]
pub struct WalletList<'a> {
    /// Newest first.
    pub items: Vec<WalletItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What an identity did, where it shows that.
#[derive(Debug, Serialize, ToSchema)]
pub struct IdentityStats<'a> {
    /// The identity.
    #[schema(value_type = String)]
    pub identity_id: Hex<'a>,
    /// Useful work, as `/v1/pouw/stats`.
    pub pouw: PouwStatsView<'a>,
    /// Governance, as `/v1/governance/stats`.
    pub governance: GovernanceStatsView<'a>,
}

/// Profile of an identity.
///
/// The registry's current version; the registry is public, so every identity is shown.
#[utoipa::path(
    get, path = "/v1/identity/{id}", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")),
    responses((status = 200, description = "The profile", body = Profile))
)]
pub async fn get_identity(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    let load = async {
        let (checkpoint, row) = query::find_profile(api.store().readers(), &id).await?;
        let row = row.ok_or(Closed::Unknown)?;
        Answer::json(&checkpoint, Freshness::Revalidate, &Profile::new(&row))
    };
    cache::pass_by(&call, load).await
}

/// Wallets of an identity.
///
/// The current links, newest first; 32 at most.
#[utoipa::path(
    get, path = "/v1/identity/{id}/wallets", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00"),
           PageParams),
    responses((status = 200, description = "A page of the wallets", body = WalletList))
)]
pub async fn list_wallets(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["limit", "cursor", "offset"])?;
    let id = call.identity_id()?;
    let page = params.page(List::Wallets, scope_of(&id))?;
    cache::pass_by(&call, load_wallets(&api, id, page)).await
}

/// Binds cursors to the identity they came from.
fn scope_of(id: &IdentityId) -> u32 {
    let [a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d])
}

async fn load_wallets(api: &ApiState, id: IdentityId, page: Page) -> Result<Answer, Problem> {
    let rows_max = u64::from(page.limit) + 1;
    let (after, offset) = match &page.start {
        Start::Offset(offset) => (None, *offset),
        Start::After(cursor) => {
            let key = Uuid::from_slice(&cursor.tail).map_err(Problem::internal)?;
            (Some((cursor.position, key)), 0)
        }
    };
    let (checkpoint, rows) = query::list_wallets(api.store(), &id, after, offset, rows_max).await?;
    let rows = rows.ok_or(Closed::Unknown)?;
    let (rows, next_cursor) = page.cut(&rows, |row: &Model| Cursor {
        list: List::Wallets,
        scope: scope_of(&id),
        position: row.created_at,
        tail: row.wallet_key.as_bytes().to_vec(),
    });
    let list = WalletList { items: rows.iter().map(WalletItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}

/// What an identity did.
///
/// Useful work and governance in one answer; 403 where the identity does not show it.
#[utoipa::path(
    get, path = "/v1/identity/{id}/stats", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")),
    responses(
        (status = 200, description = "The figures", body = IdentityStats),
        (status = 403, description = "The identity does not show them", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn get_identity_stats(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    cache::pass_by(&call, load_stats(&api, id, call.viewer())).await
}

async fn load_stats(api: &ApiState, id: IdentityId, viewer: Viewer) -> Result<Answer, Problem> {
    let now_s = now_ms().div_euclid(1000);
    let (checkpoint, stats) = get_identity_figures(api.store(), &id, now_s).await?;
    let (pouw, governance) = stats.open(viewer)?;
    let view = IdentityStats {
        identity_id: Hex(id.as_bytes()),
        pouw: PouwStatsView::new(&id, &pouw)?,
        governance: GovernanceStatsView::new(&id, &governance),
    };
    Answer::json(&checkpoint, Freshness::Revalidate, &view)
}
