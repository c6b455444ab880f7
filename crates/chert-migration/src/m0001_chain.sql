-- Chain data: base tables, derived tables, progress, event log.
--
-- A transaction's place is one BIGINT, pos = height * 2^20 + index in the block, so that keys,
-- cursors and range deletes stay narrow (silica-models: TxPosition).

-- The key of an address: first 16 bytes of SHA-256 over its canonical text. Hex payloads of
-- 0x... and VAL... compare without case; all other text exactly. Equal to silica-models' AddressKey.
CREATE FUNCTION chert_address_key(address TEXT) RETURNS UUID
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(substring(sha256(convert_to(
        CASE
            WHEN address ~ '^0x[0-9a-fA-F]+$' THEN lower(address)
            WHEN address ~ '^VAL[0-9a-fA-F]+$' THEN 'VAL' || lower(substr(address, 4))
            ELSE address
        END, 'UTF8')) FOR 16), 'hex')::uuid
$$;

-- One row per pipeline. Every commit moves it by compare-and-set on (height, hash) in the same
-- transaction as the rows it stands for.
CREATE TABLE checkpoints (
    pipeline        TEXT PRIMARY KEY,
    height          BIGINT NOT NULL,            -- last committed block; start_height - 1 when empty
    hash            BYTEA  NOT NULL,            -- empty when no block is stored
    tip_time_ms     BIGINT NOT NULL DEFAULT 0,  -- timestamp of that block
    start_height    BIGINT NOT NULL DEFAULT 0,
    genesis_hash    BYTEA,                      -- the chain this store belongs to
    bulk            BOOLEAN NOT NULL DEFAULT FALSE, -- secondary indexes and derived tables are not there yet
    event_seq       BIGINT NOT NULL DEFAULT 0,  -- last number given in event_log
    finality_depth  BIGINT NOT NULL DEFAULT 12,
    finalized_height BIGINT NOT NULL DEFAULT -1, -- never moves down without an operator
    node_height     BIGINT NOT NULL DEFAULT -1, -- best tip a node reported
    node_seen_at_ms BIGINT NOT NULL DEFAULT 0,  -- when a node last answered
    progressed_at_ms BIGINT NOT NULL DEFAULT 0, -- when the indexer last finished a round
    network         TEXT,                       -- as the node names itself
    chain_id        TEXT
);
INSERT INTO checkpoints (pipeline, height, hash) VALUES ('chain', -1, '');

CREATE TABLE blocks (
    height            BIGINT PRIMARY KEY,
    hash              BYTEA NOT NULL,
    parent_hash       BYTEA,
    timestamp         TEXT NOT NULL,            -- the node's RFC 3339 text
    timestamp_ms      BIGINT NOT NULL,
    validator_address TEXT,
    tx_count          INTEGER NOT NULL,         -- records in the block, quarantined ones included
    gas_used          NUMERIC(20,0) NOT NULL,
    gas_limit         NUMERIC(20,0) NOT NULL,
    total_amount      NUMERIC NOT NULL,
    total_fees        NUMERIC NOT NULL,
    state_root        BYTEA,
    state_leaf_count  NUMERIC(20,0),
    shard_commitments JSONB
);
CREATE INDEX blocks_hash ON blocks (hash);

CREATE TABLE transactions (
    pos              BIGINT PRIMARY KEY,
    tx_id            BYTEA NOT NULL,            -- 16 bytes: UUID; 32 bytes: hash; else marked text
    tx_key           BIGINT NOT NULL,           -- first 8 bytes of tx_id: a narrow index
    sender           TEXT,
    recipient        TEXT,
    amount           NUMERIC NOT NULL,
    fee              NUMERIC(20,0) NOT NULL,
    nonce            NUMERIC(20,0),
    timestamp        TEXT,                      -- NULL: the block's
    transaction_type TEXT NOT NULL,
    output_count     INTEGER NOT NULL,
    payload          JSONB,                     -- every other field of the node's record
    raw              BYTEA                      -- the payload's exact text where NUL had to be stripped
);
CREATE INDEX transactions_tx_key ON transactions (tx_key);

CREATE TABLE tx_outputs (
    pos          BIGINT NOT NULL,
    output_index INTEGER NOT NULL,
    recipient    TEXT NOT NULL,
    amount       NUMERIC(20,0) NOT NULL,
    PRIMARY KEY (pos, output_index)
);

CREATE TABLE stealth_outputs (
    pos           BIGINT NOT NULL,
    output_index  INTEGER NOT NULL,
    commitment    BYTEA NOT NULL,
    public_key    BYTEA NOT NULL,
    tx_public_key BYTEA NOT NULL,
    amount        NUMERIC(20,0),                -- NULL: hidden
    created_at    TEXT,
    PRIMARY KEY (pos, output_index)
);

