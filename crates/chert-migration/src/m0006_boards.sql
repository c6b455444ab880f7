-- Boards of 100 k contributors are written every few seconds, so that what a row costs counts
-- (docs/decisions/0017-leaderboard-snapshots.md). All of this is derived: the first refresh writes
-- it again.
TRUNCATE leaderboard_snapshots, leaderboard_pages, leaderboard_places;

-- The complement of public_identities, which is small: asking a hundred thousand contributors
-- whether they are hidden is much less than asking whether they are among all the public ones.
CREATE VIEW hidden_identities AS
    SELECT identity_id FROM identities WHERE stats_visibility <> 'public';
CREATE INDEX identities_hidden ON identities (identity_id) WHERE stats_visibility <> 'public';

-- Who is on the boards of a scope and kind, and where identities stand on them: one set for all,
-- so that pages need not repeat who is on them. Many subjects to a row, sorted, encoded by
-- store/entities/leaderboard.
DROP TABLE leaderboard_places;
CREATE SEQUENCE leaderboard_place_sets;
CREATE TABLE leaderboard_places (
    place_set     BIGINT NOT NULL,
    row_no        INTEGER NOT NULL,
    first_subject BYTEA NOT NULL,
    body          BYTEA NOT NULL,
    PRIMARY KEY (place_set, row_no)
);
CREATE UNIQUE INDEX leaderboard_places_subject ON leaderboard_places (place_set, first_subject);
ALTER TABLE leaderboard_places ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE leaderboard_places SET (toast_tuple_target = 8160);
-- The set that the numbers in a snapshot's pages are of. The digest is now of both.
ALTER TABLE leaderboard_snapshots ADD COLUMN place_set BIGINT NOT NULL;
CREATE INDEX leaderboard_snapshots_places ON leaderboard_snapshots (place_set);

-- Pages and places go with their snapshots, by a statement for all of them instead of a referential
-- check of every page written.
ALTER TABLE leaderboard_pages DROP CONSTRAINT leaderboard_pages_snapshot_id_fkey;
CREATE FUNCTION chert_snapshots_gone() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    -- An array, so that pages are found by their key: of a join with the removed snapshots, whose
    -- number it does not know, the planner reads all pages.
    DELETE FROM leaderboard_pages WHERE snapshot_id = ANY (ARRAY(SELECT snapshot_id FROM gone));
    -- All that no snapshot has any more: of two that remove the last ones of a set at the same time,
    -- neither sees the other.
    DELETE FROM leaderboard_places WHERE place_set = ANY (ARRAY(
        SELECT p.place_set FROM (SELECT DISTINCT place_set FROM leaderboard_places) p
        WHERE NOT EXISTS (SELECT 1 FROM leaderboard_snapshots s WHERE s.place_set = p.place_set)));
    RETURN NULL;
END
$$;
CREATE TRIGGER leaderboard_snapshots_gone
    AFTER DELETE ON leaderboard_snapshots REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION chert_snapshots_gone();
