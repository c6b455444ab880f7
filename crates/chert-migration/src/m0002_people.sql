-- People, governance and useful work: what the node's registry and governance and the oracles' work
-- feeds say, and what follows from it.
--
-- Base tables hold what sources said (identity_versions, proposals, votes, delegations,
-- work_submissions, ...). Derived tables follow from base tables alone and are maintained by exact
-- deltas in the transaction of the change; `chert verify` compares them with a rebuild.
--
-- Lock order of every writing transaction: checkpoints('chain'), feeds('identity'),
-- feeds('governance'), feeds('work'), pouw_clock.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

-- Text for comparing names: compatibility-decomposed, without combining marks, invisible and
-- direction-changing characters, without accents, lower case, single spaces. Declared immutable
-- because indexes need it: it names its dictionary, which nothing here changes.
CREATE FUNCTION chert_name_fold(name TEXT) RETURNS TEXT
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN btrim(regexp_replace(lower(unaccent('unaccent', regexp_replace(
        normalize(name, NFKD),
        '[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u200b-\u200f\u202a-\u202e\u2060-\u2069\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\ufeff]',
        '', 'g'))), '\s+', ' ', 'g'));
END
$$;

-- Progress of the feeds that are read from the node beside its blocks. A row is locked by whoever
-- changes what depends on the feed; 'work' has no progress of its own (oracle_feeds has).
CREATE TABLE feeds (
    feed       TEXT PRIMARY KEY,               -- identity, governance, work
    height     BIGINT NOT NULL DEFAULT -1,     -- everything up to this block is in
    hash       BYTEA  NOT NULL DEFAULT '',     -- the block it was read under
    synced_at  BIGINT NOT NULL DEFAULT 0,      -- Unix seconds of the last complete round
    generation BIGINT NOT NULL DEFAULT 0       -- counts commits of the feed
);
INSERT INTO feeds (feed) VALUES ('identity'), ('governance'), ('work');

-- Records of feeds that could not be understood or trusted, as they came.
CREATE TABLE feed_quarantine (
    feed    TEXT NOT NULL,                     -- identity, governance, oracle:<oracle_id>
    key     TEXT NOT NULL,                     -- what distinguishes the record inside its feed
    height  BIGINT,                            -- block it belongs to, where it has one
    reason  TEXT NOT NULL,
    raw     BYTEA NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (feed, key)
);

-- ------------------------------------------------------------------------------------ identities

-- Base: every version of every registry record seen on the canonical chain.
CREATE TABLE identity_versions (
    identity_id      BYTEA  NOT NULL,          -- 32 bytes
    height           BIGINT NOT NULL,          -- updated_at_block
    profile_version  BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    display_name     TEXT,
    avatar_hash      BYTEA,
    bio              TEXT,
    stats_visibility TEXT NOT NULL,            -- public, friends_only, private
    links            JSONB NOT NULL,           -- [{address, key, type, proof, created_at, verified_at, height}]
    PRIMARY KEY (identity_id, height, profile_version)
);
CREATE INDEX identity_versions_height ON identity_versions (height);

-- Derived: the newest version of each identity. Only the identity entity and the view below read
-- this table; everything that names people reads public_identities.
CREATE TABLE identities (
    identity_id       BYTEA PRIMARY KEY,
    display_name      TEXT,
    avatar_hash       BYTEA,
    bio               TEXT,
    stats_visibility  TEXT NOT NULL DEFAULT 'private',
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    profile_version   BIGINT NOT NULL,
    last_synced_block BIGINT NOT NULL,
    wallet_count      INTEGER NOT NULL,
    name_search       TEXT                     -- chert_name_fold(display_name), cut to 64 characters
);
CREATE INDEX identities_display_name ON identities (display_name);
CREATE INDEX identities_name_prefix ON identities (name_search text_pattern_ops, identity_id);
CREATE INDEX identities_name_trigram ON identities USING gin (name_search gin_trgm_ops);

CREATE VIEW public_identities AS
    SELECT identity_id, display_name, avatar_hash, created_at FROM identities
    WHERE stats_visibility = 'public';

