//! `[oracles]`: which oracles are read, and what is believed of each.

use anyhow::{Context, bail, ensure};
use chert_indexer::OracleSetup;
use chert_sources::OracleOptions;
use serde::Deserialize;
use url::Url;

use super::Oracles;

const ORACLE_ID_BYTES: usize = 20;
const KEY_BYTES: usize = 32;

/// `[[oracles.oracle]]`; `config/api.toml` documents every key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "documented once, in config/api.toml")]
pub struct OracleEntry {
    pub url: String,
    #[serde(default)]
    pub oracle_id: Option<String>,
    #[serde(default)]
    pub network_id: Option<String>,
    #[serde(default)]
    pub public_keys: Vec<String>,
    #[serde(default)]
    pub api_key_env: Option<String>,
    #[serde(default)]
    pub allow_unsigned: Option<bool>,
}

impl OracleEntry {
    /// An oracle of which only the URL is known.
    pub fn of_url(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }
}

impl Oracles {
    /// Flags win: the oracles named there are the oracles; what the file knows of them stays known.
    pub(super) fn apply(&mut self, urls: &[String], allow_unsigned: bool) {
        if !urls.is_empty() {
            self.urls = urls.to_vec();
            let named = |entry: &OracleEntry| urls.iter().any(|url| same(url, &entry.url));
            self.oracle.retain(named);
        }
        self.allow_unsigned |= allow_unsigned;
    }

    /// All oracles: those described one by one, then the other URLs.
    pub fn entries(&self) -> Vec<OracleEntry> {
        let mut entries = self.oracle.clone();
        for url in &self.urls {
            if !entries.iter().any(|entry| same(&entry.url, url)) {
                entries.push(OracleEntry::of_url(url));
            }
        }
        entries
    }

    pub(super) fn check(&self) -> anyhow::Result<()> {
        for (number, entry) in self.oracle.iter().enumerate() {
            let key = |name: &str| format!("oracles.oracle[{number}].{name}");
            ensure!(
                !self.oracle.iter().take(number).any(|other| same(&other.url, &entry.url)),
                "{}: {} is there twice; remove one",
                key("url"),
                entry.url
            );
            entry.setup(self.allow_unsigned, key)?;
        }
        for url in &self.urls {
            parse_url("oracles.urls", url)?;
        }
        Ok(())
    }

    /// How all oracles are to be read.
    pub fn setups(&self) -> anyhow::Result<Vec<OracleSetup>> {
        let entries = self.entries().into_iter();
        entries.map(|e| e.setup(self.allow_unsigned, |name| format!("oracles.{name}"))).collect()
    }
}

impl OracleEntry {
    /// How this oracle is to be read; `key` tells the full name of a key for messages.
    fn setup(
        &self,
        allow_unsigned: bool,
        key: impl Fn(&str) -> String,
    ) -> anyhow::Result<OracleSetup> {
        let public_keys = self.public_keys.iter().map(|text| {
            let bytes = hex::decode(text.trim_start_matches("0x")).ok();
            let bytes = bytes.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
            bytes.with_context(|| {
                let key = key("public_keys");
                format!("{key}: {text:?} is not an Ed25519 key of 64 hex digits; ask the operator")
            })
        });
        let public_keys = public_keys.collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(id) = &self.oracle_id
            && !hex::decode(id).is_ok_and(|bytes| bytes.len() == ORACLE_ID_BYTES)
        {
            bail!("{}: {id:?} is not an oracle id of 40 hex digits", key("oracle_id"));
        }
        if !public_keys.is_empty() && self.allow_unsigned == Some(true) {
            bail!(
                "{}: an oracle with a pinned key must sign; remove allow_unsigned or public_keys",
                key("allow_unsigned")
            );
        }
        let api_key = match self.api_key_env.as_deref() {
            None | Some("") => None,
            Some(name) => {
                Some(std::env::var(name).ok().filter(|k| !k.is_empty()).with_context(|| {
                    format!("{}: the environment variable {name} is not set", key("api_key_env"))
                })?)
            }
        };
        let on_trust = public_keys.is_empty() && self.allow_unsigned.unwrap_or(allow_unsigned);
        let options = OracleOptions {
            url: parse_url(&key("url"), &self.url)?,
            api_key,
            oracle_id: self.oracle_id.as_deref().map(str::to_ascii_lowercase),
            public_keys,
            allow_unsigned: on_trust,
        };
        Ok(OracleSetup { options, network_id: self.network_id.clone() })
    }
}

fn parse_url(key: &str, text: &str) -> anyhow::Result<Url> {
    let parsed = text.parse::<Url>().ok();
    let parsed = parsed.filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    parsed.with_context(|| format!("{key}: {text:?} is not an oracle URL like http://host:8765"))
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('/') == b.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";

    fn entry(url: &str) -> OracleEntry {
        OracleEntry::of_url(url)
    }

    fn oracles(urls: &[&str], oracle: Vec<OracleEntry>) -> Oracles {
        let urls = urls.iter().map(|url| (*url).to_owned()).collect();
        Oracles { urls, allow_unsigned: false, long_poll_ms: 0, probe_interval_ms: 100, oracle }
    }

    #[test]
    fn flags_name_the_oracles_and_the_file_describes_them() {
        let pinned = OracleEntry { public_keys: vec![KEY.into()], ..entry("http://a:1/") };
        let mut all = oracles(&["http://c:1"], vec![pinned, entry("http://b:1")]);
        assert_eq!(all.setups().unwrap().len(), 3);
        all.apply(&["http://a:1".into(), "http://d:1".into()], true);
        let setups = all.setups().unwrap();
        let options: Vec<_> = setups.iter().map(|s| &s.options).collect();
        let urls: Vec<_> = options.iter().map(|o| o.url.as_str()).collect();
        assert_eq!(urls, ["http://a:1/", "http://d:1/"]);
        let trust: Vec<_> = options.iter().map(|o| o.allow_unsigned).collect();
        assert_eq!(trust, [false, true], "a pinned key refuses unsigned items, whatever the flags");
        assert_eq!(options[0].public_keys.len(), 1);
    }

    #[test]
    fn mistakes_name_the_key_and_the_remedy() {
        let check = |oracle: OracleEntry, parts: &[&str]| {
            let error = oracles(&[], vec![oracle]).check().expect_err("a mistake").to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        check(entry("ftp://a"), &["oracles.oracle[0].url", "http://host:8765"]);
        let a = || entry("http://a:1");
        let short = OracleEntry { public_keys: vec!["ab".into()], ..a() };
        check(short, &["oracles.oracle[0].public_keys", "64 hex digits"]);
        let wrong = OracleEntry { oracle_id: Some("ab".into()), ..a() };
        check(wrong, &["oracles.oracle[0].oracle_id", "40 hex digits"]);
        let unset = OracleEntry { api_key_env: Some("CHERT_NOT_SET_ANYWHERE".into()), ..a() };
        check(unset, &["api_key_env", "CHERT_NOT_SET_ANYWHERE is not set"]);
        let both = OracleEntry { public_keys: vec![KEY.into()], allow_unsigned: Some(true), ..a() };
        check(both, &["allow_unsigned", "must sign"]);
        let error = oracles(&["nowhere"], vec![]).check().expect_err("a mistake").to_string();
        assert!(error.contains("oracles.urls"), "{error}");
    }
}
