//! The clients and the models against the development chain, which implements the contracts a
//! second time and shares no code with them.

use std::collections::BTreeMap;

use chert_devnet::{
    Chain, ChainConfig, Oracle, OracleConfig, OracleFault, OracleFaultPlan, OracleServer,
    OracleServerConfig, Profile, Server, ServerConfig,
};
use chert_sources::{
    Fault, FeedPlace, InfoAnswer, NodeClient, NodeOptions, OracleClient, OracleOptions,
    OracleSource, PageFaultKind, StateSource, Trust, VerifiedItem, WorkAnswer, verify_page,
};
use serde_json::Value;
use silica_models::{
    Address, FeedItem, ReportRecord, SignatureStatus, SlashRecord, VoteChoice, WorkRecord,
    oracle_id_of, transition_is_legal,
};

const ITEMS: u64 = 1_500;
const HEIGHT: u64 = 400;

fn oracle(seed: u64, signed: bool) -> Oracle {
    Oracle::new(OracleConfig { seed, signed, items: ITEMS, ..OracleConfig::default() })
}

async fn serve(oracle: &Oracle) -> (OracleServer, OracleClient) {
    let api_key = Some("key".to_owned());
    let config = OracleServerConfig { api_key: api_key.clone(), ..OracleServerConfig::default() };
    let server = OracleServer::start(oracle.clone(), config).await.expect("a free port");
    let options = OracleOptions {
        url: server.url().parse().expect("a URL"),
        api_key,
        oracle_id: Some(oracle.oracle_id().to_owned()),
        public_keys: Vec::new(),
        allow_unsigned: false,
    };
    (server, OracleClient::new(options).expect("a client"))
}

async fn page(client: &OracleClient, after: i64, feed_id: &str) -> Vec<FeedItem> {
    match client.work(after, 400, 0, Some(feed_id)).await.expect("an answer") {
        WorkAnswer::Page { items, .. } => items,
        other => panic!("{other:?}"),
    }
}

/// The whole feed, verified page by page.
async fn read_all(oracle: &Oracle, client: &OracleClient) -> Vec<VerifiedItem> {
    let keys = [oracle.public_key()];
    let public_keys = if oracle.is_signed() { &keys[..] } else { &[] };
    let trust = Trust { public_keys, allow_unsigned: !oracle.is_signed() };
    let (feed_id, mut all) = (oracle.feed_id(), Vec::<VerifiedItem>::new());
    loop {
        let last = all.last().map(|v| (v.item.seq, v.item.hash));
        let (after, last_hash) = last.unwrap_or((0, None));
        let items = page(client, after, &feed_id).await;
        if items.is_empty() {
            return all;
        }
        let place =
            FeedPlace { oracle_id: oracle.oracle_id(), feed_id: &feed_id, after, last_hash };
        all.extend(verify_page(items, place, trust).expect("a good page"));
    }
}

#[tokio::test]
async fn every_item_of_a_feed_is_proven_and_understood() {
    for signed in [true, false] {
        let oracle = oracle(7, signed);
        let (_server, client) = serve(&oracle).await;
        let InfoAnswer::Feed(info) = client.info().await.expect("info") else { panic!("a feed") };
        assert_eq!((info.oracle_id.as_str(), info.head_seq), (oracle.oracle_id(), 1_500));
        assert_eq!(info.public_key.map(|key| oracle_id_of(&key)), Some(info.oracle_id));
        let items = read_all(&oracle, &client).await;
        assert_eq!(items.len(), 1_500);
        let status = if signed { SignatureStatus::Verified } else { SignatureStatus::Unsigned };
        assert!(items.iter().all(|v| v.signature_status == status));
        check_records(&oracle, &items);
    }
}

