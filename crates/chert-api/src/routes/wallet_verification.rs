//! Does the holder of a wallet's key agree that an identity links it?
//!
//! The text to sign follows from network, identity and wallet alone, so nothing is remembered
//! between the two requests (decision 0011). The API holds no key; it only verifies.

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use chert_store::entities::identity::query::{LinkState, find_link};
use chert_store::privacy::Closed;
use serde::{Deserialize, Serialize};
use silica_models::{Address, IdentityId};
use utoipa::ToSchema;

use super::text::Hex;
use crate::answer::{Answer, Freshness};
use crate::auth::keys::{AddressKind, Algorithm, PUBLIC_KEY_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::body;
use crate::cache;
use crate::error::{Kind, Problem};
use crate::params::Call;
use crate::state::ApiState;

/// Version of the text below; a text of another version is another message.
const CHALLENGE_VERSION: u8 = 1;
/// First line of the text: keeps its signatures apart from those over anything else.
const CHALLENGE_DOMAIN: &str = "Chert wallet link verification v1";
/// What stands for a chain id that the node does not give.
const CHAIN_UNKNOWN: &str = "-";
/// No algorithm has keys of that length.
const UNSUPPORTED_KEY: &str = "unsupported-key";

/// The text that the holder of a wallet signs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Challenge<'a> {
    /// Version of the text.
    #[schema(example = 1)]
    pub version: u8,
    /// The identity.
    #[schema(value_type = String,
             example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")]
    pub identity_id: Hex<'a>,
    /// The wallet, its hex in lower case.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub wallet_address: &'a str,
    /// Whether the registry links the two now.
    #[schema(example = true)]
    pub linked: bool,
    /// Sign exactly these bytes (UTF-8, lines end with a line feed, the last one too).
    #[schema(example = "Chert wallet link verification v1\nnetwork: testnet\nchain: 13371\n\
        identity: 8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00\n\
        wallet: 0xa9b36f133ee0c47100d08719689e1df65c12761a\n")]
    pub message: &'a str,
}

/// A wallet and, for a proof, a key and a signature over the challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// The wallet, any spelling.
    #[schema(max_length = 128, example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    wallet_address: String,
    /// Public key, hex; its length tells the algorithm: 32 bytes Ed25519, 1312 ML-DSA-44, 1952
    /// ML-DSA-65, 2592 ML-DSA-87. Together with `signature` or not at all.
    public_key: Option<String>,
    /// Signature over the challenge's message, hex.
    signature: Option<String>,
}

/// What is known of a wallet and an identity.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verification<'a> {
    /// The identity.
    #[schema(value_type = String)]
    pub identity_id: Hex<'a>,
    /// The registry's spelling where it is linked, else as asked.
    #[schema(example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")]
    pub wallet_address: &'a str,
    /// The registry links the two now.
    #[schema(example = true)]
    pub linked: bool,
    /// They are linked, and: the signature is good and of the wallet's key; without a signature:
    /// the node says that it verified the registry's proof.
    #[schema(example = true)]
    pub verified: bool,
    /// The registry's proof, hex; null where they are not linked.
    #[schema(value_type = Option<String>, example = "abcdef")]
    pub proof_signature: Option<Hex<'a>>,
    /// When the node verified the registry's proof, Unix seconds; null where it did not.
    #[schema(example = 1782800060)]
    pub verified_at: Option<i64>,
    /// Block of the link's last change; null where they are not linked.
    #[schema(example = 18390)]
    pub last_synced_block: Option<i64>,
    /// Why it is not verified, null where it is: `not-linked`, `not-verified-by-node`,
    /// `unsupported-key`, `unsupported-address`, `key-of-another-address`, `bad-signature`.
    #[schema(example = json!(null))]
    pub reason: Option<&'static str>,
}

