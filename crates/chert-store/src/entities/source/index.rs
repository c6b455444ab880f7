//! What the indexer knows of each node and oracle.

use crate::{Store, StoreError};

/// State of a source, as `/v1/status` shows it.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// URL without credentials.
    pub name: String,
    /// `node` or `oracle`.
    pub kind: &'static str,
    /// `healthy`, `lagging`, `failing`, `disagreeing`, `wrong_chain` or `unknown`; of an oracle also
    /// `refused`, `paused` or `diverged`.
    pub state: &'static str,
    /// Its best height, where known.
    pub height: Option<i64>,
    /// Of an oracle: items of its feed that are not read yet.
    pub lag: Option<i64>,
    /// Faults counted since the process started.
    pub faults: i64,
    /// Last good answer, Unix seconds.
    pub last_ok_at: Option<i64>,
    /// Last fault, Unix seconds.
    pub last_error_at: Option<i64>,
    /// Code of the last fault.
    pub last_error: Option<&'static str>,
}

impl Store {
    /// Replaces the rows of all sources of one kind.
    pub async fn put_sources(&self, kind: &str, states: &[SourceState]) -> Result<(), StoreError> {
        let names: Vec<String> = states.iter().map(|s| s.name.clone()).collect();
        let mut tx = self.begin().await?;
        sqlx::query!("DELETE FROM sources WHERE kind = $1 AND name <> ALL($2)", kind, &names)
            .execute(&mut *tx)
            .await?;
        for s in states {
            sqlx::query!(
                "INSERT INTO sources (name, kind, state, height, faults, last_ok_at, last_error_at,
                                      last_error, lag)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (name) DO UPDATE SET
                     kind = EXCLUDED.kind, state = EXCLUDED.state, height = EXCLUDED.height,
                     lag = EXCLUDED.lag, faults = EXCLUDED.faults,
                     last_ok_at = COALESCE(EXCLUDED.last_ok_at, sources.last_ok_at),
                     last_error_at = COALESCE(EXCLUDED.last_error_at, sources.last_error_at),
                     last_error = COALESCE(EXCLUDED.last_error, sources.last_error)",
                s.name,
                s.kind,
                s.state,
                s.height,
                s.faults,
                s.last_ok_at,
                s.last_error_at,
                s.last_error,
                s.lag
            )
            .execute(&mut *tx)
            .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
