//! Finding anything by what names it.

use axum::extract::State;
use axum::response::Response;
use chert_store::entities::counter::query::{SearchHit, SearchTerms, list_search_hits};
use serde::Serialize;
use silica_models::{
    Address, BlockHash, HEIGHT_MAX, IdentityId, TX_INDEX_BITS, TX_INDEX_MAX, TxId,
};
use utoipa::ToSchema;

use super::identity_search::{NAME_CHARS_MAX, NAME_CHARS_MIN};
use super::text::{Hex, TxIdText};
use crate::answer::{Answer, Freshness};
use crate::cache;
use crate::error::Problem;
use crate::params::Call;
use crate::state::ApiState;

/// Shortest search text, in characters.
const QUERY_CHARS_MIN: usize = 1;
/// Longest search text, in characters.
const QUERY_CHARS_MAX: usize = 128;

/// Something found; `kind` tells which of the other fields are there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SearchItem<'a> {
    /// A block.
    Block {
        /// Number.
        height: i64,
        /// Hash.
        #[schema(value_type = String)]
        hash: Hex<'a>,
    },
    /// A transaction.
    Transaction {
        /// Id.
        #[schema(value_type = String)]
        tx_id: TxIdText<'a>,
        /// Height of its block.
        block_height: i64,
        /// Index inside the block.
        index: i64,
    },
    /// An address that took part in something.
    Address {
        /// Its spelling on the chain.
        address: &'a str,
    },
    /// A public identity.
    Identity {
        /// Id.
        #[schema(value_type = String)]
        identity_id: Hex<'a>,
        /// Name.
        display_name: Option<&'a str>,
    },
    /// A block that a reorganisation removed.
    Orphan {
        /// Number it had.
        height: i64,
        /// Hash.
        #[schema(value_type = String)]
        hash: Hex<'a>,
    },
}

impl<'a> SearchItem<'a> {
    fn new(hit: &'a SearchHit) -> Self {
        match hit {
            SearchHit::Block { height, hash } => Self::Block { height: *height, hash: Hex(hash) },
            SearchHit::Transaction { tx_id, pos } => Self::Transaction {
                tx_id: TxIdText(tx_id),
                block_height: pos >> TX_INDEX_BITS,
                index: pos & i64::from(TX_INDEX_MAX),
            },
            SearchHit::Address { address } => Self::Address { address },
            SearchHit::Identity { identity_id, display_name } => Self::Identity {
                identity_id: Hex(identity_id),
                display_name: display_name.as_deref(),
            },
            SearchHit::Orphan { height, hash } => Self::Orphan { height: *height, hash: Hex(hash) },
        }
    }
}

/// What was found; at most one of each kind, but up to six identities.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchList<'a> {
    /// Best first: block, transaction, address, identities, orphan.
    pub items: Vec<SearchItem<'a>>,
}

/// Find a block, a transaction, an address or an identity.
///
/// By height, block hash, transaction id, address or identity id, in any spelling, and public
/// identities whose name begins with the text.
#[utoipa::path(
    get, path = "/v1/explorer/search", tag = "explorer",
    params(("q" = String, Query, description = "What to look for", min_length = 1,
            max_length = 128, example = "18427")),
    responses((status = 200, description = "What was found", body = SearchList))
)]
pub async fn search(State(api): State<ApiState>, call: Call) -> Result<Response, Problem> {
    let params = call.params(&["q"])?;
    let text = params.get("q").unwrap_or_default().trim();
    if !(QUERY_CHARS_MIN..=QUERY_CHARS_MAX).contains(&text.chars().count()) {
        return Err(Problem::invalid("q must be 1 to 128 characters"));
    }
    let terms = terms_of(text)?;
    cache::serve_mixed(&api, &call, || load_search(&api, &terms)).await
}

/// Every way to read the text.
fn terms_of(text: &str) -> Result<SearchTerms, Problem> {
    let address = match text.strip_prefix("0X") {
        Some(digits) => Address::parse(&format!("0x{digits}")),
        None => Address::parse(text),
    };
    let address = address.map_err(|_| Problem::invalid("q must not hold control characters"))?;
    let name = (NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&text.chars().count());
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    Ok(SearchTerms {
        height: text.parse().ok().filter(|height| digits && *height <= HEIGHT_MAX),
        hash: BlockHash::parse(text).ok(),
        tx_id: TxId::parse(text).ok(),
        address: Some(address),
        identity_id: IdentityId::parse(text).ok(),
        name: name.then(|| text.to_owned()),
    })
}

async fn load_search(api: &ApiState, terms: &SearchTerms) -> Result<Answer, Problem> {
    let (checkpoint, mut hits) = list_search_hits(api.store().readers(), terms).await?;
    if checkpoint.bulk {
        return Err(Problem::index_building(&checkpoint));
    }
    hits.sort_by_key(|hit| match hit {
        SearchHit::Block { .. } => 1,
        SearchHit::Transaction { .. } => 2,
        SearchHit::Address { .. } => 3,
        SearchHit::Identity { .. } => 4,
        SearchHit::Orphan { .. } => 5,
    });
    let names = hits.iter().any(|hit| matches!(hit, SearchHit::Identity { .. }));
    let freshness = if names { Freshness::Revalidate } else { Freshness::Tip };
    let items = hits.iter().map(SearchItem::new).collect();
    Answer::json(&checkpoint, freshness, &SearchList { items })
}
