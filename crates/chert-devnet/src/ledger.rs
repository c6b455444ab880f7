//! What live blocks did to balances and nonces.
//!
//! The rules of this chain: a sender pays the sum moved plus the fee, fees are burned, a
//! side that is missing or `null` mints or burns, sums without a recipient are burned, a
//! record that cannot be understood moves nothing. A nonce counts sent transactions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::account::Account;
use crate::transaction::Transaction;

/// The change of one account relative to its seeded base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) balance: i128,
    pub(crate) nonce: i64,
}

/// Whether transactions are added or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Apply,
    Unwind,
}

/// Changes by account; unchanged accounts take no space.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(HashMap<Account, Change>);

impl Ledger {
    pub(crate) fn change(&self, account: Account) -> Change {
        self.0.get(&account).copied().unwrap_or_default()
    }

    pub(crate) fn record(&mut self, tx: &Transaction, direction: Direction) {
        for_each_effect(tx, |account, effect| {
            let effect = match direction {
                Direction::Apply => effect,
                Direction::Unwind => Change { balance: -effect.balance, nonce: -effect.nonce },
            };
            self.add(account, effect);
        });
    }

    pub(crate) fn merge(&mut self, other: Ledger) {
        for (account, change) in other.0 {
            self.add(account, change);
        }
    }

    fn add(&mut self, account: Account, effect: Change) {
        match self.0.entry(account) {
            Entry::Vacant(entry) => {
                entry.insert(effect);
            }
            Entry::Occupied(mut entry) => {
                let change = entry.get_mut();
                // 2^63 transactions of 2^64 units fit into 128 bits.
                change.balance += effect.balance;
                change.nonce += effect.nonce;
                if *change == Change::default() {
                    entry.remove();
                }
            }
        }
    }
}

/// The effect of one transaction on one account, for answers at a lower height.
pub(crate) fn effect_on(tx: &Transaction, wanted: Account) -> Change {
    let mut total = Change::default();
    for_each_effect(tx, |account, effect| {
        if account == wanted {
            total.balance += effect.balance;
            total.nonce += effect.nonce;
        }
    });
    total
}

fn for_each_effect(tx: &Transaction, mut visit: impl FnMut(Account, Change)) {
    if tx.defect.is_some() {
        return;
    }
    let moved = tx.outputs.iter().map(|(_, amount)| i128::from(*amount)).sum::<i128>()
        + i128::from(tx.amount.unwrap_or(0));
    if let Some(sender) = tx.sender.account() {
        visit(sender, Change { balance: -(moved + i128::from(tx.fee)), nonce: 1 });
    }
    if let (Some(recipient), Some(amount)) = (tx.recipient.account(), tx.amount) {
        visit(recipient, Change { balance: i128::from(amount), nonce: 0 });
    }
    for (recipient, amount) in &tx.outputs {
        if let Some(recipient) = recipient.account() {
            visit(recipient, Change { balance: i128::from(*amount), nonce: 0 });
        }
    }
}
