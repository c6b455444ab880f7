//! Keeps credentials out of what is stored. Upstream's oracles put authenticators of BOINC users
//! into several of their answers (contract oracle-feed §0, 6): an item that carries one is kept
//! without it, whatever its kind.

use std::borrow::Cow;

use serde_json::Value;

use crate::work::looks_like_authenticator;

/// Members that never hold anything but a secret or a person, without `_`, `-` and case.
const SECRET_MEMBERS: [&str; 14] = [
    "userid",
    "userauth",
    "user",
    "authenticator",
    "accountkey",
    "authkey",
    "apikey",
    "xapikey",
    "adminapikey",
    "password",
    "secret",
    "token",
    "email",
    "cachestats",
];
/// Members that may hold a secret instead of a name.
const NAME_MEMBERS: [&str; 2] = ["minerid", "workername"];

/// JSON text without the members above; borrowed where there is nothing to take out.
pub(crate) fn without_credentials(text: &str) -> Cow<'_, str> {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return Cow::Borrowed(text) };
    if clean(&mut value) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(text) }
}

fn clean(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |hit, item| clean(item) | hit),
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, member| !is_secret(name, member));
            let inner = members.values_mut().fold(false, |hit, member| clean(member) | hit);
            inner || members.len() < before
        }
        _ => false,
    }
}

fn is_secret(name: &str, member: &Value) -> bool {
    let folded: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(32)
        .collect();
    SECRET_MEMBERS.contains(&folded.as_str())
        || NAME_MEMBERS.contains(&folded.as_str())
            && member.as_str().is_some_and(looks_like_authenticator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_secret_goes() {
        let clean = r#"{"miner_id":"0xa9:rig1", "worker_name":"rig1"}"#;
        assert!(matches!(without_credentials(clean), Cow::Borrowed(text) if text == clean));
        let key = "deadbeefdeadbeefdeadbeefdeadbeef";
        let text = format!(
            r#"{{"a":[{{"userAuth":"{key}","b":1}}],"miner_id":"{key}","cache_stats":{{"{key}":1}}}}"#
        );
        assert_eq!(without_credentials(&text), r#"{"a":[{"b":1}]}"#);
        assert_eq!(without_credentials("not JSON"), "not JSON");
    }
}