-- Derived: current links.
CREATE TABLE wallet_links (
    identity_id       BYTEA NOT NULL,
    wallet_address    TEXT  NOT NULL,
    wallet_key        UUID  NOT NULL,          -- address key
    link_type         TEXT  NOT NULL,
    proof_signature   BYTEA NOT NULL,
    created_at        BIGINT NOT NULL,
    verified_at       BIGINT,
    last_synced_block BIGINT NOT NULL,
    PRIMARY KEY (identity_id, wallet_address)
);
CREATE INDEX wallet_links_key ON wallet_links (wallet_key, identity_id);

-- Derived: who held a wallet when. Half-open: from <= t < to. Past intervals never change because
-- of a later version; only a reorganisation takes versions back.
CREATE TABLE wallet_link_intervals (
    identity_id    BYTEA  NOT NULL,
    wallet_key     UUID   NOT NULL,
    from_height    BIGINT NOT NULL,            -- version that brought the link
    from_time      BIGINT NOT NULL,
    to_height      BIGINT,                     -- version that dropped it
    to_time        BIGINT,
    wallet_address TEXT   NOT NULL,
    PRIMARY KEY (identity_id, wallet_key, from_height)
);
CREATE INDEX wallet_link_intervals_key ON wallet_link_intervals (wallet_key, from_height);

-- The identity that work or a vote of a wallet at a time belongs to. Where several hold the wallet
-- at that time, the one whose link was seen first; so nobody can take what is another's.
CREATE FUNCTION chert_identity_at(wallet UUID, at_s BIGINT) RETURNS BYTEA
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT identity_id FROM wallet_link_intervals
    WHERE wallet_key = wallet AND from_time <= at_s AND (to_time IS NULL OR at_s < to_time)
    ORDER BY from_height, from_time, identity_id LIMIT 1
$$;

-- Optional feature of a later issue; here so that counts have a table to come from.
CREATE TABLE social_connections (
    follower_id  BYTEA NOT NULL REFERENCES identities ON DELETE CASCADE,
    following_id BYTEA NOT NULL REFERENCES identities ON DELETE CASCADE,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (follower_id, following_id)
);
CREATE INDEX social_connections_following ON social_connections (following_id);

-- ------------------------------------------------------------------------------------ governance

CREATE TABLE proposals (
    proposal_id       TEXT PRIMARY KEY,
    proposer          TEXT,
    proposer_key      UUID,
    proposer_identity BYTEA,                   -- derived: who held proposer at created_at
    proposal_type     TEXT,
    title             TEXT,
    description       TEXT,
    state             TEXT NOT NULL,           -- the node's, canonical lower case
    status            TEXT NOT NULL,           -- pending, active, passed, rejected, executed
    voting_starts_at  BIGINT,
    voting_ends_at    BIGINT,
    votes_for         NUMERIC NOT NULL,        -- the node's tally
    votes_against     NUMERIC NOT NULL,
    votes_abstain     NUMERIC NOT NULL,
    created_at        BIGINT NOT NULL,
    executed_at       BIGINT,
    updated_at        BIGINT,
    targets           JSONB NOT NULL DEFAULT '[]',
    "values"          JSONB NOT NULL DEFAULT '[]',
    calldatas         JSONB NOT NULL DEFAULT '[]',
    first_height      BIGINT NOT NULL,         -- checkpoint at which it was first read
    height            BIGINT NOT NULL          -- highest block its details may speak of; -1: to be read
);
CREATE INDEX proposals_created ON proposals (created_at DESC, proposal_id DESC);
CREATE INDEX proposals_status_created ON proposals (status, created_at, proposal_id);
CREATE INDEX proposals_status_ends ON proposals (status, voting_ends_at DESC);
CREATE INDEX proposals_starts ON proposals (voting_starts_at);
CREATE INDEX proposals_proposer_key ON proposals (proposer_key);
CREATE INDEX proposals_proposer_identity ON proposals (proposer_identity, created_at DESC)
    WHERE proposer_identity IS NOT NULL;

-- What we saw a proposal do. Not part of a comparison with a clean run: it says when we looked.
CREATE TABLE proposal_transitions (
    proposal_id TEXT   NOT NULL,
    at          BIGINT NOT NULL,               -- Unix seconds, block time of the checkpoint
    height      BIGINT NOT NULL,
    from_state  TEXT,
    state       TEXT   NOT NULL,
    PRIMARY KEY (proposal_id, height, state)
);

