//! Valkey beside the database: what instances share besides rows. Optional, and never trusted to be
//! there.
//!
//! One connection carries all questions of the process. Each is given a short time; a few in a row
//! that take longer, or a lost connection, open the breaker: from then on nobody waits at all, until
//! a task of its own has reached the server again. Whoever asks has an answer without Valkey, so
//! nothing of this is ever an error to a client.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use metrics::{counter, gauge, histogram};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, RedisResult};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long one question waits for its answer unless configured otherwise.
pub const ANSWER_TIME: Duration = Duration::from_millis(50);
/// Before every key; the number changes when the meaning of keys or values does.
pub(crate) const PREFIX: &str = "chert:1:";
/// Key of the secret that names of clients are hashed with.
const SECRET: &str = "chert:1:secret";
/// Length of that secret.
pub(crate) const SECRET_BYTES: usize = 32;
/// Connecting, its first questions included, is given up after this.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Pause between two looks whether an idle connection still answers.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Answers in a row that may be late before nobody waits any more.
const LATE_MAX: u32 = 3;
/// Pause before the first attempt to reach the server again; doubled from attempt to attempt.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one: the pauses begin anew.
const STEADY: Duration = Duration::from_secs(10);
/// Writes under way that nobody waits for; further ones are left out.
const WRITES_AT_ONCE: usize = 16;

/// What a question is for; a label of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Finished answers.
    Answers,
    /// Requests per client.
    Limits,
    /// Nonces of signed requests.
    Nonces,
    /// The connection itself.
    Link,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::Answers => "answers",
            Self::Limits => "limits",
            Self::Nonces => "nonces",
            Self::Link => "link",
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Away {
    /// The breaker is open, or nothing was reached yet.
    #[error("Valkey is not connected")]
    Down,
    /// The answer did not come in time.
    #[error("Valkey did not answer in time")]
    Late,
    /// It refused, or the connection broke.
    #[error("Valkey failed")]
    Failed,
}

/// Where it was impossible to make sense of the address.
#[derive(Debug, thiserror::Error)]
#[error(
    "{reason}; a Valkey URL looks like redis://:password@host:6379/0, rediss://… or redis+unix:///path"
)]
pub struct ValkeyUrlError {
    reason: String,
}

/// A Valkey server; cheap to clone. It is reached by [`crate::serve`], not before.
#[derive(Clone)]
pub struct Valkey {
    inner: Arc<Inner>,
}

struct Inner {
    client: redis::Client,
    answer_time: Duration,
    link: RwLock<Option<Arc<Link>>>,
    lost: Notify,
    late_in_a_row: AtomicU32,
    links_made: AtomicU32,
    kept: AtomicBool,
    writes: Arc<Semaphore>,
}

/// A connection that works, and what is known of the server behind it.
pub(crate) struct Link {
    connection: MultiplexedConnection,
    number: u32,
    /// What names of clients are hashed with, the same on all instances.
    pub secret: [u8; SECRET_BYTES],
    /// Another one after every restart of the server.
    pub run_id: String,
    /// Whether the server keeps what it was told until it expires.
    pub keeps_everything: bool,
}

impl fmt::Debug for Valkey {
    /// Without the address: a password may be in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valkey").field("up", &self.is_up()).finish_non_exhaustive()
    }
}

