BEGIN;
-- The chain ends now, so that what looks back from now sees it.
UPDATE blocks SET timestamp_ms = (floor(extract(epoch FROM now()))::bigint - 1 - 2 * (29 - height)) * 1000;
UPDATE blocks SET timestamp =
    to_char(to_timestamp(timestamp_ms / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
DELETE FROM chain_hourly;
INSERT INTO chain_hourly
SELECT timestamp_ms / 3600000, count(*), sum(tx_count), sum(total_amount), sum(total_fees), sum(gas_used)
FROM blocks GROUP BY 1;
UPDATE transactions SET payload = payload || '{"signature": "c0ffee"}';
-- A transaction with outputs, one of the protocol, one without a recipient.
UPDATE transactions SET output_count = 2, recipient = 'out-a', amount = 1000
WHERE pos = (29::bigint << 20);
INSERT INTO tx_outputs VALUES (29::bigint << 20, 0, 'out-a', 400), (29::bigint << 20, 1, 'out-b', 600);
UPDATE transactions SET sender = NULL WHERE pos = (29::bigint << 20) + 1;
UPDATE transactions SET recipient = NULL WHERE pos = (29::bigint << 20) + 2;
UPDATE blocks SET validator_address = NULL WHERE height = 28;

INSERT INTO balances
SELECT chert_address_key(a), a, b::numeric, n, 29, 1783073729
FROM (VALUES (':whale', '18446744073709551615', 7), (':voter', '9750000000', 42),
             ('0x406265294e75151376cb2baafb5937a9f74b148e', '1000000000000000', 0)) v(a, b, n);
INSERT INTO addresses VALUES
    (chert_address_key(':voter'), ':voter', 0, 0, 0, 29::bigint << 20, 29::bigint << 20);

INSERT INTO proposals (proposal_id, proposer, proposer_key, title, description, state, status,
    voting_starts_at, voting_ends_at, votes_for, votes_against, votes_abstain, created_at,
    first_height, height)
SELECT id, ':voter', chert_address_key(':voter'), title, 'From 10M to 20M', state, status,
       1782900000, 1784109600, 150000, 25000, 10000, 1782800000 + n, 1, 1
FROM (VALUES (1, '5', 'Old one', 'succeeded', 'passed'), (2, '6', 'Refused', 'defeated', 'rejected'),
             (3, '7', 'Raise block gas limit', 'active', 'active'),
             (4, 'x-8', 'To come', 'pending', 'pending')) v(n, id, title, state, status);
INSERT INTO votes (proposal_id, voter, voter_key, vote_power, vote_choice, reason, cast_at,
    first_height, height)
VALUES ('7', ':voter', chert_address_key(':voter'), 1000, 1, NULL, 1782950000, 1, 1),
       ('7', ':whale', chert_address_key(':whale'), 2000, 2, 'why not', 1782950001, 1, 1);
INSERT INTO voting_power VALUES (chert_address_key(':voter'), ':voter', 10000, 0, 5000000, 10000, 29,
    extract(epoch FROM now())::bigint + 3600);
INSERT INTO delegations VALUES (chert_address_key(':voter'), chert_address_key(':validator'), ':voter',
    ':validator', 5000000, 1782900000, 29);
INSERT INTO validators VALUES (chert_address_key(':validator'), ':validator', '00', '00', 100000000, TRUE,
    5, 98, '2026-07-03T10:15:30Z', 5000000, 3, 29),
    (chert_address_key('VAL02'), 'VAL02', NULL, NULL, 5, FALSE, NULL, NULL, NULL, NULL, NULL, 29);

INSERT INTO identity_versions
SELECT decode(repeat(lpad(to_hex(n), 2, '0'), 32), 'hex'), h, v, 1782800000, 1782800060, name, NULL,
       'Folding since 2025', visibility,
       jsonb_build_array(jsonb_build_object('address', ':voter', 'key',
           chert_address_key(':voter'), 'type', 'main', 'proof', 'abcdef', 'created_at', 1782800000,
           'verified_at', 1782800060, 'height', h))
FROM (VALUES (161, 5, 1, 'quarry-41', 'public'), (161, 9, 2, 'quarry-42', 'public'),
             (162, 9, 1, 'secret-7', 'private'), (163, 12, 1, 'quarry-43', 'public'))
     v(n, h, v, name, visibility);
INSERT INTO identities
SELECT DISTINCT ON (identity_id) identity_id, display_name, avatar_hash, bio, stats_visibility,
       created_at, updated_at, profile_version, height, 1, display_name
FROM identity_versions ORDER BY identity_id, height DESC;
UPDATE proposals SET proposer_identity = decode(repeat('a2', 32), 'hex');
UPDATE votes SET voter_identity = decode(repeat('a2', 32), 'hex');
UPDATE feeds SET height = 29, synced_at = 1;

INSERT INTO sources VALUES
    ('http://127.0.0.1:8545', 'node', 'healthy', 29, 2, 1783073729, 1783073700, NULL);
UPDATE checkpoints SET tip_time_ms = extract(epoch FROM now()) * 1000,
    node_seen_at_ms = extract(epoch FROM now()) * 1000,
    progressed_at_ms = extract(epoch FROM now()) * 1000;
NOTIFY chert_tip;
COMMIT;
