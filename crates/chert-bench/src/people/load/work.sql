-- Submissions first_n to last_n of the last 90 days, which are numbered in the order of their decision.
-- The share of contributor c falls as c^(-2/3): of 100 k contributors the first has 2 % of all work,
-- the last a dozen submissions.
INSERT INTO work_submissions (submission_id, oracle_id, miner_address, account_key, identity_id,
    miner_id, worker_name, work_kind, task_type, work_type, task_id, attempt, project, project_slug,
    status, reward_status, difficulty, credits, credits_claimed, reward, cpu_time_seconds,
    compute_time_ms, assigned_at, submitted_at, validated_at, validated_s, signature_status, claim_key,
    detail, feed_epoch, revision, feed_seq, updated_at)
SELECT sha256(int8send(s.n)), o.oracle_id, a.address, a.key,
       CASE WHEN a.n <= z.identities THEN sha256(int8send(a.n)) END,
       a.address || ':rig' || s.n % 3, 'rig' || s.n % 3, k.kind,
       CASE k.kind WHEN 1 THEN p.task_type ELSE t.task_type END,
       CASE k.kind WHEN 1 THEN 'boinc' ELSE t.work_type END, 'task-' || s.n, 1,
       CASE k.kind WHEN 1 THEN p.project END, CASE k.kind WHEN 1 THEN p.slug END,
       k.status, k.reward_status, round((1 + 99 * bench.u(s.n, 4))::numeric, 4),
       CASE WHEN k.kind = 1 AND k.status = 2 THEN k.credits END,
       CASE k.kind WHEN 1 THEN k.credits END,
       CASE WHEN k.reward_status > 0 THEN floor(1000000 * (1 + 999 * bench.u(s.n, 5)))::numeric END,
       round((30 + 3000 * bench.u(s.n, 6))::numeric, 2), (30000 + 3000000 * bench.u(s.n, 6))::bigint,
       m.submitted - 600000, m.submitted, m.validated, m.validated / 1000, 1,
       sha256(int8send(-s.n)), '{"validation": {"method": "quorum", "confidence_bps": 9900}}', 1, 1, s.n,
       m.submitted / 1000 + 60
FROM bench.size z
CROSS JOIN LATERAL generate_series(z.first_n, z.last_n) s (n)
CROSS JOIN LATERAL (
    SELECT u.*, CASE WHEN status <> 2 THEN 0 WHEN v < 0.60 THEN 3 WHEN v < 0.90 THEN 2
                     WHEN v < 0.995 THEN 1 ELSE 4 END AS reward_status
    FROM (SELECT CASE WHEN bench.u(s.n, 7) < 0.6 THEN 1 ELSE 0 END AS kind,
                 CASE WHEN bench.u(s.n, 8) < 0.94 THEN 2 WHEN bench.u(s.n, 8) < 0.97 THEN 3
                      WHEN bench.u(s.n, 8) < 0.99 THEN 4 ELSE 1 END AS status,
                 bench.u(s.n, 9) AS v, round((5 + 195 * bench.u(s.n, 10))::numeric, 4) AS credits) u) k
CROSS JOIN LATERAL (SELECT x.submitted, CASE WHEN k.status IN (2, 3) THEN x.decided END AS validated
    FROM (SELECT (z.now_s - 60) * 1000 - (z.submissions - s.n) * (86400000::bigint * 90) / z.submissions AS decided,
                 (z.now_s - 60) * 1000 - (z.submissions - s.n) * (86400000::bigint * 90) / z.submissions
                     - (500 * exp(8 * bench.u(s.n, 11)))::bigint AS submitted) x) m
JOIN bench.accounts a ON a.n = 1 + floor(z.contributors * bench.u(s.n, 12) ^ 3)::bigint
JOIN bench.projects p ON p.n = floor(5 * bench.u(s.n, 13) ^ 2)::int
JOIN bench.tasks t ON t.n = floor(5 * bench.u(s.n, 14) ^ 2)::int
JOIN (SELECT oracle_id, row_number() OVER (ORDER BY name) - 1 AS n FROM oracles) o
    ON o.n = floor(5 * bench.u(s.n, 15) ^ 2)::int;

INSERT INTO work_submission_events (submission_id, feed_epoch, revision, status, reward_status, at, feed_seq)
SELECT submission_id, 1, 1, status, reward_status, COALESCE(validated_at, submitted_at), feed_seq
FROM bench.size z JOIN work_submissions ON feed_seq BETWEEN z.first_n AND z.last_n;
