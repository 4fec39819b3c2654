-- What is kept and for how long: who looked at whose name, and leave to delete what is over.

-- A duty role found somebody by their code, opened a list with names, or took them all out. One row for each day,
-- however often they looked. whose is a member, or the group's own id for everybody in it; looker is a member, or
-- the group's own id for whoever keeps the server.
CREATE TABLE people.looks (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    whose             uuid        NOT NULL,
    looked_on         date        NOT NULL,
    looker            uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('found', 'list', 'hours', 'archive')),
    PRIMARY KEY (group_id, whose, looked_on, looker, what),
    CONSTRAINT at_somebody_else CHECK (whose <> looker OR whose = group_id)
);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['people.looks']) AS name
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', wall.name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', wall.name);
        EXECUTE format(
            'CREATE POLICY one_group ON %s FOR ALL TO timebank_app '
            'USING (group_id = (SELECT NULLIF(current_setting(''timebank.group'', true), '''')::uuid)) '
            'WITH CHECK (group_id = (SELECT NULLIF(current_setting(''timebank.group'', true), '''')::uuid))',
            wall.name);
    END LOOP;
END
$$;

GRANT SELECT, INSERT, DELETE ON people.looks TO timebank_app;

-- What services/retention.py deletes when its time is over. Nothing of the book is among it. Answers have no index
-- by time, which every write would pay for: old ones lie in front, and reading all of them twice an hour costs little.
GRANT DELETE ON timebank.answers, timebank.jobs, people.ask_links, people.draw_looks, people.invitations,
    people.invited, people.join_requests, people.recoveries, people.stand_ins TO timebank_app;
