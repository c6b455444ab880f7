//! Governance: reads proposals, votes and validators as the node has them now.
//!
//! The node has no change feed for governance, so everything is listed in every round and only what
//! may have changed is read with its votes.

mod choose;
mod doubt;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use chert_sources::{Fault, Rejected, SourceError};
use chert_store::entities::governance::query::KnownProposal;
use chert_store::entities::governance::{GovernanceReading, ProposalReading};
use chert_store::{Feed, FeedOutcome, RejectedRecord, StoreError};
use silica_models::{Proposal, Validator, Vote, VoteChoice};

use self::choose::Watch;
use self::doubt::Doubts;
use crate::Indexer;
use crate::feeds::{Nodes, Pause, Rhythm, Stand, Vantage, stand};
use crate::registry::rejected_record;

/// Proposals in one request.
const PROPOSALS_AT_ONCE: u32 = 100;
/// Proposals that are followed; a node that lists more is followed as far.
const PROPOSALS_MAX: usize = 100_000;
/// Votes in one request.
const VOTES_AT_ONCE: u32 = 500;
/// Votes of one proposal that are read; of a proposal with more none are, and its tally is the
/// node's.
const VOTES_MAX: usize = 500_000;
/// Proposals read with their votes between two commits.
const DETAILS_AT_ONCE: usize = 25;
/// Votes read between two commits, about.
const VOTES_PER_COMMIT: usize = 20_000;
/// With up to so many proposals every round stores all of them,
const EVERY_ROUND_PROPOSALS_MAX: usize = 300;
/// with more, all of them this often, and what has changed at once.
const COMPLETE_EVERY: Duration = Duration::from_secs(60);
/// Stored proposals read in one statement.
const KNOWN_AT_ONCE: i64 = 1_000;

/// Reads for ever; dropped with the session, because only the writer of a database may speak for
/// its nodes.
pub(crate) async fn run(indexer: &Indexer) -> Infallible {
    let mut rhythm = Rhythm::new(indexer);
    let mut feed = Governance {
        indexer,
        nodes: Nodes::new(Feed::Governance.as_str(), indexer),
        staking: Nodes::new("staking", indexer),
        watch: Watch::default(),
        absences: Doubts::default(),
        sums: Doubts::default(),
        reorgs: None,
        validators_at: None,
        complete_at: None,
    };
    loop {
        let seen = rhythm.seen();
        let pause = feed.round(seen.reorgs).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "governance is put off");
            Pause::Retry
        });
        rhythm.wait(pause, seen).await;
    }
}

struct Governance<'a> {
    indexer: &'a Indexer,
    nodes: Nodes,
    staking: Nodes,
    watch: Watch,
    /// Proposals that are stored and not listed.
    absences: Doubts<Vec<String>>,
    /// Votes that are fewer than the tally says, by proposal.
    sums: Doubts<[u128; 3]>,
    /// Reorganisations at the last complete round.
    reorgs: Option<u64>,
    validators_at: Option<Instant>,
    complete_at: Option<Instant>,
}

/// What the node lists.
#[derive(Default)]
struct Listing {
    proposals: Vec<Proposal>,
    rejected: Vec<RejectedRecord>,
    /// All there is.
    complete: bool,
}

