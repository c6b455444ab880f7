//! Writing address appearances and totals.

use std::collections::BTreeMap;

use silica_models::{Address, AddressKey, Block, Transaction, TxPosition};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str = "COPY address_txs (address_key, pos, direction, sent, received) \
    FROM STDIN (FORMAT binary)";

/// The address received only.
pub const INCOMING: i16 = 0;
/// The address sent, at least in part to others.
pub const OUTGOING: i16 = 1;
/// The address sent to itself only.
pub const TO_SELF: i16 = 2;

/// Rows of `address_txs` and the changes of `addresses` they add up to.
#[derive(Debug, Default)]
pub struct AddressRows {
    appearances: Vec<(AddressKey, i64, Part)>,
    totals: BTreeMap<AddressKey, Total>,
}

/// What one transaction does to one address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Part {
    /// Base units sent, where the address is the sender.
    pub sent: Option<u128>,
    /// Base units received, where the address is a recipient.
    pub received: Option<u128>,
    /// Recipients of the transaction that are this address.
    receipts: usize,
}

#[derive(Debug)]
struct Total {
    address: String,
    tx_count: i64,
    sent: u128,
    received: u128,
    first_pos: i64,
    last_pos: i64,
}

/// The addresses of a transaction with their parts; sender first, then recipients in order.
pub fn parts(tx: &Transaction) -> Vec<(AddressKey, &Address, Part)> {
    let mut parts: Vec<(AddressKey, &Address, Part)> = Vec::with_capacity(2);
    if let Some(sender) = &tx.sender {
        let part = Part { sent: Some(tx.amount), ..Part::default() };
        parts.push((sender.key(), sender, part));
    }
    for (recipient, amount) in tx.receipts() {
        let key = recipient.key();
        let at = parts.iter().position(|(k, ..)| *k == key).unwrap_or(parts.len());
        if at == parts.len() {
            parts.push((key, recipient, Part::default()));
        }
        if let Some((.., part)) = parts.get_mut(at) {
            part.received = Some(part.received.unwrap_or(0).saturating_add(amount));
            part.receipts += 1;
        }
    }
    parts
}

fn direction(part: &Part, receipts_total: usize) -> i16 {
    match part.sent {
        None => INCOMING,
        Some(_) if part.receipts > 0 && part.receipts == receipts_total => TO_SELF,
        Some(_) => OUTGOING,
    }
}

impl AddressRows {
    pub(crate) fn row_count(&self) -> u64 {
        self.appearances.len() as u64
    }

    fn add_part(&mut self, key: AddressKey, address: &Address, pos: i64, part: &Part) {
        let total = self.totals.entry(key).or_insert_with(|| Total {
            address: address.as_str().to_owned(),
            tx_count: 0,
            sent: 0,
            received: 0,
            first_pos: pos,
            last_pos: pos,
        });
        total.tx_count += 1;
        total.sent = total.sent.saturating_add(part.sent.unwrap_or(0));
        total.received = total.received.saturating_add(part.received.unwrap_or(0));
        total.last_pos = total.last_pos.max(pos);
        self.appearances.push((key, pos, *part));
    }

    /// Adds this batch to the totals and counts the addresses that are new.
    async fn upsert_totals(&self, db: &mut PgConnection) -> Result<(), StoreError> {
        let keys: Vec<Uuid> = self.totals.keys().map(|k| k.to_uuid()).collect();
        let values = || self.totals.values();
        let addresses: Vec<&str> = values().map(|t| t.address.as_str()).collect();
        let counts: Vec<i64> = values().map(|t| t.tx_count).collect();
        let sent: Vec<String> = values().map(|t| t.sent.to_string()).collect();
        let received: Vec<String> = values().map(|t| t.received.to_string()).collect();
        let first: Vec<i64> = values().map(|t| t.first_pos).collect();
        let last: Vec<i64> = values().map(|t| t.last_pos).collect();
        sqlx::query!(
            "WITH written AS (
                 INSERT INTO addresses AS a (address_key, address, tx_count, sent_total,
                                             received_total, first_pos, last_pos)
                 SELECT k, address, n, s::numeric, r::numeric, first_pos, last_pos
                 FROM UNNEST($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[],
                             $6::bigint[], $7::bigint[]) AS t(k, address, n, s, r, first_pos, last_pos)
                 ON CONFLICT (address_key) DO UPDATE SET
                     tx_count = a.tx_count + EXCLUDED.tx_count,
                     sent_total = a.sent_total + EXCLUDED.sent_total,
                     received_total = a.received_total + EXCLUDED.received_total,
                     last_pos = EXCLUDED.last_pos
                 RETURNING (xmax = 0) AS is_new)
             UPDATE chain_counters
             SET addresses = addresses + (SELECT count(*) FROM written WHERE is_new)",
            &keys,
            &addresses as &[&str],
            &counts,
            &sent,
            &received,
            &first,
            &last
        )
        .execute(db)
        .await?;
        Ok(())
    }
}

