//! Search by name: a mix of texts that begin names, stand inside them, or are only like them.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::PgConnection;

use crate::api::uncached::compare;
use crate::bench::Bench;
use crate::child::{self, Cache};
use crate::http::{get, open_loop};
use crate::pgbench::{Script, constant, one_line, statement};
use crate::report::{Goal, Outcome};
use crate::scale::{CONNECTIONS, PAGE_ROWS};
use crate::statistics::median;

use super::load::People;

const SEARCH: &str = include_str!("../../../chert-store/src/entities/identity/search.rs");
const TIERS: &str = include_str!("../../../chert-store/src/entities/identity/tiers.rs");
const TRANSACTION: &str = include_str!("../../../chert-store/src/transaction.rs");
const CHECKPOINT: &str = include_str!("../../../chert-store/src/checkpoint.rs");

/// What people type: folded, letters, digits and spaces only, so that no text needs escaping here.
const TEXTS: [&str; 32] = [
    // Beginnings, from two letters to whole names.
    "am",
    "si",
    "gra",
    "gol",
    "velvet",
    "obsid",
    "lunar f",
    "silver w",
    "quiet qua",
    "electric",
    "granite fox 1",
    "zluty",
    // Inside.
    "wolf",
    "uasar",
    "lcon",
    "cafe",
    "pinata",
    "wolf 12",
    "raven 7",
    "fox 42",
    "quarry 9",
    "ebula",
    "orbit 123",
    "anther",
    // With mistakes.
    "sliver wolf",
    "granit falcon",
    "obsidain",
    "golden zephry",
    "galacier",
    "quazar",
    "electirc",
    "velvet tubrine",
];
/// A search is to be answered within this.
const GOAL_MS: f64 = 25.0;
/// Among so many; among fewer, meeting it would say nothing.
const GOAL_IDENTITIES: i64 = 1_000_000;
/// As in the store.
const SORTED_ROWS_MAX: i64 = 5_000;
const LIKE_ROWS_MAX: i64 = 1_000;

pub(super) async fn run(bench: &mut Bench, people: &People) -> anyhow::Result<()> {
    let (server, address) = child::serve(&people.url, Cache::Off).await?;
    let requests: Vec<Vec<u8>> = TEXTS
        .iter()
        .map(|text| {
            let text = text.replace(' ', "%20");
            get(&format!("/v1/identity/search?name={text}&limit={PAGE_ROWS}"))
        })
        .collect();
    let dataset = format!("{}, warm", people.text);
    let what = format!(
        "{} texts in turns: {PAGE_ROWS} identities by the beginning of the name, part of it, or \
         with mistakes; cache and rate limit off",
        TEXTS.len()
    );
    if bench.wants("people.search") {
        bench.step("people.search: latency in open loop");
        let (per_s, length) = (bench.scale.people.searches_per_s, bench.scale.load);
        let requests = Arc::new(requests.clone());
        open_loop(address, Arc::clone(&requests), per_s, length).await?;
        let mut all = Vec::new();
        for _ in 0..bench.scale.rounds {
            all.push(open_loop(address, Arc::clone(&requests), per_s, length).await?);
        }
        let at = |per_cent| Vec::from_iter(all.iter().map(|series| series.percentile_ms(per_cent)));
        let rounds: Vec<_> = at(95).into_iter().map(|p95| (p95, GOAL_MS)).collect();
        let note = format!(
            "p95 of {what}; open loop at {per_s} req/s, p50 {:.2} ms, p99 {:.2} ms; anchor: the \
             goal",
            median(&at(50)),
            median(&at(99))
        );
        let enough = bench.scale.people.identities >= GOAL_IDENTITIES;
        let goal = if enough { Goal::AtMost(1.0) } else { Goal::None };
        let outcome = Outcome::new("people.search", "ms", &rounds, goal, dataset.clone(), note);
        bench.add(outcome.with_errors(all.iter().map(|series| series.errors).sum()));
    }
    if bench.wants("people.search_rate") {
        bench.step("people.search_rate: against pgbench");
        let mut db = bench.postgres.connect(&people.name).await?;
        let scripts = scripts(&mut db).await?;
        drop(db);
        let (rounds, errors) = compare(bench, &people.name, address, requests, &scripts).await?;
        let note = format!(
            "{what}; against pgbench -M prepared -j 1 of the statements that each text takes, in \
             one transaction; {CONNECTIONS} connections each, closed loop"
        );
        let goal = Goal::AtLeast(0.45);
        let outcome = Outcome::new("people.search_rate", "req/s", &rounds, goal, dataset, note);
        bench.add(outcome.with_errors(errors));
    }
    server.stop().await
}

/// How a text goes through the tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// A page of names begins with it, or it is too short for more.
    Prefix,
    /// Names hold it, few enough to sort; then perhaps those that are like it.
    Sorted { like: bool },
    /// So many names hold it that they are walked in order.
    InOrder { like: bool },
}

