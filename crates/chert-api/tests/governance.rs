//! Governance over the real server and database: the answers, paging, privacy, odd input.
#![allow(clippy::unwrap_used, reason = "tests")]
mod support;

use chert_store::entities::governance::{GovernanceReading, PowerReading, ProposalReading};
use chert_store::entities::identity::RegistryCommit;
use chert_store::{FeedOutcome, Store};
use serde_json::{Value, json};
use silica_models::{
    Address, Delegation, IdentityId, IdentityRecord, Proposal, Visibility, Vote, VoteChoice,
    VotingPower, WalletLink,
};
use support::{TestServer, run_sql};

/// Blocks of the fixed chain, two seconds apart.
const BLOCKS: i64 = 20;
/// Time of block 0.
const START: i64 = 1_783_000_000;
/// Time of the tip.
const TIP: i64 = START + (BLOCKS - 1) * 2;

struct Stage {
    server: TestServer,
    store: Store,
    hash: Vec<u8>,
}

impl Stage {
    async fn new() -> Self {
        let server = TestServer::start(BLOCKS, 1).await;
        let store = Store::from_pool(server.pool.clone()).unwrap();
        let hash = store.checkpoint().await.unwrap().hash;
        Self { server, store, hash }
    }

    fn under(&self) -> (u64, &[u8]) {
        (u64::try_from(BLOCKS - 1).unwrap(), &self.hash)
    }

    async fn put(&self, proposals: &[ProposalReading]) {
        let reading = GovernanceReading {
            under: self.under(),
            spoken_to: self.under().0,
            at_s: TIP,
            proposals,
            complete: true,
            validators: None,
            rejected: &[],
            now_s: TIP,
        };
        let stored = self.store.put_governance(&reading).await.unwrap();
        assert_eq!(stored, FeedOutcome::Stored);
    }

    async fn register(&self, id: u8, version: u32, visibility: Visibility, wallets: &[u8]) {
        let link = |number: &u8| WalletLink {
            address: wallet(*number),
            link_type: "main".to_owned(),
            proof_signature: vec![1],
            created_at: START,
            verified_at: None,
            height: 0,
        };
        let record = IdentityRecord {
            identity_id: IdentityId([id; 32]),
            display_name: Some(format!("Somebody {id}")),
            avatar_hash: None,
            bio: None,
            visibility,
            links: wallets.iter().map(link).collect(),
            created_at: START,
            updated_at: START,
            height: 0,
            profile_version: version,
        };
        let commit = RegistryCommit {
            under: self.under(),
            records: &[record],
            rejected: &[],
            synced_to: 0,
            now_s: TIP,
        };
        assert_eq!(self.store.put_registry(&commit).await.unwrap(), FeedOutcome::Stored);
    }

    /// What the indexer does with the queue of powers.
    async fn read_powers(&self, now_s: i64) -> usize {
        let queued = self.store.list_queued_powers(10).await.unwrap();
        let reading = |address: Address| {
            let delegation = Delegation {
                delegator: address.clone(),
                delegatee: wallet(99),
                amount: 5,
                delegated_at: START,
            };
            let power = VotingPower { own: 100, delegated_in: 20, total: 120 };
            PowerReading { address, power, delegations: vec![delegation] }
        };
        let readings: Vec<PowerReading> = queued.into_iter().map(reading).collect();
        self.store.put_powers(self.under(), &readings, now_s).await.unwrap();
        readings.len()
    }

    async fn ok(&self, path: &str) -> Value {
        self.server.ok(&format!("/v1/governance/{path}")).await
    }
}

fn wallet(number: u8) -> Address {
    Address::parse(&format!("0x{}", format!("{number:02x}").repeat(20))).unwrap()
}

fn hex_id(id: u8) -> String {
    hex::encode([id; 32])
}

fn proposal(id: &str, state: &str, created_at: i64) -> Proposal {
    let text = json!({
        "proposal_id": id, "proposer": wallet(1).as_str(), "title": "A title",
        "description": "A text", "type": "parameter", "state": state,
        "vote_start": START + 4, "vote_end": START + 1_000, "votes_for": 150_000,
        "votes_against": "25000", "votes_abstain": 10_000, "created_at": created_at,
        "updated_at": START + 6, "targets": ["params"], "values": ["0"], "calldatas": ["00ff"],
    });
    Proposal::parse(&text.to_string()).unwrap()
}

