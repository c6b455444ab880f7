//! Governance in the store: what a round replaces, whom it belongs to, what a reorganisation takes
//! back; and that everything derived equals a rebuild after any sequence of these.
#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use chert_store::entities::governance::query::{
    find_proposal, get_power, list_proposals, list_votes,
};
use chert_store::entities::governance::{GovernanceReading, ProposalReading};
use chert_store::privacy::{Closed, Viewer};
use chert_store::{Feed, FeedOutcome, RejectedRecord};
use serde_json::json;
use silica_models::{Validator, Visibility, VoteChoice};

use stage::{
    BLOCK_S, START, Stage, hash, identity, power, proposal, reading, record, vote, wallet,
};

#[tokio::test]
async fn a_round_replaces_what_was_stored() {
    let mut stage = Stage::new().await;
    stage.grow(None, 3, 0).await;
    let votes = vec![
        vote(1, VoteChoice::For, u128::from(u64::MAX), START + 20),
        vote(2, VoteChoice::Against, 7, START + 30),
        vote(3, VoteChoice::Abstain, 1, START + 8_000),
    ];
    let both = [reading("a", "active", 1, votes), reading("b", "pending", 2, vec![])];
    assert_eq!(stage.put(&both, true).await, FeedOutcome::Stored);
    stage.assert_sound().await;
    let (_, detail) = find_proposal(&stage.store, "a").await.unwrap();
    let detail = detail.unwrap();
    let tally = |choice: i16| detail.tallies.iter().find(|t| t.vote_choice == choice).unwrap();
    assert_eq!((tally(1).power.as_str(), tally(1).share_bps), ("18446744073709551615", 9_999));
    assert_eq!(detail.timeline.len(), 2);
    assert_eq!(detail.timeline[1].votes_abstain, "1");
    assert_eq!(detail.timeline[1].votes_for, "18446744073709551615");
    assert_eq!(detail.targets, json!(["a"]));

    // A vote changes, one vanishes, one comes; the summary of the other tells of its state only.
    stage.grow(None, 4, 0).await;
    let votes = vec![
        vote(1, VoteChoice::Against, 5, START + 20),
        vote(3, VoteChoice::Abstain, 1, START + 8_000),
        vote(4, VoteChoice::For, 2, START + 40),
        vote(4, VoteChoice::For, 3, START + 50),
    ];
    let mut summary = proposal("b", "active", 2);
    (summary.targets, summary.values, summary.calldatas) = (vec![], vec![], vec![]);
    let next = [
        reading("a", "active", 1, votes),
        ProposalReading { proposal: summary, details: false, votes: None },
    ];
    assert_eq!(stage.put(&next, true).await, FeedOutcome::Stored);
    stage.assert_sound().await;
    let (_, listed) = list_votes(&stage.store, "a", None, 0, 10).await.unwrap();
    let listed: Vec<_> = listed.unwrap().into_iter().map(|v| (v.choice, v.power)).collect();
    assert_eq!(listed, [(2, "1".into()), (1, "3".into()), (0, "5".into())]);
    let (_, detail) = find_proposal(&stage.store, "b").await.unwrap();
    let detail = detail.unwrap();
    assert_eq!(detail.targets, json!(["a"]), "details stay");
    let seen: Vec<_> = detail.transitions.iter().map(|t| (t.height, t.state.as_str())).collect();
    assert_eq!(seen, [(3, "pending"), (4, "active")]);

    // What the node does not list any more is gone, unless it could not be understood.
    let rejected = |key: &str| RejectedRecord {
        key: key.to_owned(),
        height: None,
        reason: "odd".to_owned(),
        raw: vec![0],
    };
    stage.put_with(&[], true, &[rejected("b")], None).await;
    let (_, left) = list_proposals(stage.store.readers(), None, None, 10).await.unwrap();
    assert_eq!(left.iter().map(|p| p.proposal_id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(stage.count("SELECT count(*) FROM votes").await, 0);
    stage.assert_sound().await;
}

#[tokio::test]
async fn odd_readings_do_no_harm() {
    let mut stage = Stage::new().await;
    stage.grow(None, 1, 0).await;
    let mut strange = proposal("nul", "active", 1);
    strange.title = Some("a\0b".to_owned());
    strange.targets = vec!["\0".to_owned()];
    (strange.created_at, strange.voting_starts_at) = (i64::MIN, Some(i64::MAX));
    (strange.votes_for, strange.votes_against) = (u128::MAX, u128::MAX);
    let mut long = reading("x", "active", 1, vec![]);
    long.proposal.proposal_id = "x".repeat(129);
    let mut late = vote(1, VoteChoice::For, u128::MAX, i64::MAX);
    late.reason = Some("\0".to_owned());
    let votes = vec![late, vote(2, VoteChoice::For, u128::MAX, i64::MIN)];
    let odd = ProposalReading { proposal: strange, details: true, votes: Some(votes) };
    let twice = [odd.clone(), long.clone(), odd];
    assert_eq!(stage.put(&twice, true).await, FeedOutcome::Stored);
    stage.assert_sound().await;
    let (_, left) = list_proposals(stage.store.readers(), None, None, 10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].title.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(stage.count("SELECT count(*) FROM feed_quarantine").await, 1);

    // Under a block that is not on the chain, or below what is stored, nothing is.
    let empty = |under| GovernanceReading {
        under,
        spoken_to: 0,
        at_s: 0,
        proposals: &[],
        complete: true,
        validators: None,
        rejected: &[],
        now_s: 0,
    };
    let foreign = stage.store.put_governance(&empty((1, &[7; 32]))).await.unwrap();
    let first = hex::decode(hash(0, 0)).unwrap();
    let older = stage.store.put_governance(&empty((0, &first))).await.unwrap();
    assert_eq!((foreign, older), (FeedOutcome::Moved, FeedOutcome::Moved));
    let validator = Validator::parse(
        r#"{"address":"VALaa","publicKey":"00","networkKey":"00","stake":7,"isActive":true}"#,
    )
    .unwrap();
    for (validators, rows) in [(vec![validator.clone(), validator], 1), (vec![], 0)] {
        stage.put_with(&[], false, &[], Some(&validators)).await;
        assert_eq!(stage.count("SELECT count(*) FROM validators").await, rows);
    }
}

#[tokio::test]
async fn votes_belong_to_who_held_the_wallet_then() {
    let mut stage = Stage::new().await;
    stage.grow(None, 5, 0).await;
    let at = |height: i64| START + height * BLOCK_S;
    let votes = || {
        vec![
            vote(1, VoteChoice::For, 10, at(2)),
            vote(2, VoteChoice::For, 20, at(4)),
            vote(3, VoteChoice::For, 30, at(1)),
        ]
    };
    stage.put(&[reading("a", "active", 9, votes())], true).await;
    // 1 and 2 were linked before they voted, 3 after.
    stage.register(&[record(7, 1, 1, &[1, 2]), record(8, 3, 1, &[3])]).await;
    stage.assert_sound().await;
    let stats = stage.stats(7).await.unwrap();
    assert_eq!((stats.votes_cast, stats.last_vote_at), (2, Some(at(4))));
    assert_eq!((stats.eligible_proposals, stats.participation_rate), (1, Some(1.0)));
    assert_eq!(stats.votes[0].power, "20");
    assert_eq!(stage.stats(8).await.unwrap().votes_cast, 0);
    assert_eq!(stage.stats(9).await, Err(Closed::Unknown));

    // Taking over an address later moves nothing; both may have it then.
    stage.register(&[record(8, 5, 2, &[1, 2, 3])]).await;
    assert_eq!(stage.stats(7).await.unwrap().votes_cast, 2);
    let mut hidden = record(7, 5, 2, &[1, 2]);
    hidden.visibility = Visibility::FriendsOnly;
    stage.register(&[hidden]).await;
    assert_eq!(stage.stats(7).await, Err(Closed::Hidden));
    let (_, listed) = list_votes(&stage.store, "a", None, 0, 10).await.unwrap();
    assert!(listed.unwrap().iter().all(|vote| vote.voter_identity.is_none()));
    stage.assert_sound().await;
}

#[tokio::test]
async fn powers_are_asked_for_read_and_summed() {
    let mut stage = Stage::new().await;
    stage.grow(None, 2, 0).await;
    stage.register(&[record(7, 1, 1, &[1, 2])]).await;
    let queued = stage.store.list_queued_powers(10).await.unwrap();
    assert_eq!(queued.len(), 2, "linked wallets are queued");
    let readings = [power(1, 100, &[(5, 3), (5, 4), (6, 1)]), power(2, 10, &[])];
    assert_eq!(stage.put_powers(&readings).await, FeedOutcome::Stored);
    assert!(stage.store.list_queued_powers(10).await.unwrap().is_empty());
    stage.assert_sound().await;
    let stats = stage.stats(7).await.unwrap();
    assert_eq!(stats.current_voting_power, "118");
    assert_eq!((stats.delegation_received.as_str(), stats.delegated_out.as_str()), ("8", "8"));
    let (_, power_now) = get_power(stage.store.readers(), &identity(7)).await.unwrap();
    let power_now = power_now.open(Viewer::Anonymous).unwrap();
    assert_eq!(power_now.sums.as_ref().unwrap().total, "118");
    assert_eq!((power_now.wallets.len(), power_now.as_of_height), (2, Some(2)));
    assert_eq!(power_now.stale(stage.now_s() + 1).len(), 2);
    assert_eq!(stage.count("SELECT count(*) FROM delegations").await, 2);

    // The delegations made are replaced; a reading from before is not taken.
    stage.grow(None, 3, 0).await;
    stage.put_powers(&[power(1, 50, &[(6, 2)])]).await;
    assert_eq!(stage.count("SELECT count(*) FROM delegations").await, 1);
    let second = hex::decode(hash(2, 0)).unwrap();
    stage.store.put_powers((2, &second), &[power(1, 1, &[])], 0).await.unwrap();
    assert_eq!(stage.stats(7).await.unwrap().current_voting_power, "68");

    // What was read on a branch that is left is read again first, and outranks nothing.
    stage.grow(Some(2), 2, 0).await;
    let queued = stage.store.list_queued_powers(1).await.unwrap();
    assert_eq!(queued, [wallet(1)]);
    stage.put_powers(&[power(1, 7, &[])]).await;
    assert_eq!(stage.stats(7).await.unwrap().current_voting_power, "25");
    stage.assert_sound().await;
}

/// Its votes alone were read once more, since the node did not show its details: what is stored is of
/// two moments, and a reorganisation between them takes or brings back votes.
#[tokio::test]
async fn a_proposal_of_which_a_part_was_read_is_read_again() {
    let (one, two) = (vote(1, VoteChoice::For, 5, START), vote(2, VoteChoice::For, 6, START + 1));
    let (few, many) = (vec![one.clone()], vec![one, two]);
    for (before, after) in [(few.clone(), many.clone()), (many, few)] {
        let mut stage = Stage::new().await;
        stage.grow(None, 2, 0).await;
        let whole = [reading("a", "active", 1, before), reading("b", "active", 1, vec![])];
        assert_eq!(stage.put(&whole, true).await, FeedOutcome::Stored);
        stage.grow(None, 8, 0).await;
        let partly = ProposalReading { details: false, ..reading("a", "active", 1, after) };
        assert_eq!(stage.put(&[partly], false).await, FeedOutcome::Stored);
        stage.grow(Some(6), 9, 1).await;
        assert_eq!(stage.count("SELECT count(*) FROM votes").await, 1);
        let unread = "SELECT count(*) FROM proposals WHERE height < 0";
        assert_eq!(stage.count(unread).await, 1, "nobody would read the votes again");
    }
}

#[tokio::test]
async fn a_reorganisation_takes_back_what_was_first_read_above_it() {
    let mut stage = Stage::new().await;
    stage.grow(None, 3, 0).await;
    let old = || vote(1, VoteChoice::For, 10, START + 70);
    stage.register(&[record(7, 0, 1, &[1, 2])]).await;
    stage.put(&[reading("old", "active", 1, vec![old()])], true).await;
    stage.grow(None, 6, 0).await;
    let votes = vec![old(), vote(2, VoteChoice::For, 5, START + 80)];
    let new = reading("new", "active", 2, vec![vote(2, VoteChoice::For, 5, START + 80)]);
    stage.put(&[reading("old", "succeeded", 1, votes), new], true).await;
    assert_eq!(stage.stats(7).await.unwrap().votes_cast, 3);
    stage.grow(Some(4), 5, 1).await;
    stage.assert_sound().await;
    let stats = stage.stats(7).await.unwrap();
    assert_eq!((stats.votes_cast, stats.proposals_created), (1, 1));
    let feed = stage.store.feed_checkpoint(Feed::Governance).await.unwrap();
    assert_eq!((feed.height, feed.synced_at), (4, 0));
    // What stays may hold details of the branch that went: they are to be read again.
    assert_eq!(stage.count("SELECT max(height) FROM proposals").await, -1);
    let (_, detail) = find_proposal(&stage.store, "old").await.unwrap();
    assert_eq!(detail.unwrap().transitions.len(), 1);
    assert!(find_proposal(&stage.store, "new").await.unwrap().1.is_none());
}

/// A small generator: the sequence only has to be the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }

    fn small(&mut self, bound: u64) -> u8 {
        u8::try_from(self.below(bound)).unwrap()
    }
}

#[tokio::test]
async fn whatever_happens_derived_rows_equal_a_rebuild() {
    for seed in 1..=3 {
        let mut dice = Dice(seed);
        let mut stage = Stage::new().await;
        let mut branch = 0;
        for version in 1_u32..=25 {
            let tip = stage.writer.checkpoint().tip().unwrap();
            match dice.below(5) {
                0 if tip > 3 => {
                    branch += 1;
                    let ancestor = tip - 1 - dice.below(3);
                    stage.grow(Some(ancestor), ancestor + dice.below(4), branch).await;
                }
                1 => stage.grow(None, tip + 1 + dice.below(3), branch).await,
                2 => {
                    let wallets: Vec<u8> = (0..dice.below(4)).map(|_| dice.small(6)).collect();
                    let mut changed = record(dice.small(4), tip, version, &wallets);
                    changed.links.sort_by_key(|link| link.address.key());
                    changed.links.dedup_by_key(|link| link.address.key());
                    stage.register(&[changed]).await;
                }
                3 => {
                    let own = u128::from(dice.below(100));
                    stage.put_powers(&[power(dice.small(6), own, &[(dice.small(6), own)])]).await;
                }
                _ => {
                    let mut proposals = Vec::new();
                    for id in ["a", "b", "c"].iter().take(usize::from(dice.small(4))) {
                        let cast = |dice: &mut Dice| {
                            let at = START + i64::from(dice.small(10)) * BLOCK_S;
                            vote(dice.small(6), VoteChoice::For, 1, at)
                        };
                        let votes = (0..dice.below(5)).map(|_| cast(&mut dice)).collect();
                        proposals.push(reading(id, "active", dice.small(6), votes));
                    }
                    stage.put(&proposals, dice.below(2) == 0).await;
                }
            }
            stage.assert_sound().await;
        }
        stage.writer.repair_derived().await.unwrap();
        stage.assert_sound().await;
    }
}
