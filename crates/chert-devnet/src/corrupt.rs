//! Faults that lie inside a well-formed answer.

use serde_json::{Value, json};

use crate::faults::{Draw, Fault};
use crate::rng::Rng;

/// Spoils the result of a method that returns blocks. `None` if the fault cannot show
/// in this result, which is then to be served as it is.
pub(crate) fn corrupt_blocks(draw: &Draw, result: &[u8]) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(result).ok()?;
    if value.is_null() {
        return None;
    }
    let rng = &mut Rng::new(&[draw.seed]);
    let shown = match draw.fault {
        Fault::EmptyList => empty(&mut value),
        Fault::MissingTransactions => change_one(&mut value, rng, drop_transactions),
        Fault::WrongParent => change_one(&mut value, rng, break_parent),
        Fault::WrongHeights => wrong_heights(&mut value, rng),
        Fault::GarbageFields => change_one(&mut value, rng, garble),
        _ => false,
    };
    if !shown {
        return None;
    }
    serde_json::to_vec(&value).ok()
}

fn empty(value: &mut Value) -> bool {
    match value.get_mut("blocks").and_then(Value::as_array_mut) {
        Some(blocks) if blocks.is_empty() => return false,
        Some(_) => *value = json!({ "blocks": [] }),
        None => *value = Value::Null,
    }
    true
}

/// The blocks of a list, or the block itself.
fn blocks_of(value: &mut Value) -> &mut [Value] {
    if value.get("blocks").is_some_and(Value::is_array) {
        return value["blocks"].as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    }
    std::slice::from_mut(value)
}

/// Tries blocks in turn from a random one on, until the change shows in one.
fn change_one(value: &mut Value, rng: &mut Rng, change: fn(&mut Value, &mut Rng) -> bool) -> bool {
    let blocks = blocks_of(value);
    let start = crate::rng::to_index(rng.below(blocks.len() as u64));
    let (before, after) = blocks.split_at_mut(start);
    after.iter_mut().chain(before).any(|block| change(block, rng))
}

fn drop_transactions(block: &mut Value, rng: &mut Rng) -> bool {
    let Some(transactions) = block.get_mut("transactions").and_then(Value::as_array_mut) else {
        return false;
    };
    let kept = crate::rng::to_index(rng.below(transactions.len() as u64));
    let shown = kept < transactions.len();
    transactions.truncate(kept);
    shown
}

fn break_parent(block: &mut Value, _: &mut Rng) -> bool {
    let Some(Value::String(parent)) = block.get_mut("previous_block_hash") else {
        return false;
    };
    let Some(first) = parent.chars().next() else {
        return false;
    };
    parent.replace_range(..1, if first == 'f' { "0" } else { "f" });
    true
}

fn garble(block: &mut Value, rng: &mut Rng) -> bool {
    let (field, garbage) = match rng.below(3) {
        0 => ("timestamp", json!("yesterday")),
        1 => ("block_number", json!(-1)),
        _ => ("block_hash", json!({ "not": "a string" })),
    };
    let Some(place) = block.get_mut(field) else {
        return false;
    };
    *place = garbage;
    true
}

fn wrong_heights(value: &mut Value, rng: &mut Rng) -> bool {
    if let Some(blocks) = value.get_mut("blocks").and_then(Value::as_array_mut)
        && blocks.len() >= 3
        && rng.one_in(2)
    {
        blocks.remove(blocks.len() / 2);
        return true;
    }
    let mut shown = false;
    for block in blocks_of(value) {
        if let Some(height) = block["block_number"].as_u64() {
            block["block_number"] = json!(height + 1);
            shown = true;
        }
    }
    shown
}
