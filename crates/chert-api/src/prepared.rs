//! The one form of a profile update, and what is signed of it (decision 0012).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sha3::{Digest, Sha3_256};
use silica_models::{IdentityId, IdentityRecord};

/// Stands before the canonical text in what is signed, so that it is nothing else.
const UPDATE_DOMAIN: &[u8] = b"CHERT_IDENTITY_UPDATE_V1";

/// A profile update.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// `create`, `update` or `delete`.
    pub action: &'static str,
    /// Of the network, where it has one.
    pub chain_id: Option<&'a str>,
    /// Whose.
    pub id: &'a IdentityId,
    /// Where it is to hold.
    pub network: &'a str,
    /// What it builds on; none for a new identity.
    pub previous_version: Option<u32>,
    /// The whole profile; none where it is deleted.
    pub profile: Option<&'a IdentityRecord>,
    /// What it makes.
    pub profile_version: u32,
}

/// Fields in alphabetical order, absent values as null: RFC 8785 needs no more for texts and
/// integers, and the text is the same however a draft was spelled.
#[derive(Serialize)]
struct CanonicalUpdate<'a> {
    action: &'static str,
    chain: Option<&'a str>,
    identity_id: String,
    network: &'a str,
    previous_version: Option<u32>,
    profile: Option<CanonicalProfile<'a>>,
    profile_version: u32,
}

#[derive(Serialize)]
struct CanonicalProfile<'a> {
    avatar_hash: Option<String>,
    bio: Option<&'a str>,
    display_name: Option<&'a str>,
    stats_visibility: &'static str,
    wallet_links: Vec<CanonicalLink<'a>>,
}

#[derive(Serialize)]
struct CanonicalLink<'a> {
    link_type: &'a str,
    proof_signature: String,
    wallet_address: &'a str,
}

impl<'a> CanonicalProfile<'a> {
    fn new(record: &'a IdentityRecord) -> Self {
        let links = record.links.iter().map(|link| CanonicalLink {
            link_type: &link.link_type,
            proof_signature: hex::encode(&link.proof_signature),
            wallet_address: link.address.as_str(),
        });
        Self {
            avatar_hash: record.avatar_hash.map(hex::encode),
            bio: record.bio.as_deref(),
            display_name: record.display_name.as_deref(),
            stats_visibility: record.visibility.as_str(),
            wallet_links: links.collect(),
        }
    }
}

impl Update<'_> {
    /// The canonical JSON text.
    pub fn canonical(&self) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(&CanonicalUpdate {
            action: self.action,
            chain: self.chain_id,
            identity_id: self.id.to_string(),
            network: self.network,
            previous_version: self.previous_version,
            profile: self.profile.map(CanonicalProfile::new),
            profile_version: self.profile_version,
        })
    }
}

/// The bytes that are signed: the domain and the canonical text.
pub fn bytes_to_sign(canonical: &RawValue) -> Vec<u8> {
    [UPDATE_DOMAIN, canonical.get().as_bytes()].concat()
}

/// SHA3-256 in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha3_256::digest(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The example of decision 0012; its digest was computed with Python's hashlib.
    #[test]
    fn the_example_of_the_decision() {
        let record = IdentityRecord::parse(
            r#"{"identity_id":"0X8F14E45FCEEA167A5A36DEDD4BEA2543F1D2C3B4A5968778695A4B3C2D1E0F00",
                "display_name":" quarry \"42\" ","bio":"Folding\nsince 2025",
                "stats_visibility":"Friends-Only","created_at":0,"updated_at":0,
                "updated_at_block":0,"wallet_links":[{"wallet_address":
                "0xa9b36f133ee0c47100d08719689e1df65c12761a","link_type":"primary",
                "proof_signature":"q83v","created_at":0}]}"#,
        )
        .unwrap();
        let update = Update {
            action: "update",
            chain_id: Some("13371"),
            id: &record.identity_id,
            network: "testnet",
            previous_version: Some(2),
            profile: Some(&record),
            profile_version: 3,
        };
        let canonical = update.canonical().unwrap();
        assert_eq!(
            canonical.get(),
            concat!(
                r#"{"action":"update","chain":"13371","identity_id":"#,
                r#""8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00","#,
                r#""network":"testnet","previous_version":2,"profile":{"avatar_hash":null,"#,
                r#""bio":"Folding\nsince 2025","display_name":"quarry \"42\"","#,
                r#""stats_visibility":"friends_only","wallet_links":[{"link_type":"main","#,
                r#""proof_signature":"abcdef","#,
                r#""wallet_address":"0xa9b36f133ee0c47100d08719689e1df65c12761a"}]},"#,
                r#""profile_version":3}"#
            )
        );
        let bytes = bytes_to_sign(&canonical);
        assert_eq!(
            digest(&bytes),
            "02bae6cbe72ec2c0b7b85279521d80cb5c79bfef8834f81f14830aefa6fbf1bb"
        );
    }
}
