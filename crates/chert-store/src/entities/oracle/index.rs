//! Which oracles there are and what state they are in.

use crate::{Store, StoreError};

/// What is known of an oracle beside its feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OracleRow {
    /// 40 hex digits; the URL for an oracle that has no feed.
    pub oracle_id: String,
    /// For people.
    pub name: String,
    /// Without credentials.
    pub base_url: String,
    /// The pinned Ed25519 key.
    pub public_key: Option<[u8; 32]>,
    /// `feed` or `probe`.
    pub mode: &'static str,
    /// `active`, `paused`, `diverged`, `refused` or `retired`.
    pub state: &'static str,
    /// As the oracle says.
    pub software_version: Option<String>,
    /// As the oracle says.
    pub network_id: Option<String>,
    /// Unix seconds.
    pub now_s: i64,
}

impl Store {
    /// Adds an oracle, or takes over what has changed; the time it was first seen stays, and its
    /// last error while its state stays.
    pub async fn put_oracle(&self, oracle: &OracleRow) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO oracles AS o (oracle_id, name, base_url, public_key, mode, signed, state,
                                       software_version, network_id, first_seen_at, updated_at)
             VALUES ($1, $2, $3, $4::bytea, $5, $4::bytea IS NOT NULL, $6, $7, $8, $9, $9)
             ON CONFLICT (oracle_id) DO UPDATE SET
                 name = EXCLUDED.name, base_url = EXCLUDED.base_url,
                 public_key = EXCLUDED.public_key, mode = EXCLUDED.mode,
                 signed = EXCLUDED.signed, state = EXCLUDED.state,
                 last_error = CASE WHEN o.state = EXCLUDED.state THEN o.last_error END,
                 software_version = COALESCE(EXCLUDED.software_version, o.software_version),
                 network_id = COALESCE(EXCLUDED.network_id, o.network_id),
                 updated_at = EXCLUDED.updated_at",
            oracle.oracle_id,
            oracle.name,
            oracle.base_url,
            oracle.public_key.as_ref().map(|k| &k[..]),
            oracle.mode,
            oracle.state,
            oracle.software_version,
            oracle.network_id,
            oracle.now_s
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Sets an oracle's state and the code of its last error (`None`: there is none any more).
    /// Nothing happens where the oracle is not known.
    pub async fn set_oracle_state(
        &self,
        oracle_id: &str,
        state: &str,
        error: Option<&str>,
        now_s: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE oracles SET state = $2, last_error = $3, updated_at = $4 WHERE oracle_id = $1",
            oracle_id,
            state,
            error,
            now_s
        )
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Marks the oracles that are not configured any more as retired. What they said stays.
    pub async fn retire_oracles(
        &self,
        configured: &[String],
        now_s: i64,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query!(
            "UPDATE oracles SET state = 'retired', updated_at = $2
             WHERE oracle_id <> ALL($1) AND state <> 'retired'",
            configured,
            now_s
        )
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }
}
