-- The public log: what anyone may check, appended when a period closes and at no other time.
-- Beside it what only the group knows: how it publishes from which day on, and what waits.

-- ---------------------------------------------------------------- how a group publishes

-- One row for each way of publishing, from the first day of a period on. people is the least number
-- behind a side; gifts of money wait for it, too, where the group chose so.
CREATE TABLE timebank.publishing (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    from_day          date        NOT NULL,
    preset            text        NOT NULL CHECK (preset IN ('open', 'careful', 'sheltered')),
    people            integer     NOT NULL CHECK (people BETWEEN 0 AND 50),
    gifts_wait        boolean     NOT NULL,
    decided_at        timestamptz NOT NULL,
    PRIMARY KEY (group_id, from_day),
    CONSTRAINT enough_people CHECK ((preset = 'open' AND people = 0) OR (preset = 'careful' AND people >= 3)
        OR (preset = 'sheltered' AND people >= 5 AND gifts_wait))
);

-- Entries that a close has seen and not published, with the way that they were written under. Nobody
-- outside may know that there are any, so this is no published table.
CREATE TABLE timebank.waiting (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    seq               bigint      NOT NULL,
    recorded_on       date        NOT NULL,
    preset            text        NOT NULL CHECK (preset IN ('careful', 'sheltered')),
    people            integer     NOT NULL,
    gifts_wait        boolean     NOT NULL,
    PRIMARY KEY (group_id, seq)
);

-- ---------------------------------------------------------------- the log

-- hash is the RFC 6962 hash of the leaf. One commitment stands in the log once.
CREATE TABLE timebank.published_leaves (
    group_id          uuid        NOT NULL,
    leaf_index        bigint      NOT NULL CHECK (leaf_index >= 0),
    period            integer     NOT NULL CHECK (period >= 0),
    commitment        bytea       NOT NULL CHECK (length(commitment) = 32),
    leaf              bytea       NOT NULL CHECK (length(leaf) BETWEEN 1 AND 65535),
    hash              bytea       NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (group_id, leaf_index),
    CONSTRAINT published_once UNIQUE (group_id, commitment)
);

-- Roots of whole subtrees of 256, 65,536... leaves: what tiles above the lowest level are made of.
CREATE TABLE timebank.published_nodes (
    group_id          uuid        NOT NULL,
    level             smallint    NOT NULL CHECK (level >= 1),
    node_index        bigint      NOT NULL CHECK (node_index >= 0),
    hash              bytea       NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (group_id, level, node_index)
);

-- The signed note of each period; period 0 is the one with which the log begins. frontier is the
-- right edge of the tree, from which the next period goes on.
CREATE TABLE timebank.published_checkpoints (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL CHECK (period >= 0),
    size              bigint      NOT NULL CHECK (size >= 1),
    frontier          bytea       NOT NULL CHECK (length(frontier) % 32 = 0),
    note              text        NOT NULL,
    PRIMARY KEY (group_id, period)
);

-- What witnesses and auditors say of a checkpoint: lines of a signed note, served apart from it.
CREATE TABLE timebank.published_cosignatures (
    group_id          uuid        NOT NULL,
    size              bigint      NOT NULL CHECK (size >= 1),
    name              text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    line              text        NOT NULL CHECK (length(line) <= 400),
    cosigned_at       timestamptz NOT NULL,
    PRIMARY KEY (group_id, size, name)
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.published_leaves
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.published_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.published_checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();

-- ---------------------------------------------------------------- what is there already

ALTER TABLE timebank.published_periods
    ADD COLUMN preset text NOT NULL DEFAULT 'open' CHECK (preset IN ('open', 'careful', 'sheltered'));
ALTER TABLE timebank.published_periods ALTER COLUMN preset DROP DEFAULT;
ALTER TABLE timebank.published_groups
    ADD COLUMN people integer NOT NULL DEFAULT 0,
    ADD COLUMN gifts_wait boolean NOT NULL DEFAULT false;
ALTER TABLE timebank.published_groups
    ALTER COLUMN people DROP DEFAULT,
    ALTER COLUMN gifts_wait DROP DEFAULT;
SET ROLE NONE;
INSERT INTO timebank.publishing (group_id, from_day, preset, people, gifts_wait, decided_at)
SELECT group_id, date '0001-01-01', preset,
       CASE preset WHEN 'open' THEN 0 WHEN 'careful' THEN 3 ELSE 5 END, preset = 'sheltered', created_at
  FROM timebank.groups;
UPDATE timebank.published_groups AS p
   SET people = w.people, gifts_wait = w.gifts_wait
  FROM timebank.publishing AS w
 WHERE w.group_id = p.group_id;
SET ROLE timebank_owner;

-- ---------------------------------------------------------------- walls

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT name, CASE WHEN name LIKE '%.published\_%' THEN 'timebank_app, timebank_public'
                          ELSE 'timebank_app' END AS roles
          FROM unnest(ARRAY['timebank.publishing', 'timebank.waiting', 'timebank.published_leaves',
                            'timebank.published_nodes', 'timebank.published_checkpoints',
                            'timebank.published_cosignatures']) AS name
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', wall.name);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', wall.name);
        EXECUTE format(
            'CREATE POLICY one_group ON %s FOR ALL TO %s '
            'USING (group_id = (SELECT NULLIF(current_setting(''timebank.group'', true), '''')::uuid)) '
            'WITH CHECK (group_id = (SELECT NULLIF(current_setting(''timebank.group'', true), '''')::uuid))',
            wall.name, wall.roles);
    END LOOP;
END
$$;

GRANT SELECT, INSERT ON timebank.publishing, timebank.waiting, timebank.published_leaves,
    timebank.published_nodes, timebank.published_checkpoints, timebank.published_cosignatures TO timebank_app;
GRANT UPDATE (preset, people, gifts_wait, decided_at) ON timebank.publishing TO timebank_app;
GRANT DELETE ON timebank.waiting TO timebank_app;
GRANT SELECT ON timebank.published_leaves, timebank.published_nodes, timebank.published_checkpoints,
    timebank.published_cosignatures TO timebank_public;
