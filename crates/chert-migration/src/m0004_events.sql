-- One log of everything that happens (docs/decisions/0022-event-log.md).
--
-- Numbers are given from event_head, whose row is locked by the UPDATE that gives them until the
-- commit: the order of numbers is the order of commits, and a roll-back leaves no hole. It is the
-- last lock of every transaction, after those named in m0002_people.sql.

CREATE TABLE event_head (
    id       SMALLINT PRIMARY KEY CHECK (id = 1),
    last_seq BIGINT NOT NULL                    -- last number given
) WITH (fillfactor = 50);
INSERT INTO event_head (id, last_seq) SELECT 1, event_seq FROM checkpoints WHERE pipeline = 'chain';
ALTER TABLE checkpoints DROP COLUMN event_seq;

-- A row holds the numbers seq - spans to seq. spans: transactions that have a number of their own;
-- of an applied block they follow it in its order, of a retracted one they precede it, newest first.
-- What they say is read from transactions, or from orphans where the block is not on the chain.
ALTER TABLE event_log ADD COLUMN spans INTEGER NOT NULL DEFAULT 0;
ALTER TABLE event_log ALTER COLUMN height DROP NOT NULL;   -- block it belongs to or was learned under
ALTER TABLE event_log ALTER COLUMN hash DROP NOT NULL;
ALTER TABLE event_log ALTER COLUMN tx_count DROP NOT NULL; -- of blocks: records, quarantined ones included
ALTER TABLE event_log ADD COLUMN address_key UUID;         -- whom it concerns: account, voter, proposer
ALTER TABLE event_log ADD COLUMN identity_id BYTEA;        -- the same; may be hidden: never part of data
ALTER TABLE event_log ADD COLUMN data JSONB;               -- what it says, except of blocks
CREATE INDEX event_log_type ON event_log (type, seq);
CREATE INDEX event_log_block ON event_log (height, seq) WHERE type IN ('block.applied', 'block.retracted');
CREATE INDEX event_log_address ON event_log (address_key, type, seq) WHERE address_key IS NOT NULL;
CREATE INDEX event_log_identity ON event_log (identity_id, type, seq) WHERE identity_id IS NOT NULL;

-- The transactions of a removed block for as long as the log speaks of it, in the block's order:
-- [{index, tx_id (hex), sender, recipient, amount, fee, nonce, timestamp, type, outputs, keys}],
-- outputs: recipients; keys: keys of all addresses that take part.
ALTER TABLE orphans ADD COLUMN transactions JSONB;
CREATE INDEX orphans_told ON orphans (orphaned_at) WHERE transactions IS NOT NULL;
