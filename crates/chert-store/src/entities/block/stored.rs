//! A stored block back in the form in which it was indexed, for comparing it with a node's.

use silica_models::{
    Address, Block, BlockHash, Height, Output, StealthOutput, Timestamp, Transaction, TxId,
    TxPosition, UnreadableRecord,
};

use crate::{Store, StoreError};

fn number(text: &str) -> Result<u64, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt(format!("number {text}")))
}

fn range(height: Height) -> (i64, i64) {
    (TxPosition::block_start(height).as_i64(), TxPosition::block_start(height + 1).as_i64())
}

/// The block at `height` with everything that belongs to it.
pub async fn stored_block(store: &Store, height: Height) -> Result<Option<Block>, StoreError> {
    let at = i64::try_from(height).unwrap_or(i64::MAX);
    let row = sqlx::query!(
        r#"SELECT hash, parent_hash, timestamp, timestamp_ms, validator_address,
                  gas_used::text AS "gas_used!", gas_limit::text AS "gas_limit!", state_root,
                  state_leaf_count::text, shard_commitments::text
           FROM blocks WHERE height = $1"#,
        at
    )
    .fetch_optional(&store.pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Block {
        height,
        hash: BlockHash::from_bytes(row.hash),
        parent_hash: row.parent_hash.map(BlockHash::from_bytes),
        timestamp: Timestamp { text: row.timestamp, unix_ms: row.timestamp_ms },
        validator_address: row.validator_address,
        gas_used: number(&row.gas_used)?,
        gas_limit: number(&row.gas_limit)?,
        state_root: row.state_root,
        state_leaf_count: row.state_leaf_count.as_deref().map(number).transpose()?,
        shard_commitments: row.shard_commitments,
        declared_tx_count: None,
        transactions: transactions(store, height).await?,
        unreadable: unreadable(store, height).await?,
    }))
}

async fn transactions(store: &Store, height: Height) -> Result<Vec<Transaction>, StoreError> {
    let (first, end) = range(height);
    let rows = sqlx::query!(
        r#"SELECT pos, tx_id, sender, recipient, amount::text AS "amount!", fee::text AS "fee!",
                  nonce::text, timestamp, transaction_type, output_count, payload::text, raw
           FROM transactions WHERE pos >= $1 AND pos < $2 ORDER BY pos"#,
        first,
        end
    )
    .fetch_all(&store.pool)
    .await?;
    let mut transactions = Vec::with_capacity(rows.len());
    for row in rows {
        let outputs = if row.output_count > 0 { outputs(store, row.pos).await? } else { vec![] };
        let amount = row.amount.parse();
        transactions.push(Transaction {
            index: TxPosition::from_i64(row.pos)?.index(),
            id: TxId::from_bytes(row.tx_id),
            sender: row.sender.map(Address::from_stored),
            recipient: row.recipient.map(Address::from_stored),
            amount: amount.map_err(|_| StoreError::Corrupt("amount".into()))?,
            fee: number(&row.fee)?,
            nonce: row.nonce.as_deref().map(number).transpose()?,
            timestamp: row.timestamp,
            transaction_type: row.transaction_type,
            outputs,
            stealth_outputs: stealth(store, row.pos).await?,
            payload: row.payload,
            raw: row.raw.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        });
    }
    Ok(transactions)
}

async fn outputs(store: &Store, pos: i64) -> Result<Vec<Output>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT recipient, amount::text AS "amount!" FROM tx_outputs WHERE pos = $1
           ORDER BY output_index"#,
        pos
    )
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(Output { recipient: Address::from_stored(r.recipient), amount: number(&r.amount)? })
        })
        .collect()
}

async fn stealth(store: &Store, pos: i64) -> Result<Vec<StealthOutput>, StoreError> {
    let rows = sqlx::query!(
        "SELECT output_index, commitment, public_key, tx_public_key, amount::text, created_at
         FROM stealth_outputs WHERE pos = $1 ORDER BY output_index",
        pos
    )
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(StealthOutput {
                index: u32::try_from(r.output_index).unwrap_or_default(),
                commitment: r.commitment,
                public_key: r.public_key,
                tx_public_key: r.tx_public_key,
                amount: r.amount.as_deref().map(number).transpose()?,
                created_at: r.created_at,
            })
        })
        .collect()
}

async fn unreadable(store: &Store, height: Height) -> Result<Vec<UnreadableRecord>, StoreError> {
    let (first, end) = range(height);
    let rows = sqlx::query!(
        "SELECT pos, reason, raw FROM quarantine WHERE pos >= $1 AND pos < $2 ORDER BY pos",
        first,
        end
    )
    .fetch_all(&store.pool)
    .await?;
    rows.into_iter()
        .map(|r| {
            Ok(UnreadableRecord {
                index: TxPosition::from_i64(r.pos)?.index(),
                reason: r.reason,
                raw: String::from_utf8_lossy(&r.raw).into_owned(),
            })
        })
        .collect()
}

impl Store {
    /// Height at which this store begins.
    pub async fn first_height(&self) -> Result<Height, StoreError> {
        let start =
            sqlx::query_scalar!("SELECT start_height FROM checkpoints WHERE pipeline = 'chain'")
                .fetch_one(&self.pool)
                .await?;
        crate::checkpoint::height_of(start)
    }
}
