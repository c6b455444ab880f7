INSERT INTO work_submissions AS w (
    submission_id, oracle_id, miner_address, account_key, identity_id, miner_id, worker_name,
    work_kind, task_type, work_type, task_id, attempt, project, project_slug, status,
    reward_status, difficulty, credits, credits_claimed, reward, cpu_time_seconds,
    compute_time_ms, assigned_at, submitted_at, validated_at, validated_s, tx_hash, tx_key,
    claimed_height, block_height, signature_status, claim_key, anomaly, detail, feed_epoch,
    revision, feed_seq, updated_at)
SELECT t.submission_id, $1, t.miner_address, t.account_key,
       chert_identity_at(t.account_key, t.held_at), t.miner_id, t.worker_name, t.work_kind,
       t.task_type, t.work_type, t.task_id, t.attempt, t.project, t.project_slug, t.status,
       t.reward_status, t.difficulty::numeric, t.credits::numeric, t.credits_claimed::numeric,
       t.reward::numeric, t.cpu_time_seconds::numeric, t.compute_time_ms, t.assigned_at,
       t.submitted_at, t.validated_at, t.validated_at / 1000, t.tx_hash, t.tx_key,
       t.claimed_height,
       CASE WHEN t.tx_key IS NOT NULL AND NOT $2::boolean THEN
           (SELECT min(x.pos) >> 20 FROM transactions x
            WHERE x.tx_key = t.tx_key AND x.tx_id = t.tx_hash) END,
       t.signature_status, t.claim_key, t.anomaly, t.detail, t.feed_epoch, t.revision,
       t.feed_seq, $3
FROM UNNEST(
    $4::bytea[], $5::text[], $6::uuid[], $7::text[], $8::text[], $9::smallint[], $10::text[],
    $11::text[], $12::text[], $13::int[], $14::text[], $15::text[], $16::smallint[],
    $17::smallint[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
    $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bytea[],
    $29::bigint[], $30::bigint[], $31::smallint[], $32::bytea[], $33::text[], $34::jsonb[],
    $35::int[], $36::bigint[], $37::bigint[]) AS t(
    submission_id, miner_address, account_key, miner_id, worker_name, work_kind, task_type,
    work_type, task_id, attempt, project, project_slug, status, reward_status, difficulty,
    credits, credits_claimed, reward, cpu_time_seconds, compute_time_ms, assigned_at,
    submitted_at, validated_at, held_at, tx_hash, tx_key, claimed_height, signature_status,
    claim_key, anomaly, detail, feed_epoch, revision, feed_seq)
ORDER BY t.feed_seq
ON CONFLICT (submission_id) DO UPDATE SET
    miner_address = EXCLUDED.miner_address, account_key = EXCLUDED.account_key,
    identity_id = EXCLUDED.identity_id, miner_id = EXCLUDED.miner_id,
    worker_name = EXCLUDED.worker_name, work_kind = EXCLUDED.work_kind,
    task_type = EXCLUDED.task_type, work_type = EXCLUDED.work_type, task_id = EXCLUDED.task_id,
    attempt = EXCLUDED.attempt, project = EXCLUDED.project,
    project_slug = EXCLUDED.project_slug, status = EXCLUDED.status,
    reward_status = EXCLUDED.reward_status, difficulty = EXCLUDED.difficulty,
    credits = EXCLUDED.credits, credits_claimed = EXCLUDED.credits_claimed,
    reward = EXCLUDED.reward, cpu_time_seconds = EXCLUDED.cpu_time_seconds,
    compute_time_ms = EXCLUDED.compute_time_ms, assigned_at = EXCLUDED.assigned_at,
    submitted_at = EXCLUDED.submitted_at, validated_at = EXCLUDED.validated_at,
    validated_s = EXCLUDED.validated_s, tx_hash = EXCLUDED.tx_hash, tx_key = EXCLUDED.tx_key,
    claimed_height = EXCLUDED.claimed_height,
    block_height = CASE WHEN $2::boolean AND w.tx_hash = EXCLUDED.tx_hash THEN w.block_height
                        ELSE EXCLUDED.block_height END,
    signature_status = EXCLUDED.signature_status, claim_key = EXCLUDED.claim_key,
    anomaly = EXCLUDED.anomaly, detail = EXCLUDED.detail, feed_epoch = EXCLUDED.feed_epoch,
    revision = EXCLUDED.revision, feed_seq = EXCLUDED.feed_seq, updated_at = EXCLUDED.updated_at
