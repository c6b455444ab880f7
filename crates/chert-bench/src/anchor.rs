//! The anchor of ingest: the same rows by plain binary COPY.
//!
//! Written from the blocks, independently of the store's own encoder; after the measurement the
//! rows of both databases are compared, so that the anchor cannot do less work unnoticed.

use std::collections::{HashMap, HashSet};

use chert_store::copy::CopyBuffer;
use chert_store::entities::address::{INCOMING, OUTGOING, TO_SELF, parts};
use silica_models::{AddressKey, Block, Transaction, TxPosition};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

const BLOCKS: &str = "COPY blocks (height, hash, parent_hash, timestamp, timestamp_ms, \
    validator_address, tx_count, gas_used, gas_limit, total_amount, total_fees, state_root, \
    state_leaf_count, shard_commitments) FROM STDIN (FORMAT binary)";
const TRANSACTIONS: &str = "COPY transactions (pos, tx_id, tx_key, sender, recipient, amount, \
    fee, nonce, timestamp, transaction_type, output_count, payload, raw) \
    FROM STDIN (FORMAT binary)";
const OUTPUTS: &str =
    "COPY tx_outputs (pos, output_index, recipient, amount) FROM STDIN (FORMAT binary)";
const STEALTH: &str = "COPY stealth_outputs (pos, output_index, commitment, public_key, \
    tx_public_key, amount, created_at) FROM STDIN (FORMAT binary)";
const QUARANTINE: &str = "COPY quarantine (pos, reason, raw) FROM STDIN (FORMAT binary)";
const APPEARANCES: &str = "COPY address_txs (address_key, pos, direction, sent, received) \
    FROM STDIN (FORMAT binary)";
const EVENTS: &str = "COPY event_log (seq, type, height, hash, tx_count, created_at, spans) \
     FROM STDIN (FORMAT binary)";
const ADDRESSES: &str = "COPY addresses (address_key, address, tx_count, sent_total, \
    received_total, first_pos, last_pos) FROM STDIN (FORMAT binary)";

/// Tables, what is compared of a row, and which rows: those from a place on.
const COMPARED: [(&str, &str, &str); 7] = [
    ("blocks", "r", "height >= $1 >> 20"),
    ("transactions", "r", "pos >= $1"),
    ("tx_outputs", "r", "pos >= $1"),
    ("stealth_outputs", "r", "pos >= $1"),
    ("quarantine", "r", "pos >= $1"),
    ("address_txs", "r", "pos >= $1"),
    // Not the time of writing.
    ("event_log", "(seq, type, height, hash, tx_count, spans)", "height >= $1 >> 20"),
];

/// What a batch adds up to per address.
#[derive(Debug, Default)]
pub(crate) struct Totals(HashMap<AddressKey, Total>);

#[derive(Debug)]
struct Total {
    address: String,
    tx_count: i64,
    sent: u128,
    received: u128,
    first_pos: i64,
    last_pos: i64,
}

impl Totals {
    fn add(&mut self, key: AddressKey, address: &str, pos: i64, moved: (u128, u128)) {
        let total = self.0.entry(key).or_insert_with(|| Total {
            address: address.to_owned(),
            tx_count: 0,
            sent: 0,
            received: 0,
            first_pos: pos,
            last_pos: pos,
        });
        total.tx_count += 1;
        total.sent = total.sent.saturating_add(moved.0);
        total.received = total.received.saturating_add(moved.1);
        total.last_pos = pos;
    }

    /// Rows of `addresses` for those not known yet, which become known.
    pub(crate) fn rows(&self, known: &mut HashSet<AddressKey>) -> CopyBuffer {
        let mut keys: Vec<&AddressKey> = self.0.keys().filter(|key| known.insert(**key)).collect();
        keys.sort_unstable();
        let mut rows = CopyBuffer::new(7);
        for (key, total) in keys.into_iter().filter_map(|key| self.0.get_key_value(key)) {
            rows.row()
                .key(*key)
                .text(Some(&total.address))
                .i64(total.tx_count)
                .numeric(Some(total.sent))
                .numeric(Some(total.received))
                .i64(total.first_pos)
                .i64(total.last_pos);
        }
        rows
    }
}

