-- Who reports work, what kinds of it there are, and the hour up to which figures are computed.
INSERT INTO oracles (oracle_id, name, base_url, public_key, mode, signed, state, first_seen_at, updated_at)
SELECT encode(substring(sha256(int8send(o)) FOR 20), 'hex'), 'Oracle ' || o, 'https://oracle.invalid/' || o,
       sha256(int8send(o)), 'feed', TRUE, 'active', z.now_s - 86400 * 90, z.now_s
FROM bench.size z CROSS JOIN generate_series(1::bigint, 5) o;
INSERT INTO oracle_feeds (oracle_id, feed_id, feed_epoch, cursor_seq, head_seq, oldest_seq, last_item_at,
    verified, state, updated_at)
SELECT oracle_id, 'bench', 1, z.submissions, z.submissions, 1, z.now_s, z.submissions, 'current', z.now_s
FROM bench.size z CROSS JOIN oracles;

CREATE TABLE bench.projects AS
SELECT * FROM (VALUES
    (0, 'Rosetta@home', 'rosetta-home', 'boinc_rosetta'), (1, 'Folding@home', 'folding-home', 'boinc_folding'),
    (2, 'Einstein@Home', 'einstein-home', 'boinc_einstein'), (3, 'MilkyWay@Home', 'milkyway-home', 'boinc_milky_way'),
    (4, 'World Community Grid', 'world-community-grid', 'boinc_wcg')) p (n, project, slug, task_type);
CREATE TABLE bench.tasks AS
SELECT * FROM (VALUES
    (0, 'zk_batch_verify', 'nuw_zkproof'), (1, 'sig_batch_verify', 'nuw_sigbatch'),
    (2, 'merkle_batch', 'nuw_merkle'), (3, 'recursive_snark', 'nuw_recursive'),
    (4, 'poseidon_batch', 'nuw_poseidon')) t (n, task_type, work_type);

UPDATE pouw_clock c SET hour = z.now_s / 3600 FROM bench.size z;
UPDATE feeds SET generation = 1 WHERE feed = 'work';
