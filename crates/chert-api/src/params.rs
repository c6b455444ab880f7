//! Strict reading of paths and query strings: what is not understood is refused by name.

use std::borrow::Cow;
use std::convert::Infallible;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri, header};
use chert_store::entities::block::query::BlockId;
use chert_store::privacy::Viewer;
use silica_models::{Address, BlockHash, HEIGHT_MAX, IdentityId};
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::cursor::{CURSOR_CHARS_MAX, Cursor, List};
use crate::error::Problem;

/// Rows of a page when the client does not say.
pub const LIMIT_DEFAULT: u16 = 50;
/// Rows of a page at most.
pub const LIMIT_MAX: u16 = 100;
/// Rows that `offset` may skip at most; beyond it the cursor is the way.
pub const OFFSET_MAX: u32 = 10_000;
/// Digits of a usual block hash.
const HASH_DIGITS: usize = 64;

const _: () = assert!(LIMIT_MAX as i64 + 1 == chert_store::read::PAGE_ROWS_MAX);

/// Paging of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only describes the parameters; `Params::page` reads them")]
pub struct PageParams {
    /// Items per page.
    #[param(minimum = 1, maximum = 100, default = 50, example = 50)]
    limit: Option<u16>,
    /// `next_cursor` of the page before. Not together with `offset`.
    #[param(max_length = 404)]
    cursor: Option<String>,
    /// Items to skip; beyond 10 000 use the cursor.
    #[param(minimum = 0, maximum = 10000, example = 0)]
    offset: Option<u32>,
}

const _: () = assert!(CURSOR_CHARS_MAX == 404);

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After so many items.
    Offset(u32),
    /// After the row that a cursor names.
    After(Cursor),
}

/// A page that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Items at most.
    pub limit: u16,
    /// Where it begins.
    pub start: Start,
}

impl Page {
    /// Rows to read: one more than is shown tells whether there is another page.
    pub fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The rows of a page that was read one row longer, and where the next page begins if that row
    /// came.
    pub fn cut<'r, Row>(
        &self,
        rows: &'r [Row],
        cursor: impl Fn(&Row) -> Cursor,
    ) -> (&'r [Row], Option<String>) {
        let limit = usize::from(self.limit);
        let shown = rows.get(..limit).unwrap_or(rows);
        let last = shown.last().filter(|_| rows.len() > limit);
        (shown, last.map(|row| cursor(row).encode()))
    }
}

/// A request as handlers see it.
#[derive(Debug)]
pub struct Call {
    uri: Uri,
    segments: Vec<String>,
    if_none_match: Option<HeaderValue>,
    viewer: Viewer,
}

impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        // `check_encoding` has run, so the parameters decode.
        let segments = match RawPathParams::from_request_parts(parts, state).await {
            Ok(params) => params.iter().map(|(_, value)| value.to_owned()).collect(),
            Err(_) => Vec::new(),
        };
        Ok(Self {
            uri: parts.uri.clone(),
            segments,
            if_none_match: parts.headers.get(header::IF_NONE_MATCH).cloned(),
            viewer: Caller::viewer(&parts.extensions),
        })
    }
}

impl Call {
    /// The path's first parameter, decoded.
    pub fn segment(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    /// The path's second parameter, decoded.
    pub fn second_segment(&self) -> &str {
        self.segments.get(1).map_or("", String::as_str)
    }

    /// The client's known entity tags.
    pub fn if_none_match(&self) -> Option<&HeaderValue> {
        self.if_none_match.as_ref()
    }

    /// On whose behalf the request reads.
    pub fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// The query's parameters; each at most once and only those named.
    pub fn params(&self, allowed: &[&str]) -> Result<Params<'_>, Problem> {
        Params::parse(self.uri.query().unwrap_or_default(), allowed, None)
    }

    /// The same where one of them may be given several times.
    pub fn params_repeating(
        &self,
        allowed: &[&str],
        repeated: &str,
    ) -> Result<Params<'_>, Problem> {
        Params::parse(self.uri.query().unwrap_or_default(), allowed, Some(repeated))
    }

    /// Path and sorted query: equal requests have equal keys.
    pub fn cache_key(&self) -> String {
        let mut key = self.uri.path().to_owned();
        if let Some(query) = self.uri.query() {
            let mut pairs: Vec<&str> = query.split('&').filter(|p| !p.is_empty()).collect();
            pairs.sort_unstable();
            for (index, pair) in pairs.iter().enumerate() {
                key.push(if index == 0 { '?' } else { '&' });
                key.push_str(pair);
            }
        }
        key
    }

    /// The path's parameter as a block's height or hash.
    pub fn block_id(&self) -> Result<BlockId, Problem> {
        let text = self.segment();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.len() < HASH_DIGITS
        {
            return match text.parse::<u64>() {
                Ok(height) if height <= HEIGHT_MAX => Ok(BlockId::Height(height)),
                _ => Err(Problem::not_found("No block has a height that large.")),
            };
        }
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        match BlockHash::parse(digits) {
            Ok(hash) if digits.len() == HASH_DIGITS => Ok(BlockId::Hash(hash)),
            _ => Err(Problem::invalid(
                "A block is named by its height (decimal digits) or by its hash (64 hex digits).",
            )),
        }
    }

    /// The path's first parameter as the id of an identity.
    pub fn identity_id(&self) -> Result<IdentityId, Problem> {
        IdentityId::parse(self.segment()).map_err(|e| Problem::invalid(e.to_string()))
    }

    /// The path's parameter as an address.
    pub fn address(&self) -> Result<Address, Problem> {
        Address::parse(self.segment()).map_err(|e| Problem::invalid(e.to_string()))
    }
}