CREATE TABLE votes (
    vote_id        BIGINT GENERATED ALWAYS AS IDENTITY,
    proposal_id    TEXT   NOT NULL REFERENCES proposals ON DELETE CASCADE,
    voter          TEXT   NOT NULL,
    voter_key      UUID   NOT NULL,
    voter_identity BYTEA,                      -- derived: who held voter at cast_at
    vote_power     NUMERIC NOT NULL,
    vote_choice    SMALLINT NOT NULL,          -- 0 against, 1 for, 2 abstain
    reason         TEXT,
    cast_at        BIGINT NOT NULL,
    first_height   BIGINT NOT NULL,
    height         BIGINT NOT NULL,
    PRIMARY KEY (proposal_id, voter_key)
);
CREATE INDEX votes_proposal_cast ON votes (proposal_id, cast_at DESC, voter_key DESC);
CREATE INDEX votes_voter_key ON votes (voter_key, cast_at DESC);
CREATE INDEX votes_identity ON votes (voter_identity, cast_at DESC, proposal_id DESC)
    WHERE voter_identity IS NOT NULL;

-- Derived: sums of the votes of a proposal by choice.
CREATE TABLE proposal_tallies (
    proposal_id TEXT NOT NULL,
    vote_choice SMALLINT NOT NULL,
    voters      BIGINT NOT NULL,
    power       NUMERIC NOT NULL,
    PRIMARY KEY (proposal_id, vote_choice)
);
-- Derived: what each UTC hour of votes added (hour = Unix seconds / 3600).
CREATE TABLE proposal_tally_hourly (
    proposal_id TEXT NOT NULL,
    hour        BIGINT NOT NULL,
    power_for     NUMERIC NOT NULL,
    power_against NUMERIC NOT NULL,
    power_abstain NUMERIC NOT NULL,
    PRIMARY KEY (proposal_id, hour)
);

CREATE TABLE delegations (
    delegator_key UUID NOT NULL,
    delegatee_key UUID NOT NULL,
    delegator     TEXT NOT NULL,
    delegatee     TEXT NOT NULL,
    amount        NUMERIC NOT NULL,
    delegated_at  BIGINT NOT NULL,
    height        BIGINT NOT NULL,
    PRIMARY KEY (delegator_key, delegatee_key)
);
CREATE INDEX delegations_delegatee ON delegations (delegatee_key);
CREATE INDEX delegations_amount ON delegations (amount DESC, delegator_key, delegatee_key);

-- The node's figures for an address.
CREATE TABLE voting_power (
    address_key   UUID PRIMARY KEY,
    address       TEXT NOT NULL,
    own           NUMERIC NOT NULL,
    delegated_in  NUMERIC NOT NULL,
    delegated_out NUMERIC NOT NULL,            -- sum of its delegations
    total         NUMERIC NOT NULL,
    height        BIGINT NOT NULL,
    read_at       BIGINT NOT NULL
);
CREATE INDEX voting_power_read ON voting_power (read_at);
-- Addresses whose power has to be read (again).
CREATE TABLE power_queue (
    address_key UUID PRIMARY KEY,
    address     TEXT NOT NULL,
    asked_at    BIGINT NOT NULL                -- 0: somebody waits for it
);
CREATE INDEX power_queue_asked ON power_queue (asked_at, address_key);

CREATE TABLE validators (
    address_key      UUID PRIMARY KEY,
    address          TEXT NOT NULL,
    public_key       TEXT,
    network_key      TEXT,
    stake            NUMERIC NOT NULL,
    is_active        BOOLEAN NOT NULL,
    commission_rate  INTEGER,
    reputation_score INTEGER,
    last_activity    TEXT,
    total_delegated  NUMERIC,
    delegator_count  BIGINT,
    height           BIGINT NOT NULL
);

