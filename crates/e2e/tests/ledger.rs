//! The life of one identity, small enough to check every number by hand.
//!
//! Two people share the story: QUARRY (public), whose figures are checked, and MILL (public), who
//! takes over a wallet. Times are counted in hours from DAY, midnight of day 20 600 (2026-05-27).

use e2e::api::Api;
use e2e::people::{People, boinc, nuw, record};
use serde_json::{Value, json};

const QUARRY: &str = "aa00000000000000000000000000000000000000000000000000000000000001";
const MILL: &str = "bb00000000000000000000000000000000000000000000000000000000000002";
const RIG: &str = "0x1000000000000000000000000000000000000001";
const FARM: &str = "0x2000000000000000000000000000000000000002";
const DAY: i64 = 20_600 * 86_400;

fn hour(h: i64) -> i64 {
    DAY + h * 3_600
}

fn proposal(state: &str, (yes, no, abstain): (u64, u64, u64)) -> Value {
    json!({"proposal_id": 7, "proposer": RIG, "description": "Raise the gas limit",
           "vote_start": hour(10), "vote_end": hour(60), "votes_for": yes, "votes_against": no,
           "votes_abstain": abstain, "state": state, "created_at": hour(9),
           "targets": [], "values": [], "calldatas": [], "updated_at": hour(12)})
}

fn vote(voter: &str, support: u8, weight: u64, at: i64) -> Value {
    json!({"proposal_id": 7, "voter": voter, "support": support, "weight": weight,
           "reason": null, "voted_at": at})
}

