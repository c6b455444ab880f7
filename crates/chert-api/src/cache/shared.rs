//! The second level: answers that instances over the same database hand each other through Valkey.
//!
//! Keys name the network, the database and the shape of answers, so that nobody finds an answer of
//! another chain, another database or another version. What comes back is taken for what it is,
//! bytes from outside: a length bound before it is sent, a strict form, a digest over key and
//! content. Whatever does not fit counts as not found.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use metrics::{Counter, counter};
use redis::Value;
use sha2::{Digest, Sha256};

use super::memory::FINAL_IDLE;
use crate::answer::{Answer, Consistency, Freshness, TIP_MAX_AGE, now_ms};
use crate::state::ApiState;
use crate::valkey::{PREFIX, Purpose, Valkey};

/// Longest value written or read, in bytes. Longer answers stay with the instance that made them.
const VALUE_BYTES_MAX: usize = 2 << 20;
/// How far ahead of ours the clock of whoever wrote an answer may be, in milliseconds.
const AHEAD_MS_MAX: i64 = 1_000;
/// How long a finalized answer is kept.
const FINAL_KEPT: Duration = FINAL_IDLE;
const DIGEST_BYTES: usize = 32;
const NAME_BYTES: usize = 16;
/// Begins every value; another form has another.
const FORM: u8 = 1;
const FINAL: u8 = b'f';
const TIP: u8 = b't';

/// The shared level.
pub(crate) struct SharedAnswers {
    valkey: Valkey,
    /// Digest of everything but the data that an answer depends on.
    version: [u8; DIGEST_BYTES],
    /// Begins the keys of this network and database; unknown before they are.
    space: RwLock<Option<Arc<str>>>,
    hits: Counter,
    misses: Counter,
}

/// Why a value that was found is not used; a label of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfit {
    /// Not a value of ours, or damaged.
    Corrupt,
    /// Older than answers may be.
    Stale,
    /// From later than now.
    Future,
}

impl Unfit {
    fn label(self) -> &'static str {
        match self {
            Self::Corrupt => "corrupt",
            Self::Stale => "stale",
            Self::Future => "future",
        }
    }
}

impl SharedAnswers {
    /// Over a server. `settings` is what answers depend on beside the data.
    pub fn new(valkey: Valkey, settings: &str) -> Self {
        // The description of the API changes with every shape in it.
        let shapes = crate::openapi_json();
        let version = [env!("CARGO_PKG_VERSION"), settings, &shapes].join("\n");
        Self {
            valkey,
            version: Sha256::digest(version).into(),
            space: RwLock::new(None),
            hits: counter!("chert_cache_hits_total", "cache" => "shared"),
            misses: counter!("chert_cache_misses_total", "cache" => "shared"),
        }
    }

    /// Learns which network and database this is, after every look at it: they may be exchanged
    /// behind the same address.
    pub async fn learn(&self, api: &ApiState) {
        if !self.valkey.is_up() || !api.snapshot().database_ok {
            return;
        }
        let space = match api.store().identity().await {
            Ok(database) => {
                // A node need not have said its name yet.
                let (network, chain_id) = api.network().unwrap_or_default();
                let name = [network, chain_id.unwrap_or_default(), database].join("\n");
                Some(name_of(&[&self.version, name.as_bytes()]))
            }
            Err(error) => {
                tracing::debug!(%error, "the database does not say which one it is");
                None
            }
        };
        let mut slot = self.space.write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_deref() != space.as_deref() {
            *slot = space.map(Arc::from);
        }
    }

    fn space(&self) -> Option<Arc<str>> {
        let space = self.space.read().unwrap_or_else(PoisonError::into_inner);
        space.clone().filter(|_| self.valkey.is_up())
    }

    /// An answer of another instance: a finalized one where it `may_be_final`, or one that was read
    /// at the checkpoint that `tag` names.
    pub async fn find(&self, key: &str, tag: Option<&str>, may_be_final: bool) -> Option<Answer> {
        let space = self.space()?;
        let kept = may_be_final.then(|| final_key(&space, key));
        let tip = tag.map(|tag| tip_key(&space, key, tag));
        let mut asked = redis::pipe();
        for name in kept.iter().chain(&tip) {
            asked.cmd("GETRANGE").arg(name).arg(0).arg(VALUE_BYTES_MAX).cmd("PTTL").arg(name);
        }
        let ask = |_, mut connection| async move { asked.query_async(&mut connection).await };
        let found: Vec<Value> = self.valkey.ask(Purpose::Answers, ask).await.ok()?;
        let names = kept.iter().chain(&tip);
        let answer = names.zip(found.chunks(2)).find_map(|(name, value)| read(name, value));
        let counter = if answer.is_some() { &self.hits } else { &self.misses };
        counter.increment(1);
        answer
    }

