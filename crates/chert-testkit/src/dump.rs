//! A store as text, to compare two of them byte by byte.

use sqlx::PgPool;

/// Tables whose content follows from the chain alone, with their order and without columns that
/// only say when something was done.
const TABLES: [(&str, &str); 9] = [
    ("blocks", "SELECT b::text FROM blocks b ORDER BY height"),
    ("transactions", "SELECT t::text FROM transactions t ORDER BY pos"),
    ("tx_outputs", "SELECT o::text FROM tx_outputs o ORDER BY pos, output_index"),
    ("stealth_outputs", "SELECT s::text FROM stealth_outputs s ORDER BY pos, output_index"),
    ("quarantine", "SELECT q::text FROM quarantine q ORDER BY pos"),
    ("address_txs", "SELECT a::text FROM address_txs a ORDER BY address_key, pos"),
    ("addresses", "SELECT a::text FROM addresses a ORDER BY address_key"),
    ("chain_hourly", "SELECT h::text FROM chain_hourly h ORDER BY hour"),
    ("chain_counters", "SELECT c::text FROM chain_counters c"),
];

/// Every row of every table that follows from the chain, in a fixed order.
pub async fn dump(url: &str) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let pool = PgPool::connect(url).await?;
    let mut tables = Vec::new();
    for (name, sql) in TABLES {
        tables.push((name, sqlx::query_scalar(sql).fetch_all(&pool).await?));
    }
    let checkpoint = "SELECT concat_ws(' ', height, encode(hash, 'hex'), tip_time_ms,
                             encode(genesis_hash, 'hex')) FROM checkpoints";
    tables.push(("checkpoints", sqlx::query_scalar(checkpoint).fetch_all(&pool).await?));
    pool.close().await;
    Ok(tables)
}

/// What people, governance and work amount to, without columns that say when we looked: a registry
/// and a governance read live and read once end with the same rows. Power and validators are
/// figures of the block they were read at, and are compared with the chain instead.
const PEOPLE: [(&str, &str); 8] = [
    (
        "identity_versions",
        "SELECT v::text FROM identity_versions v
                           ORDER BY identity_id, height, profile_version",
    ),
    ("identities", "SELECT i::text FROM identities i ORDER BY identity_id"),
    ("wallet_links", "SELECT l::text FROM wallet_links l ORDER BY identity_id, wallet_address"),
    (
        "wallet_link_intervals",
        "SELECT l::text FROM wallet_link_intervals l
                               ORDER BY identity_id, wallet_key, from_height",
    ),
    (
        "proposals",
        "SELECT concat_ws('|', proposal_id, proposer, encode(proposer_identity, 'hex'),
                          description, state, status, voting_starts_at, voting_ends_at, votes_for,
                          votes_against, votes_abstain, created_at, executed_at)
                   FROM proposals ORDER BY proposal_id",
    ),
    (
        "votes",
        "SELECT concat_ws('|', proposal_id, voter, encode(voter_identity, 'hex'), vote_power,
                      vote_choice, reason, cast_at) FROM votes ORDER BY proposal_id, voter_key",
    ),
    (
        "proposal_tallies",
        "SELECT t::text FROM proposal_tallies t
                          ORDER BY proposal_id, vote_choice",
    ),
    (
        "proposal_tally_hourly",
        "SELECT t::text FROM proposal_tally_hourly t
                               ORDER BY proposal_id, hour",
    ),
];

/// Every row that follows from the registry and governance of the node, in a fixed order.
pub async fn people(url: &str) -> anyhow::Result<Vec<(&'static str, Vec<String>)>> {
    let pool = PgPool::connect(url).await?;
    let mut tables = Vec::new();
    for (name, sql) in PEOPLE {
        tables.push((name, sqlx::query_scalar(sql).fetch_all(&pool).await?));
    }
    pool.close().await;
    Ok(tables)
}

/// A submission as stored, in the words of the feed.
#[derive(Debug, Clone)]
pub struct Submission {
    /// `assigned` and so on.
    pub status: String,
    /// `none` and so on.
    pub reward_status: String,
    /// Base units.
    pub reward: Option<String>,
    /// Granted credits.
    pub credits: Option<String>,
    /// Payout account.
    pub account: String,
    /// A later revision was not applied, because a block had confirmed this one.
    pub kept_against_oracle: bool,
}

/// Submissions of an oracle by their ids in hex.
pub async fn submissions(url: &str, oracle: &str) -> anyhow::Result<Vec<(String, Submission)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT encode(submission_id, 'hex'),
            (ARRAY['assigned', 'submitted', 'validated', 'rejected', 'timed_out', 'disputed'])[status + 1],
            (ARRAY['none', 'pending', 'finalized', 'claimed', 'clawed_back', 'voided'])[reward_status + 1],
            reward::text, trim_scale(credits)::text, miner_address,
            EXISTS (SELECT 1 FROM work_submission_events e WHERE e.submission_id = s.submission_id
                    AND (e.feed_epoch, e.revision) > (s.feed_epoch, s.revision))
        FROM work_submissions s WHERE oracle_id = $1";
    type Row = (String, String, String, Option<String>, Option<String>, String, bool);
    let rows: Vec<Row> = sqlx::query_as(sql).bind(oracle).fetch_all(&pool).await?;
    pool.close().await;
    let submission = |(id, status, reward_status, reward, credits, account, kept): Row| {
        let kept_against_oracle = kept;
        (id, Submission { status, reward_status, reward, credits, account, kept_against_oracle })
    };
    Ok(rows.into_iter().map(submission).collect())
}

