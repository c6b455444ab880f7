//! Transactions, read tolerantly from every shape of contract §3.2.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::stealth::StealthOutput;
use crate::text::strip_nul;
use crate::{Address, FormatError, Timestamp, TxId, parse_u64};

/// The transaction types known at the contract's date (§3.3); the set is open.
const KNOWN_TYPES: [&str; 8] = [
    "consensus",
    "smart_contract",
    "transfer",
    "governance",
    "staking",
    "contract_deployment",
    "cross_shard",
    "finality",
];
const TYPE_CHARS_MAX: usize = 64;
/// Outputs of one transaction; more is not a transaction we understand.
const OUTPUTS_MAX: usize = 10_000;

/// A transaction inside a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Index inside the block, from 0.
    pub index: u32,
    /// Id in its stored form.
    pub id: TxId,
    /// Sender; absent for transactions that the protocol itself issues.
    pub sender: Option<Address>,
    /// Recipient; the first output's where the transaction has only outputs.
    pub recipient: Option<Address>,
    /// Amount in base units: `amount`, else `total_amount`, else the sum of the outputs.
    pub amount: u128,
    /// Fee in base units.
    pub fee: u64,
    /// Sender's nonce.
    pub nonce: Option<u64>,
    /// RFC 3339 text as the node wrote it; absent means the block's own.
    pub timestamp: Option<String>,
    /// Lower-case type; `unknown` where nothing tells.
    pub transaction_type: String,
    /// Outputs of a multi-output transaction, in order; empty for the plain form.
    pub outputs: Vec<Output>,
    /// Public parts of stealth outputs.
    pub stealth_outputs: Vec<StealthOutput>,
    /// Every other field as JSON text, keys sorted; absent where there is none.
    pub payload: Option<String>,
    /// The payload as it came, kept only where U+0000 had to be removed from it.
    pub raw: Option<String>,
}

/// One recipient of a multi-output transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Who receives.
    pub recipient: Address,
    /// Base units.
    pub amount: u64,
}

/// Why a record is not a transaction that we understand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// Not JSON that fits our model (too deep, lone surrogates, numbers beyond a double).
    #[error("unreadable JSON: {0}")]
    Json(String),
    /// Not an object.
    #[error("not an object")]
    NotAnObject,
    /// A field has a value outside its type.
    #[error(transparent)]
    Field(#[from] FormatError),
}

impl Transaction {
    /// Reads one element of a block's `transactions`.
    pub fn parse(index: u32, raw: &RawValue) -> Result<Self, TransactionError> {
        let mut value: Value =
            serde_json::from_str(raw.get()).map_err(|e| TransactionError::Json(e.to_string()))?;
        // NUL can only come from this escape (any case), so most records skip the walk.
        let original = raw.get().contains("\\u0000").then(|| value.clone());
        let changed = original.is_some() && strip_nul(&mut value);
        let Value::Object(mut map) = value else {
            return Err(TransactionError::NotAnObject);
        };
        let mut tx = Self::from_map(index, &mut map)?;
        if let (true, Some(Value::Object(mut original))) = (changed, original) {
            // Of the original only what the payload is made of: a memo must not come in this way.
            take_stealth(&mut original);
            original.retain(|key, _| map.contains_key(&key.replace('\0', "")));
            let differs = original != map;
            tx.raw = differs.then(|| Value::Object(original).to_string());
        }
        tx.payload = (!map.is_empty()).then(|| Value::Object(map).to_string());
        Ok(tx)
    }

    fn from_map(index: u32, map: &mut Map<String, Value>) -> Result<Self, TransactionError> {
        let id = take_text(map, &["tx_id", "hash", "transactionId", "id"])
            .ok_or_else(|| FormatError::new("tx_id", "is missing"))?;
        let outputs = take_outputs(map)?;
        let stealth_outputs = take_stealth(map);
        let stated = take_number(map, "amount", &["amount"])?;
        let total = take_number(map, "total_amount", &["total_amount"])?;
        let sum = outputs.iter().map(|o| u128::from(o.amount)).sum();
        let sender = take_address(map, &["sender", "from", "fromAddress"])?;
        let recipient = take_address(map, &["recipient", "to", "toAddress"])?
            .or_else(|| outputs.first().map(|o| o.recipient.clone()));
        let plain = stated.is_some() || total.is_some() || !outputs.is_empty();
        let inferred = if plain || !stealth_outputs.is_empty() { "transfer" } else { "unknown" };
        Ok(Self {
            index,
            id: TxId::parse(&id)?,
            sender,
            recipient,
            amount: stated.or(total).map_or(sum, u128::from),
            fee: take_fee(map)?,
            nonce: take_number(map, "nonce", &["nonce"])?,
            timestamp: take_timestamp(map),
            transaction_type: take_type(map).unwrap_or_else(|| inferred.to_owned()),
            outputs,
            stealth_outputs,
            payload: None,
            raw: None,
        })
    }