-- Derived: per identity, from proposals, votes, voting_power and current links.
CREATE TABLE governance_stats (
    identity_id          BYTEA PRIMARY KEY,
    proposals_created    BIGINT NOT NULL,
    votes_cast           BIGINT NOT NULL,
    current_voting_power NUMERIC NOT NULL,
    participation_rate   NUMERIC,              -- of the moment it was last computed; the API computes it anew
    delegation_received  NUMERIC NOT NULL,
    delegated_out        NUMERIC NOT NULL,
    last_vote_at         BIGINT,
    updated_at           BIGINT NOT NULL
);

-- ----------------------------------------------------------------------------------- useful work

-- Of an oracle: items of its feed that are not read yet.
ALTER TABLE sources ADD COLUMN lag BIGINT;

CREATE TABLE oracles (
    oracle_id        TEXT PRIMARY KEY,         -- 40 hex digits; the URL for an oracle without a feed
    name             TEXT NOT NULL,
    base_url         TEXT NOT NULL,            -- without credentials
    public_key       BYTEA,
    mode             TEXT NOT NULL,            -- feed, probe
    signed           BOOLEAN NOT NULL,         -- a key is pinned
    state            TEXT NOT NULL,            -- active, paused, diverged, refused, retired
    last_error       TEXT,                     -- a code
    software_version TEXT,
    network_id       TEXT,
    first_seen_at    BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);

CREATE TABLE oracle_feeds (
    oracle_id    TEXT NOT NULL REFERENCES oracles,
    feed_id      TEXT NOT NULL,
    feed_epoch   INTEGER NOT NULL,             -- counts feeds seen of this oracle, from 1
    cursor_seq   BIGINT NOT NULL,              -- last item taken in
    head_seq     BIGINT NOT NULL,
    oldest_seq   BIGINT NOT NULL,
    last_hash    BYTEA,                        -- of the item at cursor_seq; NULL after a gap
    last_item_at BIGINT,
    verified     BIGINT NOT NULL DEFAULT 0,    -- items by signature status
    unsigned     BIGINT NOT NULL DEFAULT 0,
    invalid      BIGINT NOT NULL DEFAULT 0,
    quarantined  BIGINT NOT NULL DEFAULT 0,
    state        TEXT NOT NULL,                -- current, replaced
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (oracle_id, feed_id)
);
CREATE UNIQUE INDEX oracle_feeds_epoch ON oracle_feeds (oracle_id, feed_epoch);

-- Items that had expired before we could read them.
CREATE TABLE oracle_feed_gaps (
    oracle_id   TEXT NOT NULL,
    feed_id     TEXT NOT NULL,
    from_seq    BIGINT NOT NULL,
    to_seq      BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (oracle_id, feed_id, from_seq)
);

-- Items as they came; kept 90 days.
CREATE TABLE oracle_feed_items (
    oracle_id        TEXT NOT NULL,
    feed_epoch       INTEGER NOT NULL,
    seq              BIGINT NOT NULL,
    kind             TEXT NOT NULL,
    hash             BYTEA,
    signature_status SMALLINT NOT NULL,        -- 0 unsigned, 1 verified, 2 invalid
    received_at      BIGINT NOT NULL,
    body             BYTEA NOT NULL,           -- the item's JSON text
    error            TEXT,
    PRIMARY KEY (oracle_id, feed_epoch, seq)
);
CREATE INDEX oracle_feed_items_received ON oracle_feed_items (received_at);

