//! PostgreSQL text and JSONB cannot hold U+0000; everything else of JSON fits.

use serde_json::Value;

/// Removes NUL characters from every string and key; `true` where anything changed.
pub(crate) fn strip_nul(value: &mut Value) -> bool {
    match value {
        Value::String(text) if text.contains('\0') => {
            text.retain(|c| c != '\0');
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |hit, item| strip_nul(item) | hit),
        Value::Object(map) => {
            let bad: Vec<String> = map.keys().filter(|k| k.contains('\0')).cloned().collect();
            let mut changed = !bad.is_empty();
            for key in bad {
                if let Some(inner) = map.remove(&key) {
                    map.insert(key.replace('\0', ""), inner);
                }
            }
            for inner in map.values_mut() {
                changed |= strip_nul(inner);
            }
            changed
        }
        _ => false,
    }
}
