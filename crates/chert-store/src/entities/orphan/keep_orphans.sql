-- Keeps the blocks above $1, which a reorganisation removes at $2 (Unix seconds), with what the
-- event log has to say of their transactions: m0004_events.sql describes the form.
INSERT INTO orphans (height, hash, parent_hash, timestamp, validator_address, tx_count, gas_used,
                     gas_limit, total_amount, tx_ids, orphaned_at, transactions)
SELECT b.height, b.hash, b.parent_hash, b.timestamp, b.validator_address, b.tx_count, b.gas_used,
       b.gas_limit, b.total_amount, t.ids, $2, t.told
FROM blocks b
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(x.tx_id ORDER BY x.pos), '{}') AS ids,
           COALESCE(jsonb_agg(jsonb_build_object(
               'index', x.pos - (b.height << 20), 'tx_id', encode(x.tx_id, 'hex'),
               'sender', x.sender, 'recipient', x.recipient, 'amount', x.amount::text,
               'fee', x.fee::text, 'nonce', x.nonce::text, 'timestamp', x.timestamp,
               'type', x.transaction_type, 'outputs', o.recipients,
               'keys', ARRAY(SELECT DISTINCT chert_address_key(p.party)
                             FROM UNNEST(array_append(COALESCE(o.recipients, ARRAY[x.recipient]),
                                                      x.sender)) AS p(party)
                             WHERE p.party IS NOT NULL))
               ORDER BY x.pos), '[]') AS told
    FROM transactions x
    LEFT JOIN LATERAL (SELECT array_agg(y.recipient ORDER BY y.output_index) AS recipients
                       FROM tx_outputs y WHERE x.output_count > 0 AND y.pos = x.pos) o ON TRUE
    WHERE x.pos >= b.height << 20 AND x.pos < (b.height + 1) << 20) t
WHERE b.height > $1
ON CONFLICT (height, hash) DO UPDATE SET orphaned_at = EXCLUDED.orphaned_at,
    transactions = EXCLUDED.transactions