impl Governance<'_> {
    async fn round(&mut self, reorgs: u64) -> Result<Pause, StoreError> {
        let Some(stand) = stand(self.indexer).await? else { return Ok(Pause::UntilNews) };
        let vantage = match self.nodes.pick(self.indexer, &stand).await {
            Ok(vantage) => vantage,
            Err(pause) => return Ok(pause),
        };
        let listing = match list(&vantage).await {
            Ok(listing) => listing,
            Err(error) => return Ok(self.nodes.failed(self.indexer, &vantage, &error)),
        };
        let known = self.known().await?;
        if self.is_cut(&listing, &known) {
            return Ok(Pause::Retry);
        }
        let depth = self.indexer.settings.finality_depth;
        if self.reorgs != Some(reorgs) {
            self.watch.resume(&known, stand.height, depth);
        }
        let (chosen, listed): (Vec<Proposal>, Vec<Proposal>) =
            listing.proposals.into_iter().partition(|proposal| {
                let known = known.get(&proposal.proposal_id);
                self.watch.wants(proposal, known)
            });
        let mut rejected = listing.rejected;
        let mut readings: Vec<ProposalReading> = Vec::new();
        let mut first = 0;
        let mut votes = 0;
        for (number, proposal) in chosen.iter().enumerate() {
            let reading = match self.read(&vantage, proposal, &known, &mut rejected).await {
                Ok(reading) => reading,
                Err(error) => return Ok(self.nodes.failed(self.indexer, &vantage, &error)),
            };
            votes += reading.votes.as_ref().map_or(0, Vec::len);
            readings.push(reading);
            let enough = readings.len() - first >= DETAILS_AT_ONCE || votes >= VOTES_PER_COMMIT;
            if enough && number + 1 < chosen.len() {
                let part = readings.get(first..).unwrap_or_default();
                if !self.commit(&vantage, &stand, part, &rejected, false, None).await? {
                    return Ok(Pause::Retry);
                }
                // Kept for the complete round, as if they were listed only: they are stored.
                for stored in readings.iter_mut().skip(first) {
                    (stored.details, stored.votes) = (false, None);
                }
                (first, votes) = (readings.len(), 0);
            }
        }
        let gone = known.len() > listed.len() + readings.len();
        let complete = listing.complete
            && (gone || listed.len() <= EVERY_ROUND_PROPOSALS_MAX || self.is_complete_due());
        if complete {
            let rest = listed.into_iter();
            readings.extend(rest.map(|proposal| ProposalReading {
                proposal,
                details: false,
                votes: None,
            }));
        }
        let validators = self.validators(&vantage).await;
        let validators = validators.as_deref();
        if !self.commit(&vantage, &stand, &readings, &rejected, complete, validators).await? {
            return Ok(Pause::Retry);
        }
        if complete {
            self.reorgs = Some(reorgs);
            self.complete_at = Some(Instant::now());
        }
        self.nodes.answered(stand.height);
        Ok(Pause::UntilNews)
    }

    /// Whether stored proposals are missing from the list, and were not missing from the lists
    /// before.
    fn is_cut(&mut self, listing: &Listing, known: &HashMap<String, KnownProposal>) -> bool {
        let proposals = listing.proposals.iter().map(|p| p.proposal_id.as_str());
        let rejected = listing.rejected.iter().map(|r| r.key.as_str());
        let listed: HashSet<&str> = proposals.chain(rejected).collect();
        let mut absent: Vec<String> =
            known.keys().filter(|id| !listed.contains(id.as_str())).cloned().collect();
        if absent.is_empty() {
            self.absences.clear("");
            return false;
        }
        absent.sort_unstable();
        !self.absences.is_repeated("", absent)
    }

    /// A proposal with its details and votes. Where the node cannot show them properly, what the
    /// list says has to do for now: one bad record must not hold up the others.
    async fn read(
        &mut self,
        vantage: &Vantage,
        listed: &Proposal,
        known: &HashMap<String, KnownProposal>,
        rejected: &mut Vec<RejectedRecord>,
    ) -> Result<ProposalReading, SourceError> {
        let id = listed.proposal_id.as_str();
        let stored = known.get(id).and_then(|known| usize::try_from(known.votes).ok());
        let (proposal, details) = match vantage.source.proposal(id).await {
            Ok(Some(proposal)) if proposal.proposal_id == id => (proposal, true),
            Err(error) if !is_about_the_record(&error) => return Err(error),
            _ => (listed.clone(), false),
        };
        let votes = match votes(vantage, &proposal, rejected).await {
            Ok(votes) => {
                votes.filter(|votes| self.may_be_all(&proposal, votes, stored.unwrap_or(0)))
            }
            Err(error) if is_about_the_record(&error) => None,
            Err(error) => return Err(error),
        };
        Ok(ProposalReading { proposal, details, votes })
    }

    /// Whether these may be all votes of a proposal: they make up its tally, or the node says so
    /// again and again. While the voting lasts, votes that come in may be ahead of the tally or
    /// behind it, so that only a list that takes away what is stored is in doubt.
    fn may_be_all(&mut self, proposal: &Proposal, votes: &[Vote], stored: usize) -> bool {
        let sum = |choice: VoteChoice| {
            let powers = votes.iter().filter(|vote| vote.choice == choice).map(|vote| vote.power);
            powers.fold(0_u128, u128::saturating_add)
        };
        let sums = [VoteChoice::For, VoteChoice::Against, VoteChoice::Abstain].map(sum);
        let tally = [proposal.votes_for, proposal.votes_against, proposal.votes_abstain];
        let id = proposal.proposal_id.as_str();
        let is_over = proposal.state.is_final();
        let adds_up = sums.iter().zip(&tally).all(|(sum, told)| sum >= told);
        if adds_up || (!is_over && votes.len() >= stored.max(1)) {
            self.sums.clear(id);
            return true;
        }
        self.sums.is_repeated(id, sums)
    }

    fn is_complete_due(&self) -> bool {
        self.reorgs.is_none() || self.complete_at.is_none_or(|at| at.elapsed() >= COMPLETE_EVERY)
    }

    async fn known(&self) -> Result<HashMap<String, KnownProposal>, StoreError> {
        let mut known = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let page =
                self.indexer.store.list_known_proposals(after.as_deref(), KNOWN_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(known) };
            after = Some(last.proposal_id.clone());
            known.extend(page.into_iter().map(|k| (k.proposal_id.clone(), k)));
        }
    }

    /// All validators, where it is time to read them. A node may have governance and no staking.
    async fn validators(&mut self, vantage: &Vantage) -> Option<Vec<Validator>> {
        let every = self.indexer.settings.feeds.validators;
        if self.validators_at.is_some_and(|at| at.elapsed() < every) {
            return None;
        }
        self.validators_at = Some(Instant::now());
        match vantage.source.validators().await {
            Ok(validators) => Some(validators),
            Err(error) => {
                self.staking.failed(self.indexer, vantage, &error);
                None
            }
        }
    }

    /// Stores what was read; `false` where the node or the index has moved to another branch
    /// meanwhile.
    async fn commit(
        &mut self,
        vantage: &Vantage,
        stand: &Stand,
        proposals: &[ProposalReading],
        rejected: &[RejectedRecord],
        complete: bool,
        validators: Option<&[Validator]>,
    ) -> Result<bool, StoreError> {
        let Some(spoken_to) = vantage.spoken_to().await else { return Ok(false) };
        let reading = GovernanceReading {
            under: (stand.height, stand.hash.as_bytes()),
            spoken_to,
            at_s: stand.time_s,
            proposals,
            complete,
            validators,
            rejected,
            now_s: (self.indexer.settings.now_ms)() / 1_000,
        };
        if self.indexer.store.put_governance(&reading).await? != FeedOutcome::Stored {
            return Ok(false);
        }
        let depth = self.indexer.settings.finality_depth;
        for whole in proposals.iter().filter(|reading| reading.is_whole()) {
            let id = &whole.proposal.proposal_id;
            self.watch.was_read(id, stand.height, spoken_to, depth);
        }
        Ok(true)
    }
}

