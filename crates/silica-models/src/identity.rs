//! Identities as the node's registry states them (contract §2.11).

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{alphabet, engine};
use serde_json::Value;

use crate::fields::{Fields, json_of, parse_hex32};
use crate::stealth::bytes_of;
use crate::{Address, FormatError, parse_height, parse_u64};

/// Longest display name, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;
/// Longest bio, in characters.
pub const BIO_CHARS_MAX: usize = 280;
/// Most wallets an identity links.
pub const WALLET_LINKS_MAX: usize = 32;
/// Longest name of a link type, in characters.
pub const LINK_TYPE_CHARS_MAX: usize = 32;
/// Longest proof, in bytes. An ML-DSA-87 signature has 4627 (contract §11 row 39); the rest is
/// room for an encoding around one.
pub const PROOF_BYTES_MAX: usize = 8_192;
const ID_BYTES: usize = 32;
const KNOWN_LINK_TYPES: [&str; 5] = ["main", "mining", "staking", "trading", "governance"];
/// Both alphabets, padded or not: the contract does not say which base64.
const BASE64: [GeneralPurpose; 2] = {
    const TOLERANT: GeneralPurposeConfig = engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [
        GeneralPurpose::new(&alphabet::STANDARD, TOLERANT),
        GeneralPurpose::new(&alphabet::URL_SAFE, TOLERANT),
    ]
};

/// Id of an identity: 32 bytes, shown as lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityId(pub [u8; ID_BYTES]);

impl IdentityId {
    /// Reads 64 hex digits in either case, `0x` optional.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        parse_hex32("identity id", text).map(Self)
    }

    /// The bytes as stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A stored id; refused unless it has 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, FormatError> {
        bytes.try_into().map(Self).map_err(|_| FormatError::new("identity id", "must be 32 bytes"))
    }
}

impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who may see the figures of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Friends; nobody as long as there is no graph of friends (contract §11 row 40).
    FriendsOnly,
    /// Nobody but the owner.
    Private,
}

impl Visibility {
    /// The registry's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::FriendsOnly => "friends_only",
            Self::Private => "private",
        }
    }

    /// Reads the registry's word, without regard to case, `_` and `-`.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let folded: String =
            text.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect();
        match folded.as_str() {
            "public" => Ok(Self::Public),
            "friendsonly" => Ok(Self::FriendsOnly),
            "private" => Ok(Self::Private),
            _ => Err(FormatError::new(
                "stats_visibility",
                "must be one of public, friends_only, private",
            )),
        }
    }
}

/// A wallet that an identity claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletLink {
    /// The wallet in the registry's spelling.
    pub address: Address,
    /// `main`, `mining`, `staking`, `trading`, `governance`, or a name of the registry's own.
    pub link_type: String,
    /// The proof as bytes; what it proves is the node's to say (contract §11 row 38).
    pub proof_signature: Vec<u8>,
    /// Unix seconds.
    pub created_at: i64,
    /// When the node verified the proof, Unix seconds; absent means unverified.
    pub verified_at: Option<i64>,
    /// Block of the link's last change.
    pub height: u64,
}

/// One record of `identity_registryUpdates`: an identity as it was at a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    /// Who.
    pub identity_id: IdentityId,
    /// Trimmed, up to 64 characters.
    pub display_name: Option<String>,
    /// 32 bytes.
    pub avatar_hash: Option<[u8; 32]>,
    /// Up to 280 characters.
    pub bio: Option<String>,
    /// Private where the registry's word is missing or unknown.
    pub visibility: Visibility,
    /// Every wallet of the identity at this version, each once.
    pub links: Vec<WalletLink>,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// `updated_at_block`.
    pub height: u64,
    /// Counts the versions; 1 where the registry does not say.
    pub profile_version: u32,
}

impl IdentityRecord {
    /// Reads one element of `updates`. Refused are records that break a rule of the contract.
    pub fn parse(raw: &str) -> Result<Self, FormatError> {
        let value = json_of("identity", raw)?;
        let fields = Fields::of("identity", &value)?;
        let id = fields.required_line("identity_id", ID_BYTES * 2 + 2)?;
        let height = parse_height(fields.required("updated_at_block")?)?;
        Ok(Self {
            identity_id: IdentityId::parse(&id)?,
            display_name: display_name(&fields)?,
            avatar_hash: fields
                .text("avatar_hash", &["avatar_hash"], ID_BYTES * 2 + 2)?
                .map(|text| parse_hex32("avatar_hash", &text))
                .transpose()?,
            bio: bio(&fields)?,
            visibility: visibility(&fields),
            links: links(&fields, height)?,
            created_at: required_seconds(&fields, "created_at")?,
            updated_at: required_seconds(&fields, "updated_at")?,
            height,
            profile_version: match fields.get(&["profile_version"]) {
                None => 1,
                Some(value) => u32::try_from(parse_u64("profile_version", value)?)
                    .map_err(|_| FormatError::new("profile_version", "is above 2^32 − 1"))?,
            },
        })
    }
}

