//! Reads of governance walk their indexes, with 20 000 proposals, votes and identities.

use chert_store::Store;
use chert_store::entities::governance::query;
use silica_models::IdentityId;

use crate::plans::{Expect, Plans, check, with_plans};
use crate::support::{fill, run_sql};

/// Filled tables.
const TABLES: &[&str] = &[
    "identities",
    "wallet_links",
    "voting_power",
    "governance_stats",
    "proposals",
    "votes",
    "proposal_tallies",
    "proposal_tally_hourly",
];
/// Every vote is on proposal 7, every fourth one of identity 1.
const FILL: &str = "
    INSERT INTO identities (identity_id, display_name, stats_visibility, created_at, updated_at,
                            profile_version, last_synced_block, wallet_count)
    SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), 'n' || n,
           CASE WHEN n % 3 = 0 THEN 'private' ELSE 'public' END, 1783000000 - n, 0, 1, 1, 1
    FROM generate_series(1, 20000) n;
    INSERT INTO wallet_links
    SELECT identity_id, 'w' || display_name, chert_address_key('w' || display_name), 'main', '',
           1, NULL, 1 FROM identities;
    INSERT INTO voting_power
    SELECT wallet_key, wallet_address, 1, 1, 1, 2, 1, 1 FROM wallet_links;
    INSERT INTO governance_stats
    SELECT identity_id, 0, 0, 2, NULL, 1, 1, NULL, 1 FROM identities;
    INSERT INTO proposals (proposal_id, state, status, votes_for, votes_against, votes_abstain,
                           proposer_identity, created_at, voting_starts_at, first_height, height)
    SELECT n::text, 'active', CASE WHEN n % 2 = 0 THEN 'active' ELSE 'passed' END, 1, 2, 3,
           decode(lpad(to_hex(n), 64, '0'), 'hex'), 1782900000 + n / 2, 1782900000, 1, 1
    FROM generate_series(1, 20000) n;
    INSERT INTO votes (proposal_id, voter, voter_key, voter_identity, vote_power, vote_choice,
                       cast_at, first_height, height)
    SELECT '7', 'v' || n, chert_address_key('v' || n),
           decode(lpad(to_hex(CASE WHEN n % 4 = 0 THEN 1 ELSE n END), 64, '0'), 'hex'), 1, n % 3,
           1782900000 + n * 40, 1, 1
    FROM generate_series(1, 20000) n;
    INSERT INTO proposal_tallies
    SELECT proposal_id, vote_choice, count(*), sum(vote_power) FROM votes GROUP BY 1, 2
    UNION ALL SELECT n::text, 1, 1, 1 FROM generate_series(100, 9000) n;
    INSERT INTO proposal_tally_hourly
    SELECT p, h, 1, 1, 1 FROM generate_series(1, 200) p, generate_series(1, 200) h";

#[tokio::test]
async fn reads_of_governance_walk_their_indexes() {
    let fill_all = async |pool| {
        fill(&pool, 0, 3, 1).await;
        run_sql(&pool, FILL).await;
    };
    with_plans(fill_all, check_all).await;
}

async fn check_all(plans: &Plans, store: &Store) {
    let db = store.pool();
    let expect =
        |name, indexes| Expect { name, indexes, sort: false, rows_max: 250, tables: TABLES };
    let middle = Some((1_782_905_000, "9000"));

    let by = expect("proposals", &["proposals_created", "identities_pkey"]);
    check(plans, &by, query::list_proposals(db, None, None, 51)).await;
    check(plans, &by, query::list_proposals(db, None, middle, 101)).await;
    let by = expect("proposals by status", &["proposals_status_created", "identities_pkey"]);
    check(plans, &by, query::list_proposals(db, Some("passed"), None, 51)).await;
    check(plans, &by, query::list_proposals(db, Some("passed"), middle, 101)).await;
    let offset = |name, index| Expect { rows_max: 10_001, ..expect(name, index) };
    let by = offset("offset", &["proposals_created"]);
    check(plans, &by, query::find_proposal_position(db, None, 10_000)).await;
    let by = offset("offset by status", &["proposals_status_created"]);
    check(plans, &by, query::find_proposal_position(db, Some("passed"), 5_000)).await;

    let names = &["proposals_pkey", "proposal_tally_hourly_pkey", "proposal_tallies_pkey"];
    // A proposal's hours are summed, three tallies are shared: both sort what they found.
    let by = Expect { sort: true, ..expect("proposal", names) };
    check(plans, &by, query::find_proposal(store, "7")).await;
    let by = expect("votes", &["votes_proposal_cast", "identities_pkey"]);
    check(plans, &by, query::list_votes(store, "7", None, 0, 51)).await;
    let after = Some((1_783_200_000, uuid::Uuid::max()));
    check(plans, &by, query::list_votes(store, "7", after, 0, 101)).await;

    let voter = IdentityId::parse(&format!("{:064x}", 1)).unwrap();
    // The eligible proposals are counted: index entries only.
    let names = &["identities_pkey", "governance_stats_pkey", "votes_identity", "proposals_starts"];
    let by = Expect { rows_max: 20_000, ..expect("stats", names) };
    check(plans, &by, query::get_stats(db, &voter)).await;
    let names = &["identities_pkey", "wallet_links_pkey", "voting_power_pkey"];
    let by = Expect { sort: true, ..expect("power", names) };
    check(plans, &by, query::get_power(db, &voter)).await;
}
