-- Events of transactions in which the address $3 takes part, with the numbers above $1 and up to
-- $2, of rows of the types $4, at most $5. Indexes: event_log_pkey or event_log_type, address_txs_key by
-- block, the primary keys of what is looked up. OFFSET 0: see numbers.sql.
WITH bounds AS (
    SELECT COALESCE((SELECT min(seq) FROM event_log WHERE seq >= $2), $2) AS last),
page AS MATERIALIZED (
    SELECT e.*, e.type = 'block.applied' AS applied, b.hash IS NOT NULL AS canonical,
           COALESCE(b.timestamp, o.timestamp) AS timestamp, o.transactions
    FROM event_log e
    LEFT JOIN LATERAL (SELECT * FROM blocks x
                       WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) b ON TRUE
    LEFT JOIN LATERAL (SELECT * FROM orphans x
                       WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) o ON TRUE
    WHERE e.seq > $1 AND e.seq <= (SELECT last FROM bounds) AND e.spans > 0 AND e.type = ANY($4)),
told AS (
    SELECT CASE WHEN e.applied THEN e.seq - e.spans + 1 + t.rank ELSE e.seq - 1 - t.rank END
               AS number,
           e.type, e.height, e.hash, e.created_at, e.tx_count,
           COALESCE(t.timestamp, e.timestamp) AS timestamp, t.pos - (e.height << 20) AS place,
           t.tx_id, t.sender, t.recipient, t.amount::text AS amount, t.fee::text AS fee,
           t.nonce::text AS nonce, t.transaction_type,
           CASE WHEN t.output_count > 0 THEN
               ARRAY(SELECT x.recipient FROM tx_outputs x WHERE x.pos = t.pos
                     ORDER BY x.output_index) END AS outputs
    FROM page e
    CROSS JOIN LATERAL (
        SELECT x.*, x.pos - (e.height << 20) - CASE WHEN e.tx_count = e.spans THEN 0 ELSE
                   (SELECT count(*) FROM quarantine q
                    WHERE q.pos >= e.height << 20 AND q.pos < x.pos) END AS rank
        FROM address_txs a
        CROSS JOIN LATERAL (SELECT * FROM transactions y WHERE y.pos = a.pos OFFSET 0) x
        WHERE a.address_key = $3 AND a.pos >= e.height << 20 AND a.pos < (e.height + 1) << 20
        OFFSET 0) t
    WHERE e.canonical AND t.rank < e.spans
    UNION ALL
    SELECT CASE WHEN e.applied THEN e.seq - e.spans + t.n ELSE e.seq - t.n END, e.type, e.height,
           e.hash, e.created_at, e.tx_count, COALESCE(t.x ->> 'timestamp', e.timestamp),
           (t.x ->> 'index')::bigint, decode(t.x ->> 'tx_id', 'hex'), t.x ->> 'sender',
           t.x ->> 'recipient', t.x ->> 'amount', t.x ->> 'fee', t.x ->> 'nonce', t.x ->> 'type',
           ARRAY(SELECT jsonb_array_elements_text(NULLIF(t.x -> 'outputs', 'null')))
    FROM page e
    CROSS JOIN LATERAL jsonb_array_elements(e.transactions) WITH ORDINALITY AS t(x, n)
    WHERE NOT e.canonical AND t.n <= e.spans AND t.x -> 'keys' ? $3::uuid::text)
SELECT number AS "number!", TRUE AS "of_block!", type AS "type!", height, hash,
       created_at AS "created_at!", tx_count, NULL::bytea AS parent_hash, timestamp,
       NULL::text AS validator_address, NULL::uuid AS address_key, NULL::bytea AS identity_id,
       NULL::jsonb AS data, place, tx_id, sender, recipient, amount, fee, nonce, transaction_type,
       outputs
FROM told WHERE number > $1 AND number <= $2
ORDER BY number LIMIT $5