/// The text to sign, as decision 0011 says. A name from a node cannot add a line to it.
fn challenge(network: &str, chain_id: &str, id: &IdentityId, wallet: &Address) -> String {
    let wallet = wallet.canonical();
    let network = network.replace(char::is_control, "");
    let chain_id = chain_id.replace(char::is_control, "");
    format!(
        "{CHALLENGE_DOMAIN}\nnetwork: {network}\nchain: {chain_id}\nidentity: {id}\n\
         wallet: {wallet}\n"
    )
}

/// The text on this server's network.
///
/// # Errors
/// 503 before a node was heard: a text for no network in particular would hold on all.
fn challenge_here(api: &ApiState, id: &IdentityId, wallet: &Address) -> Result<String, Problem> {
    let unknown = || {
        let detail = "No node has told its network yet; try again shortly.";
        Problem { retry_after_s: Some(1), ..Problem::new(Kind::Unavailable, detail) }
    };
    let (network, chain_id) = api.network().ok_or_else(unknown)?;
    Ok(challenge(&network, chain_id.as_deref().unwrap_or(CHAIN_UNKNOWN), id, wallet))
}

/// Why a key and a signature do not prove that a wallet's holder agrees; `None` where they do.
fn refute(
    wallet: &str,
    message: &str,
    public_key: &[u8],
    signature: &[u8],
) -> Option<&'static str> {
    let Some(algorithm) = Algorithm::of_key(public_key) else { return Some(UNSUPPORTED_KEY) };
    let Some(kind) = AddressKind::of(wallet) else { return Some("unsupported-address") };
    if !kind.address_of(public_key).eq_ignore_ascii_case(wallet) {
        return Some("key-of-another-address");
    }
    let good = signature.len() == algorithm.signature_bytes()
        && algorithm.verify(public_key, message.as_bytes(), signature);
    (!good).then_some("bad-signature")
}

/// [`refute`], where it does not hold up other requests.
async fn refute_apart(
    api: &ApiState,
    wallet: String,
    message: String,
    public_key: &[u8],
    signature: &[u8],
) -> Result<Option<&'static str>, Problem> {
    let Some(algorithm) = Algorithm::of_key(public_key) else { return Ok(Some(UNSUPPORTED_KEY)) };
    let (public_key, signature) = (public_key.to_vec(), signature.to_vec());
    let work = move || refute(&wallet, &message, &public_key, &signature);
    api.authentication().verifier().run(algorithm, work).await
}

/// The text to sign for a wallet.
///
/// Always the same for a network, an identity and a wallet, also before they are linked.
#[utoipa::path(
    get, path = "/v1/identity/{id}/wallets/{address}/challenge", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00"),
           ("address" = String, Path, description = "Wallet, any spelling", max_length = 128,
            example = "0xa9b36f133ee0c47100d08719689e1df65c12761a")),
    responses((status = 200, description = "The challenge", body = Challenge))
)]
pub async fn get_challenge(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    let wallet = address_of(call.second_segment())?;
    let load = async {
        let (checkpoint, link) = find_link(api.store().readers(), &id, wallet.key()).await?;
        let link = link.ok_or(Closed::Unknown)?;
        let view = Challenge {
            version: CHALLENGE_VERSION,
            identity_id: Hex(id.as_bytes()),
            wallet_address: &wallet.canonical(),
            linked: link.is_some(),
            message: &challenge_here(&api, &id, &wallet)?,
        };
        Answer::json(&checkpoint, Freshness::Revalidate, &view)
    };
    cache::pass_by(&call, load).await
}

