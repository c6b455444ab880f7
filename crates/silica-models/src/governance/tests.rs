use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn the_wallets_shape_in_both_spellings() {
    for proposal in [
        json!({"proposal_id": 7, "proposer": "0xa9", "description": "Raise block gas limit",
            "vote_start": 1_782_900_000, "vote_end": 1_784_109_600, "votes_for": 150_000,
            "votes_against": 25_000, "votes_abstain": 10_000, "state": "Active",
            "created_at": 1_782_800_000, "targets": ["0x1"], "values": [5], "calldatas": [""]}),
        json!({"proposalId": "7", "proposer": "0xa9", "description": "Raise block gas limit",
            "voteStart": 1_782_900_000, "voteEnd": "1784109600", "votesFor": "150000",
            "votesAgainst": 25_000, "votesAbstain": 10_000, "state": "active",
            "createdAt": 1_782_800_000, "targets": ["0x1"], "values": ["5"], "calldatas": [""]}),
    ] {
        let parsed = Proposal::parse(&proposal.to_string()).expect("valid");
        assert_eq!(parsed.proposal_id, "7");
        assert_eq!((parsed.state.as_str(), parsed.state.status()), ("active", "active"));
        assert_eq!((parsed.votes_for, parsed.votes_abstain), (150_000, 10_000));
        assert_eq!(parsed.voting_ends_at, Some(1_784_109_600));
        assert_eq!((parsed.created_at, parsed.values), (1_782_800_000, vec!["5".to_owned()]));
    }
}

#[test]
fn the_explorers_and_the_sdks_shapes() {
    let parsed = Proposal::parse(
        r#"{"id":"7","title":"Raise","status":"rejected","votes_for":"150000000000","quorum":42,
            "votes_against":"25000000000","end_time":"2026-07-15 10:00 UTC","proposer":""}"#,
    )
    .expect("valid");
    assert_eq!((parsed.title.as_deref(), parsed.proposer), (Some("Raise"), None));
    assert_eq!((parsed.state.as_str(), parsed.state.status()), ("defeated", "rejected"));
    assert_eq!((parsed.voting_ends_at, parsed.created_at), (Some(1_784_109_600), 1_784_109_600));
    let parsed = Proposal::parse(
        r#"{"id":"x-1","status":"voting","voting_end_time":"soon",
            "tally":{"yes":"1","no":"2","no_with_veto":"3","abstain":"4"}}"#,
    )
    .expect("valid");
    assert_eq!((parsed.votes_for, parsed.votes_against, parsed.votes_abstain), (1, 5, 4));
    assert_eq!((parsed.voting_ends_at, parsed.state), (None, ProposalState::Active));
}

#[test]
fn every_state_has_a_status_and_reads_back() {
    for (word, status, is_final) in [
        ("pending", "pending", false),
        ("active", "active", false),
        ("succeeded", "passed", false),
        ("queued", "passed", false),
        ("defeated", "rejected", true),
        ("cancelled", "rejected", true),
        ("expired", "rejected", true),
        ("vetoed", "rejected", true),
        ("executed", "executed", true),
        ("novel", "pending", false),
    ] {
        let state = ProposalState::parse(&word.to_uppercase());
        assert_eq!((state.as_str(), state.status(), state.is_final()), (word, status, is_final));
    }
    assert_eq!(ProposalState::parse("Passed"), ProposalState::Succeeded);
}

#[test]
fn votes_in_numbers_words_and_booleans() {
    let vote = |support: Value| {
        let raw = json!({"proposalId": 7, "voter": "VALc5", "support": support, "weight": "1000",
            "reason": null, "votedAt": 1_782_950_000});
        Vote::parse(&raw.to_string(), "7").map(|v| v.choice)
    };
    for (support, choice) in [
        (json!(0), VoteChoice::Against),
        (json!("no_with_veto"), VoteChoice::Against),
        (json!(true), VoteChoice::For),
        (json!("Yes"), VoteChoice::For),
        (json!(2), VoteChoice::Abstain),
    ] {
        assert_eq!(vote(support), Ok(choice));
        assert_eq!(VoteChoice::from_i16(choice.as_i16()), Some(choice));
    }
    assert!(vote(json!(3)).is_err() && vote(json!("maybe")).is_err());
    let other = r#"{"proposal_id":8,"voter":"a","support":1,"weight":1,"voted_at":1}"#;
    assert!(Vote::parse(other, "7").is_err());
    let negative = r#"{"voter":"a","support":1,"weight":-1,"voted_at":1}"#;
    assert!(Vote::parse(negative, "7").is_err());
}

#[test]
fn nul_is_stripped_and_bounds_are_kept() {
    let parsed = Proposal::parse(r#"{"id":1,"state":"active","title":"a\u0000b"}"#);
    assert_eq!(parsed.map(|p| p.title), Ok(Some("ab".to_owned())));
    for bad in [
        json!({"state": "active"}),
        json!({"id": 1}),
        json!({"id": -1, "state": "active"}),
        json!({"id": 1, "state": "active", "votes_for": -1}),
        json!({"id": 1, "state": "active", "targets": [{}]}),
        json!({"id": "x".repeat(129), "state": "active"}),
    ] {
        assert!(Proposal::parse(&bad.to_string()).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn never_panics(key in "[a-z_]{1,20}", text in "\\PC{0,80}", number in any::<f64>()) {
        let _ = (Proposal::parse(&text), Vote::parse(&text, "7"));
        for key in [key.as_str(), "state", "tally", "vote_end", "support", "weight"] {
            for value in [json!(text.clone()), json!(number), json!({"yes": number})] {
                let raw = json!({"id": 7, "state": "active", "voter": "a", key: value}).to_string();
                let _ = (Proposal::parse(&raw), Vote::parse(&raw, "7"));
            }
        }
    }
}