CREATE TABLE work_submissions (
    id               BIGINT GENERATED ALWAYS AS IDENTITY,
    submission_id    BYTEA PRIMARY KEY,        -- 32 bytes, contract §3.3
    oracle_id        TEXT NOT NULL,
    miner_address    TEXT NOT NULL,            -- account_address
    account_key      UUID NOT NULL,
    identity_id      BYTEA,                    -- derived: who held the account at validated_at, else submitted_at
    miner_id         TEXT NOT NULL,
    worker_name      TEXT,
    work_kind        SMALLINT NOT NULL,        -- 0 nuw, 1 boinc
    task_type        TEXT NOT NULL,            -- contract §2.2, canonical
    work_type        TEXT NOT NULL,            -- boinc, nuw_zkproof, ...
    task_id          TEXT NOT NULL,
    attempt          INTEGER NOT NULL,
    project          TEXT,                     -- as the oracle spells it
    project_slug     TEXT,
    status           SMALLINT NOT NULL,        -- 0 assigned 1 submitted 2 validated 3 rejected 4 timed_out 5 disputed
    reward_status    SMALLINT NOT NULL,        -- 0 none 1 pending 2 finalized 3 claimed 4 clawed_back 5 voided
    difficulty       NUMERIC(38,18),
    credits          NUMERIC(38,18),           -- granted
    credits_claimed  NUMERIC(38,18),
    reward           NUMERIC(39,0),            -- base units
    cpu_time_seconds NUMERIC(38,18),
    compute_time_ms  BIGINT,
    assigned_at      BIGINT,                   -- Unix ms, as are the next two
    submitted_at     BIGINT,
    validated_at     BIGINT,
    validated_s      BIGINT,                   -- Unix seconds of validated_at
    tx_hash          BYTEA,                    -- TxId bytes, the oracle's claim
    tx_key           BIGINT,                   -- transactions.tx_key of it
    claimed_height   BIGINT,                   -- the oracle's claim
    block_height     BIGINT,                   -- corroborated: block that holds tx_hash
    signature_status SMALLINT NOT NULL,        -- 0 unsigned, 1 verified
    claim_key        BYTEA NOT NULL,           -- contract §3.3
    duplicate_claim  BOOLEAN NOT NULL DEFAULT FALSE, -- derived: another oracle's claim counts
    anomaly          TEXT,                     -- illegal_transition, same_revision_differs
    detail           JSONB NOT NULL,           -- validation, reward details, dispute, result names
    feed_epoch       INTEGER NOT NULL,
    revision         BIGINT NOT NULL,
    feed_seq         BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL           -- Unix seconds when we took the revision in
);
CREATE UNIQUE INDEX work_submissions_id ON work_submissions (id);
CREATE INDEX work_submissions_account ON work_submissions (account_key, validated_at DESC NULLS FIRST, submission_id DESC);
CREATE INDEX work_submissions_identity ON work_submissions (identity_id, validated_at DESC NULLS FIRST, submission_id DESC)
    WHERE identity_id IS NOT NULL;
CREATE INDEX work_submissions_oracle ON work_submissions (oracle_id, validated_at DESC);
CREATE INDEX work_submissions_type ON work_submissions (work_type, validated_at DESC);
CREATE INDEX work_submissions_claim ON work_submissions (claim_key);
CREATE INDEX work_submissions_open ON work_submissions (oracle_id, submitted_at) WHERE status = 1;
CREATE INDEX work_submissions_tx ON work_submissions (tx_key) WHERE tx_key IS NOT NULL;
CREATE INDEX work_submissions_anchored ON work_submissions (block_height) WHERE block_height IS NOT NULL;

-- What each submission counts for: the one place that decides what is counted and where it is placed.
-- The rollups below are sums over this view; live changes subtract the old rows and add the new ones.
CREATE VIEW work_contributions AS
    SELECT submission_id, oracle_id, account_key, COALESCE(identity_id, '') AS identity_id,
           work_kind, task_type, COALESCE(project_slug, '') AS project_slug, project, status,
           placed_s, placed_s / 3600 AS hour, placed_s / 86400 AS day,
           status = 2 AND reward_status NOT IN (4, 5) AND NOT duplicate_claim AS counted,
           reward_status = 1 AS pending,
           COALESCE(credits, 0)::numeric(38,18) AS credits, COALESCE(reward, 0) AS rewards,
           COALESCE(difficulty, 0)::numeric(38,18) AS difficulty,
           COALESCE(compute_time_ms, 0) AS compute_ms,
           CASE WHEN status IN (2, 3) AND validated_at >= submitted_at
                THEN floor(ln((1 + validated_at - submitted_at)::float8) / ln(1.02::float8))::smallint
           END AS latency_bucket               -- see oracle_latency_hourly
    FROM (SELECT w.*, CASE status WHEN 2 THEN validated_s WHEN 3 THEN validated_s
                                  WHEN 4 THEN COALESCE(submitted_at, assigned_at) / 1000 END AS placed_s
          FROM work_submissions w) w
    WHERE placed_s IS NOT NULL;

