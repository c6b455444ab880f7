-- Proposals of the last 90 days. Proposal p has about 1/p of the votes of the first one, so that the
-- first has a seventh of all; its voters are the first accounts.
CREATE TABLE bench.proposals AS
SELECT p, '0x' || encode(sha256(convert_to('proposal ' || p, 'UTF8')), 'hex') AS proposal_id,
       z.now_s - 60 - 86400 * 90 + (p - 1) * 86400 * 89 / z.proposals AS created_at,
       LEAST(floor(z.votes / p / (ln(z.proposals) + 0.58)), z.identities)::bigint AS voters
FROM bench.size z CROSS JOIN LATERAL generate_series(1, z.proposals) p;

INSERT INTO proposals (proposal_id, proposer, proposer_key, proposer_identity, proposal_type, title,
    description, state, status, voting_starts_at, voting_ends_at, votes_for, votes_against,
    votes_abstain, created_at, executed_at, updated_at, targets, "values", calldatas, first_height,
    height)
SELECT b.proposal_id, a.address, a.key, sha256(int8send(a.n)),
       (ARRAY['parameter', 'treasury', 'upgrade', 'text'])[1 + b.p % 4],
       'Proposal ' || b.p || ': adjust the reward curve of useful work',
       repeat('Whereas the curve was set before there were so many oracles, be it resolved. ', 8),
       s.state, s.status, b.created_at + 3600, b.created_at + 3600 + 7 * 86400, 0, 0, 0,
       b.created_at, CASE s.state WHEN 'executed' THEN b.created_at + 9 * 86400 END,
       b.created_at + 3600, jsonb_build_array(a.address), '["0"]', '["0x"]', 1, z.tip
FROM bench.size z
CROSS JOIN bench.proposals b
JOIN bench.accounts a ON a.n = b.p
CROSS JOIN LATERAL (
    SELECT CASE WHEN b.created_at + 8 * 86400 > z.now_s THEN 'active'
                ELSE (ARRAY['executed', 'defeated', 'queued', 'executed'])[1 + b.p % 4] END AS state,
           CASE WHEN b.created_at + 8 * 86400 > z.now_s THEN 'active'
                ELSE (ARRAY['executed', 'rejected', 'passed', 'executed'])[1 + b.p % 4] END AS status
) s;

INSERT INTO proposal_transitions (proposal_id, at, height, from_state, state)
SELECT proposal_id, created_at, 1, NULL, 'pending' FROM proposals
UNION ALL SELECT proposal_id, created_at + 3600, 2, 'pending', 'active' FROM proposals
UNION ALL SELECT proposal_id, created_at + 9 * 86400, 3, 'active', state FROM proposals
          WHERE state <> 'active';

-- In a random order, as votes come in.
INSERT INTO votes (proposal_id, voter, voter_key, voter_identity, vote_power, vote_choice, reason,
    cast_at, first_height, height)
SELECT b.proposal_id, a.address, a.key,
       CASE WHEN a.n <= z.identities THEN sha256(int8send(a.n)) END,
       (1000000 / (1 + bench.u(a.n, 3) * 100))::numeric(20, 0) * 1000000,
       CASE WHEN bench.u(a.n, b.p) < 0.6 THEN 1 WHEN bench.u(a.n, b.p) < 0.9 THEN 0 ELSE 2 END,
       CASE WHEN a.n % 7 = 0 THEN 'It is time.' END,
       LEAST(b.created_at + 3600 + floor(bench.u(a.n, 1000 + b.p) * 7 * 86400)::bigint, z.now_s - 60),
       1, z.tip
FROM bench.size z CROSS JOIN bench.proposals b JOIN bench.accounts a ON a.n <= b.voters
ORDER BY hashint8extended(a.n, b.p);

UPDATE proposals p SET votes_for = t.votes_for, votes_against = t.votes_against,
       votes_abstain = t.votes_abstain
FROM (SELECT proposal_id, COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 1), 0) AS votes_for,
             COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 0), 0) AS votes_against,
             COALESCE(sum(vote_power) FILTER (WHERE vote_choice = 2), 0) AS votes_abstain
      FROM votes GROUP BY proposal_id) t
WHERE t.proposal_id = p.proposal_id;
