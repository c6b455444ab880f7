//! An event as it leaves: written to bytes once, whoever reads it.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use silica_models::{AddressKey, IdentityId};
use utoipa::ToSchema;

use super::{Event, EventType};
use crate::error::Problem;
use crate::routes::text::Hex;

/// Bytes of an event's text, mostly.
const TEXT_BYTES_GUESS: usize = 512;

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventItem<'a> {
    /// Number in the log: without gaps, in the order of commits. The id to resume after.
    #[schema(example = 184_213)]
    pub seq: i64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "transaction.confirmed")]
    pub event_type: &'static str,
    /// The block that it is about, or under which it became known; null where there is none.
    #[schema(example = 18_427)]
    pub height: Option<i64>,
    /// That block's hash, of events about blocks and transactions.
    #[schema(value_type = Option<String>,
             example = "9c3f0d7be7a1d5c9e7f4f0f5e8a3c1b2d4e6f80917263544a5b6c7d8e9f00112")]
    pub block_hash: Option<Hex<'a>>,
    /// When it was written, Unix seconds.
    #[schema(example = 1_783_073_729)]
    pub at: i64,
    /// Whose it is, where an identity stands behind it and shows its figures to you; else null.
    #[schema(value_type = Option<String>,
             example = "5f1e7a90c3d2b4a6880796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1")]
    pub identity_id: Option<Hex<'a>>,
    /// What the event says; its fields depend on the type, and new ones may come.
    ///
    /// * `block.*`: `parent_hash`, `timestamp`, `validator_address`, `tx_count`
    /// * `transaction.*`: `tx_id`, `index`, `sender`, `recipient`, `amount`, `fee`, `nonce`,
    ///   `timestamp`, `transaction_type`
    /// * `work.*`: `submission_id`, `oracle_id`, `miner_address`, `work_kind`, `work_type`, `credits`,
    ///   `reward`, `status`, `reward_status`, `tx_id`
    /// * `proposal.*`: `proposal_id`, `title`, `proposer`, `from` and `to` (states), `at`
    /// * `vote.*`: `proposal_id`, `voter`, `choice`, `power`, `cast_at`; `changed` of a vote cast
    /// * `identity.updated`: `identity_id`, `profile_version`, `changed` (`profile`, `links`,
    ///   `visibility`), `removed`
    /// * `leaderboard.changed`: `boards`, each with `scope`, `type`, `timeframe`, `metric`,
    ///   `snapshot_id`
    #[schema(value_type = Object)]
    pub data: &'a Value,
}

impl<'a> EventItem<'a> {
    /// The view of an event; `named` says whether the identity behind it may be shown.
    pub fn new(event: &'a Event, named: bool) -> Self {
        let identity = event.identity_id.as_ref().filter(|_| named || is_registry(event));
        Self {
            seq: event.seq,
            event_type: event.kind.as_str(),
            height: event.height,
            block_hash: event.block_hash.as_deref().map(Hex),
            at: event.at_s,
            identity_id: identity.map(|identity| Hex(&identity.0)),
            data: &event.data,
        }
    }
}

/// The registry is public: that a profile changed may be known of everybody.
fn is_registry(event: &Event) -> bool {
    event.kind == EventType::IdentityUpdated
}

/// An event's text for streams: an SSE frame with the JSON in it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) frame: Bytes,
    pub(super) json: Bytes,
}

impl Text {
    fn write(event: &Event, named: bool) -> Result<Self, Problem> {
        let mut frame = Vec::with_capacity(TEXT_BYTES_GUESS);
        let (seq, word) = (event.seq, event.kind.as_str());
        frame.extend_from_slice(format!("id: {seq}\nevent: {word}\ndata: ").as_bytes());
        let begin = frame.len();
        // JSON text holds no line breaks: serde_json escapes them.
        serde_json::to_writer(&mut frame, &EventItem::new(event, named))
            .map_err(Problem::internal)?;
        let end = frame.len();
        frame.extend_from_slice(b"\n\n");
        let frame = Bytes::from(frame);
        let json = frame.slice(begin..end);
        Ok(Self { frame, json })
    }
}

/// An event ready to be sent, and what filters ask of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) seq: i64,
    pub(super) kind: EventType,
    pub(super) height: Option<i64>,
    /// Whose it is; shown only through [`Entry::text`].
    pub(super) identity: Option<IdentityId>,
    /// Whether that identity was public when the event was read.
    pub(super) public: bool,
    pub(super) addresses: Vec<AddressKey>,
    /// Wallets of the identity changed: who signed with one of them may not be it any more.
    pub(super) relinked: bool,
    bare: Text,
    /// With the identity; absent where the event names none, or everybody may know.
    named: Option<Text>,
}

impl Entry {
    /// Writes an event. `public`: whether everybody may know the identity behind it at the moment.
    pub(super) fn new(event: Event, public: bool) -> Result<Self, Problem> {
        let bare = Text::write(&event, false)?;
        let guarded = event.identity_id.is_some() && !is_registry(&event);
        let named = guarded.then(|| Text::write(&event, true)).transpose()?;
        let relinked = is_registry(&event)
            && event.data.get("changed").and_then(Value::as_array).is_none_or(|changed| {
                changed.iter().any(|change| change.as_str() == Some("links"))
            });
        Ok(Self {
            seq: event.seq,
            kind: event.kind,
            height: event.height,
            identity: event.identity_id,
            public,
            addresses: event.address_keys,
            relinked,
            bare,
            named,
        })
    }

    /// Its text; with the identity where `named` says that the reader may see it.
    pub(super) fn text(&self, named: bool) -> &Text {
        self.named.as_ref().filter(|_| named).unwrap_or(&self.bare)
    }

    /// Whether there is an identity that not everybody may see.
    pub(super) fn is_guarded(&self) -> bool {
        self.named.is_some()
    }

    /// Bytes that keeping it takes.
    pub(super) fn weight(&self) -> usize {
        let texts = self.bare.frame.len() + self.named.as_ref().map_or(0, |t| t.frame.len());
        texts
            + std::mem::size_of::<Self>()
            + self.addresses.len() * std::mem::size_of::<AddressKey>()
    }
}