-- Every revision taken in, for timelines.
CREATE TABLE work_submission_events (
    submission_id BYTEA NOT NULL,
    feed_epoch    INTEGER NOT NULL,
    revision      BIGINT NOT NULL,
    status        SMALLINT NOT NULL,
    reward_status SMALLINT NOT NULL,
    at            BIGINT,                      -- Unix ms the record gives for the step, where it gives one
    feed_seq      BIGINT NOT NULL,
    anomaly       TEXT,
    PRIMARY KEY (submission_id, feed_epoch, revision)
);

CREATE TABLE oracle_slashes (
    oracle_id       TEXT NOT NULL,
    slash_id        TEXT NOT NULL,
    miner_address   TEXT NOT NULL,
    account_key     UUID NOT NULL,
    reason          TEXT NOT NULL,
    points_deducted BIGINT NOT NULL,
    submission_id   BYTEA,
    slashed_at      BIGINT NOT NULL,
    decays_at       BIGINT,
    state           TEXT NOT NULL,             -- active, decayed, overturned
    feed_epoch      INTEGER NOT NULL,
    feed_seq        BIGINT NOT NULL,
    PRIMARY KEY (oracle_id, slash_id)
);
CREATE INDEX oracle_slashes_account ON oracle_slashes (account_key, slashed_at DESC);

-- What an oracle says of itself, per closed window.
CREATE TABLE oracle_reports (
    oracle_id    TEXT NOT NULL,
    window_start BIGINT NOT NULL,
    window_end   BIGINT NOT NULL,
    body         JSONB NOT NULL,
    feed_seq     BIGINT NOT NULL,
    PRIMARY KEY (oracle_id, window_start, window_end)
);

-- Our own probes, summed by UTC hour.
CREATE TABLE oracle_probes_hourly (
    oracle_id TEXT NOT NULL,
    hour      BIGINT NOT NULL,
    probes    BIGINT NOT NULL,
    good      BIGINT NOT NULL,
    restarts  BIGINT NOT NULL,
    rtt_ms    BIGINT NOT NULL,                 -- sum over good probes
    PRIMARY KEY (oracle_id, hour)
);
-- Last counters of the small probe, to notice restarts. Never cache_stats.
CREATE TABLE oracle_probe_state (
    oracle_id TEXT PRIMARY KEY,
    counters  JSONB NOT NULL,
    probed_at BIGINT NOT NULL
);

-- Derived: decided submissions of an oracle by UTC hour of the decision (work_contributions.hour).
-- validated counts every validated one, credits and rewards only what is counted.
CREATE TABLE oracle_hourly (
    oracle_id TEXT NOT NULL,
    hour      BIGINT NOT NULL,
    validated BIGINT NOT NULL,
    rejected  BIGINT NOT NULL,
    timed_out BIGINT NOT NULL,
    credits   NUMERIC NOT NULL,
    rewards   NUMERIC NOT NULL,
    PRIMARY KEY (oracle_id, hour)
);
-- Derived: histogram of validated_at - submitted_at. bucket b counts latencies of
-- [1.02^b - 1, 1.02^(b+1) - 1) ms, so a percentile is exact to 2 %.
CREATE TABLE oracle_latency_hourly (
    oracle_id TEXT NOT NULL,
    hour      BIGINT NOT NULL,                 -- of the decision
    bucket    SMALLINT NOT NULL,
    decided   BIGINT NOT NULL,
    PRIMARY KEY (oracle_id, hour, bucket)
);

-- Filled by a background refresh from the tables above; window: 24h, 7d, 30d, all.
CREATE TABLE oracle_performance (
    oracle_id   TEXT NOT NULL,
    "window"    TEXT NOT NULL,
    computed_at BIGINT NOT NULL,
    body        JSONB NOT NULL,
    PRIMARY KEY (oracle_id, "window")
);

-- Derived from counted submissions (work_contributions). identity_id '' where no identity held the
-- account.
CREATE TABLE pouw_hourly (
    hour        BIGINT NOT NULL,
    account_key UUID NOT NULL,
    identity_id BYTEA NOT NULL,
    work_kind   SMALLINT NOT NULL,
    tasks       BIGINT NOT NULL,
    credits     NUMERIC NOT NULL,
    rewards     NUMERIC NOT NULL,
    PRIMARY KEY (hour, account_key, identity_id, work_kind)
) WITH (fillfactor = 80);
CREATE INDEX pouw_hourly_account ON pouw_hourly (account_key, hour);

