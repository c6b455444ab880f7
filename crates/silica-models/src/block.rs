//! Blocks, read tolerantly from every shape of contract §3.1.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::stealth::bytes_of;
use crate::text::strip_nul;
use crate::{
    BlockHash, FormatError, Height, TX_INDEX_MAX, Timestamp, Transaction, parse_height, parse_u64,
};

/// A block with its transactions in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Number of the block.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The parent's hash; absent at the start of the chain.
    pub parent_hash: Option<BlockHash>,
    /// When it was made.
    pub timestamp: Timestamp,
    /// Who made it, in the node's spelling.
    pub validator_address: Option<String>,
    /// Gas used; 0 where the node does not say.
    pub gas_used: u64,
    /// Gas limit; 0 where the node does not say.
    pub gas_limit: u64,
    /// State root bytes.
    pub state_root: Option<Vec<u8>>,
    /// Leaves in the state tree.
    pub state_leaf_count: Option<u64>,
    /// Opaque JSON text.
    pub shard_commitments: Option<String>,
    /// `transaction_count` or `tx_count`, where the node states one.
    pub declared_tx_count: Option<u64>,
    /// The transactions that could be understood.
    pub transactions: Vec<Transaction>,
    /// The records that could not.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A transaction record kept as it came because it could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRecord {
    /// Index inside the block, from 0.
    pub index: u32,
    /// Why.
    pub reason: String,
    /// The node's JSON text.
    pub raw: String,
}

/// Why an answer is not a block. The answer is refused and asked for again elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not a JSON object.
    #[error("not a JSON object: {0}")]
    Json(String),
    /// A header field is missing or has a value outside its type.
    #[error("block {height:?}: {source}")]
    Field {
        /// The height, where it could be read.
        height: Option<Height>,
        /// What is wrong.
        source: FormatError,
    },
}

impl Block {
    /// Number of transaction records, understood or not.
    pub fn record_count(&self) -> usize {
        self.transactions.len() + self.unreadable.len()
    }

    /// Reads one block; single transactions that cannot be read do not spoil it.
    pub fn parse(raw: &RawValue) -> Result<Self, BlockError> {
        let fields: BTreeMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(raw.get()).map_err(|e| BlockError::Json(e.to_string()))?;
        let fields = Fields(fields);
        let height = fields.value(&["block_number", "height"]);
        let height = height.and_then(|v| parse_height(&v));
        let known = height.as_ref().ok().copied();
        Self::from_fields(&fields, height)
            .map_err(|source| BlockError::Field { height: known, source })
    }

    fn from_fields(
        fields: &Fields<'_>,
        height: Result<Height, FormatError>,
    ) -> Result<Self, FormatError> {
        let hash = fields.text("block_hash", &["block_hash", "hash"])?;
        let hash = hash.ok_or_else(|| FormatError::new("block_hash", "is missing"))?;
        let parent =
            fields.text("previous_block_hash", &["previous_block_hash", "previous_hash"])?;
        let (transactions, unreadable) = fields.transactions()?;
        let declared = fields.value(&["transaction_count", "tx_count"])?;
        Ok(Self {
            height: height?,
            hash: BlockHash::parse(&hash)?,
            parent_hash: parent
                .filter(|p| !p.is_empty())
                .map(|p| BlockHash::parse(&p))
                .transpose()?,
            timestamp: Timestamp::parse(&fields.value(&["timestamp"])?)?,
            validator_address: fields
                .text("validator_address", &["validator_address", "proposer"])?
                .filter(|v| !v.is_empty()),
            gas_used: fields.number_or_zero("gas_used")?,
            gas_limit: fields.number_or_zero("gas_limit")?,
            state_root: bytes_of(&fields.value(&["state_root"])?),
            state_leaf_count: parse_u64("state_leaf_count", &fields.value(&["state_leaf_count"])?)
                .ok(),
            shard_commitments: fields.opaque("shard_commitments")?,
            declared_tx_count: declared.as_u64(),
            transactions,
            unreadable,
        })
    }
}

