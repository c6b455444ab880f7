-- How often anything changed of what identities show: an answer that names some may be given again
-- only while this number stands (docs/decisions/0024-shared-answers.md). By triggers, so that no
-- repair and no statement by hand is missed; in a row, so that the number moves with the commit.
-- Whoever writes identities holds feeds('identity') before, so that nobody waits here crosswise.

CREATE TABLE visibility (
    id         SMALLINT PRIMARY KEY CHECK (id = 1),
    generation BIGINT NOT NULL
) WITH (fillfactor = 50);
INSERT INTO visibility VALUES (1, 0);

CREATE FUNCTION chert_visibility_changed() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE visibility SET generation = generation + 1 WHERE id = 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER identities_visibility
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON identities
    FOR EACH STATEMENT EXECUTE FUNCTION chert_visibility_changed();
