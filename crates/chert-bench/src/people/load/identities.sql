-- One version of each identity, older than any vote or work, with one wallet. The id of identity n
-- is sha256(int8send(n)), which pgbench can compute; one in twenty is hidden.
INSERT INTO bench.accounts
SELECT n, address, chert_address_key(address)
FROM (SELECT n, '0x' || left(encode(sha256(convert_to('account ' || n, 'UTF8')), 'hex'), 40) AS address
      FROM bench.size z CROSS JOIN LATERAL generate_series(1, GREATEST(z.identities, z.contributors)) n) a;
CREATE UNIQUE INDEX ON bench.accounts (n) INCLUDE (address, key);
ANALYZE bench.accounts;

INSERT INTO identity_versions (identity_id, height, profile_version, created_at, updated_at,
    display_name, avatar_hash, bio, stats_visibility, links)
SELECT sha256(int8send(a.n)), 1 + a.n % z.tip, 1, t.made, t.made,
       w.first[1 + floor(bench.u(a.n, 1) * 64)::int] || ' '
           || w.second[1 + floor(bench.u(a.n, 2) * 64)::int] || ' ' || a.n % 10000,
       CASE WHEN a.n % 3 = 0 THEN sha256(int8send(-a.n)) END,
       CASE WHEN a.n % 5 = 0 THEN 'Computing since block ' || a.n % z.tip END,
       CASE a.n % 40 WHEN 38 THEN 'private' WHEN 39 THEN 'friends_only' ELSE 'public' END,
       jsonb_build_array(jsonb_build_object('address', a.address, 'key', a.key, 'type', 'main',
           'proof', encode(sha512(int8send(a.n)), 'hex'), 'created_at', t.made,
           'verified_at', t.made, 'height', 1 + a.n % z.tip))
FROM bench.size z
CROSS JOIN bench.words w
JOIN bench.accounts a ON a.n <= z.identities
CROSS JOIN LATERAL (SELECT z.now_s - 86400 * (100 + a.n % 300) AS made) t;

UPDATE feeds f SET height = c.height, hash = c.hash, synced_at = z.now_s, generation = 1
FROM checkpoints c, bench.size z WHERE c.pipeline = 'chain' AND f.feed IN ('identity', 'governance');
