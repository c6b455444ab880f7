//! Advisory locks of the database, in one place so that no two are the same.

/// A lock that is known by its number; two variants with one number would not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum AdvisoryLock {
    /// Migrations of several instances run one after another.
    Migration = 0x6368_6572_7401,
    /// One process writes the chain.
    Writer = 0x6368_6572_7402,
    /// Under which the indexed chain moves: exclusive for a commit of blocks, shared for whatever
    /// must see it stand still. Row locks would not do: holders of a shared row lock may overtake a
    /// waiting commit for ever; advisory locks are granted in the order they are asked for.
    ChainGate = 0x6368_6572_7403,
    /// Pages of oracles queue for it before they hold the chain. Otherwise several waiting pages
    /// would hold it shared in turns and the chain's writer might never get it.
    OraclePages = 0x6368_6572_7404,
    /// One process refreshes boards in the background.
    Boards = 0x6368_6572_7405,
}

impl AdvisoryLock {
    /// Its number.
    pub(crate) const fn key(self) -> i64 {
        self as i64
    }
}
