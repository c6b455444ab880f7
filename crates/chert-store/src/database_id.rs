//! Which database this is, for caches that outlive a connection.

use crate::read::timed;
use crate::{Store, StoreError};

impl Store {
    /// Names the data: cluster, timeline, database, and the chain's first block. A copy restored
    /// elsewhere, a database taken back to an earlier time, and one that was emptied and filled with
    /// another chain have other names; a replica has its primary's.
    ///
    /// # Errors
    /// Where the database does not answer, or does not let this role ask.
    pub async fn identity(&self) -> Result<String, StoreError> {
        let name = timed!(
            "get_database_identity",
            sqlx::query_scalar!(
                r#"SELECT concat_ws(':', s.system_identifier, c.timeline_id, d.oid,
                                    encode(p.genesis_hash, 'hex')) AS "name!"
                   FROM pg_control_system() s
                   CROSS JOIN pg_control_checkpoint() c
                   CROSS JOIN pg_database d
                   CROSS JOIN checkpoints p
                   WHERE d.datname = current_database() AND p.pipeline = 'chain'"#
            )
            .fetch_one(self.pool())
        )
        .await?;
        Ok(name)
    }
}
