//! Identities as the node's registry states them (contract §2.11).

mod link;

use std::fmt;

use serde_json::Value;

use link::links;
pub use link::{LINK_TYPE_CHARS_MAX, PROOF_BYTES_MAX, WALLET_LINKS_MAX, WalletLink};

use crate::fields::{Fields, json_of, parse_hex32};
use crate::{FormatError, parse_height, parse_u64};

/// Longest display name, in characters.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;
/// Longest bio, in characters.
pub const BIO_CHARS_MAX: usize = 280;
const ID_BYTES: usize = 32;

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

#[cfg(test)]
mod tests;
