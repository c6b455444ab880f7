//! Writing transactions, their outputs and the public part of stealth outputs.

use silica_models::{Block, Transaction, TxPosition};
use sqlx::PgConnection;

use crate::StoreError;
use crate::copy::CopyBuffer;
use crate::entities::{ApplyContext, Entity, UnwindContext};

const COPY: &str = "COPY transactions (pos, tx_id, tx_key, sender, recipient, amount, fee, nonce, \
    timestamp, transaction_type, output_count, payload, raw) FROM STDIN (FORMAT binary)";
const COPY_OUTPUTS: &str =
    "COPY tx_outputs (pos, output_index, recipient, amount) FROM STDIN (FORMAT binary)";
const COPY_STEALTH: &str = "COPY stealth_outputs (pos, output_index, commitment, public_key, \
    tx_public_key, amount, created_at) FROM STDIN (FORMAT binary)";

/// Rows of `transactions`, `tx_outputs` and `stealth_outputs`.
#[derive(Debug)]
pub struct TransactionRows {
    transactions: CopyBuffer,
    outputs: CopyBuffer,
    stealth: CopyBuffer,
}

impl Default for TransactionRows {
    fn default() -> Self {
        Self {
            transactions: CopyBuffer::new(13),
            outputs: CopyBuffer::new(4),
            stealth: CopyBuffer::new(7),
        }
    }
}

fn small(value: usize) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::Batch("too many outputs".into()))
}

impl TransactionRows {
    pub(crate) fn row_count(&self) -> u64 {
        self.transactions.rows() + self.outputs.rows() + self.stealth.rows()
    }

    fn add_transaction(&mut self, pos: i64, tx: &Transaction) -> Result<(), StoreError> {
        let output_count = small(tx.outputs.len())?;
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
            .i32(output_count)
            .json(tx.payload.as_deref())
            .bytes(tx.raw.as_deref().map(str::as_bytes));
        for (index, output) in tx.outputs.iter().enumerate() {
            let index = small(index)?;
            self.outputs
                .row()
                .i64(pos)
                .i32(index)
                .text(Some(output.recipient.as_str()))
                .numeric(Some(output.amount.into()));
        }
        for stealth in &tx.stealth_outputs {
            self.stealth
                .row()
                .i64(pos)
                .i32(i32::try_from(stealth.index).unwrap_or(i32::MAX))
                .bytes(Some(&stealth.commitment))
                .bytes(Some(&stealth.public_key))
                .bytes(Some(&stealth.tx_public_key))
                .numeric(stealth.amount.map(u128::from))
                .text(stealth.created_at.as_deref().filter(|t| !t.contains('\0')));
        }
        Ok(())
    }
}

impl Entity for TransactionRows {
    const NAME: &'static str = "transactions";

    fn add(&mut self, block: &Block) -> Result<(), StoreError> {
        for tx in &block.transactions {
            let pos = TxPosition::new(block.height, tx.index)?.as_i64();
            self.add_transaction(pos, tx)?;
        }
        Ok(())
    }

    async fn apply(&self, db: &mut PgConnection, _: &ApplyContext) -> Result<(), StoreError> {
        self.transactions.send(db, COPY).await?;
        self.outputs.send(db, COPY_OUTPUTS).await?;
        self.stealth.send(db, COPY_STEALTH).await
    }

    async fn unwind(db: &mut PgConnection, context: &mut UnwindContext) -> Result<(), StoreError> {
        let first = context.first_pos();
        sqlx::query!("DELETE FROM stealth_outputs WHERE pos >= $1", first)
            .execute(&mut *db)
            .await?;
        sqlx::query!("DELETE FROM tx_outputs WHERE pos >= $1", first).execute(&mut *db).await?;
        sqlx::query!("DELETE FROM transactions WHERE pos >= $1", first).execute(&mut *db).await?;
        Ok(())
    }
}
