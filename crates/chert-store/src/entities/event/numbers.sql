-- Events with the numbers above $1 and up to $2, transactions included; of a block that begins or
-- ends outside only what lies inside. Indexes: event_log_pkey, then by block the primary keys of
-- blocks, orphans, transactions, quarantine and tx_outputs. OFFSET 0 has what stands before it
-- looked up row by row: the plan for any numbers takes them for a third of the log and would join
-- whole tables.
WITH bounds AS (
    SELECT COALESCE((SELECT min(seq) FROM event_log WHERE seq >= $2), $2) AS last),
page AS MATERIALIZED (
    SELECT e.*, e.type = 'block.applied' AS applied, b.hash IS NOT NULL AS canonical,
           COALESCE(b.parent_hash, o.parent_hash) AS parent_hash,
           COALESCE(b.timestamp, o.timestamp) AS timestamp,
           COALESCE(b.validator_address, o.validator_address) AS validator_address,
           o.transactions,
           -- Place of its first and last transaction among those of the block that lie inside.
           CASE WHEN e.type = 'block.applied' THEN GREATEST($1 - e.seq + e.spans, 0)
                ELSE GREATEST(e.seq - 1 - $2, 0) END AS rank_from,
           CASE WHEN e.type = 'block.applied' THEN LEAST($2 - e.seq + e.spans, e.spans) - 1
                ELSE LEAST(e.seq - 2 - $1, e.spans - 1::bigint) END AS rank_to
    FROM event_log e
    LEFT JOIN LATERAL (SELECT * FROM blocks x
                       WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) b
        ON e.type IN ('block.applied', 'block.retracted')
    LEFT JOIN LATERAL (SELECT * FROM orphans x
                       WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) o
        ON e.type IN ('block.applied', 'block.retracted')
    WHERE e.seq > $1 AND e.seq <= (SELECT last FROM bounds)),
told AS (
    SELECT CASE WHEN applied THEN seq - spans ELSE seq END AS number, FALSE AS of_block, type,
           height, hash, created_at, tx_count, parent_hash, timestamp, validator_address,
           address_key, identity_id, data, NULL::bigint AS place, NULL::bytea AS tx_id,
           NULL::text AS sender, NULL::text AS recipient, NULL::text AS amount, NULL::text AS fee,
           NULL::text AS nonce, NULL::text AS transaction_type, NULL::text[] AS outputs
    FROM page
    UNION ALL
    SELECT CASE WHEN e.applied THEN e.seq - e.spans + 1 + t.rank ELSE e.seq - 1 - t.rank END, TRUE,
           e.type, e.height, e.hash, e.created_at, e.tx_count, NULL,
           COALESCE(t.timestamp, e.timestamp), NULL, NULL, NULL, NULL, t.pos - (e.height << 20),
           t.tx_id, t.sender, t.recipient, t.amount::text, t.fee::text, t.nonce::text,
           t.transaction_type,
           CASE WHEN t.output_count > 0 THEN
               ARRAY(SELECT x.recipient FROM tx_outputs x WHERE x.pos = t.pos
                     ORDER BY x.output_index) END
    FROM page e
    CROSS JOIN LATERAL (
        SELECT x.*, x.pos - (e.height << 20) - CASE WHEN e.tx_count = e.spans THEN 0 ELSE
                   (SELECT count(*) FROM quarantine q
                    WHERE q.pos >= e.height << 20 AND q.pos < x.pos) END AS rank
        FROM transactions x
        -- Quarantined records have places in the block, but no numbers.
        WHERE x.pos >= (e.height << 20) + e.rank_from
          AND x.pos <= (e.height << 20) + e.rank_to + (e.tx_count - e.spans)
        OFFSET 0) t
    WHERE e.canonical AND e.spans > 0 AND t.rank BETWEEN e.rank_from AND e.rank_to
    UNION ALL
    SELECT CASE WHEN e.applied THEN e.seq - e.spans + t.n ELSE e.seq - t.n END, TRUE, e.type,
           e.height, e.hash, e.created_at, e.tx_count, NULL,
           COALESCE(t.x ->> 'timestamp', e.timestamp), NULL, NULL, NULL, NULL,
           (t.x ->> 'index')::bigint, decode(t.x ->> 'tx_id', 'hex'), t.x ->> 'sender',
           t.x ->> 'recipient', t.x ->> 'amount', t.x ->> 'fee', t.x ->> 'nonce', t.x ->> 'type',
           ARRAY(SELECT jsonb_array_elements_text(NULLIF(t.x -> 'outputs', 'null')))
    FROM page e
    CROSS JOIN LATERAL jsonb_array_elements(e.transactions) WITH ORDINALITY AS t(x, n)
    WHERE NOT e.canonical AND e.spans > 0 AND t.n - 1 BETWEEN e.rank_from AND e.rank_to)
SELECT number AS "number!", of_block AS "of_block!", type AS "type!", height, hash,
       created_at AS "created_at!", tx_count, parent_hash, timestamp, validator_address,
       address_key, identity_id, data, place, tx_id, sender, recipient, amount, fee, nonce,
       transaction_type, outputs
FROM told WHERE number > $1 AND number <= $2
ORDER BY number
