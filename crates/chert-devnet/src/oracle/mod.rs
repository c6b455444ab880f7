//! An oracle: a log of what miners worked, and the feed that tells it (oracle contract §4.3).
//!
//! Like the chain it is an independent implementation that shares no code with what it tests:
//! canonical JSON, ids, hashes and signatures are made here from the contract alone.

mod canonical;
mod config;
mod faults;
mod log;
mod pacer;
mod page;
mod plan;
mod record;
mod report;
mod server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ed25519_dalek::SigningKey;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::ids::TxId;
use crate::rng::{Rng, to_index};
use canonical::{FIRST_PREV_HASH, ItemHead, hex, submission_id};
pub use config::{ORACLE_STEP_MS_DEFAULT, OracleConfig};
pub use faults::{OracleDefect, OracleFault, OracleFaultPlan, OracleFaults};
use log::{Form, Item, Log, Subject};
pub use pacer::OraclePacer;
use plan::{Plan, Source};
use record::Anchor;
pub use server::{OracleServer, OracleServerConfig};

const ORACLE_DOMAIN: u64 = 0x6f72_6163;
const ACCOUNT_DOMAIN: u64 = 0x6163_636f;
const ANCHOR_DOMAIN: u64 = 0x616e_6368;
/// Accounts made up where none are given.
const ACCOUNTS_DEFAULT: u64 = 16;
/// A claim names a transaction this many blocks below where the chain should be, so that an
/// oracle that is started again finds the same one.
const ANCHOR_DEPTH: u64 = 30;
/// Blocks in which a transaction to name is looked for.
const ANCHOR_BLOCKS: u64 = 16;
const _: () = assert!(ANCHOR_BLOCKS < ANCHOR_DEPTH);

/// An oracle. Cheap to clone: all clones are the same oracle.
#[derive(Clone, Debug)]
pub struct Oracle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: OracleConfig,
    source: Source,
    key: SigningKey,
    oracle_id: String,
    log: Mutex<Log>,
    /// (resets, head) for long polls.
    head: watch::Sender<(u64, u64)>,
}

impl Oracle {
    /// An oracle whose log holds `config.items` items.
    pub fn new(config: OracleConfig) -> Oracle {
        let seed = Rng::new(&[config.seed, ORACLE_DOMAIN]).next();
        let secret = Sha256::digest(format!("chert-devnet oracle key {}", config.seed));
        let key = SigningKey::from_bytes(&secret.into());
        let oracle_id = hex(&key.verifying_key().as_bytes()[..20]);
        let is_account = |account: &&String| {
            account.len() == 42
                && account
                    .strip_prefix("0x")
                    .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        };
        let mut accounts: Vec<String> =
            config.accounts.iter().filter(is_account).cloned().collect();
        if accounts.is_empty() {
            let seed = config.shared_seed.unwrap_or(seed);
            accounts = (0..ACCOUNTS_DEFAULT).map(|number| made_up_account(seed, number)).collect();
        }
        let source = Source { seed, shared_seed: config.shared_seed, accounts };
        let log = Mutex::new(Log::new(feed_id(seed, config.start_time_ms, 0)));
        let head = watch::Sender::new((0, 0));
        let items = config.items;
        let oracle = Oracle(Arc::new(Inner { config, source, key, oracle_id, log, head }));
        oracle.append(items);
        oracle
    }

    /// 40 lower-case hex digits: the first 20 bytes of the public key.
    pub fn oracle_id(&self) -> &str {
        &self.0.oracle_id
    }

