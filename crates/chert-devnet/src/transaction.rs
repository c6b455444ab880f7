//! What a transaction contains, before it becomes text. Kept as numbers so that the
//! ledger can follow a block without parsing JSON.

use crate::account::{Account, AccountBook, Party};
use crate::ids::{Place, TxId};
use crate::json::Stamp;
use crate::profile::Profile;
use crate::rng::Rng;

/// The eight types of the contract (§3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Transfer,
    Consensus,
    SmartContract,
    Governance,
    Staking,
    ContractDeployment,
    CrossShard,
    Finality,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Transfer => "transfer",
            Kind::Consensus => "consensus",
            Kind::SmartContract => "smart_contract",
            Kind::Governance => "governance",
            Kind::Staking => "staking",
            Kind::ContractDeployment => "contract_deployment",
            Kind::CrossShard => "cross_shard",
            Kind::Finality => "finality",
        }
    }
}

/// Why an indexer cannot understand a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    NotAnObject,
    NoId,
    NegativeAmount,
    FractionalAmount,
}

/// One transaction. Its `detail_seed` decides what only the text shows.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) id: TxId,
    pub(crate) kind: Kind,
    pub(crate) shows_kind: bool,
    pub(crate) sender: Party,
    pub(crate) recipient: Party,
    pub(crate) amount: Option<u64>,
    /// Several recipients instead of `recipient` and `amount`.
    pub(crate) outputs: Vec<(Party, u64)>,
    pub(crate) stealth_outputs: u64,
    pub(crate) fee: u64,
    pub(crate) nonce: u64,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) defect: Option<Defect>,
    pub(crate) detail_seed: u64,
}

/// Where and when a transaction is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) place: Place,
    pub(crate) index: u64,
    /// The time of its block.
    pub(crate) time_ms: u64,
}

impl Transaction {
    /// A pure function of its arguments.
    pub(crate) fn generate(
        key: u64,
        book: &AccountBook,
        profile: Profile,
        origin: Origin,
    ) -> Transaction {
        let Origin { place, index, time_ms } = origin;
        let rng = &mut Rng::new(&[key, place.height, u64::from(place.salt), index]);
        let kind = pick_kind(rng);
        let (fee, defect) = (pick_fee(rng), pick_defect(rng, profile));
        let mut tx = Transaction {
            id: TxId::new(key, place, rng),
            kind,
            shows_kind: !rng.one_in(5),
            sender: pick_party(rng, book, place.height),
            recipient: Party::Missing,
            amount: None,
            outputs: Vec::new(),
            stealth_outputs: 0,
            fee,
            nonce: place.height.saturating_mul(64).saturating_add(index),
            stamp: (!rng.one_in(10)).then(|| Stamp {
                time_ms: time_ms.saturating_sub(rng.below(900)),
                sub_ms_nanos: rng.below(1_000_000),
                digits: [3, 6, 9, 9, 4, 5, 7, 8][(rng.next() & 7) as usize],
            }),
            defect,
            detail_seed: rng.next(),
        };
        tx.fill_by_kind(rng, book, place.height);
        if profile.is_whale() {
            tx.add_whale(rng);
        }
        tx
    }

    fn fill_by_kind(&mut self, rng: &mut Rng, book: &AccountBook, height: u64) {
        match self.kind {
            Kind::Transfer => self.fill_transfer(rng, book, height),
            Kind::Consensus => {
                self.sender = if rng.one_in(3) { Party::Missing } else { Party::Null };
                self.recipient = Party::Account(book.pick_validator(rng));
                self.amount = Some(1_000_000 + rng.below(1_000_000));
                self.fee = 0;
            }
            Kind::SmartContract => {
                self.recipient = pick_party(rng, book, height);
                self.amount = (!rng.one_in(3)).then(|| pick_amount(rng));
            }
            Kind::Governance => {
                self.recipient = if rng.one_in(2) { Party::Null } else { Party::Missing };
                self.amount = rng.one_in(2).then_some(0);
            }
            Kind::Staking => {
                self.recipient = Party::Account(book.pick_validator(rng));
                self.amount = Some(pick_amount(rng));
            }
            Kind::ContractDeployment => self.recipient = Party::Null,
            Kind::CrossShard => {
                self.recipient = pick_party(rng, book, height);
                self.amount = Some(pick_amount(rng));
            }
            Kind::Finality => {
                self.sender = Party::Account(book.pick_validator(rng));
                self.amount = Some(0);
                self.fee = 0;
            }
        }
    }

    fn fill_transfer(&mut self, rng: &mut Rng, book: &AccountBook, height: u64) {
        match rng.below(100) {
            0..8 => {
                let count = 2 + rng.below(4);
                self.outputs = (0..count)
                    .map(|_| (pick_party(rng, book, height), pick_amount(rng) >> 8))
                    .collect();
            }
            8..13 => {
                self.stealth_outputs = 1 + rng.below(2);
                self.recipient = if rng.one_in(2) { Party::Null } else { Party::Missing };
                self.amount = rng.one_in(2).then_some(0);
            }
            13..15 => {
                self.recipient = self.sender;
                self.amount = Some(pick_amount(rng));
            }
            _ => {
                self.recipient = pick_party(rng, book, height);
                self.amount = Some(pick_amount(rng));
            }
        }
    }

    fn add_whale(&mut self, rng: &mut Rng) {
        let whale = Party::Account(Account::Pool(0));
        let has_recipient = self.recipient.account().is_some();
        if has_recipient && (self.sender.account().is_none() || rng.one_in(2)) {
            self.recipient = whale;
        } else {
            self.sender = whale;
        }
    }
}

fn pick_kind(rng: &mut Rng) -> Kind {
    match rng.below(100) {
        0..76 => Kind::Transfer,
        76..84 => Kind::SmartContract,
        84..88 => Kind::Staking,
        88..91 => Kind::Governance,
        91..94 => Kind::Consensus,
        94..96 => Kind::ContractDeployment,
        96..98 => Kind::CrossShard,
        _ => Kind::Finality,
    }
}

fn pick_party(rng: &mut Rng, book: &AccountBook, height: u64) -> Party {
    match rng.below(64) {
        0 | 1 => Party::Account(book.pick_named(rng)),
        2 => Party::UpperCase(book.pick(rng, height)),
        _ => Party::Account(book.pick(rng, height)),
    }
}

/// Mostly everyday sums; rarely nothing, rarely the whole range of `u64` (which doubles
/// and signed 64-bit columns cannot hold).
fn pick_amount(rng: &mut Rng) -> u64 {
    match rng.below(2000) {
        0 => u64::MAX,
        1..4 => rng.next(),
        4..14 => 0,
        _ => {
            let magnitude = 10 + rng.below(36);
            1 + rng.below(1 << magnitude)
        }
    }
}

fn pick_fee(rng: &mut Rng) -> u64 {
    if rng.one_in(20) { 0 } else { 100 + rng.below(10_000) }
}

fn pick_defect(rng: &mut Rng, profile: Profile) -> Option<Defect> {
    const DEFECTS: [Defect; 4] =
        [Defect::NotAnObject, Defect::NoId, Defect::NegativeAmount, Defect::FractionalAmount];
    rng.one_in(profile.odd_every()).then(|| rng.pick(&DEFECTS))
}
