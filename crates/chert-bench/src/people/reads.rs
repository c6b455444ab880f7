//! Uncached endpoints against pgbench of the statements that they run.
//!
//! Statements that the store writes as SQL are cut out of its source; the two that SeaORM writes
//! stand here as it writes them.

use crate::api::uncached::compare;
use crate::bench::Bench;
use crate::blocks::now_s;
use crate::child::{self, Cache};
use crate::http::{Connection, get};
use crate::pgbench::{constant, one_line, statement};
use crate::report::{Goal, Outcome};
use crate::scale::{CONNECTIONS, PAGE_ROWS};

use super::load::{KEYS, PROPOSALS, People};

/// Results of this file.
pub(super) const NAMES: [&str; 5] = [
    "people.leaderboard",
    "people.pouw_stats",
    "people.history",
    "people.proposal",
    "people.votes",
];

const BOARDS: &str = include_str!("../../../chert-store/src/entities/leaderboard/query.rs");
const STATS: &str = include_str!("../../../chert-store/src/entities/pouw_query/stats.rs");
const HISTORY: &str = include_str!("../../../chert-store/src/entities/pouw_query/history.rs");
const PROPOSAL: &str =
    include_str!("../../../chert-store/src/entities/governance/query/proposal.rs");
const VOTES: &str = include_str!("../../../chert-store/src/entities/governance/query/vote.rs");
const READ: &str = include_str!("../../../chert-store/src/read.rs");