    /// Who receives how much: the outputs, or the plain recipient.
    pub fn receipts(&self) -> impl Iterator<Item = (&Address, u128)> {
        let plain = self.recipient.as_ref().filter(|_| self.outputs.is_empty());
        let outputs = self.outputs.iter().map(|o| (&o.recipient, u128::from(o.amount)));
        plain.map(|r| (r, self.amount)).into_iter().chain(outputs)
    }
}

fn take_text(map: &mut Map<String, Value>, names: &[&str]) -> Option<String> {
    let name = names.iter().find(|n| matches!(map.get(**n), Some(Value::String(_))))?;
    match map.remove(*name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// An address that may be missing, null or empty (contract §8.3: system transactions).
fn take_address(
    map: &mut Map<String, Value>,
    names: &[&str],
) -> Result<Option<Address>, FormatError> {
    let text = take_text(map, names);
    for name in names {
        if map.get(*name).is_some_and(Value::is_null) {
            map.remove(*name);
        }
    }
    text.filter(|t| !t.is_empty()).map(|t| Address::parse(&t)).transpose()
}

fn take_number(
    map: &mut Map<String, Value>,
    what: &'static str,
    names: &[&str],
) -> Result<Option<u64>, FormatError> {
    let found = names.iter().find_map(|n| map.remove(*n));
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(value) => parse_u64(what, &value).map(Some),
    }
}

/// Clients read a fee that is not a number as 0 (contract §3.2); a negative one is an error.
fn take_fee(map: &mut Map<String, Value>) -> Result<u64, FormatError> {
    match map.remove("fee") {
        Some(value @ (Value::Number(_) | Value::String(_))) => parse_u64("fee", &value),
        _ => Ok(0),
    }
}

/// A bad timestamp stays in the payload; the block's own is used instead.
fn take_timestamp(map: &mut Map<String, Value>) -> Option<String> {
    let parsed = Timestamp::parse(map.get("timestamp")?).ok()?;
    map.remove("timestamp");
    Some(parsed.text)
}

fn take_type(map: &mut Map<String, Value>) -> Option<String> {
    let text = take_text(map, &["transaction_type", "tx_type", "type"])?;
    let folded: String = text.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect();
    let known = KNOWN_TYPES.iter().find(|k| k.replace('_', "") == folded);
    let name = known.map_or(text, |k| (*k).to_owned());
    let name: String = name.chars().take(TYPE_CHARS_MAX).collect();
    (!name.is_empty()).then_some(name)
}

fn take_outputs(map: &mut Map<String, Value>) -> Result<Vec<Output>, FormatError> {
    let Some(Value::Array(items)) = map.get("outputs") else {
        return Ok(Vec::new());
    };
    if items.len() > OUTPUTS_MAX {
        return Err(FormatError::new("outputs", format!("more than {OUTPUTS_MAX}")));
    }
    let outputs = items
        .iter()
        .map(|item| {
            let recipient = item.get("recipient").and_then(Value::as_str).unwrap_or_default();
            let amount = item.get("amount").unwrap_or(&Value::Null);
            Ok(Output {
                recipient: Address::parse(recipient)?,
                amount: parse_u64("output amount", amount)?,
            })
        })
        .collect::<Result<_, FormatError>>()?;
    map.remove("outputs");
    Ok(outputs)
}

/// Stealth outputs that do not follow §3.5 stay in the payload, without their memos, rather than
/// block the transfer.
fn take_stealth(map: &mut Map<String, Value>) -> Vec<StealthOutput> {
    let Some(Value::Array(items)) = map.get_mut("stealth_outputs") else {
        return Vec::new();
    };
    let parsed: Result<Vec<_>, _> = items.iter().map(StealthOutput::parse).collect();
    let mut outputs = parsed.unwrap_or_default();
    outputs.sort_by_key(|o| o.index);
    let distinct = outputs.windows(2).all(|w| matches!(w, [a, b] if a.index != b.index));
    if outputs.len() == items.len() && distinct {
        map.remove("stealth_outputs");
        return outputs;
    }
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        item.retain(|key, _| !key.starts_with("memo"));
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Transaction, TransactionError> {
        let raw = RawValue::from_string(json.to_owned()).expect("JSON");
        Transaction::parse(3, &raw)
    }

    #[test]
    fn plain_transfer_of_the_contract() {
        let tx = parse(
            r#"{"tx_id":"7f3b1c52-9a4e-4d0b-8c1f-2e6a5d904b11","sender":"0xA9","recipient":"0x40",
                "amount":18446744073709551615,"fee":1000,"nonce":41,
                "timestamp":"2026-07-03T10:15:29.812345678Z","signature":"c0ffee"}"#,
        )
        .expect("valid");
        assert_eq!(tx.amount, u128::from(u64::MAX));
        assert_eq!(tx.transaction_type, "transfer");
        assert_eq!(tx.payload.as_deref(), Some(r#"{"signature":"c0ffee"}"#));
        assert_eq!(tx.timestamp.as_deref(), Some("2026-07-03T10:15:29.812345678Z"));
        assert_eq!(tx.receipts().count(), 1);
    }

    #[test]
    fn outputs_give_recipient_and_sum() {
        let tx = parse(
            r#"{"tx_id":"x","sender":null,"tx_type":"SmartContract",
                "outputs":[{"recipient":"a","amount":1},{"recipient":"b","amount":"2"}]}"#,
        )
        .expect("valid");
        assert_eq!((tx.amount, tx.sender.is_none()), (3, true));
        assert_eq!(tx.recipient.as_ref().map(Address::as_str), Some("a"));
        assert_eq!(tx.transaction_type, "smart_contract");
        assert_eq!(tx.payload, None);
    }

    #[test]
    fn memos_of_stealth_outputs_are_never_kept() {
        let tx = parse(
            r#"{"tx_id":"x","stealth_outputs":[{"index":0,"memo_plaintext":"secret",
                "memo_encrypted":{"ciphertext":[1]}}]}"#,
        )
        .expect("valid");
        assert_eq!(tx.payload.as_deref(), Some(r#"{"stealth_outputs":[{"index":0}]}"#));
    }

    #[test]
    fn nul_is_stripped_and_the_original_kept() {
        let text = "{\"tx_id\":\"x\",\"memo\":\"a\\u0000b\"}";
        let tx = parse(text).expect("valid");
        assert_eq!(tx.payload.as_deref(), Some(r#"{"memo":"ab"}"#));
        assert_eq!(tx.raw.as_deref(), Some("{\"memo\":\"a\\u0000b\"}"));
    }

    #[test]
    fn nul_does_not_carry_secrets_into_the_original() {
        let secret = r#"[{"index":0,"memo_plaintext":"secret\u0000"}]"#;
        let text = format!(r#"{{"tx_id":"x","memo":"a\u0000b","stealth_outputs":{secret}}}"#);
        let tx = parse(&text).expect("valid");
        assert_eq!(
            tx.raw.as_deref(),
            Some(r#"{"memo":"a\u0000b","stealth_outputs":[{"index":0}]}"#)
        );
        let text = r#"{"tx_id":"x","sender":"a\u0000b","note":1}"#;
        let tx = parse(text).expect("valid");
        assert_eq!((tx.payload.as_deref(), tx.raw), (Some(r#"{"note":1}"#), None));
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_not_a_guess() {
        for bad in [
            "7",
            "{}",
            r#"{"tx_id":7}"#,
            r#"{"tx_id":"x","amount":-1}"#,
            r#"{"tx_id":"x","amount":1.5}"#,
            r#"{"tx_id":"x","amount":1e999}"#,
            r#"{"tx_id":"x","sender":"\ud800"}"#,
            r#"{"tx_id":"x","outputs":[{"recipient":"a","amount":18446744073709551616}]}"#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