    /// Leaves an answer for other instances, without waiting for it. One that was read at another
    /// checkpoint than the key names, or that may not be kept, is left out.
    pub fn offer(&self, key: &str, tag: Option<&str>, answer: &Answer) {
        let Some(space) = self.space() else { return };
        let (name, form, stays) = match (answer.freshness(), tag) {
            (Freshness::Final, _) => (final_key(&space, key), FINAL, FINAL_KEPT),
            (Freshness::Tip, Some(tag)) if answer.consistency().is_of(tag) => {
                (tip_key(&space, key, tag), TIP, TIP_MAX_AGE.saturating_sub(answer.age()))
            }
            _ => return,
        };
        let stays_ms = u64::try_from(stays.as_millis()).unwrap_or(0);
        if stays_ms == 0 || answer.body().len() > VALUE_BYTES_MAX / 2 {
            return;
        }
        let Some(leave) = self.valkey.leave_to_write() else {
            counter!("chert_cache_unshared_total").increment(1);
            return;
        };
        let value = encode(&name, form, answer);
        let valkey = self.valkey.clone();
        tokio::spawn(async move {
            let write = |_, mut connection| async move {
                let mut command = redis::cmd("SET");
                command.arg(name).arg(value).arg("PX").arg(stays_ms);
                command.query_async::<()>(&mut connection).await
            };
            // Counted where it is asked; whoever needs the answer has it.
            let _ = valkey.ask(Purpose::Answers, write).await;
            drop(leave);
        });
    }
}

fn name_of(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
    }
    hex::encode(digest.finalize().get(..NAME_BYTES).unwrap_or_default())
}

/// Paths are the clients' choice and may be long: keys hold their digest.
fn final_key(space: &str, key: &str) -> String {
    format!("{PREFIX}answer:{space}:final:{}", name_of(&[key.as_bytes()]))
}

fn tip_key(space: &str, key: &str, tag: &str) -> String {
    format!("{PREFIX}answer:{space}:{tag}:{}", name_of(&[key.as_bytes()]))
}

/// Digest, form, freshness, time of reading, the four headers each in a line, body.
fn encode(name: &str, freshness: u8, answer: &Answer) -> Vec<u8> {
    let age_ms = i64::try_from(answer.age().as_millis()).unwrap_or(i64::MAX);
    let read_at_ms = now_ms().saturating_sub(age_ms);
    let mut head = vec![FORM, freshness];
    head.extend_from_slice(&read_at_ms.to_be_bytes());
    for value in answer.consistency().to_values() {
        head.extend_from_slice(value);
        head.push(b'\n');
    }
    let digest = digest_of(name, &head, answer.entity_tag());
    [digest.as_slice(), &head, answer.body()].concat()
}

fn digest_of(name: &str, head: &[u8], entity_tag: &str) -> [u8; DIGEST_BYTES] {
    let mut digest = Sha256::new();
    digest.update(name);
    digest.update([0]);
    digest.update(head);
    digest.update(entity_tag);
    digest.finalize().into()
}

/// An answer from what `GETRANGE` and `PTTL` said of `name`.
fn read(name: &str, found: &[Value]) -> Option<Answer> {
    let [Value::BulkString(bytes), Value::Int(left_ms)] = found else { return None };
    if bytes.is_empty() {
        return None;
    }
    match decode(name, bytes, *left_ms, now_ms()) {
        Ok(answer) => Some(answer),
        Err(unfit) => {
            counter!("chert_cache_unfit_total", "reason" => unfit.label()).increment(1);
            None
        }
    }
}