/// Everything the node lists. A page that brings nothing new ends the list: the node may have a
/// lower cap than was asked for, or none of the parameters.
async fn list(vantage: &Vantage) -> Result<Listing, SourceError> {
    let mut listing = Listing::default();
    let mut seen: HashSet<String> = HashSet::new();
    let mut offset = 0_u32;
    while listing.proposals.len() < PROPOSALS_MAX {
        let page = vantage.source.proposals(offset, PROPOSALS_AT_ONCE).await?;
        let len = u32::try_from(page.len()).unwrap_or(u32::MAX);
        let before = seen.len();
        for entry in page {
            match entry {
                Ok(proposal) if seen.insert(proposal.proposal_id.clone()) => {
                    listing.proposals.push(proposal);
                }
                Err(bad) if seen.insert(format!("\0{}", bad.key)) => {
                    listing.rejected.push(rejected_proposal(bad));
                }
                _ => {}
            }
        }
        if seen.len() == before {
            listing.complete = true;
            break;
        }
        offset = offset.saturating_add(len);
    }
    Ok(listing)
}

fn is_about_the_record(error: &SourceError) -> bool {
    matches!(error.fault, Fault::Malformed | Fault::RpcError | Fault::Missing)
}

/// All votes of a proposal; `None` where there are more than are followed.
async fn votes(
    vantage: &Vantage,
    proposal: &Proposal,
    rejected: &mut Vec<RejectedRecord>,
) -> Result<Option<Vec<Vote>>, SourceError> {
    let id = proposal.proposal_id.as_str();
    let mut votes: Vec<Vote> = Vec::new();
    let mut voters = HashSet::new();
    let mut offset = 0_u32;
    loop {
        let page = vantage.source.votes(id, offset, VOTES_AT_ONCE).await?;
        let len = u32::try_from(page.len()).unwrap_or(u32::MAX);
        let before = voters.len();
        for entry in page {
            match entry {
                Ok(vote) if voters.insert(vote.voter.key()) => votes.push(vote),
                Ok(_) => {}
                Err(bad) => rejected.push(rejected_vote(id, bad)),
            }
        }
        if len == 0 || voters.len() == before {
            return Ok(Some(votes));
        }
        if votes.len() > VOTES_MAX {
            tracing::warn!(proposal = id, votes = votes.len(), "more votes than are followed");
            return Ok(None);
        }
        offset = offset.saturating_add(len);
    }
}

/// A rejected proposal goes by its id, so that a stored one is not taken for gone.
fn rejected_proposal(bad: Rejected) -> RejectedRecord {
    let key = bad.key.strip_prefix("proposal:").unwrap_or(&bad.key).to_owned();
    rejected_record(Rejected { key, ..bad })
}

/// Rejected votes are told apart from rejected proposals by their key.
fn rejected_vote(proposal_id: &str, bad: Rejected) -> RejectedRecord {
    let key = format!("vote/{proposal_id}/{}", bad.key);
    rejected_record(Rejected { key, ..bad })
}