impl Entity for AddressRows {
    const NAME: &'static str = "addresses";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        for tx in &block.transactions {
            let pos = TxPosition::new(block.height, tx.index)?.as_i64();
            let receipts_total = tx.receipts().count();
            for (key, address, mut part) in parts(tx) {
                // From here on the count only says whether all recipients are this address.
                part.receipts = usize::from(direction(&part, receipts_total) == TO_SELF);
                self.add_part(key, address, pos, &part);
            }
        }
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, context: &ApplyContext) -> Result<(), StoreError> {
        let mut rows = CopyBuffer::new(5);
        // In key order neighbouring rows fall on the same index pages.
        let mut ordered: Vec<&(AddressKey, i64, Part)> = self.appearances.iter().collect();
        if !context.bulk {
            ordered.sort_unstable_by_key(|(key, pos, _)| (*key, *pos));
        }
        for (key, pos, part) in ordered {
            let direction = match (part.sent, part.receipts) {
                (None, _) => INCOMING,
                (Some(_), 0) => OUTGOING,
                (Some(_), _) => TO_SELF,
            };
            rows.row().key(*key).i64(*pos).i16(direction).numeric(part.sent).numeric(part.received);
        }
        rows.send(db, COPY).await?;
        if context.bulk || self.totals.is_empty() {
            return Ok(());
        }
        self.upsert_totals(db).await
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let first = context.first_pos();
        let keys = touched_keys(db, first).await?;
        sqlx::query!(
            "WITH gone AS (DELETE FROM addresses WHERE address_key = ANY($1) AND first_pos >= $2
                           RETURNING 1)
             UPDATE chain_counters SET addresses = addresses - (SELECT count(*) FROM gone)",
            &keys,
            first
        )
        .execute(&mut *db)
        .await?;
        sqlx::query!(
            "WITH gone AS (
                 DELETE FROM address_txs WHERE address_key = ANY($1) AND pos >= $2
                 RETURNING address_key, sent, received),
             delta AS (
                 SELECT address_key, count(*) AS n, COALESCE(sum(sent), 0) AS s,
                        COALESCE(sum(received), 0) AS r
                 FROM gone GROUP BY address_key)
             UPDATE addresses a SET
                 tx_count = a.tx_count - d.n,
                 sent_total = a.sent_total - d.s,
                 received_total = a.received_total - d.r,
                 last_pos = (SELECT x.pos FROM address_txs x
                             WHERE x.address_key = a.address_key AND x.pos < $2
                             ORDER BY x.pos DESC LIMIT 1)
             FROM delta d WHERE a.address_key = d.address_key",
            &keys,
            first
        )
        .execute(&mut *db)
        .await?;
        Ok(())
    }
}

/// Keys of all addresses that take part in transactions from `first_pos` on.
pub(crate) async fn touched_keys(
    db: &mut PgConnection,
    first_pos: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let keys = sqlx::query_scalar!(
        r#"SELECT chert_address_key(x.address) AS "key!" FROM (
               SELECT sender AS address FROM transactions WHERE pos >= $1 AND sender IS NOT NULL
               UNION SELECT recipient FROM transactions WHERE pos >= $1 AND recipient IS NOT NULL
               UNION SELECT recipient FROM tx_outputs WHERE pos >= $1) x"#,
        first_pos
    )
    .fetch_all(db)
    .await?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn check(json: &str, expected: &[(&str, Option<u128>, Option<u128>, i16)]) {
        let raw = RawValue::from_string(json.to_owned()).expect("JSON");
        let tx = Transaction::parse(0, &raw).expect("valid");
        let total = tx.receipts().count();
        let seen: Vec<_> = parts(&tx)
            .into_iter()
            .map(|(_, a, p)| (a.to_string(), p.sent, p.received, direction(&p, total)))
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(a, s, r, d)| ((*a).to_owned(), *s, *r, *d)).collect();
        assert_eq!(seen, expected, "{json}");
    }

    #[test]
    fn each_address_takes_part_once() {
        let plain = r#"{"tx_id":"x","sender":"a","recipient":"b","amount":5}"#;
        check(plain, &[("a", Some(5), None, OUTGOING), ("b", None, Some(5), INCOMING)]);
        let to_self = r#"{"tx_id":"x","sender":"0xAA","recipient":"0xaa","amount":5}"#;
        check(to_self, &[("0xAA", Some(5), Some(5), TO_SELF)]);
        let change = r#"{"tx_id":"x","sender":"a","outputs":[{"recipient":"b","amount":1},
            {"recipient":"a","amount":2},{"recipient":"b","amount":3}]}"#;
        check(change, &[("a", Some(6), Some(2), OUTGOING), ("b", None, Some(4), INCOMING)]);
        check(r#"{"tx_id":"x","recipient":"b","amount":5}"#, &[("b", None, Some(5), INCOMING)]);
        check(r#"{"tx_id":"x","sender":"a"}"#, &[("a", Some(0), None, OUTGOING)]);
    }
}
