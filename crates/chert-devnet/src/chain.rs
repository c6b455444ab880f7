//! The chain: preloaded history that is never stored, and a compact record of what was
//! mined and reorganised since.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;

use crate::account::Account;
use crate::block::{BlockParts, BlockSpec, Recipe};
use crate::config::ChainConfig;
use crate::governance::Levers;
use crate::ids::{HEIGHT_MAX, SALT_CARRIED, TxId, find_block};
use crate::ledger::{Ledger, effect_on};
use crate::state::{Clock, State};
use crate::transaction::Transaction;

const WHOLE_BLOCK: BlockParts = BlockParts { transactions: true, transaction_count: true };

/// A deterministic chain. Cheap to clone: all clones are the same chain.
#[derive(Clone, Debug)]
pub struct Chain(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    recipe: Recipe,
    seed: u64,
    pub(crate) branch_window: u64,
    /// Held while a change is prepared; readers are only held up while it is put in.
    pub(crate) writer: Mutex<()>,
    state: RwLock<State>,
    /// Locked before `state` where both are.
    pub(crate) levers: Mutex<Levers>,
}

/// One page of `get_blocks`, as asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageRequest {
    pub(crate) from_height: Option<u64>,
    pub(crate) exclusive: bool,
    pub(crate) limit: u64,
    /// Answer as if the tip were this much lower.
    pub(crate) lag: u64,
}

impl Chain {
    /// A chain whose tip is at `config.history`; takes no time and no memory.
    pub fn new(config: ChainConfig) -> Chain {
        let state = State {
            first_recorded: config.history.min(HEIGHT_MAX - 1) + 1,
            records: Vec::new(),
            branch_starts: vec![0],
            ledger: Ledger::default(),
        };
        Chain(Arc::new(Inner {
            recipe: Recipe::new(&config),
            seed: config.seed,
            branch_window: config.branch_window,
            writer: Mutex::new(()),
            state: RwLock::new(state),
            levers: Mutex::default(),
        }))
    }

    /// Height and hash of the newest block.
    pub fn tip(&self) -> (u64, String) {
        let (height, place) = {
            let state = self.read();
            let tip = state.tip();
            (tip, state.spec(self.recipe(), tip).place)
        };
        (height, self.recipe().hash_text(place))
    }

    /// The canonical block at a height exactly as on the wire, transactions included.
    pub fn block(&self, height: u64) -> Option<Value> {
        self.parse(self.spec_at(height, 0)?)
    }

    /// The canonical block of a hash; case and an `0x` prefix do not matter. Blocks that
    /// were reorganised away are not found.
    pub fn block_by_hash(&self, hash: &str) -> Option<Value> {
        self.parse(self.spec_of_hash(hash, 0)?)
    }

    /// Appends blocks, each one block time after its parent. Returns the new tip.
    pub fn mine(&self, count: u64) -> u64 {
        self.replace(0, count, Clock::Steady)
    }

    /// Removes the newest `depth` blocks and mines `new_len` different ones, in one step
    /// that no reader sees half done. The depth is cut to the branch window and to what
    /// stands above genesis; `new_len` may be smaller, so that the tip falls.
    pub fn reorg(&self, depth: u64, new_len: u64) {
        self.replace(depth, new_len, Clock::Steady);
    }

    /// Balance in base units and nonce of an address; zeros if the chain does not know it.
    ///
    /// The base at the end of the history is seeded; live blocks move it exactly, and a
    /// reorg takes back what it removes, blocks of the history included. The sum is kept
    /// exactly and only shown between 0 and `u64::MAX`.
    pub fn balance(&self, address: &str) -> (String, u64) {
        let (balance, nonce) = self.balance_at(address, 0);
        (balance.to_string(), nonce)
    }

    /// Known addresses, busiest first: at most 1000 of the pool, then validators, then
    /// accounts with names.
    pub fn addresses(&self) -> Vec<String> {
        let tip = self.read().tip();
        self.recipe().book.busiest(tip)
    }