-- Every transaction an address takes part in, once. direction: 0 incoming, 1 outgoing, 2 self.
CREATE TABLE address_txs (
    address_key UUID NOT NULL,
    pos         BIGINT NOT NULL,
    direction   SMALLINT NOT NULL,
    sent        NUMERIC,
    received    NUMERIC
);
CREATE UNIQUE INDEX address_txs_key ON address_txs (address_key, pos) INCLUDE (direction);

-- Totals per address. The spelling is that of the first appearance.
CREATE TABLE addresses (
    address_key    UUID PRIMARY KEY,
    address        TEXT NOT NULL,
    tx_count       BIGINT NOT NULL,
    sent_total     NUMERIC NOT NULL,
    received_total NUMERIC NOT NULL,
    first_pos      BIGINT NOT NULL,
    last_pos       BIGINT NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE chain_counters (
    id           SMALLINT PRIMARY KEY CHECK (id = 1),
    blocks       BIGINT NOT NULL,
    transactions BIGINT NOT NULL,               -- records in blocks, quarantined ones included
    quarantined  BIGINT NOT NULL,
    addresses    BIGINT NOT NULL,
    total_amount NUMERIC NOT NULL,
    total_fees   NUMERIC NOT NULL,
    gas_used     NUMERIC NOT NULL
) WITH (fillfactor = 50);
INSERT INTO chain_counters VALUES (1, 0, 0, 0, 0, 0, 0, 0);

-- Series by UTC hour of the block's timestamp (hour = Unix seconds / 3600).
CREATE TABLE chain_hourly (
    hour         BIGINT PRIMARY KEY,
    blocks       BIGINT NOT NULL,
    transactions BIGINT NOT NULL,
    total_amount NUMERIC NOT NULL,
    total_fees   NUMERIC NOT NULL,
    gas_used     NUMERIC NOT NULL
) WITH (fillfactor = 50);

-- Records that could not be understood, as they came.
CREATE TABLE quarantine (
    pos    BIGINT PRIMARY KEY,
    reason TEXT NOT NULL,
    raw    BYTEA NOT NULL
);

-- Blocks that a reorganisation removed.
CREATE TABLE orphans (
    height            BIGINT NOT NULL,
    hash              BYTEA NOT NULL,
    parent_hash       BYTEA,
    timestamp         TEXT NOT NULL,
    validator_address TEXT,
    tx_count          INTEGER NOT NULL,
    gas_used          NUMERIC(20,0) NOT NULL,
    gas_limit         NUMERIC(20,0) NOT NULL,
    total_amount      NUMERIC NOT NULL,
    tx_ids            BYTEA[] NOT NULL,
    orphaned_at       BIGINT NOT NULL,          -- Unix seconds
    PRIMARY KEY (height, hash)
);
CREATE INDEX orphans_hash ON orphans (hash);

-- The node's own figures. height: the checkpoint at which the figure was read.
CREATE TABLE balances (
    address_key UUID PRIMARY KEY,
    address     TEXT NOT NULL,
    balance     NUMERIC(20,0) NOT NULL,
    nonce       NUMERIC(20,0) NOT NULL,
    height      BIGINT NOT NULL,
    read_at     BIGINT NOT NULL,                -- Unix seconds
    provisional BOOLEAN NOT NULL DEFAULT FALSE  -- read while the index was behind: read again at the tip
);
CREATE INDEX balances_provisional ON balances (address_key) WHERE provisional;

-- Addresses whose balance has to be read (again): written in the batch that touched them, or
-- by the API when somebody asks for one that was never read.
CREATE TABLE balance_queue (
    address_key UUID PRIMARY KEY,
    address     TEXT NOT NULL,
    height      BIGINT NOT NULL,                -- touched at; a reading must be at least this new
    asked_at    BIGINT NOT NULL
);

-- Gap-free, monotone, written in the batch's transaction.
CREATE TABLE event_log (
    seq        BIGINT PRIMARY KEY,
    type       TEXT NOT NULL,
    height     BIGINT NOT NULL,
    hash       BYTEA NOT NULL,
    tx_count   INTEGER NOT NULL,
    created_at BIGINT NOT NULL                  -- Unix seconds
);

-- What the indexer knows of each node and oracle.
CREATE TABLE sources (
    name          TEXT PRIMARY KEY,             -- URL without credentials
    kind          TEXT NOT NULL,                -- node, oracle
    state         TEXT NOT NULL,                -- healthy, lagging, failing, disagreeing, wrong_chain, unknown
    height        BIGINT,
    faults        BIGINT NOT NULL DEFAULT 0,
    last_ok_at    BIGINT,
    last_error_at BIGINT,
    last_error    TEXT                          -- a code, never the other side's text
);
