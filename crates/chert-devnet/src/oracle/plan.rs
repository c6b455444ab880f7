//! What becomes of each piece of work: a pure function of seeds and its number.

use crate::rng::{Rng, to_index};

const PLAN_DOMAIN: u64 = 0x706c_616e;
const CLAIM_DOMAIN: u64 = 0x636c_6169;
const DELAY_DOMAIN: u64 = 0x6465_6c61;
/// One submission in this many is also claimed by oracles of the same shared seed.
const SHARED_EVERY: u64 = 10;
/// One submission in this many is a second attempt at the one before.
const RETRY_EVERY: u64 = 12;

/// One change of a submission, and so one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Assigned,
    Submitted,
    Validated,
    Rejected,
    TimedOut,
    Disputed,
    /// The dispute ends with the opposite decision.
    Overturned,
    /// The dispute ends with the decision as it was.
    Upheld,
    Finalized,
    Claimed,
    ClawedBack,
    Voided,
}

use Step::{
    Assigned, Claimed, ClawedBack, Disputed, Finalized, Overturned, Rejected, Submitted, TimedOut,
    Upheld, Validated, Voided,
};

/// Lives of submissions with how many in a hundred live them.
const LIVES: [(u64, &[Step]); 13] = [
    (36, &[Assigned, Submitted, Validated, Finalized, Claimed]),
    (14, &[Submitted, Validated, Finalized, Claimed]),
    (8, &[Assigned, Submitted, Validated, Finalized]),
    (7, &[Assigned, Submitted, Validated]),
    (8, &[Assigned, Submitted, Rejected]),
    (6, &[Assigned, Submitted, TimedOut]),
    (4, &[Assigned, Submitted, Validated, Disputed, Overturned]),
    (4, &[Assigned, Submitted, Validated, Disputed, Upheld, Finalized]),
    (3, &[Assigned, Submitted, Rejected, Disputed, Overturned, Finalized]),
    (3, &[Assigned, Submitted, Validated, ClawedBack]),
    (3, &[Assigned, Submitted, Validated, Finalized, ClawedBack]),
    (2, &[Assigned, Submitted, Validated, Voided]),
    (2, &[Assigned, Submitted]),
];
const TIMED_OUT: &[Step] = &[Assigned, Submitted, TimedOut];

/// Task types as BOINC work is called, with the project's own spelling of its name.
const PROJECTS: [(&str, &str); 5] = [
    ("boinc_milky_way", "MilkyWay@Home"),
    ("boinc_rosetta", "Rosetta@home"),
    ("boinc_einstein", "Einstein@Home"),
    ("boinc_world_community_grid", "World Community Grid"),
    ("boinc_folding", "Folding@Home"),
];
/// Canonical names, then spellings that readers have to know, then one that nobody knows.
const NUW_TYPES: [&str; 14] = [
    "sig_batch_verify",
    "zk_batch_verify",
    "zk_verify",
    "recursive_snark",
    "merkle_batch",
    "merkle_verify",
    "poseidon_batch",
    "tx_pre_validate",
    "el_gamal_range_proof",
    "el_gamal_conservation_proof",
    "nuw_dag",
    "ZkVerify",
    "elgamal_batch_verify",
    "lattice_reduction",
];
const WORKERS: [&str; 6] = ["rig1", "rig2", "laptop", "gpu-farm-07", "Kühlschrank", "مكتب"];

/// What seeds the work of one oracle.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) seed: u64,
    pub(crate) shared_seed: Option<u64>,
    /// Not empty.
    pub(crate) accounts: Vec<String>,
}

/// One submission, from before its first step to after its last.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) boinc: bool,
    pub(crate) task_type: &'static str,
    pub(crate) task_id: String,
    pub(crate) attempt: u32,
    pub(crate) account: String,
    pub(crate) worker: &'static str,
    pub(crate) project: Option<&'static str>,
    pub(crate) result_name: Option<String>,
    pub(crate) steps: &'static [Step],
    /// Seeds the figures.
    pub(crate) detail_seed: u64,
}

impl Plan {
    pub(crate) fn new(source: &Source, number: u64) -> Plan {
        let is_retry = |number: u64| number % RETRY_EVERY == RETRY_EVERY - 1;
        let attempt = u32::from(is_retry(number));
        // The task of a second attempt is that of the first.
        let task = number - u64::from(attempt);
        let claim_seed = match source.shared_seed {
            Some(shared) if task % SHARED_EVERY == 3 => shared,
            _ => source.seed,
        };
        let rng = &mut Rng::new(&[claim_seed, CLAIM_DOMAIN, task]);
        let boinc = rng.one_in(2);
        let (task_type, project) = match boinc {
            true => {
                let (task_type, project) = rng.pick(&PROJECTS);
                (task_type, Some(project))
            }
            false => (pick_nuw_type(rng), None),
        };
        let tag = rng.next();
        let task_id = if boinc { format!("chert_{tag:016x}") } else { format!("nuw_{tag:x}") };
        let result_name = boinc.then(|| format!("wu_{}_{}", tag >> 40, rng.below(4)));
        let account = pick_account(rng, &source.accounts);
        let rng = &mut Rng::new(&[source.seed, PLAN_DOMAIN, number]);
        let steps = if is_retry(number + 1) { TIMED_OUT } else { pick_life(rng) };
        Plan {
            boinc,
            task_type,
            task_id,
            attempt,
            account,
            worker: rng.pick(&WORKERS),
            project,
            result_name,
            steps,
            detail_seed: rng.next(),
        }
    }

    pub(crate) fn work_kind(&self) -> &'static str {
        if self.boinc { "boinc" } else { "nuw" }
    }

    pub(crate) fn miner_id(&self) -> String {
        format!("{}:{}", self.account, self.worker)
    }

    /// Items of the log between a step and the one before it; at least 1.
    pub(crate) fn delay(&self, step: usize) -> u64 {
        let rng = &mut Rng::new(&[self.detail_seed, DELAY_DOMAIN, step as u64]);
        match self.steps.get(step) {
            Some(Submitted | Validated | Rejected) => 2 + rng.below(12),
            Some(Claimed | Disputed) => 10 + rng.below(60),
            _ => 5 + rng.below(25),
        }
    }
}

/// Mostly the first and canonical ones.
fn pick_nuw_type(rng: &mut Rng) -> &'static str {
    if rng.one_in(12) { rng.pick(&NUW_TYPES) } else { rng.pick(&NUW_TYPES[..10]) }
}

/// Log-uniform three times out of four, so that some accounts do most of the work.
fn pick_account(rng: &mut Rng, accounts: &[String]) -> String {
    let count = accounts.len() as u64;
    let index = if rng.one_in(4) {
        rng.below(count)
    } else {
        let bits = rng.below(u64::from(count.max(1).ilog2()) + 1);
        ((1_u64 << bits) - 1 + rng.below(1 << bits)) % count.max(1)
    };
    accounts.get(to_index(index)).cloned().unwrap_or_default()
}

fn pick_life(rng: &mut Rng) -> &'static [Step] {
    let mut roll = rng.below(LIVES.iter().map(|(weight, _)| weight).sum());
    for (weight, steps) in LIVES {
        match roll.checked_sub(weight) {
            Some(left) => roll = left,
            None => return steps,
        }
    }
    TIMED_OUT
}