    pub(crate) fn recipe(&self) -> &Recipe {
        &self.0.recipe
    }

    pub(crate) fn seed(&self) -> u64 {
        self.0.seed
    }

    pub(crate) fn visible_tip(&self, lag: u64) -> u64 {
        self.read().visible_tip(lag)
    }

    pub(crate) fn spec_at(&self, height: u64, lag: u64) -> Option<BlockSpec> {
        let state = self.read();
        (height <= state.visible_tip(lag)).then(|| state.spec(self.recipe(), height))
    }

    pub(crate) fn spec_of_hash(&self, hash: &str, lag: u64) -> Option<BlockSpec> {
        let place = find_block(self.recipe().key, hash)?;
        self.spec_at(place.height, lag).filter(|spec| spec.place == place)
    }

    /// Consecutive blocks, newest first, from one state of the chain. A page that ends at
    /// height 1 takes genesis along, because a cursor of 0 would look like none.
    pub(crate) fn page(&self, request: PageRequest) -> Vec<BlockSpec> {
        let state = self.read();
        let tip = state.visible_tip(request.lag);
        let top = match (request.from_height, request.exclusive) {
            (None, _) => Some(tip),
            (Some(from), false) => Some(from.min(tip)),
            (Some(from), true) => from.checked_sub(1).map(|below| below.min(tip)),
        };
        let Some(top) = top else { return Vec::new() };
        let mut low = (top + 1).saturating_sub(request.limit);
        if low == 1 && !request.exclusive {
            low = 0;
        }
        (low..=top).rev().map(|height| state.spec(self.recipe(), height)).collect()
    }

    /// The canonical block that holds a transaction, and its place in it.
    pub(crate) fn find_transaction(&self, id: &TxId, lag: u64) -> Option<(BlockSpec, Transaction)> {
        let place = id.place(self.recipe().key);
        let heights = match place.salt {
            SALT_CARRIED => place.height..=place.height.checked_add(1)?,
            _ => place.height..=place.height,
        };
        heights.filter_map(|height| self.spec_at(height, lag)).find_map(|spec| {
            self.recipe()
                .transactions(spec)
                .find(|tx| tx.id == *id && tx.defect.is_none())
                .map(|tx| (spec, tx))
        })
    }

    pub(crate) fn balance_at(&self, address: &str, lag: u64) -> (u64, u64) {
        let (change, account, hidden) = {
            let state = self.read();
            let tip = state.visible_tip(lag);
            let Some(account) = self.recipe().book.find(address, tip) else {
                return (0, 0);
            };
            let hidden: Vec<BlockSpec> =
                (tip + 1..=state.tip()).map(|height| state.spec(self.recipe(), height)).collect();
            (state.ledger.change(account), account, hidden)
        };
        let mut change = change;
        for tx in hidden.into_iter().flat_map(|spec| self.recipe().transactions(spec)) {
            let effect = effect_on(&tx, account);
            change.balance -= effect.balance;
            change.nonce -= effect.nonce;
        }
        self.shown(account, change.balance, change.nonce)
    }

    fn shown(&self, account: Account, balance: i128, nonce: i64) -> (u64, u64) {
        let (base_balance, base_nonce) = self.recipe().book.base(account);
        let balance = (i128::from(base_balance) + balance).clamp(0, i128::from(u64::MAX));
        (u64::try_from(balance).unwrap_or(u64::MAX), base_nonce.saturating_add_signed(nonce))
    }

    fn parse(&self, spec: BlockSpec) -> Option<Value> {
        let mut text = Vec::new();
        self.recipe().write(&mut text, spec, WHOLE_BLOCK);
        serde_json::from_slice(&text).ok()
    }

    // A panic while the lock is held would be a bug in this crate; a half-made chain is
    // still more useful to the test that shows it than a second panic.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}