fn display_name(fields: &Fields<'_>) -> Result<Option<String>, FormatError> {
    // The limit counts what is left after trimming; the factor only bounds the work.
    let name = fields.text("display_name", &["display_name"], DISPLAY_NAME_CHARS_MAX * 16)?;
    let Some(name) = name.map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()) else {
        return Ok(None);
    };
    if name.chars().count() > DISPLAY_NAME_CHARS_MAX {
        return Err(FormatError::new("display_name", "must have at most 64 characters"));
    }
    if name.chars().any(char::is_control) {
        return Err(FormatError::new("display_name", "must not hold control characters"));
    }
    Ok(Some(name))
}

/// A bio may have lines.
fn bio(fields: &Fields<'_>) -> Result<Option<String>, FormatError> {
    let text = fields.text("bio", &["bio"], BIO_CHARS_MAX)?;
    let refused = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.as_ref().is_some_and(|t| t.chars().any(refused)) {
        return Err(FormatError::new("bio", "must not hold control characters"));
    }
    Ok(text)
}

/// A word that we do not know hides: refusing the record instead would leave an older, perhaps
/// public version in force.
fn visibility(fields: &Fields<'_>) -> Visibility {
    fields
        .get(&["stats_visibility", "visibility"])
        .and_then(Value::as_str)
        .and_then(|text| Visibility::parse(text).ok())
        .unwrap_or(Visibility::Private)
}

fn required_seconds(fields: &Fields<'_>, name: &'static str) -> Result<i64, FormatError> {
    fields.seconds(name, &[name])?.ok_or_else(|| FormatError::new(name, "is missing"))
}

fn links(fields: &Fields<'_>, height: u64) -> Result<Vec<WalletLink>, FormatError> {
    let Some(value) = fields.get(&["wallet_links"]) else { return Ok(Vec::new()) };
    let items =
        value.as_array().ok_or_else(|| FormatError::new("wallet_links", "must be a list"))?;
    if items.len() > WALLET_LINKS_MAX {
        return Err(FormatError::new("wallet_links", "must have at most 32 elements"));
    }
    let mut links = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for item in items {
        let link = link(item, height)?;
        // A set: a wallet named twice is linked once, as it is named first.
        if seen.insert(link.address.key()) {
            links.push(link);
        }
    }
    Ok(links)
}

fn link(value: &Value, record_height: u64) -> Result<WalletLink, FormatError> {
    let fields = Fields::of("wallet link", value)?;
    let address = fields.address("wallet_address", &["wallet_address", "address"])?;
    let proof = fields.required("proof_signature")?;
    Ok(WalletLink {
        address: address.ok_or_else(|| FormatError::new("wallet_address", "is missing"))?,
        link_type: link_type(&fields.required_line("link_type", LINK_TYPE_CHARS_MAX)?)?,
        proof_signature: proof_bytes(proof)?,
        created_at: required_seconds(&fields, "created_at")?,
        verified_at: fields.seconds("verified_at", &["verified_at"])?,
        height: fields.get(&["updated_at_block"]).map_or(Ok(record_height), parse_height)?,
    })
}

fn link_type(text: &str) -> Result<String, FormatError> {
    let name = text.trim();
    if name.is_empty() {
        return Err(FormatError::new("link_type", "must not be empty"));
    }
    let lower = name.to_lowercase();
    if lower == "primary" {
        return Ok("main".to_owned());
    }
    let known = KNOWN_LINK_TYPES.contains(&lower.as_str());
    Ok(if known { lower } else { name.to_owned() })
}

