-- Rows of the log, the events of blocks themselves among them, by their numbers $1. OFFSET 0: see
-- numbers.sql.
SELECT CASE WHEN e.type = 'block.applied' THEN e.seq - e.spans ELSE e.seq END AS "number!",
       FALSE AS "of_block!", e.type AS "type!", e.height, e.hash, e.created_at AS "created_at!",
       e.tx_count, COALESCE(b.parent_hash, o.parent_hash) AS parent_hash,
       COALESCE(b.timestamp, o.timestamp) AS timestamp,
       COALESCE(b.validator_address, o.validator_address) AS validator_address,
       e.address_key, e.identity_id, e.data, NULL::bigint AS place, NULL::bytea AS tx_id,
       NULL::text AS sender, NULL::text AS recipient, NULL::text AS amount, NULL::text AS fee,
       NULL::text AS nonce, NULL::text AS transaction_type, NULL::text[] AS outputs
FROM event_log e
LEFT JOIN LATERAL (SELECT * FROM blocks x
                   WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) b
    ON e.type IN ('block.applied', 'block.retracted')
LEFT JOIN LATERAL (SELECT * FROM orphans x
                   WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) o
    ON e.type IN ('block.applied', 'block.retracted')
WHERE e.seq = ANY($1) ORDER BY e.seq