/// Lines of a board's page.
const BOARD_ROWS: u64 = 50;
/// The boards asked for: type, timeframe, and what is compared by default.
const BOARDS_ASKED: [(&str, &str, &str); 8] = [
    ("nuw", "day", "tasks"),
    ("nuw", "week", "tasks"),
    ("nuw", "month", "tasks"),
    ("nuw", "all", "tasks"),
    ("boinc", "day", "credits"),
    ("boinc", "week", "credits"),
    ("boinc", "month", "credits"),
    ("boinc", "all", "credits"),
];
/// SeaORM begins a transaction in two steps.
const BEGIN: [&str; 2] = ["BEGIN", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"];
/// SeaORM: `proposal::Entity::find_by_id(..).find_also_related(public_identity::Entity)`.
const FIND_PROPOSAL: &str = r#"SELECT "proposals"."proposal_id" AS "A_proposal_id",
    "proposals"."proposer" AS "A_proposer", "proposals"."proposer_identity" AS "A_proposer_identity",
    "proposals"."proposal_type" AS "A_proposal_type", "proposals"."title" AS "A_title",
    "proposals"."description" AS "A_description", "proposals"."state" AS "A_state",
    "proposals"."status" AS "A_status", "proposals"."voting_starts_at" AS "A_voting_starts_at",
    "proposals"."voting_ends_at" AS "A_voting_ends_at",
    CAST("proposals"."votes_for" AS text) AS "A_votes_for",
    CAST("proposals"."votes_against" AS text) AS "A_votes_against",
    CAST("proposals"."votes_abstain" AS text) AS "A_votes_abstain",
    "proposals"."created_at" AS "A_created_at", "proposals"."executed_at" AS "A_executed_at",
    "proposals"."updated_at" AS "A_updated_at", "proposals"."targets" AS "A_targets",
    "proposals"."values" AS "A_values", "proposals"."calldatas" AS "A_calldatas",
    "proposals"."height" AS "A_height", "public_identities"."identity_id" AS "B_identity_id"
    FROM "proposals" LEFT JOIN "public_identities"
        ON "proposals"."proposer_identity" = "public_identities"."identity_id"
    WHERE "proposals"."proposal_id" = $1 LIMIT 1"#;
/// SeaORM: the transitions of a proposal.
const TRANSITIONS: &str = r#"SELECT "proposal_transitions"."proposal_id",
    "proposal_transitions"."at", "proposal_transitions"."height",
    "proposal_transitions"."from_state", "proposal_transitions"."state"
    FROM "proposal_transitions" WHERE "proposal_transitions"."proposal_id" = $1
    ORDER BY "proposal_transitions"."height" DESC, "proposal_transitions"."state" DESC LIMIT 100"#;
/// SeaORM: whether there is such a proposal.
const PROPOSAL_ID: &str = r#"SELECT "proposals"."proposal_id" FROM "proposals"
    WHERE "proposals"."proposal_id" = $1 LIMIT 1"#;
/// SeaORM: `vote::Entity::find()`; `$2` is the store's expression for the public identity.
const VOTES_OF: &str = r#"SELECT "votes"."proposal_id",
    CAST("votes"."voter_key" AS text) AS "voter_key", "votes"."voter",
    CAST("votes"."vote_power" AS text) AS "vote_power", "votes"."vote_choice", "votes"."reason",
    "votes"."cast_at", $2 AS "public_voter"
    FROM "votes" WHERE "votes"."proposal_id" = $1
    ORDER BY "votes"."cast_at" DESC, "votes"."voter_key" DESC LIMIT :rows OFFSET :skipped"#;

struct Endpoint {
    name: &'static str,
    what: String,
    requests: Vec<Vec<u8>>,
    script: String,
}

pub(super) async fn run(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    let (server, address) = child::serve(&people.url, Cache::Off).await?;
    for Endpoint { name, what, requests, script } in endpoints(people)? {
        if !bench.wants(name) {
            continue;
        }
        bench.step(format_args!("{name}: uncached, against pgbench"));
        // An endpoint that answers with nothing would be fast.
        let first = requests.first().map_or(&[][..], Vec::as_slice);
        let mut connection = Connection::open(address).await?;
        let body = connection.body(first).await?;
        anyhow::ensure!(body.len() > 300, "{name}: {}", String::from_utf8_lossy(body));
        drop(connection);
        let scripts = [script.into()];
        let (rounds, errors) = compare(bench, &people.name, address, requests, &scripts).await?;
        let note = format!(
            "{what}; cache and rate limit off, against pgbench -M prepared -j 1 of the statements \
             that the endpoint runs, with the same keys; {CONNECTIONS} connections each, closed \
             loop"
        );
        let dataset = format!("{}, warm", people.text);
        let goal = Goal::AtLeast(0.45);
        bench.add(Outcome::new(name, "req/s", &rounds, goal, dataset, note).with_errors(errors));
    }
    server.stop().await
}

fn endpoints(people: &People) -> anyhow::Result<[Endpoint; 5]> {
    let per_identity = |path: &str, query: &str| -> Vec<Vec<u8>> {
        people.identities.iter().map(|id| get(&format!("{path}/{id}{query}"))).collect()
    };
    let per_proposal = |rest: &str| -> Vec<Vec<u8>> {
        let of = |id: &String| get(&format!("/v1/governance/proposals/{id}{rest}"));
        people.proposals.iter().map(of).collect()
    };
    let boards = BOARDS_ASKED.iter().map(|(kind, timeframe, _)| {
        get(&format!("/v1/pouw/leaderboard?type={kind}&timeframe={timeframe}&limit={BOARD_ROWS}"))
    });
    let identities = format!("one of {KEYS} identities");
    let proposals = format!("one of the {PROPOSALS} proposals with the most votes");
    Ok([
        Endpoint {
            name: "people.leaderboard",
            what: format!("the first {BOARD_ROWS} lines of one of {} boards", BOARDS_ASKED.len()),
            requests: boards.collect(),
            script: board_script()?,
        },
        Endpoint {
            name: "people.pouw_stats",
            what: format!("figures and ranks of {identities}"),
            requests: per_identity("/v1/pouw/stats", ""),
            script: stats_script(people.stride)?,
        },
        Endpoint {
            name: "people.history",
            what: format!("the {PAGE_ROWS} newest submissions of {identities}"),
            requests: per_identity("/v1/pouw/history", &format!("?limit={PAGE_ROWS}")),
            script: history_script(people.stride)?,
        },
        Endpoint {
            name: "people.proposal",
            what: format!("{proposals}, with breakdown and timeline, all in one transaction"),
            requests: per_proposal(""),
            script: proposal_script()?,
        },
        Endpoint {
            name: "people.votes",
            what: format!("the {PAGE_ROWS} latest votes of {proposals}, in one transaction"),
            requests: per_proposal(&format!("/votes?limit={PAGE_ROWS}")),
            script: votes_script()?,
        },
    ])
}

fn board_script() -> anyhow::Result<String> {
    let names = BOARDS_ASKED
        .map(|(kind, timeframe, metric)| format!("'identities/{kind}/{timeframe}/{metric}'"));
    let sql = statement(BOARDS, "identities")?
        .replace("$1", &format!("(ARRAY[{}])[:n]", names.join(", ")))
        .replace("$2", "NULL::bigint")
        .replace("$3", "0")
        .replace("$4", "0")
        .replace("$5", ":first")
        .replace("$6", ":last");
    let (boards, last) = (BOARDS_ASKED.len(), BOARD_ROWS - 1);
    let set = format!("\\set n random(1, {boards})\n\\set first 0\n\\set last {last}\n");
    Ok(format!("{set}{};\n", one_line(&sql)))
}

/// Sets `i` to the number of a random identity asked for; its id is [`IDENTITY`].
fn choose_identity(stride: i64) -> String {
    format!("\\set i 1 + {stride} * random(0, {})\n", KEYS - 1)
}

/// See the loader's `identities.sql`.
const IDENTITY: &str = "sha256(int8send(:i::bigint))";

fn stats_script(stride: i64) -> anyhow::Result<String> {
    let sql = statement(STATS, "get_stats")?.replace("$1", IDENTITY).replace("$2", ":today");
    let today = now_s().div_euclid(86_400);
    let set = format!("{}\\set today {today}\n", choose_identity(stride));
    Ok(format!("{set}{};\n", one_line(&sql)))
}

fn history_script(stride: i64) -> anyhow::Result<String> {
    let above_all = format!("'\\x{}'::bytea", "ff".repeat(33));
    let sql = statement(HISTORY, "list_history")?
        .replace("$1", IDENTITY)
        .replace("$2", "TRUE")
        .replace("$3", &above_all)
        .replace("$4", ":before")
        .replace("$5", &above_all)
        .replace("$6", ":rows");
    let set = format!("\\set before {}\n\\set rows {}\n", i64::MAX, PAGE_ROWS + 1);
    Ok(format!("{}{set}{};\n", choose_identity(stride), one_line(&sql)))
}

/// One transaction of statements about a random proposal.
fn proposal_transaction(statements: &[&str]) -> anyhow::Result<String> {
    let id = "'0x' || encode(sha256(convert_to('proposal ' || :p::bigint, 'UTF8')), 'hex')";
    let mut text = format!("\\set p random(1, {PROPOSALS})\n\\set rows {}\n", PAGE_ROWS + 1);
    text.push_str("\\set skipped 0\n");
    let checkpoint = constant(READ, "CHECKPOINT")?;
    for sql in BEGIN.iter().chain(&[checkpoint]).chain(statements).chain(&["COMMIT"]) {
        text.push_str(&one_line(&sql.replace("$1", id).replace("$2", "1000")));
        text.push_str(";\n");
    }
    Ok(text)
}

fn proposal_script() -> anyhow::Result<String> {
    let (tallies, timeline) = (constant(PROPOSAL, "TALLIES")?, constant(PROPOSAL, "TIMELINE")?);
    proposal_transaction(&[FIND_PROPOSAL, tallies, timeline, TRANSITIONS])
}

fn votes_script() -> anyhow::Result<String> {
    let voter = constant(VOTES, "PUBLIC_VOTER")?.replace('\\', "");
    proposal_transaction(&[PROPOSAL_ID, &VOTES_OF.replace("$2", &voter)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_statements_are_found() {
        let scripts = [
            board_script(),
            stats_script(10),
            history_script(10),
            proposal_script(),
            votes_script(),
        ];
        for script in scripts.map(Result::unwrap) {
            assert!(!script.contains('$'), "{script}");
            let statements = script.lines().filter(|line| !line.starts_with('\\'));
            assert!(statements.clone().count() > 0, "{script}");
            for line in statements {
                assert!(line.ends_with(';') && !line.contains("#\""), "{line}");
            }
        }
        assert!(board_script().unwrap().contains("FROM public_identities"));
        assert_eq!(proposal_script().unwrap().matches(";\n").count(), 8);
    }
}
