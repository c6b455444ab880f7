//! Identities by name.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::identity::search::{FoundIdentity, Place, Tier, list_named};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::text::Hex;
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::cursor::{Cursor, List};
use crate::error::Problem;
use crate::params::{Call, Page, PageParams, Start};
use crate::state::ApiState;

/// Shortest text, in characters.
pub const NAME_CHARS_MIN: usize = 2;
/// Longest text, in characters.
pub const NAME_CHARS_MAX: usize = 64;
/// Bytes of an identity's id.
const ID_BYTES: usize = 32;

/// An identity that was found.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundItem<'a> {
    /// Its id.
    #[schema(value_type = String,
             example = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00")]
    pub identity_id: Hex<'a>,
    /// Its name.
    #[schema(example = "quarry-42")]
    pub display_name: Option<&'a str>,
    /// Hash of its picture.
    #[schema(value_type = Option<String>)]
    pub avatar_hash: Option<Hex<'a>>,
    /// Who may see its figures: `public`, `friends_only` or `private`.
    #[schema(example = "public")]
    pub stats_visibility: &'a str,
    /// Unix seconds.
    #[schema(example = 1782800060)]
    pub updated_at: i64,
}

impl<'a> FoundItem<'a> {
    fn new(row: &'a FoundIdentity) -> Self {
        Self {
            identity_id: Hex(&row.identity_id),
            display_name: row.display_name.as_deref(),
            avatar_hash: row.avatar_hash.as_deref().map(Hex),
            stats_visibility: &row.stats_visibility,
            updated_at: row.updated_at,
        }
    }
}

/// A page of identities.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundList<'a> {
    /// Names that begin with the text, then names that hold it, then names like it; by name inside.
    pub items: Vec<FoundItem<'a>>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Identities by name.
///
/// Case, accents and invisible characters do not count. Names that begin with the text come first,
/// then names that hold it, then names like it. A text without three letters or digits in a row is
/// looked for at the beginnings of words only.
#[utoipa::path(
    get, path = "/v1/identity/search", tag = "identity",
    params(
        ("name" = String, Query, description = "Part of a name, 2 to 64 characters",
         min_length = 2, max_length = 64, example = "quarry"),
        PageParams,
    ),
    responses((status = 200, description = "A page of identities", body = FoundList))
)]
pub async fn search_identities(
    State(api): State<ApiState>,
    call: Call,
) -> Result<Response, Problem> {
    let params = call.params(&["name", "limit", "cursor", "offset"])?;
    let text = params.get("name").unwrap_or_default().trim();
    if !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.chars().count()) {
        return Err(Problem::invalid("name must be 2 to 64 characters"));
    }
    let page = params.page(List::Identities, scope_of(text))?;
    cache::pass_by(&call, load_found(&api, text, page)).await
}

/// Binds cursors to the text they were found by.
fn scope_of(text: &str) -> u32 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(4).fold(0, |scope, byte| scope << 8 | u32::from(*byte))
}

/// The place that a cursor names.
fn place_of(cursor: &Cursor) -> Result<Place, Problem> {
    let refuse = || Problem::invalid("cursor is not one that this list gave");
    let (id, name) = cursor.tail.split_at_checked(ID_BYTES).ok_or_else(refuse)?;
    let name = std::str::from_utf8(name).map_err(|_| refuse())?;
    if name.contains('\0') {
        return Err(refuse());
    }
    Ok(Place {
        tier: Tier::from_i64(cursor.position).ok_or_else(refuse)?,
        name: name.to_owned(),
        identity_id: id.to_vec(),
    })
}

fn cursor_of(scope: u32, row: &FoundIdentity) -> Cursor {
    let mut tail = row.identity_id.clone();
    tail.extend_from_slice(row.name_search.as_bytes());
    Cursor { list: List::Identities, scope, position: row.tier as i64, tail }
}

async fn load_found(api: &ApiState, text: &str, page: Page) -> Result<Answer, Problem> {
    let (after, offset) = match &page.start {
        Start::After(cursor) => (Some(place_of(cursor)?), 0),
        Start::Offset(offset) => (None, *offset),
    };
    let rows_max = i64::from(offset) + page.rows();
    let (checkpoint, rows) = list_named(api.store(), text, after, rows_max).await?;
    let skipped = usize::try_from(offset).map_or(rows.len(), |offset| offset.min(rows.len()));
    let rows = rows.get(skipped..).unwrap_or_default();
    let (rows, next_cursor) = page.cut(rows, |row| cursor_of(scope_of(text), row));
    let list = FoundList { items: rows.iter().map(FoundItem::new).collect(), next_cursor };
    Answer::json(&checkpoint, Freshness::Revalidate, &list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_place_survives_its_cursor() {
        let row = FoundIdentity {
            tier: Tier::Like,
            name_search: "\u{10ffff}".repeat(64),
            identity_id: vec![7; 32],
            display_name: None,
            avatar_hash: None,
            stats_visibility: "public".to_owned(),
            updated_at: 0,
        };
        let text = cursor_of(9, &row).encode();
        let read = Cursor::decode(&text, List::Identities, 9).unwrap();
        assert_eq!(place_of(&read).unwrap(), row.place());
        let odd = Cursor { position: 3, ..read.clone() };
        assert!(place_of(&odd).is_err());
        let odd = Cursor { tail: vec![0; 40], ..read };
        assert!(place_of(&odd).is_err());
        assert_ne!(scope_of("ab"), scope_of("ac"));
    }
}