/// Which feed of an oracle is read, and up to which item.
pub async fn feed_cursor(url: &str, oracle: &str) -> anyhow::Result<Option<(String, i64)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT feed_id, cursor_seq FROM oracle_feeds
               WHERE oracle_id = $1 AND state = 'current'";
    let row = sqlx::query_as(sql).bind(oracle).fetch_optional(&pool).await?;
    pool.close().await;
    Ok(row)
}

/// Whether registry and governance have been read under the block at the checkpoint.
pub async fn feeds_are_read(url: &str) -> anyhow::Result<bool> {
    let behind = "SELECT count(*) FROM feeds f JOIN checkpoints c ON c.pipeline = 'chain'
                  WHERE f.feed IN ('identity', 'governance')
                    AND (f.height <> c.height OR f.hash <> c.hash OR f.synced_at = 0)";
    Ok(count(url, behind).await? == 0)
}

/// Claims of a transaction that are not corroborated as the chain says.
pub async fn wrong_anchors(url: &str) -> anyhow::Result<i64> {
    let wrong = "SELECT count(*) FROM work_submissions s
                 LEFT JOIN transactions t ON t.tx_key = s.tx_key AND t.tx_id = s.tx_hash
                 WHERE s.tx_key IS NOT NULL AND s.block_height IS DISTINCT FROM t.pos >> 20";
    count(url, wrong).await
}

/// Balances as stored: address, balance, nonce.
pub async fn balances(url: &str) -> anyhow::Result<Vec<(String, String, String)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT address, balance::text, nonce::text FROM balances ORDER BY address_key";
    let rows = sqlx::query_as(sql).fetch_all(&pool).await?;
    pool.close().await;
    Ok(rows)
}

/// Blocks in the event log, in order: type, height, hash in hex.
pub async fn events(url: &str) -> anyhow::Result<Vec<(String, i64, String)>> {
    let pool = PgPool::connect(url).await?;
    let sql = "SELECT type, height, encode(hash, 'hex') FROM event_log
               WHERE type LIKE 'block.%' ORDER BY seq";
    let rows = sqlx::query_as(sql).fetch_all(&pool).await?;
    pool.close().await;
    Ok(rows)
}

/// What the event log speaks of, as (what it is, its key, its state).
const TOLD: [(&str, &str); 6] = [
    (
        "transaction",
        "SELECT concat(pos >> 20, '/', pos & 1048575), encode(tx_id, 'hex') FROM transactions",
    ),
    (
        "vote",
        "SELECT concat(proposal_id, '/', voter_key),
                concat((ARRAY['against', 'for', 'abstain'])[vote_choice + 1], ' ', vote_power)
         FROM votes",
    ),
    ("proposal", "SELECT proposal_id, state FROM proposals"),
    ("identity", "SELECT encode(identity_id, 'hex'), profile_version::text FROM identities"),
    (
        "work",
        "SELECT encode(submission_id, 'hex'),
                CASE WHEN status = 3 THEN 'rejected'
                     WHEN reward_status IN (4, 5) THEN 'clawed_back' ELSE 'validated' END
         FROM work_submissions WHERE status IN (2, 3)",
    ),
    ("board", "SELECT board, max(snapshot_id)::text FROM leaderboard_snapshots GROUP BY board"),
];

/// Everything that the event log speaks of as it stands in the tables: (what it is, key, state),
/// in order.
pub async fn told(url: &str) -> anyhow::Result<Vec<(&'static str, String, String)>> {
    let pool = PgPool::connect(url).await?;
    let mut all = Vec::new();
    for (what, sql) in TOLD {
        let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(&pool).await?;
        all.extend(rows.into_iter().map(|(key, state)| (what, key, state)));
    }
    pool.close().await;
    all.sort_unstable();
    Ok(all)
}

/// Balances that are still to be read, or read again.
pub async fn open_balances(url: &str) -> anyhow::Result<i64> {
    let open = "SELECT (SELECT count(*) FROM balance_queue)
                       + (SELECT count(*) FROM balances WHERE provisional)";
    count(url, open).await
}

/// Rows of a table.
pub async fn count(url: &str, sql: &'static str) -> anyhow::Result<i64> {
    let pool = PgPool::connect(url).await?;
    let rows = sqlx::query_scalar(sql).fetch_one(&pool).await?;
    pool.close().await;
    Ok(rows)
}