-- As above by UTC day, and finer; rejected and timed_out count decided submissions that did not
-- make it, placed by validated_s (rejected) or by submitted_at, else assigned_at (timed out).
CREATE TABLE pouw_daily (
    day          BIGINT NOT NULL,
    account_key  UUID NOT NULL,
    identity_id  BYTEA NOT NULL,
    work_kind    SMALLINT NOT NULL,
    task_type    TEXT NOT NULL,
    project_slug TEXT NOT NULL,                -- '' for none
    oracle_id    TEXT NOT NULL,
    validated    BIGINT NOT NULL,
    rejected     BIGINT NOT NULL,
    timed_out    BIGINT NOT NULL,
    credits      NUMERIC NOT NULL,
    rewards      NUMERIC NOT NULL,
    difficulty   NUMERIC NOT NULL,
    compute_ms   NUMERIC NOT NULL,
    PRIMARY KEY (day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id)
) WITH (fillfactor = 80);
CREATE INDEX pouw_daily_identity ON pouw_daily (identity_id, day) WHERE identity_id <> '';
CREATE INDEX pouw_daily_oracle ON pouw_daily (oracle_id, day);

-- The hour up to which the trailing windows below are computed (Unix seconds / 3600).
CREATE TABLE pouw_clock (
    id   SMALLINT PRIMARY KEY CHECK (id = 1),
    hour BIGINT NOT NULL
);
INSERT INTO pouw_clock VALUES (1, 0);

-- What a credit of a UTC day (Unix seconds / 86400) weighs in pouw_scores.rac_weight:
-- 2^((day - 18262)/7), where the seven roots are rounded to 20 decimals and everything else is exact.
-- Days before 18262 (2020-01-01) weigh nothing. store/entities/pouw/rac.rs reads it.
CREATE FUNCTION chert_rac_weight(day BIGINT) RETURNS NUMERIC
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN day < 18262 THEN 0.00000000000000000000 ELSE
        trim_scale(2::numeric ^ ((day - 18262) / 7))
        * (ARRAY[1.00000000000000000000, 1.10408951367381233765, 1.21901365420447544091,
                 1.34590019263235613194, 1.48599428913694842480, 1.64067071201527586234,
                 1.81144732852781334319]::numeric[])[(day - 18262) % 7 + 1] END
$$;

-- Sum of two work_breakdowns (see pouw_stats) by task type; what counts nothing is left out.
CREATE FUNCTION chert_breakdown_add(a JSONB, b JSONB) RETURNS JSONB
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT COALESCE(jsonb_object_agg(task_type, jsonb_build_object('count', n,
               'credits', trim_scale(credits)::text, 'rewards', trim_scale(rewards)::text)), '{}')
    FROM (SELECT key AS task_type, sum((value->>'count')::bigint)::bigint AS n,
                 sum((value->>'credits')::numeric) AS credits,
                 sum((value->>'rewards')::numeric) AS rewards
          FROM (SELECT * FROM jsonb_each(a) UNION ALL SELECT * FROM jsonb_each(b)) e
          GROUP BY key) s
    WHERE n <> 0
$$;

-- Derived: figures of a subject over all time and over trailing windows of whole UTC hours that end
-- with pouw_clock.hour: window n holds the hours (clock - n, clock]. The odd ones (48, 192, 744)
-- minus 24 give the same window a day ago.
CREATE TABLE pouw_scores (
    scope       SMALLINT NOT NULL,             -- 0 account (subject: account_key bytes), 1 identity
    work_kind   SMALLINT NOT NULL,
    subject     BYTEA NOT NULL,
    tasks_all   BIGINT NOT NULL, credits_all NUMERIC NOT NULL, rewards_all NUMERIC NOT NULL,
    tasks_24    BIGINT NOT NULL, credits_24  NUMERIC NOT NULL, rewards_24  NUMERIC NOT NULL,
    tasks_48    BIGINT NOT NULL, credits_48  NUMERIC NOT NULL, rewards_48  NUMERIC NOT NULL,
    tasks_168   BIGINT NOT NULL, credits_168 NUMERIC NOT NULL, rewards_168 NUMERIC NOT NULL,
    tasks_192   BIGINT NOT NULL, credits_192 NUMERIC NOT NULL, rewards_192 NUMERIC NOT NULL,
    tasks_720   BIGINT NOT NULL, credits_720 NUMERIC NOT NULL, rewards_720 NUMERIC NOT NULL,
    tasks_744   BIGINT NOT NULL, credits_744 NUMERIC NOT NULL, rewards_744 NUMERIC NOT NULL,
    rac_weight  NUMERIC NOT NULL,              -- sum of credits of a day times 2^(day/7), see store/entities/pouw/rac.rs
    first_at    BIGINT NOT NULL,               -- Unix seconds of the first and last counted submission
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (scope, work_kind, subject)
) WITH (fillfactor = 70);

