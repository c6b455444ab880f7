-- Writes proposals given as a JSON list ($1), read under a height ($2) from a node whose tip was
-- another ($3); gives those written with their states and the identities that they belonged to before
-- and belong to now. What only details hold stays where a reading is of the summary; a row that says
-- the same stays as it is, unless all of it was read. A summary that says something new leaves the
-- rest to be read (-1).
WITH new AS (
    SELECT n.proposal_id, n.proposer, n.proposer_key,
           chert_identity_at(n.proposer_key, n.created_at) AS proposer_identity,
           COALESCE(n.proposal_type, p.proposal_type) AS proposal_type,
           COALESCE(n.title, p.title) AS title,
           COALESCE(n.description, p.description) AS description, n.state, n.status,
           COALESCE(n.voting_starts_at, p.voting_starts_at) AS voting_starts_at,
           COALESCE(n.voting_ends_at, p.voting_ends_at) AS voting_ends_at,
           n.votes_for, n.votes_against, n.votes_abstain, n.created_at,
           CASE WHEN n.detailed THEN n.executed_at
                ELSE COALESCE(n.executed_at, p.executed_at) END AS executed_at,
           CASE WHEN n.detailed THEN n.updated_at
                ELSE COALESCE(n.updated_at, p.updated_at) END AS updated_at,
           CASE WHEN n.detailed OR p.targets IS NULL OR n.targets <> '[]'
                THEN n.targets ELSE p.targets END AS targets,
           CASE WHEN n.detailed OR p."values" IS NULL OR n.payments <> '[]'
                THEN n.payments ELSE p."values" END AS payments,
           CASE WHEN n.detailed OR p.calldatas IS NULL OR n.calldatas <> '[]'
                THEN n.calldatas ELSE p.calldatas END AS calldatas,
           CASE WHEN n.detailed AND n.voted THEN $3
                -- What is stored is then partly of now, which a reorganisation may take back.
                WHEN n.detailed OR n.voted THEN -1
                WHEN (n.state, n.votes_for, n.votes_against, n.votes_abstain)
                     IS DISTINCT FROM (p.state, p.votes_for, p.votes_against, p.votes_abstain)
                THEN -1 ELSE p.height END AS height,
           p.proposer_identity AS before, p.state AS state_before
    FROM json_to_recordset($1::text::json) AS n(
        proposal_id text, proposer text, proposer_key uuid, proposal_type text,
        title text, description text, state text, status text, voting_starts_at bigint,
        voting_ends_at bigint, votes_for numeric, votes_against numeric,
        votes_abstain numeric, created_at bigint, executed_at bigint,
        updated_at bigint, targets jsonb, payments jsonb, calldatas jsonb,
        detailed boolean, voted boolean)
    LEFT JOIN proposals p USING (proposal_id)),
written AS (
    INSERT INTO proposals AS p (
        proposal_id, proposer, proposer_key, proposer_identity, proposal_type, title,
        description, state, status, voting_starts_at, voting_ends_at, votes_for,
        votes_against, votes_abstain, created_at, executed_at, updated_at, targets,
        "values", calldatas, first_height, height)
    SELECT proposal_id, proposer, proposer_key, proposer_identity, proposal_type, title,
           description, state, status, voting_starts_at, voting_ends_at, votes_for,
           votes_against, votes_abstain, created_at, executed_at, updated_at, targets,
           payments, calldatas, $2, height FROM new
    ON CONFLICT (proposal_id) DO UPDATE SET
        proposer = EXCLUDED.proposer, proposer_key = EXCLUDED.proposer_key,
        proposer_identity = EXCLUDED.proposer_identity,
        proposal_type = EXCLUDED.proposal_type, title = EXCLUDED.title,
        description = EXCLUDED.description, state = EXCLUDED.state,
        status = EXCLUDED.status, voting_starts_at = EXCLUDED.voting_starts_at,
        voting_ends_at = EXCLUDED.voting_ends_at, votes_for = EXCLUDED.votes_for,
        votes_against = EXCLUDED.votes_against, votes_abstain = EXCLUDED.votes_abstain,
        created_at = EXCLUDED.created_at, executed_at = EXCLUDED.executed_at,
        updated_at = EXCLUDED.updated_at, targets = EXCLUDED.targets,
        "values" = EXCLUDED."values", calldatas = EXCLUDED.calldatas, height = EXCLUDED.height
    WHERE (p.proposer, p.proposal_type, p.title, p.description, p.state, p.status,
           p.voting_starts_at, p.voting_ends_at, p.votes_for, p.votes_against,
           p.votes_abstain, p.created_at, p.executed_at, p.updated_at, p.targets,
           p."values", p.calldatas, p.height)
        IS DISTINCT FROM
          (EXCLUDED.proposer, EXCLUDED.proposal_type, EXCLUDED.title,
           EXCLUDED.description, EXCLUDED.state, EXCLUDED.status,
           EXCLUDED.voting_starts_at, EXCLUDED.voting_ends_at, EXCLUDED.votes_for,
           EXCLUDED.votes_against, EXCLUDED.votes_abstain, EXCLUDED.created_at,
           EXCLUDED.executed_at, EXCLUDED.updated_at, EXCLUDED.targets,
           EXCLUDED."values", EXCLUDED.calldatas, EXCLUDED.height)
    RETURNING p.proposal_id, p.proposer_identity, p.proposer, p.proposer_key, p.title, p.state)
SELECT w.proposal_id, w.title, w.proposer, w.proposer_key, w.proposer_identity, w.state, n.before,
       n.state_before AS "state_before?"
FROM written w JOIN new n USING (proposal_id) ORDER BY w.proposal_id
