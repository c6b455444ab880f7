//! One folder per indexed thing: its rows, how a batch is applied and unwound, its queries.
//!
//! The list at the end is the registry: the only place that names every entity.

pub mod address;
pub mod balance;
pub mod block;
pub mod counter;
pub mod event;
pub mod governance;
pub mod identity;
pub mod leaderboard;
pub mod nonce;
pub mod oracle;
pub mod orphan;
pub mod pouw;
pub mod pouw_query;
pub mod quarantine;
pub mod source;
pub mod transaction;
pub mod work;

use silica_models::{Block, Height, TxPosition};
use sqlx::PgConnection;

use crate::StoreError;

/// What a commit knows besides its blocks.
#[derive(Debug, Clone, Copy)]
pub struct ApplyContext {
    /// Bulk backfill: secondary indexes are absent and derived tables are rebuilt at the end.
    pub bulk: bool,
    /// The batch ends near the tip: balances of touched addresses are to be read again.
    pub follow: bool,
    /// Unix seconds.
    pub now_s: i64,
}

/// Where an unwind stops, and what it has to tell.
#[derive(Debug)]
pub struct UnwindContext {
    /// Highest block that stays.
    pub ancestor: Height,
    /// Unix seconds.
    pub now_s: i64,
    /// For the event log, which is written last.
    pub(crate) retractions: event::Retractions,
}

impl UnwindContext {
    /// An unwind down to `ancestor` at `now_s`, Unix seconds.
    pub fn new(ancestor: Height, now_s: i64) -> Self {
        Self { ancestor, now_s, retractions: event::Retractions::default() }
    }

    /// First transaction position that goes.
    pub fn first_pos(&self) -> i64 {
        TxPosition::block_start(self.ancestor + 1).as_i64()
    }

    /// The ancestor as `BIGINT`.
    pub fn ancestor_i64(&self) -> i64 {
        i64::try_from(self.ancestor).unwrap_or(i64::MAX)
    }
}

/// An indexed thing. Its author writes what a block means for it, how a batch of that is written,
/// and how everything above an ancestor is taken back; fetching, ordering, atomicity and retries
/// belong to the engine.
///
/// `apply` and `unwind` run inside the commit's transaction, blocks arrive once, in order, and
/// verified. `unwind(apply(x))` must leave every table as it was.
pub trait Entity: Default + Send {
    /// Stable name, used in errors and metrics.
    const NAME: &'static str;

    /// Adds what `block` means for this entity. Pure: no clock, no I/O.
    fn add(&mut self, block: &Block) -> Result<(), StoreError>;

    /// Writes everything added.
    fn apply(
        &self,
        db: &mut PgConnection,
        context: &ApplyContext,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes back everything above the ancestor.
    fn unwind(
        db: &mut PgConnection,
        context: &mut UnwindContext,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

macro_rules! registry {
    ($($field:ident: $entity:ty),+ $(,)?) => {
        /// The rows of a batch for every entity.
        #[derive(Debug, Default)]
        pub struct EntityRows {
            $(pub(crate) $field: $entity,)+
        }

        impl EntityRows {
            /// Adds a block to every entity.
            pub fn add(&mut self, block: &Block) -> Result<(), StoreError> {
                $(self.$field.add(block)?;)+
                Ok(())
            }

            pub(crate) async fn apply(
                &self,
                db: &mut PgConnection,
                context: &ApplyContext,
            ) -> Result<(), StoreError> {
                $(crate::read::observe(
                    metrics::histogram!("chert_store_query_seconds",
                        "statement" => concat!("apply_", stringify!($field))),
                    self.$field.apply(db, context),
                )
                .await?;)+
                Ok(())
            }
        }

        /// Unwinds in the order given, which must be the reverse of what depends on what.
        pub(crate) async fn unwind_all(
            db: &mut PgConnection,
            context: &mut UnwindContext,
        ) -> Result<(), StoreError> {
            // Written out by the macro in registry order; see the note at the invocation.
            $(<$entity as Entity>::unwind(db, context).await?;)+
            Ok(())
        }
    };
}

// Order: an entity that is unwound from the rows of another stands before it (orphans and events
// copy blocks, addresses and counters read transactions and blocks). Applying does not depend on
// the order, because rows come from the blocks themselves; only anchors, which look up transactions,
// stand after them.
registry! {
    registry: identity::RegistryRows,
    events: event::BlockEvents,
    orphans: orphan::Orphans,
    governance: governance::GovernanceRows,
    balances: balance::TouchedBalances,
    addresses: address::AddressRows,
    counters: counter::Counters,
    quarantine: quarantine::QuarantineRows,
    transactions: transaction::TransactionRows,
    blocks: block::BlockRows,
    anchors: work::Anchors,
}