/// A text and how many rows each tier is asked for.
struct Text {
    text: &'static str,
    inside_rows: i64,
    like_rows: i64,
}

/// A script for each way, weighed by the texts that go it.
async fn scripts(db: &mut PgConnection) -> anyhow::Result<Vec<Script>> {
    let mut ways: BTreeMap<Way, Vec<Text>> = BTreeMap::new();
    for text in TEXTS {
        let (way, text) = way_of(db, text).await?;
        ways.entry(way).or_default().push(text);
    }
    ways.into_iter()
        .map(|(way, texts)| Ok(Script { text: script(way, &texts)?, weight: texts.len() }))
        .collect()
}

async fn way_of(db: &mut PgConnection, text: &'static str) -> anyhow::Result<(Way, Text)> {
    let page = i64::try_from(PAGE_ROWS)? + 1;
    let (prefixed, inside): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE name_search LIKE $1 || '%'), count(*)
         FROM identities WHERE name_search LIKE '%' || $1 || '%'",
    )
    .bind(text)
    .fetch_one(db)
    .await?;
    let inside_rows = page - prefixed.min(page);
    let like_rows = inside_rows - (inside - prefixed).min(inside_rows);
    // Two letters look for the beginnings of words: a page of these is there.
    let way = match (inside_rows, inside > SORTED_ROWS_MAX) {
        (0, _) => Way::Prefix,
        (_, false) => Way::Sorted { like: like_rows > 0 },
        (_, true) => Way::InOrder { like: like_rows > 0 },
    };
    Ok((way, Text { text, inside_rows, like_rows }))
}

/// One transaction with a random one of the texts, as the store makes it.
fn script(way: Way, texts: &[Text]) -> anyhow::Result<String> {
    let choose = |of: &dyn Fn(&Text) -> String| {
        let values: Vec<String> = texts.iter().map(of).collect();
        format!("(ARRAY[{}])[:n]", values.join(", "))
    };
    let text = choose(&|t| format!("'{}'", t.text));
    let pattern = choose(&|t| format!("'%{}%'", t.text));
    let inside_rows = choose(&|t| format!("{}::bigint", t.inside_rows));
    let like_rows = choose(&|t| format!("{}::bigint", t.like_rows));
    let tier = |function: &str, values: &[&str]| -> anyhow::Result<String> {
        let mut sql = statement(TIERS, function)?;
        for (index, value) in values.iter().enumerate() {
            sql = sql.replace(&format!("${}", index + 1), value);
        }
        Ok(sql)
    };
    let (start, none, sorted) = ("''", "''::bytea", SORTED_ROWS_MAX.to_string());
    let mut steps = vec![
        constant(TRANSACTION, "ONE_SNAPSHOT")?.to_owned(),
        statement(CHECKPOINT, "load_checkpoint")?,
        statement(SEARCH, "list_named")?.replace("$1", &text),
        tier("list_prefix", &[&text, start, none, &(PAGE_ROWS + 1).to_string()])?,
    ];
    if way != Way::Prefix {
        steps.push(tier("is_frequent", &[&pattern, &sorted])?);
    }
    let values: [&str; 6] = [&pattern, &text, start, none, &inside_rows, &sorted];
    let like = match way {
        Way::Prefix => false,
        Way::Sorted { like } => {
            steps.push(tier("list_inside_sorted", &values)?);
            like
        }
        Way::InOrder { like } => {
            steps.push(constant(TIERS, "IN_ORDER")?.to_owned());
            steps.push(tier("list_inside_in_order", &values)?);
            like
        }
    };
    if like {
        let most = LIKE_ROWS_MAX.to_string();
        steps.push(constant(TIERS, "BY_LIKENESS")?.to_owned());
        steps.push(tier("list_like", &[&text, &pattern, start, none, &like_rows, &most])?);
    }
    steps.push("COMMIT".to_owned());
    let lines: Vec<String> = steps.iter().map(|sql| one_line(sql) + ";\n").collect();
    Ok(format!("\\set n random(1, {})\n{}", texts.len(), lines.concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stores_statements_are_found() {
        let text = |text| Text { text, inside_rows: 26, like_rows: 3 };
        let texts = [text("wolf"), text("fox")];
        for (way, statements) in [
            (Way::Prefix, 5),
            (Way::Sorted { like: false }, 7),
            (Way::Sorted { like: true }, 9),
            (Way::InOrder { like: true }, 10),
        ] {
            let script = script(way, &texts).unwrap();
            assert!(!script.contains('$'), "{script}");
            assert_eq!(script.matches(";\n").count(), statements, "{script}");
            assert!(script.contains("(ARRAY['wolf', 'fox'])[:n]"));
        }
    }
}