/// What only live batches write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Live {
    /// Last number of the event log before the batch.
    pub(crate) event_seq: i64,
    /// Unix seconds.
    pub(crate) now_s: i64,
}

/// Numbers of the event log that an applied block takes: its own and one per transaction.
pub(crate) fn events_of(block: &Block) -> anyhow::Result<i64> {
    Ok(i64::try_from(block.transactions.len())? + 1)
}

struct Appearance {
    key: AddressKey,
    pos: i64,
    direction: i16,
    sent: Option<u128>,
    received: Option<u128>,
}

/// The rows of a batch, one buffer per table.
pub(crate) struct AnchorRows {
    buffers: Vec<(&'static str, CopyBuffer)>,
}

impl AnchorRows {
    /// Encodes blocks; `live` adds events and puts appearances in the order of their index, which
    /// is the fastest order for COPY. Totals are added to `totals`.
    pub(crate) fn encode(
        blocks: &[Block],
        live: Option<Live>,
        totals: &mut Totals,
    ) -> anyhow::Result<Self> {
        let mut encoder = Encoder::new();
        let mut seq = live.map_or(0, |live| live.event_seq);
        for block in blocks {
            encoder.add_block(block)?;
            if let Some(live) = live {
                seq += events_of(block)?;
                encoder.add_event(block, seq, live.now_s)?;
            }
            for tx in &block.transactions {
                let pos = TxPosition::new(block.height, tx.index)?.as_i64();
                encoder.add_transaction(pos, tx)?;
                encoder.add_appearances(pos, tx, totals);
            }
        }
        if live.is_some() {
            encoder.appearances.sort_unstable_by_key(|row| (row.key, row.pos));
        }
        Ok(Self { buffers: encoder.finish() })
    }

    /// Adds rows of `addresses`.
    pub(crate) fn with_addresses(mut self, rows: CopyBuffer) -> Self {
        self.buffers.push((ADDRESSES, rows));
        self
    }

    /// Only rows of `addresses`.
    pub(crate) fn of_addresses(rows: CopyBuffer) -> Self {
        Self { buffers: vec![(ADDRESSES, rows)] }
    }

    /// Writes the rows in one transaction.
    pub(crate) async fn commit(&self, db: &mut PgConnection, durable: bool) -> anyhow::Result<()> {
        let mut tx = db.begin().await?;
        if !durable {
            sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        }
        for (statement, rows) in &self.buffers {
            rows.send(&mut tx, statement).await?;
        }
        Ok(tx.commit().await?)
    }
}

struct Encoder {
    blocks: CopyBuffer,
    transactions: CopyBuffer,
    outputs: CopyBuffer,
    stealth: CopyBuffer,
    quarantine: CopyBuffer,
    events: CopyBuffer,
    appearances: Vec<Appearance>,
}

impl Encoder {
    fn new() -> Self {
        Self {
            blocks: CopyBuffer::new(14),
            transactions: CopyBuffer::new(13),
            outputs: CopyBuffer::new(4),
            stealth: CopyBuffer::new(7),
            quarantine: CopyBuffer::new(3),
            events: CopyBuffer::new(7),
            appearances: Vec::new(),
        }
    }

    fn add_block(&mut self, block: &Block) -> anyhow::Result<()> {
        let amount: u128 = block.transactions.iter().map(|tx| tx.amount).sum();
        let fees: u128 = block.transactions.iter().map(|tx| u128::from(tx.fee)).sum();
        self.blocks
            .row()
            .i64(i64::try_from(block.height)?)
            .bytes(Some(block.hash.as_bytes()))
            .bytes(block.parent_hash.as_ref().map(silica_models::BlockHash::as_bytes))
            .text(Some(&block.timestamp.text))
            .i64(block.timestamp.unix_ms)
            .text(block.validator_address.as_deref())
            .i32(i32::try_from(block.record_count())?)
            .numeric(Some(block.gas_used.into()))
            .numeric(Some(block.gas_limit.into()))
            .numeric(Some(amount))
            .numeric(Some(fees))
            .bytes(block.state_root.as_deref())
            .numeric(block.state_leaf_count.map(u128::from))
            .json(block.shard_commitments.as_deref());
        for record in &block.unreadable {
            self.quarantine
                .row()
                .i64(TxPosition::new(block.height, record.index)?.as_i64())
                .text(Some(&record.reason))
                .bytes(Some(record.raw.as_bytes()));
        }
        Ok(())
    }