/// The parameters of a query string.
#[derive(Debug)]
pub struct Params<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Params<'a> {
    /// Reads a query string; each parameter at most once, but for the repeated one.
    pub(crate) fn parse(
        query: &'a str,
        allowed: &[&str],
        repeated: Option<&str>,
    ) -> Result<Self, Problem> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !allowed.contains(&name.as_ref()) {
                let names = match allowed {
                    [] => "this path takes none".to_owned(),
                    names => format!("this path takes {}", names.join(", ")),
                };
                let name: String = name.chars().take(40).collect();
                return Err(Problem::invalid(format!("unknown parameter {name:?}; {names}")));
            }
            let again = pairs.iter().any(|(known, _)| *known == name);
            if again && repeated != Some(name.as_ref()) {
                return Err(Problem::invalid(format!("parameter {name:?} is given twice")));
            }
            pairs.push((name, value));
        }
        Ok(Self { pairs })
    }

    /// A parameter's text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// All texts of a parameter that may be given several times.
    pub fn get_all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.pairs.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// A parameter as an integer in a range.
    pub fn integer(&self, name: &str, min: u32, max: u32) -> Result<Option<u32>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u32>() {
            Ok(number) if digits && (min..=max).contains(&number) => Ok(Some(number)),
            _ => Err(Problem::invalid(format!("{name} must be an integer in {min}..={max}"))),
        }
    }

    /// A parameter that takes one of a few words.
    pub fn choice<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
        default: T,
    ) -> Result<T, Problem> {
        let Some(text) = self.get(name) else { return Ok(default) };
        all.iter().copied().find(|value| word(*value) == text).ok_or_else(|| {
            let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
            Problem::invalid(format!("{name} must be one of {}", words.join(", ")))
        })
    }

    /// `limit`, `cursor` and `offset` of a list.
    pub fn page(&self, list: List, scope: u32) -> Result<Page, Problem> {
        self.page_up_to(list, scope, LIMIT_MAX)
    }

    /// The same for a list whose pages may hold more rows.
    pub fn page_up_to(&self, list: List, scope: u32, limit_max: u16) -> Result<Page, Problem> {
        let limit = self.integer("limit", 1, u32::from(limit_max))?;
        let limit = limit.and_then(|l| u16::try_from(l).ok()).unwrap_or(LIMIT_DEFAULT);
        let start = match (self.get("cursor"), self.get("offset")) {
            (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "cursor and offset exclude each other; use the cursor",
                ));
            }
            (Some(text), None) => Start::After(Cursor::decode(text, list, scope)?),
            (None, Some(text)) => Start::Offset(offset(text)?),
            (None, None) => Start::Offset(0),
        };
        Ok(Page { limit, start })
    }
}

fn offset(text: &str) -> Result<u32, Problem> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Problem::invalid(format!("offset must be an integer in 0..={OFFSET_MAX}")));
    }
    match text.parse::<u32>() {
        Ok(offset) if offset <= OFFSET_MAX => Ok(offset),
        _ => Err(Problem::invalid(format!(
            "offset may not be above {OFFSET_MAX}; page with cursor (next_cursor of the page before)"
        ))),
    }
}

/// Refuses URIs whose escapes are malformed, do not decode to UTF-8, or hide a NUL.
pub fn check_encoding(uri: &Uri) -> Result<(), Problem> {
    check_escapes("path", uri.path())?;
    check_escapes("query", uri.query().unwrap_or_default())
}

fn check_escapes(what: &str, text: &str) -> Result<(), Problem> {
    if text.is_ascii() && !text.contains('%') {
        return Ok(());
    }
    let well_formed = text.split('%').skip(1).all(|rest| {
        rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if !well_formed {
        return Err(Problem::invalid(format!(
            "the {what} holds a % that is not followed by two hex digits"
        )));
    }
    match percent_encoding::percent_decode_str(text).decode_utf8() {
        Err(_) => Err(Problem::invalid(format!("the {what} does not decode to UTF-8"))),
        Ok(decoded) if decoded.contains('\0') => {
            Err(Problem::invalid(format!("the {what} holds a NUL character")))
        }
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn escapes_are_checked() {
        for (uri, good) in [
            ("/a?b=c", true),
            ("/a%20b?c=%C3%A9", true),
            ("/a%", false),
            ("/a%2", false),
            ("/a%zz", false),
            ("/a?b=%00", false),
            ("/a?b=%ff", false),
        ] {
            assert_eq!(check_encoding(&uri.parse().unwrap()).is_ok(), good, "{uri}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_named() {
        let detail = |q: &str| Params::parse(q, &["limit"], None).unwrap_err().detail.into_owned();
        assert!(detail("limit=1&color=red").contains("\"color\""));
        assert!(detail("limit=1&limit=1").contains("\"limit\""));
    }
}
