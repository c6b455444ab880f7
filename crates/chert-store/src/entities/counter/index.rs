//! Maintained totals of the chain and its hourly series.

use std::collections::BTreeMap;

use silica_models::Block;
use sqlx::PgConnection;

use crate::StoreError;
use crate::entities::block::{total_amount, total_fees};
use crate::entities::{ApplyContext, Entity, UnwindContext};

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Default)]
struct Sums {
    blocks: i64,
    transactions: i64,
    amount: u128,
    fees: u128,
    gas_used: u128,
}

/// What a batch adds to `chain_counters` and `chain_hourly`.
#[derive(Debug, Default)]
pub struct Counters {
    hours: BTreeMap<i64, Sums>,
    quarantined: i64,
}

impl Entity for Counters {
    const NAME: &'static str = "counters";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        let sums = self.hours.entry(block.timestamp.unix_ms.div_euclid(HOUR_MS)).or_default();
        sums.blocks += 1;
        sums.transactions += i64::try_from(block.record_count()).unwrap_or(i64::MAX);
        sums.amount = sums.amount.saturating_add(total_amount(block));
        sums.fees = sums.fees.saturating_add(total_fees(block));
        sums.gas_used = sums.gas_used.saturating_add(block.gas_used.into());
        self.quarantined += i64::try_from(block.unreadable.len()).unwrap_or(i64::MAX);
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        if context.bulk {
            return Ok(());
        }
        let hours: Vec<i64> = self.hours.keys().copied().collect();
        let values = || self.hours.values();
        let blocks: Vec<i64> = values().map(|s| s.blocks).collect();
        let transactions: Vec<i64> = values().map(|s| s.transactions).collect();
        let amounts: Vec<String> = values().map(|s| s.amount.to_string()).collect();
        let fees: Vec<String> = values().map(|s| s.fees.to_string()).collect();
        let gas: Vec<String> = values().map(|s| s.gas_used.to_string()).collect();
        sqlx::query!(
            "WITH delta AS (
                 SELECT hour, blocks, transactions, amount::numeric, fees::numeric, gas::numeric
                 FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],
                             $6::text[]) AS t(hour, blocks, transactions, amount, fees, gas)),
             hourly AS (
                 INSERT INTO chain_hourly AS h (hour, blocks, transactions, total_amount,
                                                total_fees, gas_used)
                 SELECT * FROM delta
                 ON CONFLICT (hour) DO UPDATE SET
                     blocks = h.blocks + EXCLUDED.blocks,
                     transactions = h.transactions + EXCLUDED.transactions,
                     total_amount = h.total_amount + EXCLUDED.total_amount,
                     total_fees = h.total_fees + EXCLUDED.total_fees,
                     gas_used = h.gas_used + EXCLUDED.gas_used)
             UPDATE chain_counters c SET
                 blocks = c.blocks + s.blocks, transactions = c.transactions + s.transactions,
                 quarantined = c.quarantined + $7, total_amount = c.total_amount + s.amount,
                 total_fees = c.total_fees + s.fees, gas_used = c.gas_used + s.gas
             FROM (SELECT sum(blocks)::bigint AS blocks, sum(transactions)::bigint AS transactions,
                          sum(amount) AS amount, sum(fees) AS fees, sum(gas) AS gas FROM delta) s
             WHERE s.blocks IS NOT NULL",
            &hours,
            &blocks,
            &transactions,
            &amounts,
            &fees,
            &gas,
            self.quarantined
        )
        .execute(db)
        .await?;
        Ok(())
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH gone AS (SELECT * FROM blocks WHERE height > $1),
             delta AS (
                 SELECT div(timestamp_ms - (CASE WHEN timestamp_ms < 0 THEN 3599999 ELSE 0 END),
                            3600000)::bigint AS hour,
                        count(*) AS blocks, sum(tx_count) AS transactions,
                        sum(total_amount) AS amount, sum(total_fees) AS fees, sum(gas_used) AS gas
                 FROM gone GROUP BY 1),
             hourly AS (
                 UPDATE chain_hourly h SET
                     blocks = h.blocks - d.blocks,
                     transactions = h.transactions - d.transactions,
                     total_amount = h.total_amount - d.amount,
                     total_fees = h.total_fees - d.fees, gas_used = h.gas_used - d.gas
                 FROM delta d WHERE h.hour = d.hour)
             UPDATE chain_counters c SET
                 blocks = c.blocks - s.blocks, transactions = c.transactions - s.transactions,
                 quarantined = c.quarantined - (SELECT count(*) FROM quarantine WHERE pos >= $2),
                 total_amount = c.total_amount - s.amount, total_fees = c.total_fees - s.fees,
                 gas_used = c.gas_used - s.gas
             FROM (SELECT sum(blocks)::bigint AS blocks, sum(transactions)::bigint AS transactions,
                          sum(amount) AS amount, sum(fees) AS fees, sum(gas) AS gas FROM delta) s
             WHERE s.blocks IS NOT NULL",
            context.ancestor_i64(),
            context.first_pos()
        )
        .execute(&mut *db)
        .await?;
        sqlx::query!("DELETE FROM chain_hourly WHERE blocks = 0").execute(db).await?;
        Ok(())
    }
}
