//! Errors of the store.

/// What went wrong in the store, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached; retry with back-off.
    #[error("database: {0}; the operation may be retried once the database answers")]
    Database(#[from] sqlx::Error),
    /// The same, reported by the object-relational layer.
    #[error("database: {0}; the operation may be retried once the database answers")]
    Orm(#[from] sea_orm::DbErr),
    /// The database did not answer in time; the connection is given up.
    #[error("the database did not answer within {seconds} s; a new connection will be tried")]
    Unresponsive {
        /// How long was waited.
        seconds: u64,
    },
    /// The checkpoint is not where this writer left it: another indexer is at work.
    #[error(
        "the checkpoint is not at block {expected_height} any more: another indexer writes to this \
         database; stop one of the two"
    )]
    CheckpointMoved {
        /// Height this writer expected.
        expected_height: i64,
    },
    /// Another indexer holds the writer's lock.
    #[error("another indexer holds the writer lock of this database; this one stands by")]
    WriterLocked,
    /// A stored value does not have the form its column promises: run `chert verify`.
    #[error("stored data is not as expected ({0}); run `chert verify --repair`")]
    Corrupt(String),
    /// A batch that does not fit what is stored; nothing was written.
    #[error("refused batch: {0}")]
    Batch(String),
    /// The schema is newer than this program.
    #[error("the database has migrations this program does not know; start a newer version")]
    SchemaTooNew,
}

impl StoreError {
    /// A short, stable name for metrics and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database(_) | Self::Orm(_) => "database",
            Self::Unresponsive { .. } => "unresponsive",
            Self::CheckpointMoved { .. } => "checkpoint_moved",
            Self::WriterLocked => "writer_locked",
            Self::Corrupt(_) => "corrupt",
            Self::Batch(_) => "batch",
            Self::SchemaTooNew => "schema_too_new",
        }
    }
}

impl From<silica_models::FormatError> for StoreError {
    fn from(error: silica_models::FormatError) -> Self {
        Self::Corrupt(error.to_string())
    }
}
