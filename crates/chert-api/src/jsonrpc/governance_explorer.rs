//! Governance as the explorer reads it (contract §8.11).

use chert_store::entities::governance::query::node::{
    NodeProposal, ProposalFilter, list_node_proposals,
};
use chert_store::entities::governance::query::node_sums::get_governance_sums;
use serde::Serialize;
use silica_models::{Address, Timestamp};

use super::dispatch::Rpc;
use super::governance::{list_proposals, text_of};
use super::{Outcome, passthrough};
use crate::answer::{Answer, Freshness};
use crate::routes::text::Hundredths;
use crate::state::ApiState;

const ROWS_DEFAULT: u16 = 20;
const ROWS_MAX: u16 = 100;
const MS_PER_S: i64 = 1_000;
/// The account that is the treasury: `silica.reserve` (contract §4.2).
const TREASURY: &str = "0x406265294e75151376cb2baafb5937a9f74b148e";
/// Characters of "2026-07-15T10:00" that are shown.
const MINUTE_CHARS: usize = 16;

/// A proposal as the explorer lists it.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    title: &'a str,
    description: &'a str,
    status: &'static str,
    votes_for: &'a str,
    votes_against: &'a str,
    /// Per cent; the node does not say.
    quorum: u8,
    end_time: String,
    proposer: &'a str,
}

#[derive(Serialize)]
struct InfoJson<'a> {
    active_proposals: i64,
    total_proposals: i64,
    dao_treasury: &'a str,
    voter_participation: Hundredths,
}

/// What moved is not indexed by month.
#[derive(Serialize)]
struct TreasuryJson<'a> {
    total_balance: &'a str,
    last_month_in: &'static str,
    last_month_out: &'static str,
}

/// The explorer knows no `pending`: such a proposal is shown as active (contract §6.1).
fn status_of(status: &str) -> &'static str {
    match status {
        "passed" => "passed",
        "rejected" => "rejected",
        "executed" => "executed",
        _ => "active",
    }
}

impl<'a> Line<'a> {
    fn new(row: &'a NodeProposal) -> Self {
        let description = row.description.as_deref();
        Self {
            id: &row.proposal_id,
            title: text_of(row.title.as_deref(), description.and_then(|text| text.lines().next())),
            description: description.unwrap_or_default(),
            status: status_of(&row.status),
            votes_for: &row.votes_for,
            votes_against: &row.votes_against,
            quorum: 0,
            end_time: row.voting_ends_at.map_or_else(|| "unknown".to_owned(), minute_text),
            proposer: row.proposer.as_deref().unwrap_or_default(),
        }
    }
}

/// `2026-07-15 10:00 UTC`.
fn minute_text(seconds: i64) -> String {
    let time = Timestamp::from_unix_ms(seconds.saturating_mul(MS_PER_S));
    let text = time.ok().and_then(|time| {
        time.text.get(..MINUTE_CHARS).map(|text| format!("{} UTC", text.replace('T', " ")))
    });
    text.unwrap_or_else(|| "unknown".to_owned())
}

/// `get_proposals`: with a `limit` and nothing that only the wallet sends, the explorer's bare array
/// (contract §11 row 27).
pub(super) async fn proposals(api: &ApiState, rpc: &Rpc) -> Outcome {
    let wallet = ["state", "proposer", "offset"].iter().any(|name| rpc.params.has(name));
    if wallet || !rpc.params.has("limit") {
        return list_proposals(api, rpc).await;
    }
    let limit = rpc.params.limit(0, ROWS_DEFAULT, ROWS_MAX)?;
    let status = rpc.params.text(&["status"], 1)?.filter(|status| !status.is_empty());
    rpc.at_tip(api, &format!("explorer {limit} {status:?}"), async {
        let filter = ProposalFilter { status: status.as_deref(), ..ProposalFilter::default() };
        let db = api.store().readers();
        let (checkpoint, rows) = list_node_proposals(db, filter, 0, limit.into()).await?;
        let lines: Vec<_> = rows.iter().map(Line::new).collect();
        Answer::json(&checkpoint, Freshness::Tip, &lines)
    })
    .await
}

/// `get_governance_info`.
pub(super) async fn info(api: &ApiState, rpc: &Rpc) -> Outcome {
    let treasury = Address::from_stored(TREASURY.to_owned()).key();
    rpc.at_tip(api, "", async {
        let (checkpoint, sums) = get_governance_sums(api.store().readers(), treasury).await?;
        let info = InfoJson {
            active_proposals: sums.active,
            total_proposals: sums.total,
            dao_treasury: sums.treasury.as_deref().unwrap_or("0"),
            voter_participation: Hundredths(sums.participation_bps),
        };
        Answer::json(&checkpoint, Freshness::Tip, &info)
    })
    .await
}

/// `get_treasury`.
pub(super) async fn treasury(api: &ApiState, rpc: &Rpc) -> Outcome {
    if let Some(answer) = passthrough::ask(api, rpc).await {
        return Ok(answer);
    }
    let treasury = Address::from_stored(TREASURY.to_owned()).key();
    rpc.at_tip(api, "", async {
        let (checkpoint, sums) = get_governance_sums(api.store().readers(), treasury).await?;
        let total_balance = sums.treasury.as_deref().unwrap_or("0");
        let view = TreasuryJson { total_balance, last_month_in: "0", last_month_out: "0" };
        Answer::json(&checkpoint, Freshness::Tip, &view)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_times_are_short() {
        assert_eq!(minute_text(1_784_109_600), "2026-07-15 10:00 UTC");
        assert_eq!(minute_text(i64::MAX), "unknown");
    }
}