fn vote(voter: u8, choice: VoteChoice, power: u128, cast_at: i64) -> Vote {
    let reason = (voter == 1).then(|| "Because.".to_owned());
    Vote { proposal_id: String::new(), voter: wallet(voter), choice, power, reason, cast_at }
}

async fn vote_on_seven(stage: &Stage) {
    let votes = vec![
        vote(1, VoteChoice::For, u128::from(u64::MAX), START + 10),
        vote(2, VoteChoice::Against, 7, START + 12),
        vote(3, VoteChoice::For, 1, START + 7_200),
    ];
    let seven = ProposalReading {
        proposal: proposal("7", "Active", START + 2),
        details: true,
        votes: Some(votes),
    };
    let mut other = proposal("8", "Pending", START + 3);
    other.voting_starts_at = Some(TIP + 1);
    stage
        .put(&[seven, ProposalReading { proposal: other, details: true, votes: Some(vec![]) }])
        .await;
}

#[tokio::test]
async fn answers_of_governance() {
    let stage = Stage::new().await;
    vote_on_seven(&stage).await;
    stage.register(10, 1, Visibility::Public, &[1]).await;
    assert_eq!(stage.read_powers(i64::MAX / 2).await, 1);
    for (name, path) in [
        ("proposals", "proposals?limit=1".to_owned()),
        ("proposal", "proposals/7".to_owned()),
        ("votes", "proposals/7/votes".to_owned()),
        ("governance_stats", format!("stats/{}", hex_id(10))),
        ("governance_power", format!("power/0x{}", hex_id(10).to_uppercase())),
    ] {
        let reply = stage.server.get(&format!("/v1/governance/{path}")).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        assert_eq!(reply.header("cache-control"), "no-cache", "{path}");
        assert_eq!(reply.header("chert-indexed-height"), "19");
        let tag = reply.header("etag").to_owned();
        let known = [("if-none-match", tag.as_str())];
        let again = format!("/v1/governance/{path}");
        let again = stage.server.send(reqwest::Method::GET, &again, &known).await;
        assert_eq!(again.status, 304, "{path}");
        insta::assert_json_snapshot!(name, reply.json());
    }
}

#[tokio::test]
async fn states_fold_into_statuses_and_lists_page_by_them() {
    let stage = Stage::new().await;
    let states = [
        ("pending", "pending"),
        ("active", "active"),
        ("succeeded", "passed"),
        ("queued", "passed"),
        ("defeated", "rejected"),
        ("cancelled", "rejected"),
        ("expired", "rejected"),
        ("vetoed", "rejected"),
        ("executed", "executed"),
    ];
    // Three of a state, two of them made in the same second.
    let mut readings = Vec::new();
    for (place, (state, _)) in (0_i64..).zip(states) {
        for number in 0..3 {
            let id = format!("{state}-{number}");
            let proposal = proposal(&id, state, START + place * 10 + number / 2);
            readings.push(ProposalReading { proposal, details: false, votes: None });
        }
    }
    stage.put(&readings).await;
    let ids = |items: &[Value]| -> Vec<String> {
        items.iter().map(|item| item["proposal_id"].as_str().unwrap().to_owned()).collect()
    };
    let path = "/v1/governance/proposals";
    let all = stage.server.walk(path, 4).await;
    assert_eq!(all.len(), 27);
    assert!(all.is_sorted_by_key(|item| std::cmp::Reverse(item["created_at"].as_i64())));
    assert_eq!(stage.server.walk(&format!("{path}?status=all"), 5).await, all);
    for status in ["pending", "active", "passed", "rejected", "executed"] {
        let expected: Vec<Value> =
            all.iter().filter(|item| item["status"] == status).cloned().collect();
        assert!(
            expected
                .iter()
                .all(|item| { states.contains(&(item["state"].as_str().unwrap(), status)) })
        );
        let walked = stage.server.walk(&format!("{path}?status={status}"), 2).await;
        assert_eq!(ids(&walked), ids(&expected), "{status}");
    }
    for offset in [0, 1, 26, 27, 10_000] {
        let page = stage.ok(&format!("proposals?offset={offset}")).await;
        let rest: Vec<Value> = all.iter().skip(offset).cloned().collect();
        assert_eq!(page["items"].as_array().unwrap(), &rest, "{offset}");
    }
    let page = stage.ok("proposals?status=rejected&offset=2&limit=1").await;
    assert_eq!(page["items"][0]["proposal_id"], "vetoed-0", "{page}");
    // A cursor belongs to its list.
    let cursor = stage.ok("proposals?status=passed&limit=1").await["next_cursor"].clone();
    let cursor = cursor.as_str().unwrap();
    let reply = stage.server.get(&format!("{path}?status=rejected&cursor={cursor}")).await;
    reply.assert_problem(400, "invalid-parameter");
}