#[tokio::test]
async fn every_number_of_one_identity_can_be_derived_by_hand() {
    // Read at hour 100 of the story: 04:00 of its fifth day.
    let mut people = People::new(hour(100)).await.expect("a stage");
    let api = Api::start(&people.stage.database.url).await.expect("a server");

    // Hour 0: QUARRY is created with RIG; FARM joins at hour 4 and leaves at hour 50, when MILL
    // links it, claiming to have had it since hour 1. MILL's record is the later one, and from hour
    // 50 on QUARRY's is closed: what FARM did before stays QUARRY's.
    people
        .registry(&[
            record(QUARRY, "Quarry", "public", (1, 3, hour(0), hour(0)), &[(RIG, hour(0))]),
            record(
                QUARRY,
                "Quarry",
                "public",
                (2, 5, hour(0), hour(4)),
                &[(RIG, hour(0)), (FARM, hour(4))],
            ),
            record(QUARRY, "Quarry", "public", (3, 20, hour(0), hour(50)), &[(RIG, hour(0))]),
            record(MILL, "Mill", "public", (1, 21, hour(0), hour(50)), &[(FARM, hour(1))]),
        ])
        .await
        .expect("the registry");

    // Work by validation time:
    //   n1 RIG  hour  2  reward 100            -> QUARRY
    //   n2 FARM hour  3  reward 1000           -> MILL: nobody else had linked FARM yet, and its
    //                                             record says it held FARM from hour 1
    //   n3 FARM hour  6  reward 20             -> QUARRY: both records cover hour 6; QUARRY's link
    //                                             was seen first (block 5 against 21)
    //   n4 FARM hour 60  reward 5000           -> MILL (QUARRY's interval ended at hour 50)
    //   b1 RIG  hour 30  credits 150.5, 1000   -> QUARRY
    //   b2 RIG  hour 99  credits 49.5,  1000   -> QUARRY
    people
        .work(
            0,
            &[
                nuw("n1", RIG, 1, hour(2), "100"),
                nuw("n2", FARM, 1, hour(3), "1000"),
                nuw("n3", FARM, 1, hour(6), "20"),
                nuw("n4", FARM, 1, hour(60), "5000"),
                boinc("b1", RIG, 1, hour(30), "150.5"),
                boinc("b2", RIG, 1, hour(99), "49.5"),
            ],
        )
        .await
        .expect("work");
    // Another oracle claims b1 as well, a minute later: it counts once, for the earlier.
    people.work(1, &[boinc("b1", RIG, 1, hour(30) + 60, "150.5")]).await.expect("a double claim");
    people.boards().await.expect("boards");
    people.verify().await.expect("derived equals rebuilt");

    let stats = api.get(&format!("/v1/pouw/stats/{QUARRY}")).await.expect("stats");
    // n1 + n3.
    assert_eq!(stats["total_nuw_completed"], 2, "{stats}");
    // b1 + b2 = 150.5 + 49.5.
    assert_eq!(stats["total_boinc_credits"], "200", "{stats}");
    // 100 + 20 + 1000 + 1000.
    assert_eq!(stats["total_rewards"], "2120", "{stats}");
    // The nuw rewards are pending, the BOINC ones final: 100 + 20.
    assert_eq!(stats["pending_rewards"], "120", "{stats}");
    assert_eq!(stats["active_since"], hour(2), "{stats}");
    assert_eq!(stats["last_contribution"], hour(99), "{stats}");
    assert_eq!(
        stats["work_breakdown"],
        json!({"zk_verify": {"count": 2, "credits": "0", "rewards": "120"},
               "boinc_rosetta": {"count": 2, "credits": "200", "rewards": "2000"}})
    );
    // nuw: MILL and QUARRY have two tasks each; MILL's last is of hour 60, QUARRY's of hour 6, but
    // equal scores share rank 1. boinc: QUARRY alone.
    assert_eq!(stats["ranks"]["nuw"], json!({"rank": 1, "of": 2}));
    assert_eq!(stats["ranks"]["boinc"], json!({"rank": 1, "of": 1}));

    // Hour 101: n3 is clawed back (−1 task, −20), and the reward of n1 becomes final.
    people.now_s = hour(101);
    let mut clawed = nuw("n3", FARM, 2, hour(6), "20");
    clawed["status"] = json!("rejected");
    clawed["reward_status"] = json!("clawed_back");
    let mut settled = nuw("n1", RIG, 2, hour(2), "100");
    settled["reward_status"] = json!("finalized");
    people.work(0, &[clawed, settled]).await.expect("revisions");
    people.boards().await.expect("boards");
    people.verify().await.expect("derived equals rebuilt");
    let stats = api.get(&format!("/v1/pouw/stats/{QUARRY}")).await.expect("stats");
    assert_eq!(stats["total_nuw_completed"], 1, "{stats}");
    assert_eq!(stats["total_rewards"], "2100", "{stats}");
    assert_eq!(stats["pending_rewards"], "0", "{stats}");
    // Now MILL leads with two tasks against one.
    assert_eq!(stats["ranks"]["nuw"], json!({"rank": 2, "of": 2}));

    // Boards at hour 101. Trailing day: hours 78 to 101, so only b2 (hour 99) is in it; week: all.
    let board = api
        .get("/v1/pouw/leaderboard?type=boinc&timeframe=day&scope=identities")
        .await
        .expect("a board");
    assert_eq!(board["total_participants"], 1, "{board}");
    assert_eq!(board["items"][0]["score"], "49.5", "{board}");
    // A day earlier the window was hours 54 to 77, without any BOINC work: a newcomer.
    assert_eq!(board["items"][0]["rank_change_24h"], Value::Null, "{board}");
    let board = api.get("/v1/pouw/leaderboard?type=boinc&timeframe=week").await.expect("a board");
    // 150.5 + 49.5; a day earlier 150.5, and first as well.
    assert_eq!(board["items"][0]["score"], "200", "{board}");
    assert_eq!(board["items"][0]["rank_change_24h"], 0, "{board}");
    let board = api
        .get("/v1/pouw/leaderboard?type=nuw&timeframe=week&metric=rewards")
        .await
        .expect("a board");
    let lines: Vec<(&Value, &Value)> = board["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|line| (&line["display_name"], &line["score"]))
        .collect();
    // MILL 1000 + 5000, QUARRY 100.
    assert_eq!(lines, [(&json!("Mill"), &json!("6000")), (&json!("Quarry"), &json!("100"))]);

    // Governance. Proposal 7 by RIG (so QUARRY's); RIG votes for with 500 at hour 11, FARM against
    // with 300 at hour 12 (QUARRY's wallet then), FARM's new owner cannot be blamed for it. A
    // stranger abstains with 200.
    let stranger = "VALc597294aa6b7e7477e7a6c7e8e19b117ec20d72d";
    people
        .proposal(
            proposal("active", (500, 300, 200)),
            &[
                vote(RIG, 1, 500, hour(11)),
                vote(FARM, 0, 300, hour(12)),
                vote(stranger, 2, 200, hour(13)),
            ],
        )
        .await
        .expect("a proposal");
    // RIG owns 700, got 50 delegated and delegates 40 away.
    people.power(RIG, 700, 50, &[(stranger, 40)]).await.expect("power");
    people.verify().await.expect("derived equals rebuilt");
    let detail = api.get("/v1/governance/proposals/7").await.expect("a proposal");
    assert_eq!(detail["proposer_identity"], QUARRY);
    assert_eq!(detail["voter_count"], 3, "{detail}");
    // 500, 300 and 200 of 1000.
    assert_eq!(detail["breakdown"]["for"], json!({"voters": 1, "power": "500", "share_bps": 5000}));
    assert_eq!(detail["breakdown"]["against"]["share_bps"], 3000);
    assert_eq!(detail["breakdown"]["abstain"]["share_bps"], 2000);
    let stats = api.get(&format!("/v1/governance/stats/{QUARRY}")).await.expect("stats");
    assert_eq!(stats["proposals_created"], 1, "{stats}");
    assert_eq!(stats["votes_cast"], 2, "{stats}");
    assert_eq!(stats["last_vote_at"], hour(12), "{stats}");
    // Current wallets: RIG alone. Own 700 + delegated in 50.
    assert_eq!(stats["current_voting_power"], "750", "{stats}");
    assert_eq!(stats["delegation_received"], "50", "{stats}");
    assert_eq!(stats["delegated_out"], "40", "{stats}");
    let power = api.get(&format!("/v1/governance/power/{QUARRY}")).await.expect("power");
    assert_eq!(power["total"], "750", "{power}");
    assert_eq!(power["own"], "700", "{power}");

    // FARM changes its vote to "for" and the stranger's disappears: 800 for.
    people
        .proposal(
            proposal("succeeded", (800, 0, 0)),
            &[vote(RIG, 1, 500, hour(11)), vote(FARM, 1, 300, hour(14))],
        )
        .await
        .expect("changed votes");
    people.verify().await.expect("derived equals rebuilt");
    let detail = api.get("/v1/governance/proposals/7").await.expect("a proposal");
    assert_eq!((&detail["status"], &detail["votes_for"]), (&json!("passed"), &json!("800")));
    assert_eq!(
        detail["breakdown"]["for"],
        json!({"voters": 2, "power": "800", "share_bps": 10000})
    );

    // MILL unlinks FARM and QUARRY links it again at hour 101: nothing that happened before moves.
    people
        .registry(&[
            record(MILL, "Mill", "public", (2, 30, hour(0), hour(101)), &[]),
            record(
                QUARRY,
                "Quarry",
                "public",
                (4, 31, hour(0), hour(101)),
                &[(RIG, hour(0)), (FARM, hour(0))],
            ),
        ])
        .await
        .expect("the registry");
    people.boards().await.expect("boards");
    people.verify().await.expect("derived equals rebuilt");
    let stats = api.get(&format!("/v1/pouw/stats/{QUARRY}")).await.expect("stats");
    assert_eq!(stats["total_rewards"], "2100", "{stats}");
    let mill = api.get(&format!("/v1/pouw/stats/{MILL}")).await.expect("stats");
    assert_eq!(mill["total_rewards"], "6000", "{mill}");
    api.finish().await.expect("the server ends in order");
}