impl Valkey {
    /// A server at `url`, each of whose answers may take `answer_time`. Nothing is connected yet.
    ///
    /// # Errors
    /// Where `url` is none that Valkey is reached at.
    pub fn new(url: &str, answer_time: Duration) -> Result<Self, ValkeyUrlError> {
        let client = redis::Client::open(url)
            .map_err(|error| ValkeyUrlError { reason: error.kind_text() })?;
        let inner = Inner {
            client,
            answer_time,
            link: RwLock::new(None),
            lost: Notify::new(),
            late_in_a_row: AtomicU32::new(0),
            links_made: AtomicU32::new(0),
            kept: AtomicBool::new(false),
            writes: Arc::new(Semaphore::new(WRITES_AT_ONCE)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The connection, where there is one that works.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.inner.link.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it is connected and answers in time.
    pub fn is_up(&self) -> bool {
        self.link().is_some()
    }

    /// Leave to write something without waiting for it; `None` while too much is being written.
    pub(crate) fn leave_to_write(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.inner.writes).try_acquire_owned().ok()
    }

    /// Asks, and waits for the answer no longer than the set time.
    pub(crate) async fn ask<T, Asking>(
        &self,
        purpose: Purpose,
        ask: impl FnOnce(Arc<Link>, MultiplexedConnection) -> Asking,
    ) -> Result<T, Away>
    where
        Asking: Future<Output = RedisResult<T>>,
    {
        let Some(link) = self.link() else { return Err(Away::Down) };
        let number = link.number;
        let connection = link.connection.clone();
        let label = purpose.label();
        let started = Instant::now();
        let outcome = tokio::time::timeout(self.inner.answer_time, ask(link, connection)).await;
        histogram!("chert_valkey_seconds", "use" => label).record(started.elapsed());
        match outcome {
            Ok(Ok(answer)) => {
                self.inner.late_in_a_row.store(0, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => {
                counter!("chert_valkey_errors_total", "use" => label).increment(1);
                tracing::debug!(%error, label, "Valkey failed");
                if is_broken(&error) {
                    self.lose(number);
                }
                Err(Away::Failed)
            }
            Err(_) => {
                counter!("chert_valkey_timeouts_total", "use" => label).increment(1);
                if self.inner.late_in_a_row.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_MAX {
                    self.lose(number);
                }
                Err(Away::Late)
            }
        }
    }

    /// Opens the breaker, unless another connection was made meanwhile.
    fn lose(&self, number: u32) {
        let mut slot = self.inner.link.write().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_some_and(|link| link.number == number) {
            *slot = None;
            gauge!("chert_valkey_up").set(0.0);
            self.inner.lost.notify_one();
        }
    }

    fn set_link(&self, link: Link) {
        let mut slot = self.inner.link.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(Arc::new(link));
        gauge!("chert_valkey_up").set(1.0);
    }

    /// Reaches the server, and reaches it again whenever it was lost, until told to stop.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        if self.inner.kept.swap(true, Ordering::SeqCst) {
            return;
        }
        // Only now: a process that never reaches for it is not without it.
        gauge!("chert_valkey_up").set(0.0);
        stop.run_until_cancelled(self.keep_for_ever()).await;
        *self.inner.link.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn keep_for_ever(&self) {
        let mut pause = RETRY_MIN;
        let mut was_up = true;
        loop {
            let connected = tokio::time::timeout(CONNECT_TIME, self.connect()).await;
            match connected {
                Ok(Ok(link)) => {
                    tracing::info!("Valkey answers");
                    was_up = true;
                    self.inner.late_in_a_row.store(0, Ordering::Relaxed);
                    self.set_link(link);
                    let since = Instant::now();
                    self.watch().await;
                    tracing::warn!("Valkey is away; every instance goes on by itself");
                    if since.elapsed() >= STEADY {
                        pause = RETRY_MIN;
                    }
                }
                Ok(Err(error)) if was_up => {
                    was_up = false;
                    tracing::warn!(%error, "Valkey cannot be reached; trying again");
                }
                _ => was_up = false,
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn connect(&self) -> RedisResult<Link> {
        // Our own limits are around everything that is asked.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIME))
            .set_response_timeout(None);
        let client = &self.inner.client;
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let server: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
        let memory: String = redis::cmd("INFO").arg("memory").query_async(&mut connection).await?;
        let secret = agree_on_secret(&mut connection, rand::random()).await?;
        let bounded = field(&memory, "maxmemory").is_none_or(|bytes| bytes != "0");
        let evicts = field(&memory, "maxmemory_policy") != Some("noeviction");
        Ok(Link {
            connection,
            number: self.inner.links_made.fetch_add(1, Ordering::Relaxed),
            secret,
            run_id: field(&server, "run_id").unwrap_or_default().to_owned(),
            keeps_everything: !(bounded && evicts),
        })
    }

    /// Ends when the connection is lost. Looks at it now and then, used or not, and sees to it that
    /// the secret is the same everywhere, also when the server forgot everything.
    async fn watch(&self) {
        loop {
            let beat = tokio::time::sleep(HEARTBEAT_EVERY);
            tokio::select! {
                () = self.inner.lost.notified() => {}
                () = beat => {
                    let agree = |link: Arc<Link>, mut connection| async move {
                        agree_on_secret(&mut connection, link.secret).await
                    };
                    let number = self.link().map(|link| link.number);
                    match (self.ask(Purpose::Link, agree).await, number) {
                        (Ok(secret), _) => self.adopt(secret),
                        // Full, or no longer the one that may be written to.
                        (Err(Away::Failed), Some(number)) => self.lose(number),
                        (Err(_), _) => {}
                    }
                }
            }
            if !self.is_up() {
                return;
            }
        }
    }

    fn adopt(&self, secret: [u8; SECRET_BYTES]) {
        let Some(link) = self.link().filter(|link| link.secret != secret) else { return };
        self.set_link(Link {
            connection: link.connection.clone(),
            number: link.number,
            secret,
            run_id: link.run_id.clone(),
            keeps_everything: link.keeps_everything,
        });
    }
}

/// Leaves `ours` where there is none, and gives the one that is there.
async fn agree_on_secret(
    connection: &mut MultiplexedConnection,
    ours: [u8; SECRET_BYTES],
) -> RedisResult<[u8; SECRET_BYTES]> {
    let (_, theirs): (redis::Value, redis::Value) = redis::pipe()
        .cmd("SET")
        .arg(SECRET)
        .arg(&ours[..])
        .arg("NX")
        .cmd("GETRANGE")
        .arg(SECRET)
        .arg(0)
        .arg(SECRET_BYTES)
        .query_async(connection)
        .await
        // Not even text: replaced below like every other value that is no secret.
        .or_else(|error| if is_broken(&error) { Err(error) } else { Ok(NOTHING) })?;
    if let redis::Value::BulkString(bytes) = theirs
        && let Ok(theirs) = <[u8; SECRET_BYTES]>::try_from(bytes)
    {
        return Ok(theirs);
    }
    // Somebody else's value. The last one to replace it wins; the others see it at their next look.
    redis::cmd("SET").arg(SECRET).arg(&ours[..]).query_async::<()>(connection).await?;
    Ok(ours)
}

const NOTHING: (redis::Value, redis::Value) = (redis::Value::Nil, redis::Value::Nil);

/// Whether the connection is of no further use.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// One line of what `INFO` answers.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    let mut values = info.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(str::trim)
}

/// An error without what was asked: an address may hold a password.
trait KindText {
    fn kind_text(&self) -> String;
}

impl KindText for RedisError {
    fn kind_text(&self) -> String {
        format!("the address cannot be used ({:?})", self.kind())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_repeated() {
        let bad = Valkey::new("http://user:hunter2@host", ANSWER_TIME).unwrap_err().to_string();
        assert!(bad.contains("redis://") && !bad.contains("hunter2"), "{bad}");
        let good = Valkey::new("redis://:hunter2@127.0.0.1:1/3", ANSWER_TIME).unwrap();
        assert!(!format!("{good:?}").contains("hunter2"));
        assert!(!good.is_up());
    }

    #[test]
    fn fields_of_info_are_whole_names() {
        let info = "# Memory\r\nmaxmemory_policy:allkeys-lru\r\nmaxmemory:0\r\n";
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "maxmemory_policy"), Some("allkeys-lru"));
        assert_eq!(field(info, "run_id"), None);
    }
}