#[tokio::test]
async fn votes_page_without_gaps_while_more_arrive() {
    let stage = Stage::new().await;
    let votes = |count: u8| -> Vec<Vote> {
        (1..=count).map(|n| vote(n, VoteChoice::For, 1, START + i64::from(n) / 3)).collect()
    };
    let reading = |count| {
        let proposal = proposal("p", "active", START);
        [ProposalReading { proposal, details: true, votes: Some(votes(count)) }]
    };
    stage.put(&reading(30)).await;
    let path = "/v1/governance/proposals/p/votes";
    let all = stage.server.walk(path, 7).await;
    assert_eq!(all.len(), 30);
    assert!(all.is_sorted_by_key(|item| std::cmp::Reverse(item["cast_at"].as_i64())));
    let first = stage.ok("proposals/p/votes?limit=10").await;
    stage.put(&reading(40)).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = stage.ok(&format!("proposals/p/votes?limit=100&cursor={cursor}")).await;
    assert_eq!(rest["items"].as_array().unwrap(), &all[10..]);
    let skipped = stage.ok("proposals/p/votes?offset=38").await;
    assert_eq!(skipped["items"].as_array().unwrap(), &all[28..]);
}

#[tokio::test]
async fn a_hidden_identity_is_neither_numbered_nor_named() {
    let stage = Stage::new().await;
    vote_on_seven(&stage).await;
    let id = hex_id(10);
    let paths = [format!("stats/{id}"), format!("power/{id}")];
    for path in &paths {
        let reply = stage.server.get(&format!("/v1/governance/{path}")).await;
        reply.assert_problem(404, "not-found");
    }
    for (version, visibility) in
        [Visibility::Public, Visibility::FriendsOnly, Visibility::Public, Visibility::Private]
            .into_iter()
            .enumerate()
    {
        let version = u32::try_from(version).unwrap() + 1;
        stage.register(10, version, visibility, &[1]).await;
        stage.read_powers(i64::MAX / 2).await;
        let public = visibility == Visibility::Public;
        let named = if public { json!(id) } else { Value::Null };
        for path in &paths {
            let reply = stage.server.get(&format!("/v1/governance/{path}")).await;
            match public {
                true => assert_eq!(reply.status, 200, "{path}"),
                false => reply.assert_problem(403, "stats-hidden"),
            }
        }
        let list = stage.ok("proposals").await;
        assert_eq!(list["items"][1]["proposer_identity"], named);
        assert_eq!(stage.ok("proposals/7").await["proposer_identity"], named);
        let votes = stage.ok("proposals/7/votes").await;
        assert_eq!(votes["items"][2]["voter_identity"], named);
        assert_eq!(votes["items"][2]["voter"], wallet(1).as_str(), "the vote itself is public");
    }
}