/// Every record parses, but for the few that are malformed on purpose, and the newest of each
/// submission is what the oracle itself holds to be true.
fn check_records(oracle: &Oracle, items: &[VerifiedItem]) {
    let (mut newest, mut refused, mut illegal) = (BTreeMap::<_, WorkRecord>::new(), 0, 0);
    for VerifiedItem { item, .. } in items {
        let raw = item.record.get();
        match item.kind.as_str() {
            "work" => match WorkRecord::parse(raw, oracle.oracle_id()) {
                Ok(record) => {
                    let before = newest.get(&record.submission_id);
                    let state = |r: &WorkRecord| (r.status, r.reward_status);
                    let legal =
                        before.is_none_or(|b| transition_is_legal(state(b), state(&record)));
                    illegal += u32::from(!legal);
                    if before.is_none_or(|b| b.revision < record.revision) {
                        newest.insert(record.submission_id, record);
                    }
                }
                Err(_) => refused += 1,
            },
            "slash" => drop(SlashRecord::parse(raw).expect("a slash")),
            "performance" => drop(ReportRecord::parse(raw).expect("a report")),
            other => assert!(!other.is_empty()),
        }
    }
    assert!((1..30).contains(&refused) && (1..30).contains(&illegal), "{refused} {illegal}");
    let truth = oracle.submissions();
    assert_eq!(newest.len(), truth.len());
    for record in newest.values() {
        let id: String = record.submission_id.iter().map(|b| format!("{b:02x}")).collect();
        let stated = &truth[&id];
        assert_eq!(stated["status"], record.status.as_str());
        assert_eq!(stated["reward_status"], record.reward_status.as_str());
        let amount = record.reward_amount.map(|a| Value::from(a.to_string()));
        assert_eq!(stated["reward"]["amount"], amount.unwrap_or_default());
        let credits = record.credits_granted.map(|d| d.to_string());
        let told = stated["credits_granted"].as_str();
        assert_eq!(told.map(|t| t.parse::<f64>()), credits.map(|c| c.parse::<f64>()));
    }
}

#[tokio::test]
async fn what_an_oracle_does_wrong_is_named() {
    let oracle = oracle(8, true);
    let (server, client) = serve(&oracle).await;
    let keys = [oracle.public_key()];
    let trust = Trust { public_keys: &keys, allow_unsigned: false };
    let feed_id = oracle.feed_id();
    let place =
        FeedPlace { oracle_id: oracle.oracle_id(), feed_id: &feed_id, after: 0, last_hash: None };
    let fail = |fault| {
        let kinds = vec![fault];
        server.faults().set(OracleFaultPlan { probability: 1.0, kinds, ..Default::default() });
    };
    for (fault, kind) in [
        (OracleFault::BadSignature, PageFaultKind::BadSignature),
        (OracleFault::WrongHash, PageFaultKind::WrongHash),
        (OracleFault::BrokenChain, PageFaultKind::BrokenChain),
        (OracleFault::Gap, PageFaultKind::Gap),
    ] {
        fail(fault);
        let items = page(&client, 0, &feed_id).await;
        let found = verify_page(items, place, trust).expect_err("a fault");
        assert_eq!(found.kind, kind, "{fault:?}: {found}");
    }
    fail(OracleFault::UnknownFields);
    assert!(verify_page(page(&client, 0, &feed_id).await, place, trust).is_ok());
    for (fault, expected) in [
        (OracleFault::TooManyRequests { retry_after_s: 3 }, Fault::RateLimited),
        (OracleFault::Unavailable { retry_after_s: 3 }, Fault::HttpStatus),
        (OracleFault::ServerError, Fault::HttpStatus),
        (OracleFault::InvalidJson, Fault::Malformed),
        (OracleFault::Timeout { ms: 10 }, Fault::Unreachable),
    ] {
        fail(fault);
        let error = client.work(0, 10, 0, None).await.expect_err("a fault");
        assert_eq!(error.fault, expected, "{fault:?}");
    }
    server.faults().clear();
    oracle.expire(50);
    let answer = client.work(0, 10, 0, Some(&feed_id)).await.expect("an answer");
    assert!(matches!(answer, WorkAnswer::CursorExpired { oldest_seq: 50 }), "{answer:?}");
    let new_feed = oracle.reset();
    let answer = client.work(0, 10, 0, Some(&feed_id)).await.expect("an answer");
    assert!(matches!(answer, WorkAnswer::FeedChanged { feed_id, .. } if feed_id == new_feed));
    let probed = client.probe().await;
    assert!(probed.reachable && probed.counters["verified_work_count"].is_u64(), "{probed:?}");
}

