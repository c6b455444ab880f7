-- A number above $1 before which no event of a transaction of the address $2 stands; NULL where
-- none follows. Exact unless the block was applied several times; never too high. Indexes:
-- event_log_type, event_log_block, address_txs_key, the primary keys of blocks and orphans.
-- OFFSET 0: see numbers.sql.
SELECT min(first) AS first FROM (
    -- Blocks of the chain: those whose last application follows $1 begin with this height, apart
    -- from blocks that were removed after $1, which the other branch looks at.
    SELECT (SELECT e.seq - e.spans FROM event_log e
            JOIN blocks b ON b.height = e.height AND b.hash = e.hash
            WHERE e.height = t.height AND e.type = 'block.applied' AND e.seq > $1
            ORDER BY e.seq LIMIT 1) AS first
    FROM (SELECT a.pos >> 20 AS height FROM address_txs a
          WHERE a.address_key = $2 AND a.pos >= (
              SELECT e.height FROM event_log e
              CROSS JOIN LATERAL (SELECT FROM blocks x
                                  WHERE x.height = e.height AND x.hash = e.hash OFFSET 0) b
              WHERE e.type = 'block.applied' AND e.seq > $1 ORDER BY e.seq LIMIT 1) << 20
          ORDER BY a.pos LIMIT 1) t
    UNION ALL
    -- Blocks that were removed after $1, and their applications before that.
    SELECT COALESCE((SELECT a.seq - a.spans FROM event_log a
                     WHERE a.height = r.height AND a.type = 'block.applied' AND a.hash = r.hash
                       AND a.seq < r.seq AND a.seq > $1
                     ORDER BY a.seq DESC LIMIT 1), r.seq - r.spans)
    FROM event_log r
    LEFT JOIN LATERAL (SELECT * FROM orphans x
                       WHERE x.height = r.height AND x.hash = r.hash OFFSET 0) o ON TRUE
    WHERE r.type = 'block.retracted' AND r.seq > $1 AND r.spans > 0
      AND CASE WHEN o.hash IS NOT NULL
               THEN o.transactions @> jsonb_build_array(
                        jsonb_build_object('keys', jsonb_build_array($2::uuid::text)))
               ELSE EXISTS (SELECT 1 FROM address_txs a WHERE a.address_key = $2
                            AND a.pos >= r.height << 20 AND a.pos < (r.height + 1) << 20)
          END) f
