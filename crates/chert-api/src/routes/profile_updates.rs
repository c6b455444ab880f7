//! Profile updates, prepared for signing.
//!
//! The API holds no key and submits nothing: it checks a draft by the registry's rules, says what
//! the update is in its one canonical form, and what to sign (decision 0012). The client signs and
//! sends it to a node.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chert_store::Checkpoint;
use chert_store::entities::identity::query::{ProfileRow, find_profile};
use chert_store::privacy::Closed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use silica_models::{IdentityId, IdentityRecord, Visibility};
use utoipa::ToSchema;

use crate::answer::{Answer, Freshness};
use crate::body;
use crate::cache;
use crate::error::{Kind, Problem, ProblemBody};
use crate::params::Call;
use crate::prepared;
use crate::state::ApiState;

/// Visibility of a new identity that names none.
const VISIBILITY_DEFAULT: &str = "private";

/// A wallet in a draft.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkDraft {
    /// The wallet.
    #[schema(max_length = 128, example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    wallet_address: String,
    /// `main`, `mining`, `staking`, `trading`, `governance`, or another name.
    #[schema(max_length = 32, example = "main")]
    link_type: String,
    /// Hex or base64; a signature over the wallet's challenge, for one.
    #[schema(example = "abcdef")]
    proof_signature: String,
}

/// A new identity.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateBody {
    /// Its id: 32 bytes in hex that no identity has yet.
    #[schema(example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")]
    identity_id: String,
    /// Up to 64 characters.
    #[schema(example = "quarry-42")]
    display_name: Option<String>,
    /// 32 bytes in hex.
    avatar_hash: Option<String>,
    /// Up to 280 characters.
    #[schema(example = "Folding since 2025")]
    bio: Option<String>,
    /// `public`, `friends_only` or `private` (where absent).
    #[schema(example = "public")]
    stats_visibility: Option<String>,
    /// Up to 32 wallets.
    #[serde(default)]
    wallet_links: Vec<LinkDraft>,
}

/// Everything an identity is to be from now on; what is absent is removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateBody {
    /// The version that this draft builds on: the profile's current one.
    #[schema(example = 2)]
    profile_version: u32,
    /// Up to 64 characters.
    #[schema(example = "quarry-42")]
    display_name: Option<String>,
    /// 32 bytes in hex.
    avatar_hash: Option<String>,
    /// Up to 280 characters.
    bio: Option<String>,
    /// `public`, `friends_only` or `private`.
    #[schema(example = "public")]
    stats_visibility: String,
    /// All wallets, up to 32: those not named here are unlinked.
    wallet_links: Vec<LinkDraft>,
}

/// Which version is to be deleted; may be given as a query parameter instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteBody {
    /// The profile's current version.
    #[schema(example = 2)]
    profile_version: u32,
}

/// An update that is ready to be signed. Nothing was submitted.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreparedUpdate<'a> {
    /// `create`, `update` or `delete`.
    #[schema(example = "update")]
    pub action: &'static str,
    /// The identity.
    #[schema(example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")]
    pub identity_id: &'a str,
    /// The version it builds on; null for a new identity.
    #[schema(example = 2)]
    pub previous_version: Option<u32>,
    /// The version it makes.
    #[schema(example = 3)]
    pub profile_version: u32,
    /// The canonical update.
    #[schema(value_type = Object)]
    pub update: &'a RawValue,
    /// Hex of the bytes to sign: `CHERT_IDENTITY_UPDATE_V1` and the canonical update's JSON text.
    pub bytes_to_sign: String,
    /// SHA3-256 of those bytes, hex.
    pub digest: String,
    /// Always false: this API submits nothing.
    #[schema(example = false)]
    pub submitted: bool,
}

/// What a client wants an identity to be.
struct Draft<'a> {
    display_name: Option<&'a str>,
    avatar_hash: Option<&'a str>,
    bio: Option<&'a str>,
    stats_visibility: &'a str,
    wallet_links: &'a [LinkDraft],
}

impl Draft<'_> {
    /// Reads the draft as the node's own record would be read, so that the rules are the same; but
    /// refuses what is forgiven there.
    fn check(&self, id: &IdentityId) -> Result<IdentityRecord, Problem> {
        Visibility::parse(self.stats_visibility).map_err(|e| Problem::invalid(e.to_string()))?;
        let links: Vec<_> = self
            .wallet_links
            .iter()
            .map(|link| {
                json!({
                    "wallet_address": link.wallet_address, "link_type": link.link_type,
                    "proof_signature": link.proof_signature, "created_at": 0,
                })
            })
            .collect();
        let record = json!({
            "identity_id": id.to_string(), "display_name": self.display_name,
            "avatar_hash": self.avatar_hash, "bio": self.bio,
            "stats_visibility": self.stats_visibility, "wallet_links": links,
            "created_at": 0, "updated_at": 0, "updated_at_block": 0,
        });
        let record = IdentityRecord::parse(&record.to_string())
            .map_err(|e| Problem::invalid(e.to_string()))?;
        if record.links.len() < self.wallet_links.len() {
            return Err(Problem::invalid("wallet_links: names a wallet twice"));
        }
        Ok(record)
    }
}

/// What is to be done, to whom, on top of what.
struct Step<'a> {
    action: &'static str,
    id: &'a IdentityId,
    previous_version: Option<u32>,
    profile: Option<&'a IdentityRecord>,
}