#[tokio::test]
async fn powers_that_are_old_or_unknown_are_asked_for() {
    let stage = Stage::new().await;
    stage.register(10, 1, Visibility::Public, &[1, 2]).await;
    stage.register(11, 1, Visibility::Public, &[]).await;
    stage.register(12, 1, Visibility::Private, &[3]).await;
    let nothing = stage.ok(&format!("power/{}", hex_id(11))).await;
    assert_eq!((&nothing["total"], &nothing["as_of_height"]), (&json!("0"), &Value::Null));
    let path = format!("power/{}", hex_id(10));
    let unknown = stage.ok(&path).await;
    assert_eq!((&unknown["total"], &unknown["by_wallet"][1]["own"]), (&Value::Null, &Value::Null));
    let asked = "SELECT count(*) FROM power_queue WHERE asked_at = 0";
    let asked: i64 = sqlx::query_scalar(asked).fetch_one(&stage.server.pool).await.unwrap();
    assert_eq!(asked, 2);
    // What the indexer does when it is woken.
    let answer = async {
        tokio::time::sleep(std::time::Duration::from_millis(40)).await;
        stage.read_powers(i64::MAX / 2).await
    };
    let (read, readings) = tokio::join!(stage.ok(&path), answer);
    assert_eq!(readings, 3);
    assert_eq!((&read["total"], &read["delegated_out"]), (&json!("240"), &json!("10")));
    assert_eq!((&read["as_of_height"], &read["by_wallet"][0]["own"]), (&json!(19), &json!("100")));
    // Figures of now are not asked for again; old ones are.
    stage.ok(&path).await;
    assert!(stage.store.list_queued_powers(1).await.unwrap().is_empty());
    run_sql(&stage.server.pool, "UPDATE voting_power SET read_at = 1").await;
    assert_eq!(stage.ok(&path).await["total"], "240");
    assert_eq!(stage.store.list_queued_powers(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn participation_counts_what_an_identity_could_vote_on() {
    let stage = Stage::new().await;
    let reading = |id: &str, starts: i64, votes: Vec<Vote>| {
        let mut proposal = proposal(id, "active", START + 2);
        proposal.voting_starts_at = Some(starts);
        ProposalReading { proposal, details: true, votes: Some(votes) }
    };
    let cast = |at| vec![vote(1, VoteChoice::Abstain, 1, at)];
    stage
        .put(&[
            reading("before", START - 1, vec![]),
            reading("a", START, cast(START + 8)),
            reading("b", START + 4, vec![]),
            reading("c", TIP, cast(START + 9)),
            reading("later", TIP + 1, vec![]),
        ])
        .await;
    stage.register(10, 1, Visibility::Public, &[1]).await;
    let stats = stage.ok(&format!("stats/{}", hex_id(10))).await;
    assert_eq!((&stats["votes_cast"], &stats["eligible_proposals"]), (&json!(2), &json!(3)));
    assert_eq!(stats["participation_rate"], json!(0.6667));
    assert_eq!(stats["votes"][0]["proposal_id"], "c");
    assert_eq!(stats["votes"][0]["choice"], "abstain");
    assert_eq!(stats["proposals_created"], 5);
    // Nobody to vote, nothing to vote on.
    stage.put(&[]).await;
    let stats = stage.ok(&format!("stats/{}", hex_id(10))).await;
    assert_eq!((&stats["votes_cast"], &stats["participation_rate"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn odd_input_is_refused_by_name() {
    let stage = Stage::new().await;
    let long = "x".repeat(129);
    for path in [
        "proposals?status=open".to_owned(),
        "proposals?status=".to_owned(),
        "proposals?status=active&status=passed".to_owned(),
        "proposals?limit=101".to_owned(),
        "proposals?offset=10001".to_owned(),
        "proposals?cursor=AAAA".to_owned(),
        format!("proposals/{long}"),
        "proposals/a%0Ab".to_owned(),
        "proposals/7/votes?cursor=AAAA".to_owned(),
        "proposals/7?limit=1".to_owned(),
        "stats/12".to_owned(),
        format!("stats/{}z", hex_id(1)),
        format!("power/{}?limit=1", hex_id(1)),
    ] {
        let reply = stage.server.get(&format!("/v1/governance/{path}")).await;
        reply.assert_problem(400, "invalid-parameter");
    }
    for path in ["proposals/7", "proposals/7/votes", "proposals/%2e%2e%2fx", "nothing"] {
        let reply = stage.server.get(&format!("/v1/governance/{path}")).await;
        reply.assert_problem(404, "not-found");
    }
    let post = stage.server.send(reqwest::Method::POST, "/v1/governance/proposals", &[]).await;
    post.assert_problem(405, "method-not-allowed");
}
