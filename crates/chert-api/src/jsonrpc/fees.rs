//! What a transaction is likely to cost (contract §2.8): from what the newest ones paid.

use chert_store::entities::counter::node_query::{FeeLevels, get_fee_levels};
use serde::Serialize;

use super::Outcome;
use super::dispatch::Rpc;
use super::names::Method;
use crate::answer::{Answer, Freshness};
use crate::state::ApiState;

/// What the wallet itself assumes where nobody tells it: low, medium, high, base units.
const FEES_DEFAULT: [&str; 3] = ["500000000", "1000000000", "2000000000"];
/// Share of the gas limit in use from which the network is fuller, in hundredths of a per cent.
const MEDIUM_FROM_BPS: i64 = 3_000;
const HIGH_FROM_BPS: i64 = 7_000;
/// Milliseconds from block to block where there are not two.
const BLOCK_MS_DEFAULT: i64 = 2_000;
const MS_PER_S: i64 = 1_000;

#[derive(Serialize)]
struct FeeJson<'a> {
    estimated_fee: &'a str,
    priority_fees: PriorityFees<'a>,
    network_congestion: &'static str,
    /// Seconds.
    estimated_confirmation_time: i64,
}

#[derive(Serialize)]
struct PriorityFees<'a> {
    low: &'a str,
    medium: &'a str,
    high: &'a str,
}

#[derive(Serialize)]
struct CongestionJson {
    congestion: &'static str,
}

#[derive(Serialize)]
struct GasPriceJson<'a> {
    gas_price: &'a str,
}

/// `estimate_fee`, `get_network_congestion`, `get_gas_price`.
pub(super) async fn levels(api: &ApiState, rpc: &Rpc) -> Outcome {
    let priority = rpc.params.text(&["priority"], 3)?.unwrap_or_default();
    let priority = match priority.as_str() {
        "low" | "high" => priority.as_str(),
        _ => "medium",
    };
    rpc.at_tip(api, priority, async {
        let (checkpoint, levels) = get_fee_levels(api.store().readers()).await?;
        match rpc.method {
            Method::EstimateFee => {
                Answer::json(&checkpoint, Freshness::Tip, &estimate(&levels, priority))
            }
            Method::GasPrice => {
                let price = GasPriceJson { gas_price: &levels.gas_price };
                Answer::json(&checkpoint, Freshness::Tip, &price)
            }
            _ => {
                let congestion = CongestionJson { congestion: congestion(&levels) };
                Answer::json(&checkpoint, Freshness::Tip, &congestion)
            }
        }
    })
    .await
}

fn estimate<'a>(levels: &'a FeeLevels, priority: &str) -> FeeJson<'a> {
    let [low, medium, high] = match (&levels.low, &levels.medium, &levels.high) {
        (Some(low), Some(medium), Some(high)) => [low.as_str(), medium.as_str(), high.as_str()],
        _ => FEES_DEFAULT,
    };
    let block_ms = if levels.block_ms > 0 { levels.block_ms } else { BLOCK_MS_DEFAULT };
    FeeJson {
        estimated_fee: match priority {
            "low" => low,
            "high" => high,
            _ => medium,
        },
        priority_fees: PriorityFees { low, medium, high },
        network_congestion: congestion(levels),
        estimated_confirmation_time: (block_ms + MS_PER_S - 1) / MS_PER_S,
    }
}

fn congestion(levels: &FeeLevels) -> &'static str {
    match levels.gas_used_bps {
        HIGH_FROM_BPS.. => "high",
        MEDIUM_FROM_BPS.. => "medium",
        _ => "low",
    }
}