/// Hex (`0x` optional) before base64: every hex text of even length is base64, too, and hex is
/// what the registry's own examples use.
fn proof_bytes(value: &Value) -> Result<Vec<u8>, FormatError> {
    let bad = |reason: &str| FormatError::new("proof_signature", reason);
    let bytes = bytes_of(value)
        .or_else(|| {
            let text = value.as_str()?.trim();
            BASE64.iter().find_map(|engine| engine.decode(text).ok())
        })
        .ok_or_else(|| bad("must be hex or base64"))?;
    if bytes.is_empty() || bytes.len() > PROOF_BYTES_MAX {
        return Err(bad("must have 1 to 8192 bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn record(changes: Value) -> Value {
        let mut value = json!({
            "identity_id": "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00",
            "display_name": "quarry-42", "avatar_hash": null, "bio": "Folding since 2025",
            "stats_visibility": "public", "created_at": 1_782_800_000,
            "updated_at": 1_782_800_060, "updated_at_block": 18390, "profile_version": 2,
            "wallet_links": [{
                "wallet_address": "0xa9b36f133ee0c47100d08719689e1df65c12761a",
                "link_type": "main", "proof_signature": "0xabcdef",
                "created_at": 1_782_800_000, "verified_at": 1_782_800_060,
                "updated_at_block": 18390,
            }],
        });
        let members = changes.as_object().cloned().unwrap_or_default();
        value.as_object_mut().expect("object").extend(members);
        value
    }

    fn parse(changes: Value) -> Result<IdentityRecord, FormatError> {
        IdentityRecord::parse(&record(changes).to_string())
    }

    fn proof(text: &str) -> Result<Vec<u8>, FormatError> {
        proof_bytes(&json!(text))
    }

    #[test]
    fn the_contracts_record() {
        let parsed = parse(json!({})).expect("valid");
        assert_eq!(parsed.display_name.as_deref(), Some("quarry-42"));
        assert_eq!((parsed.height, parsed.profile_version), (18390, 2));
        let link = parsed.links.first().expect("a link");
        assert_eq!(link.proof_signature, [0xab, 0xcd, 0xef]);
        assert_eq!((link.link_type.as_str(), link.verified_at), ("main", Some(1_782_800_060)));
        assert!(parsed.identity_id.to_string().starts_with("8f14e45f"));
    }

    #[test]
    fn tolerances_and_what_hides() {
        let id = "0X8F14E45FCEEA167A5A36DEDD4BEA2543F1D2C3B4A5968778695A4B3C2D1E0F00";
        let parsed =
            parse(json!({"identity_id": id, "display_name": "  x  ", "wallet_links": null,
            "profile_version": null, "stats_visibility": "secret", "updated_at_block": "18390"}));
        let parsed = parsed.expect("valid");
        assert_eq!(parsed.display_name.as_deref(), Some("x"));
        assert_eq!((parsed.links.len(), parsed.profile_version), (0, 1));
        assert_eq!(parsed.visibility, Visibility::Private);
        let twice = json!([
            {"wallet_address": "0xAA", "link_type": "Primary", "proof_signature": "q80=",
             "created_at": 1},
            {"walletAddress": "0xaa", "linkType": "own", "proofSignature": "00", "createdAt": 2},
        ]);
        let parsed = parse(json!({"wallet_links": twice})).expect("valid");
        let link = parsed.links.first().expect("a link");
        assert_eq!((parsed.links.len(), link.link_type.as_str(), link.height), (1, "main", 18390));
    }

    #[test]
    fn proofs_in_hex_and_base64() {
        assert_eq!(proof("ABcd"), Ok(vec![0xab, 0xcd]));
        assert_eq!(proof("q83v"), Ok(vec![0xab, 0xcd, 0xef]));
        assert_eq!(proof("-_-_"), Ok(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(proof("q80="), proof("q80"));
        assert_eq!(proof(&"ab".repeat(4627)).map(|b| b.len()), Ok(4627));
        for bad in ["", "0x", "%%", &"ab".repeat(8193)] {
            assert!(proof(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        for bad in [
            json!({"identity_id": "8f14"}),
            json!({"display_name": "a\u{0}b"}),
            json!({"display_name": "x".repeat(65)}),
            json!({"bio": "x".repeat(281)}),
            json!({"wallet_links": [{}]}),
            json!({"wallet_links": vec![json!({}); 33]}),
            json!({"updated_at_block": null}),
            json!({"created_at": -1}),
            json!({"updated_at": u64::MAX}),
            json!({"profile_version": 1_u64 << 32}),
        ] {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
        assert!(IdentityRecord::parse("[]").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(key in "[a-z_]{1,20}", text in "\\PC{0,80}", number in any::<i64>()) {
            let _ = IdentityRecord::parse(&text);
            for key in [key.as_str(), "identity_id", "wallet_links", "created_at", "bio"] {
                let _ = parse(json!({key: text.clone()}));
                let _ = parse(json!({key: number}));
                let _ = parse(json!({"wallet_links": [{key: text.clone()}]}));
            }
        }
    }
}