/// The members of a block object, parsed one by one so that a bad one is named.
struct Fields<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl Fields<'_> {
    fn raw(&self, names: &[&str]) -> Option<&RawValue> {
        names.iter().find_map(|n| self.0.get(*n)).copied()
    }

    /// The first member present under one of the names; `null` where none is.
    fn value(&self, names: &[&str]) -> Result<Value, FormatError> {
        let Some(raw) = self.raw(names) else { return Ok(Value::Null) };
        serde_json::from_str(raw.get()).map_err(|e| FormatError::new("block", e.to_string()))
    }

    fn text(&self, what: &'static str, names: &[&str]) -> Result<Option<String>, FormatError> {
        match self.value(names)? {
            Value::Null => Ok(None),
            Value::String(text) if text.contains('\0') => {
                Err(FormatError::new(what, "must not hold NUL"))
            }
            Value::String(text) => Ok(Some(text)),
            _ => Err(FormatError::new(what, "must be a string")),
        }
    }

    fn number_or_zero(&self, name: &'static str) -> Result<u64, FormatError> {
        match self.value(&[name])? {
            Value::Null => Ok(0),
            value => parse_u64(name, &value),
        }
    }

    fn opaque(&self, name: &'static str) -> Result<Option<String>, FormatError> {
        let mut value = self.value(&[name])?;
        strip_nul(&mut value);
        Ok((!value.is_null()).then(|| value.to_string()))
    }

    fn transactions(&self) -> Result<(Vec<Transaction>, Vec<UnreadableRecord>), FormatError> {
        let items: Vec<&RawValue> = match self.raw(&["transactions"]) {
            None => Vec::new(),
            Some(raw) if raw.get() == "null" => Vec::new(),
            Some(raw) => serde_json::from_str(raw.get())
                .map_err(|_| FormatError::new("transactions", "must be an array"))?,
        };
        let mut read = Vec::with_capacity(items.len().min(1024));
        let mut unreadable = Vec::new();
        for (index, raw) in items.into_iter().enumerate() {
            let index = u32::try_from(index)
                .ok()
                .filter(|i| *i <= TX_INDEX_MAX)
                .ok_or_else(|| FormatError::new("transactions", "more than 2^20 records"))?;
            match Transaction::parse(index, raw) {
                Ok(tx) => read.push(tx),
                Err(error) => unreadable.push(UnreadableRecord {
                    index,
                    reason: error.to_string(),
                    raw: raw.get().to_owned(),
                }),
            }
        }
        Ok((read, unreadable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Block, BlockError> {
        Block::parse(&RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    #[test]
    fn genesis_of_the_contract() {
        let block = parse(
            r#"{"block_number":0,"block_hash":"00aa","previous_block_hash":"","transactions":[],
                "timestamp":"2026-01-18T21:02:05.408028988Z","validator_address":"VALc5",
                "gas_used":0,"gas_limit":10000000,"state_leaf_count":9}"#,
        )
        .expect("valid");
        assert_eq!((block.height, block.parent_hash, block.state_leaf_count), (0, None, Some(9)));
    }

    #[test]
    fn other_dialect_and_one_bad_record() {
        let block = parse(
            r#"{"height":"0x10","hash":"0xAB","previous_hash":"CD","timestamp":1783073729,
                "proposer":"p","transaction_count":2,"state_root":[1,2],
                "transactions":[{"hash":"t","from":"a","to":"b","amount":"5"},{"amount":1}]}"#,
        )
        .expect("valid");
        assert_eq!((block.height, block.hash.to_string()), (16, "ab".into()));
        assert_eq!((block.transactions.len(), block.unreadable.len()), (1, 1));
        assert_eq!((block.record_count(), block.declared_tx_count), (2, Some(2)));
        assert_eq!(block.state_root, Some(vec![1, 2]));
    }

    #[test]
    fn a_bad_header_is_refused_by_name() {
        let good = r#"{"block_number":1,"block_hash":"aa","timestamp":1783073729}"#;
        assert!(parse(good).is_ok());
        for (from, to) in [
            (":1,", ":-1,"),
            (":1,", ":\"x\","),
            ("\"aa\"", "7"),
            ("\"aa\"", "\"\""),
            ("1783073729", "\"yesterday\""),
        ] {
            assert!(parse(&good.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
