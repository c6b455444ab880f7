//! Whether an oracle is the one that was configured, as far as it says itself.

use chert_sources::FeedInfo;
use silica_models::oracle_id_of;

use super::OracleSetup;

/// Why an oracle is not read, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// Stable name.
    pub code: &'static str,
    /// One sentence for the operator.
    pub remedy: String,
}

/// What speaks against reading an oracle that says this of itself; `None`: nothing.
///
/// Only a pinned key proves anything: whoever answers at the URL can announce any key. Without one
/// the operator has to say that the records may be taken on trust.
pub fn objection(setup: &OracleSetup, info: &FeedInfo) -> Option<Objection> {
    let options = &setup.options;
    let announced = info.public_key.as_ref();
    let mut keys = options.public_keys.iter().chain(announced).peekable();
    if keys.peek().is_some() && !keys.any(|key| oracle_id_of(key) == info.oracle_id) {
        return Some(Objection {
            code: "wrong_oracle_id",
            remedy: format!(
                "it says its id is {}, which does not follow from its key; ask its operator",
                info.oracle_id
            ),
        });
    }
    if options.oracle_id.as_ref().is_some_and(|id| *id != info.oracle_id) {
        return Some(Objection {
            code: "wrong_oracle",
            remedy: format!(
                "it is {}; correct oracles.oracle.url or oracle_id if that is right",
                info.oracle_id
            ),
        });
    }
    if let (Some(expected), Some(network)) = (&setup.network_id, &info.network_id)
        && expected != network
    {
        return Some(Objection {
            code: "wrong_network",
            remedy: format!("it works for {network:?}; correct oracles.oracle.url or network_id"),
        });
    }
    if let Some(key) = announced
        && !options.public_keys.is_empty()
        && !options.public_keys.contains(key)
    {
        return Some(Objection {
            code: "wrong_key",
            remedy: format!(
                "it announces the key {}; add it to oracles.oracle.public_keys once its operator \
                 has confirmed it",
                hex(key)
            ),
        });
    }
    if options.public_keys.is_empty() && !options.allow_unsigned {
        let key = announced.map_or_else(
            || "ask its operator for its key".to_owned(),
            |key| format!("it announces {}; have its operator confirm it", hex(key)),
        );
        return Some(Objection {
            code: "no_pinned_key",
            remedy: format!(
                "pin its key in oracles.oracle.public_keys ({key}), or take its records on trust \
                 with allow_unsigned = true or --allow-unsigned-oracles"
            ),
        });
    }
    None
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use chert_sources::OracleOptions;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn setup(public_keys: &[[u8; 32]], allow_unsigned: bool) -> OracleSetup {
        OracleSetup {
            options: OracleOptions {
                url: "http://127.0.0.1:8765".parse().unwrap(),
                api_key: None,
                oracle_id: None,
                public_keys: public_keys.to_vec(),
                allow_unsigned,
            },
            network_id: None,
        }
    }

    fn info() -> FeedInfo {
        FeedInfo {
            oracle_id: oracle_id_of(&KEY),
            public_key: Some(KEY),
            network_id: Some("chert-testnet".into()),
            software_version: None,
            feed_id: "00112233445566778899aabbccddeeff".into(),
            oldest_seq: 1,
            head_seq: 0,
            max_limit: 1_000,
        }
    }

    fn code(setup: &OracleSetup, info: &FeedInfo) -> Option<&'static str> {
        objection(setup, info).map(|o| o.code)
    }

    #[test]
    fn a_key_is_pinned_or_records_are_taken_on_trust() {
        assert_eq!(code(&setup(&[KEY], false), &info()), None);
        assert_eq!(code(&setup(&[], true), &info()), None);
        assert_eq!(code(&setup(&[], false), &info()), Some("no_pinned_key"));
        assert_eq!(code(&setup(&[[8; 32]], false), &info()), Some("wrong_key"));
        // Two keys while one replaces the other: the id stays that of the first.
        let rotated = FeedInfo { public_key: Some([8; 32]), ..info() };
        assert_eq!(code(&setup(&[KEY, [8; 32]], false), &rotated), None);
        let objection = objection(&setup(&[], false), &info()).unwrap();
        assert!(objection.remedy.contains(&hex(&KEY)), "{}", objection.remedy);
    }

    #[test]
    fn id_and_network_are_those_configured() {
        let lying = FeedInfo { oracle_id: "00".repeat(20), ..info() };
        assert_eq!(code(&setup(&[], true), &lying), Some("wrong_oracle_id"));
        let mut other = setup(&[KEY], false);
        other.options.oracle_id = Some("00".repeat(20));
        assert_eq!(code(&other, &info()), Some("wrong_oracle"));
        let mut elsewhere = setup(&[KEY], false);
        elsewhere.network_id = Some("chert-mainnet".into());
        assert_eq!(code(&elsewhere, &info()), Some("wrong_network"));
    }
}