    fn add_event(&mut self, block: &Block, seq: i64, now_s: i64) -> anyhow::Result<()> {
        self.events
            .row()
            .i64(seq)
            .text(Some("block.applied"))
            .i64(i64::try_from(block.height)?)
            .bytes(Some(block.hash.as_bytes()))
            .i32(i32::try_from(block.record_count())?)
            .i64(now_s)
            .i32(i32::try_from(block.transactions.len())?);
        Ok(())
    }

    fn add_transaction(&mut self, pos: i64, tx: &Transaction) -> anyhow::Result<()> {
        self.transactions
            .row()
            .i64(pos)
            .bytes(Some(tx.id.as_bytes()))
            .i64(tx.id.index_key())
            .text(tx.sender.as_ref().map(silica_models::Address::as_str))
            .text(tx.recipient.as_ref().map(silica_models::Address::as_str))
            .numeric(Some(tx.amount))
            .numeric(Some(tx.fee.into()))
            .numeric(tx.nonce.map(u128::from))
            .text(tx.timestamp.as_deref())
            .text(Some(&tx.transaction_type))
            .i32(i32::try_from(tx.outputs.len())?)
            .json(tx.payload.as_deref())
            .bytes(tx.raw.as_deref().map(str::as_bytes));
        for (index, output) in tx.outputs.iter().enumerate() {
            self.outputs
                .row()
                .i64(pos)
                .i32(i32::try_from(index)?)
                .text(Some(output.recipient.as_str()))
                .numeric(Some(output.amount.into()));
        }
        for stealth in &tx.stealth_outputs {
            self.stealth
                .row()
                .i64(pos)
                .i32(i32::try_from(stealth.index)?)
                .bytes(Some(&stealth.commitment))
                .bytes(Some(&stealth.public_key))
                .bytes(Some(&stealth.tx_public_key))
                .numeric(stealth.amount.map(u128::from))
                .text(stealth.created_at.as_deref());
        }
        Ok(())
    }

    fn add_appearances(&mut self, pos: i64, tx: &Transaction, totals: &mut Totals) {
        for (key, address, part) in parts(tx) {
            let to_itself = part.received.is_some()
                && tx.receipts().all(|(recipient, _)| recipient.key() == key);
            let direction = match (part.sent, to_itself) {
                (None, _) => INCOMING,
                (Some(_), false) => OUTGOING,
                (Some(_), true) => TO_SELF,
            };
            let (sent, received) = (part.sent, part.received);
            let moved = (sent.unwrap_or(0), received.unwrap_or(0));
            totals.add(key, address.as_str(), pos, moved);
            self.appearances.push(Appearance { key, pos, direction, sent, received });
        }
    }

    fn finish(self) -> Vec<(&'static str, CopyBuffer)> {
        let mut rows = CopyBuffer::new(5);
        for row in &self.appearances {
            rows.row()
                .key(row.key)
                .i64(row.pos)
                .i16(row.direction)
                .numeric(row.sent)
                .numeric(row.received);
        }
        vec![
            (EVENTS, self.events),
            (APPEARANCES, rows),
            (QUARANTINE, self.quarantine),
            (TRANSACTIONS, self.transactions),
            (OUTPUTS, self.outputs),
            (STEALTH, self.stealth),
            (BLOCKS, self.blocks),
        ]
    }
}

/// Fails where the rows from block `first` on differ between two databases.
pub(crate) async fn ensure_same_rows(
    ours: &mut PgConnection,
    anchor: &mut PgConnection,
    first: u64,
) -> anyhow::Result<()> {
    let from = TxPosition::block_start(first).as_i64();
    for (table, row, condition) in COMPARED {
        let sql = format!(
            "SELECT concat(count(*), ' rows, digest ', sum(hashtextextended({row}::text, 0)))
             FROM {table} r WHERE {condition}"
        );
        let mut seen = Vec::new();
        for db in [&mut *ours, &mut *anchor] {
            let query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql.clone()));
            seen.push(query.bind(from).fetch_one(db).await?);
        }
        anyhow::ensure!(
            seen.first() == seen.last(),
            "the anchor wrote other rows into {table} than the store: {seen:?}"
        );
    }
    Ok(())
}