async fn node() -> (Chain, Server, NodeClient) {
    let chain = Chain::new(ChainConfig {
        seed: 5,
        history: HEIGHT,
        profile: Profile::realistic(),
        ..ChainConfig::default()
    });
    let server = Server::start(chain.clone(), ServerConfig::default()).await.expect("a free port");
    let options = NodeOptions { request_timeout: std::time::Duration::from_secs(10) };
    let client = NodeClient::new(server.url().parse().expect("a URL"), options);
    (chain, server, client.expect("a client"))
}

#[tokio::test]
async fn the_registry_ends_where_the_chain_holds_it_to_be() {
    let (chain, _server, client) = node().await;
    let (mut from, mut newest, mut refused) = (0, BTreeMap::new(), 0);
    // Every page is read again from its last block on, as a client has to (contract §11 row 35).
    loop {
        let page = client.registry_updates(from, 1_024).await.expect("a page");
        for update in page.updates {
            match update {
                Ok(record) => {
                    let place = (record.height, record.profile_version);
                    let known: Option<&(_, _)> = newest.get(&record.identity_id.to_string());
                    if known.is_none_or(|(at, _)| *at <= place) {
                        newest.insert(record.identity_id.to_string(), (place, record));
                    }
                }
                Err(_) => refused += 1,
            }
        }
        if page.latest_block <= from {
            break;
        }
        from = page.latest_block;
    }
    let truth = chain.identities();
    assert!(truth.len() > 100 && refused < truth.len(), "{} {refused}", truth.len());
    assert_eq!(newest.len(), truth.len());
    for stated in truth {
        let id = stated["identity_id"].as_str().expect("text").to_lowercase();
        let (place, record) = &newest[id.trim_start_matches("0x")];
        assert_eq!(Value::from(place.0), stated["updated_at_block"]);
        assert_eq!(stated["stats_visibility"], record.visibility.as_str());
        let name = stated["display_name"].as_str().map(str::trim).filter(|n| !n.is_empty());
        assert_eq!(record.display_name.as_deref(), name);
        let linked = stated["wallet_links"].as_array().map_or(0, Vec::len);
        assert_eq!(record.links.len(), linked);
    }
}

#[tokio::test]
async fn governance_and_staking_of_the_chain_are_understood() {
    let (chain, _server, client) = node().await;
    let proposals = client.proposals(0, 500).await.expect("proposals");
    assert_eq!(proposals.len(), chain.proposals().len());
    let mut voters: Vec<Address> = Vec::new();
    for proposal in proposals {
        let proposal = proposal.expect("understood");
        let id = proposal.proposal_id.as_str();
        let detail = client.proposal(id).await.expect("an answer").expect("a proposal");
        assert_eq!((detail.votes_for, &detail.state), (proposal.votes_for, &proposal.state));
        let votes = client.votes(id, 0, 500).await.expect("votes");
        let votes: Vec<_> = votes.into_iter().map(|v| v.expect("understood")).collect();
        let sum: u128 = votes.iter().filter(|v| v.choice == VoteChoice::For).map(|v| v.power).sum();
        assert_eq!(sum, proposal.votes_for, "proposal {id}");
        voters.extend(votes.into_iter().map(|v| v.voter));
    }
    voters.truncate(70);
    assert!(!voters.is_empty());
    let powers = client.powers(&voters).await.expect("powers");
    assert_eq!(powers.len(), voters.len());
    assert!(powers.iter().any(|p| p.power.total > 0));
    assert_eq!(client.proposal("999999").await.expect("an answer"), None);
    let validators = client.validators().await.expect("validators");
    assert!(!validators.is_empty() && validators.iter().all(|v| v.stake > 0));
}
