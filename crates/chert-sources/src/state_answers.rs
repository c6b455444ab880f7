//! Reading a node's answers about identities, governance and staking, record by record.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use silica_models::{
    Address, Delegation, FormatError, IdentityId, IdentityRecord, Proposal, Validator, Vote,
    parse_height,
};

use crate::node_state::{RegistryPage, Rejected};
use crate::{Fault, SourceError};

/// Most elements of a list that is not paged.
const LIST_ITEMS_MAX: usize = 100_000;
/// Text of a rejected record that is kept.
const REJECTED_BYTES_MAX: usize = 64 * 1024;
/// Longest key of a rejected record made from what it says, in characters.
const KEY_CHARS_MAX: usize = 140;

pub(crate) fn parse_registry(raw: &RawValue, limit: u32) -> Result<RegistryPage, SourceError> {
    #[derive(Deserialize)]
    struct Page<'a> {
        #[serde(alias = "latestBlock")]
        latest_block: Value,
        #[serde(borrow, default)]
        updates: Option<Vec<&'a RawValue>>,
    }
    let page: Page<'_> = serde_json::from_str(raw.get()).map_err(malformed)?;
    let latest_block = parse_height(&page.latest_block).map_err(malformed)?;
    let updates = page.updates.unwrap_or_default();
    if u32::try_from(updates.len()).map_or(true, |count| count > limit) {
        let text = format!("{} updates where {limit} were asked for", updates.len());
        return Err(SourceError::new(Fault::Malformed, text));
    }
    let update = |raw: &&RawValue| {
        IdentityRecord::parse(raw.get()).map_err(|error| rejected_update(raw, &error))
    };
    Ok(RegistryPage { latest_block, updates: updates.iter().map(update).collect() })
}

fn rejected_update(raw: &RawValue, error: &FormatError) -> Rejected {
    let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    let member = |snake: &str, camel: &str| value.get(snake).or_else(|| value.get(camel));
    let id = member("identity_id", "identityId").and_then(Value::as_str);
    let id = id.and_then(|text| IdentityId::parse(text).ok());
    let height = member("updated_at_block", "updatedAtBlock").and_then(|v| parse_height(v).ok());
    let key = match (id, height) {
        (Some(id), Some(height)) => format!("{id}@{height}"),
        _ => digest_key(raw),
    };
    Rejected { key, height, reason: error.to_string(), raw: kept(raw) }
}

/// Elements of `{name: [..]}` or of a bare list; none where the answer is `null`.
pub(crate) fn list_of(raw: &RawValue, name: &str) -> Result<Vec<Box<RawValue>>, SourceError> {
    let text = raw.get().trim();
    let items: Option<Vec<Box<RawValue>>> = if text.starts_with('{') {
        let mut members: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(text).map_err(malformed)?;
        let list = members.remove(name).ok_or_else(|| {
            SourceError::new(Fault::Malformed, format!("the answer lacks {name}"))
        })?;
        serde_json::from_str(list.get()).map_err(malformed)?
    } else {
        serde_json::from_str(text).map_err(malformed)?
    };
    let items = items.unwrap_or_default();
    if items.len() > LIST_ITEMS_MAX {
        return Err(SourceError::new(
            Fault::Malformed,
            format!("more than {LIST_ITEMS_MAX} {name}"),
        ));
    }
    Ok(items)
}

pub(crate) fn parse_proposals(
    raw: &RawValue,
) -> Result<Vec<Result<Proposal, Rejected>>, SourceError> {
    let parse = |item: &RawValue| {
        Proposal::parse(item.get()).map_err(|e| rejected(item, "proposal", "proposal_id", &e))
    };
    Ok(list_of(raw, "proposals")?.iter().map(|item| parse(item)).collect())
}

/// The proposal in `{proposal}` or bare.
pub(crate) fn parse_proposal(raw: &RawValue, id: &str) -> Result<Option<Proposal>, SourceError> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow, default)]
        proposal: Option<&'a RawValue>,
    }
    let Some(wrapped) =
        serde_json::from_str::<Option<Wrapped<'_>>>(raw.get()).map_err(malformed)?
    else {
        return Ok(None);
    };
    let inner = wrapped.proposal.unwrap_or(raw);
    if matches!(inner.get().trim(), "{}" | r#"{"proposal":null}"#) {
        return Ok(None);
    }
    let proposal = Proposal::parse(inner.get()).map_err(malformed)?;
    if proposal.proposal_id != id {
        return Err(SourceError::new(Fault::Malformed, "another proposal than asked for"));
    }
    Ok(Some(proposal))
}

pub(crate) fn parse_votes(
    raw: &RawValue,
    id: &str,
) -> Result<Vec<Result<Vote, Rejected>>, SourceError> {
    let parse = |item: &RawValue| {
        Vote::parse(item.get(), id).map_err(|e| rejected(item, &format!("vote:{id}"), "voter", &e))
    };
    Ok(list_of(raw, "votes")?.iter().map(|item| parse(item)).collect())
}