/// Does this identity hold that wallet?
///
/// Without key and signature: what the registry links and the node verified. With both: whether
/// the signature over the challenge is good and of the key behind the wallet's address.
#[utoipa::path(
    post, path = "/v1/identity/{id}/wallets/verify", tag = "identity",
    params(("id" = String, Path, description = "Identity: 64 hex digits", max_length = 66,
            example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")),
    request_body = VerifyBody,
    responses((status = 200, description = "What is known", body = Verification))
)]
pub async fn verify_wallet(
    State(api): State<ApiState>,
    call: Call,
    body: Bytes,
) -> Result<Response, Problem> {
    call.params(&[])?;
    let id = call.identity_id()?;
    let body: VerifyBody = body::parse(&body)?;
    let wallet = address_of(&body.wallet_address)?;
    let proof = match (&body.public_key, &body.signature) {
        (None, None) => None,
        (Some(key), Some(signature)) => Some((
            body::hex_bytes("public_key", key, PUBLIC_KEY_BYTES_MAX)?,
            body::hex_bytes("signature", signature, SIGNATURE_BYTES_MAX)?,
        )),
        _ => return Err(Problem::invalid("public_key and signature belong together")),
    };
    let load = async {
        let (checkpoint, link) = find_link(api.store().readers(), &id, wallet.key()).await?;
        let link = link.ok_or(Closed::Unknown)?;
        let reason = match (&link, &proof) {
            (None, _) => Some("not-linked"),
            (Some(link), None) => link.verified_at.is_none().then_some("not-verified-by-node"),
            (Some(link), Some((key, signature))) => {
                let message = challenge_here(&api, &id, &wallet)?;
                refute_apart(&api, link.wallet_address.clone(), message, key, signature).await?
            }
        };
        let view = verification(&id, &wallet, link.as_ref(), reason);
        Answer::json(&checkpoint, Freshness::Never, &view)
    };
    cache::pass_by(&call, load).await
}

/// A wallet in a path or a body.
fn address_of(text: &str) -> Result<Address, Problem> {
    Address::parse(text).map_err(|e| Problem::invalid(e.to_string()))
}

fn verification<'a>(
    id: &'a IdentityId,
    wallet: &'a Address,
    link: Option<&'a LinkState>,
    reason: Option<&'static str>,
) -> Verification<'a> {
    Verification {
        identity_id: Hex(id.as_bytes()),
        wallet_address: link.map_or(wallet.as_str(), |l| &l.wallet_address),
        linked: link.is_some(),
        verified: reason.is_none(),
        proof_signature: link.map(|l| Hex(&l.proof_signature)),
        verified_at: link.and_then(|l| l.verified_at),
        last_synced_block: link.map(|l| l.last_synced_block),
        reason,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn the_text_of_the_decision() {
        let id = IdentityId([0xab; 32]);
        let wallet = Address::parse("0xA9B36F133EE0C47100D08719689E1DF65C12761A").unwrap();
        let expected = format!(
            "Chert wallet link verification v1\nnetwork: testnet\nchain: 13371\nidentity: {}\n\
             wallet: 0xa9b36f133ee0c47100d08719689e1df65c12761a\n",
            "ab".repeat(32)
        );
        assert_eq!(challenge("testnet", "13371", &id, &wallet), expected);
    }

    #[test]
    fn only_the_wallets_own_key_proves_it() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let public_key = key.verifying_key().to_bytes();
        let signature = key.sign(b"text").to_bytes();
        let account = AddressKind::Account.address_of(&public_key);
        let validator = AddressKind::Validator.address_of(&public_key);
        let upper = format!("0x{}", account[2..].to_uppercase());
        for wallet in [&account, &validator, &upper] {
            assert_eq!(refute(wallet, "text", &public_key, &signature), None, "{wallet}");
        }
        assert_eq!(refute(&account, "other", &public_key, &signature), Some("bad-signature"));
        assert_eq!(refute(&account, "text", &public_key, &[]), Some("bad-signature"));
        assert_eq!(refute(&account, "text", &[1; 31], &signature), Some("unsupported-key"));
        let named = refute("treasury_000", "text", &public_key, &signature);
        assert_eq!(named, Some("unsupported-address"));
        let other = "0xa9b36f133ee0c47100d08719689e1df65c12761a";
        let foreign = refute(other, "text", &public_key, &signature);
        assert_eq!(foreign, Some("key-of-another-address"));
    }
}