    /// The Ed25519 key to pin.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.key.verifying_key().to_bytes()
    }

    /// Whether items are signed.
    pub fn is_signed(&self) -> bool {
        self.0.config.signed
    }

    /// 32 hex digits; another after each [`Oracle::reset`].
    pub fn feed_id(&self) -> String {
        self.lock().feed_id.clone()
    }

    /// Number of the newest item of the feed; 0 if it is empty.
    pub fn head_seq(&self) -> u64 {
        self.lock().head_seq()
    }

    /// Number of the oldest item that is still served.
    pub fn oldest_seq(&self) -> u64 {
        self.lock().oldest_seq
    }

    /// Appends so many items of what miners go on doing. Returns the new head.
    pub fn append(&self, count: u64) -> u64 {
        let mut log = self.lock();
        for _ in 0..count {
            let number = log.appended + 1;
            let time_ms = self.0.config.time_ms(number);
            let odd_records = self.0.config.odd_records;
            let subject = log.next_subject(self.0.source.seed, odd_records, time_ms);
            self.put(&mut log, subject, time_ms);
            log.appended = number;
        }
        self.announce(&log)
    }

    /// Appends one odd item. `false` if nothing is in the log yet that it could be odd about.
    pub fn append_defect(&self, defect: OracleDefect) -> bool {
        let mut log = self.lock();
        let number = log.appended + 1;
        let time_ms = self.0.config.time_ms(number);
        let rng = &mut Rng::new(&[self.0.source.seed, number]);
        let Some(subject) = log.defect(defect, rng) else { return false };
        self.put(&mut log, subject, time_ms);
        log.appended = number;
        self.announce(&log);
        true
    }

    /// Loses the log and begins another feed, which tells the newest state of most submissions
    /// again, as their first revision. Returns the new feed's id.
    pub fn reset(&self) -> String {
        let mut log = self.lock();
        let id = feed_id(self.0.source.seed, self.0.config.start_time_ms, log.resets + 1);
        log.reset(id.clone());
        let time_ms = self.0.config.time_ms(log.appended);
        for subject in log.kept(self.0.source.seed) {
            self.put(&mut log, subject, time_ms);
        }
        self.announce(&log);
        id
    }

    /// Items below this number are not served any more.
    pub fn expire(&self, before_seq: u64) {
        let mut log = self.lock();
        log.oldest_seq = before_seq.clamp(log.oldest_seq, log.head_seq() + 1);
    }

    /// The truth: the newest record of every submission ever told, by submission id, as a reader
    /// who missed nothing should have it. Records of a feed before a reset count where the
    /// feed of now does not know the submission.
    pub fn submissions(&self) -> BTreeMap<String, Value> {
        let log = self.lock();
        let told = log.submissions.iter().enumerate().filter_map(|(index, submission)| {
            let number = u32::try_from(index).ok()?;
            let (form, revision) = submission.latest?;
            let record = self.work_item(&log, number, revision, form)?;
            let id = record.get("submission_id")?.as_str()?.to_owned();
            Some((id, record))
        });
        told.collect()
    }

    /// Puts an item about this subject at the end of the log.
    fn put(&self, log: &mut Log, subject: Subject, time_ms: u64) {
        if let Subject::Work { number, form: Form::Steps(steps), .. } = subject {
            let plan = self.plan(number);
            let known =
                log.submissions.get(number as usize).map_or(0, |known| known.times_ms.len());
            if usize::from(steps) > known {
                let anchor = |seed| self.anchor(seed, time_ms);
                log.take_step(number, &plan, time_ms, &anchor);
            }
            if steps == 1 {
                log.by_id.insert(self.submission_id(&plan), number);
            }
        }
        let seq = log.head_seq() + 1;
        let prev_hash = log.hash_before(seq);
        let mut item = Item { subject, time_ms, hash: FIRST_PREV_HASH };
        if self.0.config.signed {
            let (kind, record) = self.content(log, &item);
            let (feed_id, oracle_id) = (log.feed_id.as_str(), self.oracle_id());
            item.hash = ItemHead { feed_id, kind, oracle_id, prev_hash, seq }.hash(&record);
        }
        log.push(item);
    }

    fn announce(&self, log: &Log) -> u64 {
        let head = log.head_seq();
        self.0.head.send_replace((log.resets, head));
        head
    }

    fn plan(&self, number: u32) -> Plan {
        Plan::new(&self.0.source, u64::from(number))
    }

    fn submission_id(&self, plan: &Plan) -> [u8; 32] {
        let (kind, miner) = (plan.work_kind(), plan.miner_id());
        submission_id(self.oracle_id(), kind, &plan.task_id, &miner, plan.attempt)
    }

    /// A transaction of the chain for most claims, one that does not exist for a few.
    fn anchor(&self, seed: u64, time_ms: u64) -> Option<Anchor> {
        let chain = self.0.config.chain.as_ref()?;
        let rng = &mut Rng::new(&[seed, ANCHOR_DOMAIN]);
        match rng.below(8) {
            0..3 => return None,
            3 => {
                let mut hash = [0; 32];
                rng.fill(&mut hash);
                return Some(Anchor { tx_hash: hex(&hash), block_height: None });
            }
            _ => {}
        }
        let (tip, recipe) = (chain.tip().0, chain.recipe());
        let nominal = time_ms.saturating_sub(recipe.genesis_time_ms) / recipe.block_time_ms.max(1);
        // Work from before the chain names its first blocks; never what depends on the tip, as
        // long as the chain is where the clock says.
        let top = nominal.saturating_sub(ANCHOR_DEPTH).max(ANCHOR_BLOCKS).min(tip);
        let start = top.saturating_sub(rng.below(ANCHOR_BLOCKS)).max(1);
        (start..=tip).take(to_index(ANCHOR_BLOCKS)).find_map(|height| {
            let transactions = recipe.transactions(chain.spec_at(height, 0)?);
            let ids: Vec<TxId> =
                transactions.filter(|tx| tx.defect.is_none()).map(|tx| tx.id).collect();
            let index = to_index(seed % (ids.len() as u64).max(1));
            let mut text = Vec::with_capacity(64);
            ids.get(index)?.write(&mut text);
            let tx_hash = String::from_utf8_lossy(&text).into_owned();
            // What an oracle says about heights need not be right.
            let claimed = if seed.is_multiple_of(5) { height + 1 } else { height };
            Some(Anchor { tx_hash, block_height: (!seed.is_multiple_of(3)).then_some(claimed) })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // A panic under the lock would be a bug of this crate; a half-made log is still more
        // useful to the test that shows it than a second panic.
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn feed_id(seed: u64, start_time_ms: u64, resets: u64) -> String {
    let mut id = [0; 16];
    Rng::new(&[seed, start_time_ms, resets]).fill(&mut id);
    hex(&id)
}

fn made_up_account(seed: u64, number: u64) -> String {
    let mut bytes = [0; 20];
    Rng::new(&[seed, ACCOUNT_DOMAIN, number]).fill(&mut bytes);
    format!("0x{}", hex(&bytes))
}
