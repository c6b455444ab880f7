//! Wallets that an identity claims, and the bytes of the proofs.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use base64::{alphabet, engine};
use serde_json::Value;

use super::required_seconds;
use crate::fields::Fields;
use crate::stealth::bytes_of;
use crate::{Address, FormatError, parse_height};

/// Most wallets an identity links.
pub const WALLET_LINKS_MAX: usize = 32;
/// Longest name of a link type, in characters.
pub const LINK_TYPE_CHARS_MAX: usize = 32;
/// Longest proof, in bytes. An ML-DSA-87 signature has 4627 (contract §11 row 39); the rest is
/// room for an encoding around one.
pub const PROOF_BYTES_MAX: usize = 8_192;
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

pub(super) fn links(fields: &Fields<'_>, height: u64) -> Result<Vec<WalletLink>, FormatError> {
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
pub(super) fn proof_bytes(value: &Value) -> Result<Vec<u8>, FormatError> {
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