/// Reads a value that Valkey deletes in `left_ms` milliseconds.
///
/// The age is the greater one of what the clocks of the instances say and what the one clock of
/// Valkey does: neither a slow clock here nor a command that waited on its way makes it younger.
fn decode(name: &str, bytes: &[u8], left_ms: i64, now_ms: i64) -> Result<Answer, Unfit> {
    let (digest, rest) = bytes.split_first_chunk::<DIGEST_BYTES>().ok_or(Unfit::Corrupt)?;
    let (&[form, freshness], timed) = rest.split_first_chunk().ok_or(Unfit::Corrupt)?;
    let (&read_at, values) = timed.split_first_chunk::<8>().ok_or(Unfit::Corrupt)?;
    let mut lines = values.splitn(5, |byte| *byte == b'\n');
    let mut line = || lines.next().ok_or(Unfit::Corrupt);
    let consistency = Consistency::of_values([line()?, line()?, line()?, line()?]);
    let body = Bytes::copy_from_slice(line()?);
    let (freshness, stays) = match freshness {
        FINAL => (Freshness::Final, FINAL_KEPT),
        TIP => (Freshness::Tip, TIP_MAX_AGE),
        _ => return Err(Unfit::Corrupt),
    };
    let stays_ms = i64::try_from(stays.as_millis()).unwrap_or(i64::MAX);
    if form != FORM || bytes.len() > VALUE_BYTES_MAX || !(0..=stays_ms).contains(&left_ms) {
        return Err(Unfit::Corrupt);
    }
    let by_clocks_ms = now_ms.saturating_sub(i64::from_be_bytes(read_at));
    let age_ms = by_clocks_ms.max(stays_ms - left_ms);
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    let head = rest.get(..rest.len() - body.len()).ok_or(Unfit::Corrupt)?;
    // A finalized answer has no age; one longer than the machine runs could not be expressed.
    let told = if freshness == Freshness::Final { Duration::ZERO } else { age };
    let consistency = consistency.ok_or(Unfit::Corrupt)?;
    let answer = Answer::restored(body, consistency, freshness, told).ok_or(Unfit::Corrupt)?;
    if digest_of(name, head, answer.entity_tag()) != *digest {
        return Err(Unfit::Corrupt);
    }
    if by_clocks_ms < -AHEAD_MS_MAX {
        return Err(Unfit::Future);
    }
    if age >= stays {
        return Err(Unfit::Stale);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chert_store::Checkpoint;

    use super::*;

    const NAME: &str = "chert:1:answer:space:7:ab:x";

    fn answer(freshness: Freshness) -> Answer {
        let checkpoint = Checkpoint {
            height: 7,
            hash: vec![0xab; 32],
            tip_time_ms: 0,
            finalized_height: 3,
            finality_depth: 4,
            node_height: 9,
            bulk: false,
        };
        Answer::json(&checkpoint, freshness, &["one\ntwo", "three"]).unwrap()
    }

    #[test]
    fn an_answer_comes_back_as_it_was_and_keeps_ageing() {
        for (freshness, form) in [(Freshness::Tip, TIP), (Freshness::Final, FINAL)] {
            let ours = answer(freshness);
            let bytes = encode(NAME, form, &ours);
            let theirs = decode(NAME, &bytes, 1_500, now_ms()).unwrap();
            assert_eq!((theirs.body(), theirs.entity_tag()), (ours.body(), ours.entity_tag()));
            assert_eq!((theirs.consistency(), theirs.height()), (ours.consistency(), 7));
            assert_eq!(theirs.freshness(), freshness);
            let tip = freshness == Freshness::Tip;
            assert_eq!(theirs.age() >= Duration::from_millis(500), tip, "{:?}", theirs.age());
        }
    }

    #[test]
    fn clocks_that_differ_make_nothing_younger() {
        let bytes = encode(NAME, TIP, &answer(Freshness::Tip));
        let read = |left_ms, later_ms| decode(NAME, &bytes, left_ms, now_ms() + later_ms);
        assert!(read(1_999, 1_200).unwrap().age() >= Duration::from_millis(1_200));
        assert!(read(100, -900).unwrap().age() >= Duration::from_millis(1_900));
        assert_eq!(read(1_999, 2_100).unwrap_err(), Unfit::Stale);
        assert_eq!(read(0, 0).unwrap_err(), Unfit::Stale);
        assert_eq!(read(1_999, -5_000).unwrap_err(), Unfit::Future);
        // Never to expire, or later than we would have said: not ours.
        assert_eq!(read(-1, 0).unwrap_err(), Unfit::Corrupt);
        assert_eq!(read(2_001, 0).unwrap_err(), Unfit::Corrupt);
    }

    #[test]
    fn no_byte_may_differ_and_no_value_may_move() {
        let bytes = encode(NAME, TIP, &answer(Freshness::Tip));
        let now = now_ms();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let outcome = decode(NAME, &damaged, 1_500, now).map(drop);
            assert!(outcome.is_err(), "{at}");
            assert!(decode(NAME, &bytes[..at], 1_500, now).is_err(), "{at}");
        }
        assert_eq!(decode("chert:1:other", &bytes, 1_500, now).unwrap_err(), Unfit::Corrupt);
        let longer = [bytes.as_slice(), b"x"].concat();
        assert_eq!(decode(NAME, &longer, 1_500, now).unwrap_err(), Unfit::Corrupt);
        assert!(decode(NAME, &bytes, 1_500, now).is_ok());
    }
}