impl Step<'_> {
    /// The finished answer.
    fn prepare(&self, api: &ApiState, checkpoint: &Checkpoint) -> Result<Answer, Problem> {
        let (network, chain_id) = api.network().ok_or_else(|| {
            let detail = "No node has told its network yet; try again shortly.";
            Problem { retry_after_s: Some(1), ..Problem::new(Kind::Unavailable, detail) }
        })?;
        let identity_id = self.id.to_string();
        let profile_version =
            self.previous_version.unwrap_or(0).checked_add(1).ok_or_else(|| {
                Problem::invalid("profile_version: there is no version after this one")
            })?;
        let update = prepared::Update {
            action: self.action,
            chain_id: chain_id.as_deref(),
            id: self.id,
            network: &network,
            previous_version: self.previous_version,
            profile: self.profile,
            profile_version,
        };
        let update = update.canonical().map_err(Problem::internal)?;
        let bytes = prepared::bytes_to_sign(&update);
        let view = PreparedUpdate {
            action: self.action,
            identity_id: &identity_id,
            previous_version: self.previous_version,
            profile_version,
            update: &update,
            digest: prepared::digest(&bytes),
            bytes_to_sign: hex::encode(bytes),
            submitted: false,
        };
        Answer::json(checkpoint, Freshness::Never, &view)
    }
}

fn conflict(row: &ProfileRow) -> Problem {
    let detail = format!(
        "The identity is at profile_version {}; read the profile again and build on that.",
        row.profile_version
    );
    Problem::new(Kind::VersionConflict, detail)
}

/// The current profile, if it is at the version that the request builds on.
async fn profile_at(api: &ApiState, id: &IdentityId, version: u32) -> Result<Checkpoint, Problem> {
    let (checkpoint, row) = find_profile(api.store().readers(), id).await?;
    let row = row.ok_or(Closed::Unknown)?;
    if row.profile_version == i64::from(version) { Ok(checkpoint) } else { Err(conflict(&row)) }
}

/// Prepare a new identity.
///
/// Checks the draft by the registry's rules and says what to sign. Nothing is submitted: this API
/// holds no key.
#[utoipa::path(
    post, path = "/v1/identity", tag = "identity", request_body = CreateBody,
    responses(
        (status = 200, description = "Ready to be signed", body = PreparedUpdate),
        (status = 409, description = "There is such an identity", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn create_identity(
    State(api): State<ApiState>,
    call: Call,
    body: Bytes,
) -> Result<Response, Problem> {
    call.params(&[])?;
    let body: CreateBody = body::parse(&body)?;
    let id = IdentityId::parse(&body.identity_id).map_err(|e| Problem::invalid(e.to_string()))?;
    let draft = Draft {
        display_name: body.display_name.as_deref(),
        avatar_hash: body.avatar_hash.as_deref(),
        bio: body.bio.as_deref(),
        stats_visibility: body.stats_visibility.as_deref().unwrap_or(VISIBILITY_DEFAULT),
        wallet_links: &body.wallet_links,
    };
    let record = draft.check(&id)?;
    let load = async {
        let (checkpoint, row) = find_profile(api.store().readers(), &id).await?;
        if let Some(row) = row {
            return Err(conflict(&row));
        }
        let step =
            Step { action: "create", id: &id, previous_version: None, profile: Some(&record) };
        step.prepare(&api, &checkpoint)
    };
    cache::pass_by(&call, load).await
}

/// Prepare an update of a profile.
///
/// The draft replaces the whole profile, links included. Nothing is submitted.
#[utoipa::path(
    put, path = "/v1/identity/{id}", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")),
    request_body = UpdateBody,
    responses(
        (status = 200, description = "Ready to be signed", body = PreparedUpdate),
        (status = 409, description = "Not the current version", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn update_identity(
    State(api): State<ApiState>,
    call: Call,
    body: Bytes,
) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    let body: UpdateBody = body::parse(&body)?;
    let draft = Draft {
        display_name: body.display_name.as_deref(),
        avatar_hash: body.avatar_hash.as_deref(),
        bio: body.bio.as_deref(),
        stats_visibility: &body.stats_visibility,
        wallet_links: &body.wallet_links,
    };
    let record = draft.check(&id)?;
    let load = async {
        let checkpoint = profile_at(&api, &id, body.profile_version).await?;
        let previous_version = Some(body.profile_version);
        let step = Step { action: "update", id: &id, previous_version, profile: Some(&record) };
        step.prepare(&api, &checkpoint)
    };
    cache::pass_by(&call, load).await
}

/// Prepare the deletion of an identity.
///
/// The version stands in the query or in a body. Nothing is submitted.
#[utoipa::path(
    delete, path = "/v1/identity/{id}", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00"),
           ("profile_version" = Option<u32>, Query, description = "The profile's current version",
            example = 2)),
    request_body(content = Option<DeleteBody>, description = "Instead of the parameter"),
    responses(
        (status = 200, description = "Ready to be signed", body = PreparedUpdate),
        (status = 409, description = "Not the current version", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub async fn delete_identity(
    State(api): State<ApiState>,
    call: Call,
    body: Bytes,
) -> Result<Response, Problem> {
    let params = call.params(&["profile_version"])?;
    let id = call.identity_id()?;
    let version = match (params.integer("profile_version", 0, u32::MAX)?, body.is_empty()) {
        (Some(version), true) => version,
        (None, false) => body::parse::<DeleteBody>(&body)?.profile_version,
        (Some(_), false) => {
            return Err(Problem::invalid("profile_version stands in the query or in the body"));
        }
        (None, true) => return Err(Problem::invalid("profile_version is missing")),
    };
    let load = async {
        let checkpoint = profile_at(&api, &id, version).await?;
        let previous_version = Some(version);
        let step = Step { action: "delete", id: &id, previous_version, profile: None };
        step.prepare(&api, &checkpoint)
    };
    cache::pass_by(&call, load).await
}