-- The spelling of an account, for boards.
CREATE TABLE pouw_accounts (
    account_key   UUID PRIMARY KEY,
    miner_address TEXT NOT NULL
);

-- Derived: per identity.
CREATE TABLE pouw_stats (
    identity_id         BYTEA PRIMARY KEY,
    total_nuw_completed BIGINT NOT NULL,
    total_boinc_credits NUMERIC NOT NULL,
    total_rewards       NUMERIC NOT NULL,
    pending_rewards     NUMERIC NOT NULL,      -- reward_status pending, part of total_rewards
    work_breakdown      JSONB NOT NULL,        -- {task_type: {count, credits: "..", rewards: ".."}}
    rank_percentile     NUMERIC(5,2),          -- of the last hourly board; the API reads the newest board
    active_since        BIGINT,
    last_contribution   BIGINT,
    updated_at          BIGINT NOT NULL
) WITH (fillfactor = 70);

-- Derived: totals of the network and of projects. project_slug '' with task_type '' is a kind's total.
CREATE TABLE pouw_totals (
    work_kind    SMALLINT NOT NULL,
    task_type    TEXT NOT NULL,
    project_slug TEXT NOT NULL,
    project      TEXT,                         -- a spelling
    validated    BIGINT NOT NULL,
    rejected     BIGINT NOT NULL,
    timed_out    BIGINT NOT NULL,
    credits      NUMERIC NOT NULL,
    rewards      NUMERIC NOT NULL,
    difficulty   NUMERIC NOT NULL,
    PRIMARY KEY (work_kind, task_type, project_slug)
) WITH (fillfactor = 50);

-- Rank snapshots. A board is scope/kind/timeframe/metric, e.g. identities/boinc/week/credits.
CREATE TABLE leaderboard_snapshots (
    snapshot_id  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    board        TEXT NOT NULL,
    participants BIGINT NOT NULL,
    computed_at  BIGINT NOT NULL,              -- Unix ms
    hour         BIGINT NOT NULL,              -- pouw_clock it was computed at
    generation   BIGINT NOT NULL,              -- feeds('work').generation it was computed at; -1: out of date
    digest       BYTEA NOT NULL                -- SHA-256 of its pages, to notice that nothing changed
);
CREATE INDEX leaderboard_snapshots_board ON leaderboard_snapshots (board, snapshot_id DESC);
-- Rows of a snapshot in board order, PAGE_ROWS to a page, encoded by store/entities/leaderboard.
CREATE TABLE leaderboard_pages (
    snapshot_id BIGINT NOT NULL REFERENCES leaderboard_snapshots ON DELETE CASCADE,
    page_no     INTEGER NOT NULL,
    body        BYTEA NOT NULL,
    PRIMARY KEY (snapshot_id, page_no)
);
-- A page stays in its row: encoded rows do not compress, and one look-up is enough.
ALTER TABLE leaderboard_pages ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE leaderboard_pages SET (toast_tuple_target = 8160);
-- Where each subject stands, sorted by subject, many to a row.
CREATE TABLE leaderboard_places (
    snapshot_id   BIGINT NOT NULL REFERENCES leaderboard_snapshots ON DELETE CASCADE,
    first_subject BYTEA NOT NULL,
    body          BYTEA NOT NULL,
    PRIMARY KEY (snapshot_id, first_subject)
);
ALTER TABLE leaderboard_places ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE leaderboard_places SET (toast_tuple_target = 8160);