pub(crate) fn parse_delegations(
    raw: &RawValue,
    asked: &Address,
) -> Result<Vec<Delegation>, SourceError> {
    list_of(raw, "delegations")?
        .iter()
        .map(|item| Delegation::parse(item.get(), asked).map_err(malformed))
        .collect()
}

pub(crate) fn parse_validators(items: &[Box<RawValue>]) -> Vec<Validator> {
    let mut validators = Vec::with_capacity(items.len());
    for item in items {
        match Validator::parse(item.get()) {
            Ok(validator) => validators.push(validator),
            Err(error) => tracing::debug!(%error, "a validator that cannot be understood"),
        }
    }
    validators
}

/// An id as the node's methods want it: a number where it is one.
pub(crate) fn id_param(id: &str) -> Value {
    match id.parse::<i64>() {
        Ok(number) if number.to_string() == id => number.into(),
        _ => id.into(),
    }
}

/// The node has the method but not the thing asked for. Codes are not settled (contract §11), so
/// the words count, too.
pub(crate) fn not_found(error: &SourceError) -> bool {
    error.fault == Fault::RpcError
        && !error.is_unknown_method()
        && (error.detail.starts_with("-32004") || error.detail.to_lowercase().contains("not found"))
}

fn rejected(raw: &RawValue, what: &str, id_member: &str, error: &FormatError) -> Rejected {
    let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    let id = match value.get(id_member).or_else(|| value.get("id")) {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(text)) if !text.chars().any(char::is_control) => {
            Some(text.chars().take(KEY_CHARS_MAX).collect())
        }
        _ => None,
    };
    let id = id.unwrap_or_else(|| digest_key(raw));
    let key = format!("{what}:{id}");
    Rejected { key, height: None, reason: error.to_string(), raw: kept(raw) }
}

fn digest_key(raw: &RawValue) -> String {
    let digest = Sha256::digest(raw.get().as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

fn kept(raw: &RawValue) -> Vec<u8> {
    let bytes = raw.get().as_bytes();
    bytes.get(..bytes.len().min(REJECTED_BYTES_MAX)).unwrap_or_default().to_vec()
}

fn malformed(error: impl std::fmt::Display) -> SourceError {
    SourceError::new(Fault::Malformed, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    const ID: &str = "8f14e45fceea167a5a36dedd4bea2543f1d2c3b4a5968778695a4b3c2d1e0f00";

    #[test]
    fn a_bad_update_does_not_spoil_its_page() {
        let good = format!(
            r#"{{"identity_id":"{ID}","created_at":1,"updated_at":2,"updated_at_block":7}}"#
        );
        let bad = format!(r#"{{"identityId":"{ID}","updatedAtBlock":"8","bio":7}}"#);
        let page = format!(r#"{{"latest_block":"9","updates":[{good},{bad},7]}}"#);
        let page = parse_registry(&raw(&page), 3).expect("a page");
        assert_eq!((page.latest_block, page.updates.len()), (9, 3));
        let keys: Vec<_> = page.updates.iter().map(|u| u.as_ref().map_err(|r| &r.key)).collect();
        assert!(keys[0].is_ok());
        assert_eq!(keys[1].err(), Some(&format!("{ID}@8")));
        assert!(keys[2].err().is_some_and(|k| k.starts_with("sha256:")));
        assert!(parse_registry(&raw(r#"{"latest_block":9}"#), 1).is_ok());
        for bad in [r#"{"latest_block":9,"updates":[1,2]}"#, r#"{"updates":[]}"#, "[]", "null"] {
            assert!(parse_registry(&raw(bad), 1).is_err(), "{bad}");
        }
    }

    #[test]
    fn proposals_wrapped_and_bare() {
        for text in [
            r#"{"proposals":[{"id":1,"state":"active"},{"id":"x"}]}"#,
            r#"[{"id":1,"state":"active"},{"id":"x"}]"#,
        ] {
            let proposals = parse_proposals(&raw(text)).expect("a list");
            assert_eq!(proposals.len(), 2);
            let rejected = proposals[1].as_ref().expect_err("no state");
            assert_eq!(rejected.key, "proposal:x");
        }
        assert_eq!(parse_proposals(&raw("null")).map(|p| p.len()).ok(), Some(0));
        assert!(parse_proposals(&raw("{}")).is_err() && parse_proposals(&raw("7")).is_err());
    }

    #[test]
    fn one_proposal_or_none() {
        for none in ["null", "{}", r#"{"proposal":null}"#] {
            assert_eq!(parse_proposal(&raw(none), "1").ok(), Some(None), "{none}");
        }
        for text in [r#"{"proposal":{"id":1,"state":"active"}}"#, r#"{"id":1,"state":"active"}"#] {
            assert!(parse_proposal(&raw(text), "1").is_ok_and(|p| p.is_some()));
            assert!(parse_proposal(&raw(text), "2").is_err());
        }
        assert_eq!(id_param("7"), serde_json::json!(7));
        assert_eq!(id_param("007"), serde_json::json!("007"));
    }
}
