-- Blocks :from to :to with :txs transactions each; the same values on every run.
BEGIN;
INSERT INTO blocks (height, hash, parent_hash, timestamp, timestamp_ms, validator_address, tx_count,
                    gas_used, gas_limit, total_amount, total_fees, state_root, state_leaf_count)
SELECT h, sha256(('block ' || h)::bytea),
       CASE WHEN h > 0 THEN sha256(('block ' || (h - 1))::bytea) END,
       to_char(to_timestamp(1783000000 + h * 2) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       (1783000000 + h * 2) * 1000, 'VAL' || h % 4, :txs, 21000 * :txs, 10000000,
       (SELECT COALESCE(sum(1000 + i), 0) FROM generate_series(0, :txs - 1) i), 10 * :txs,
       sha256(('root ' || h)::bytea), h + 9
FROM generate_series(:from::bigint, :to) h;

INSERT INTO transactions (pos, tx_id, tx_key, sender, recipient, amount, fee, nonce, timestamp,
                          transaction_type, output_count, payload)
SELECT (h << 20) + i, decode(md5(h || '/' || i), 'hex'),
       ('x' || substr(md5(h || '/' || i), 1, 16))::bit(64)::bigint,
       CASE WHEN i % 2 = 0 THEN ':whale' ELSE '0x' || lpad(to_hex((h * 7 + i) % 997 + 256), 40, '0') END,
       CASE WHEN i % 2 = 1 THEN ':whale' ELSE '0x' || lpad(to_hex((h * 7 + i) % 997 + 256), 40, '0') END,
       1000 + i, 10, i, NULL, 'transfer', 0, jsonb_build_object('memo', 'm' || i)
FROM generate_series(:from::bigint, :to) h, generate_series(0::bigint, :txs - 1) i;

INSERT INTO address_txs (address_key, pos, direction, sent, received)
SELECT chert_address_key(sender), pos, 1, amount + fee, NULL FROM transactions
WHERE pos >= :from::bigint << 20
UNION ALL
SELECT chert_address_key(recipient), pos, 0, NULL, amount FROM transactions
WHERE pos >= :from::bigint << 20;

INSERT INTO addresses
SELECT chert_address_key(a), min(a), count(*), sum(sent), sum(received), min(pos), max(pos)
FROM (
    SELECT sender AS a, pos, amount + fee AS sent, 0::numeric AS received FROM transactions
    UNION ALL
    SELECT recipient, pos, 0, amount FROM transactions
) x
GROUP BY chert_address_key(a)
ON CONFLICT (address_key) DO UPDATE
SET tx_count = excluded.tx_count, sent_total = excluded.sent_total,
    received_total = excluded.received_total, last_pos = excluded.last_pos;

DELETE FROM chain_hourly;
INSERT INTO chain_hourly
SELECT timestamp_ms / 3600000, count(*), sum(tx_count), sum(total_amount), sum(total_fees), sum(gas_used)
FROM blocks GROUP BY 1;

UPDATE chain_counters t
SET blocks = b.n, transactions = b.txs, addresses = (SELECT count(*) FROM addresses),
    total_amount = b.amount, total_fees = b.fees, gas_used = b.gas
FROM (SELECT count(*) n, sum(tx_count) txs, sum(total_amount) amount, sum(total_fees) fees,
             sum(gas_used) gas FROM blocks) b;

UPDATE checkpoints c
SET height = b.height, hash = b.hash, tip_time_ms = b.timestamp_ms, node_height = b.height,
    finalized_height = GREATEST(b.height - finality_depth, -1),
    network = 'testnet', chain_id = '13371'
FROM blocks b WHERE b.height = :to;
UPDATE event_head SET last_seq = :to::bigint + 1;
NOTIFY chert_tip;
COMMIT;
