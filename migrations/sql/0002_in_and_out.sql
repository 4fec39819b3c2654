-- Imports and long work. A group's past comes in as one transaction, long work says how far it is,
-- and whoever looks while the server was killed finds it done or not at all.

-- Long work of a group: one piece at a time. Whoever does it holds an advisory lock of the group, so
-- that a row which says "running" while nobody holds the lock is of a process that is gone.
CREATE TABLE timebank.jobs (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    job_id            uuid        NOT NULL,
    kind              text        NOT NULL CHECK (kind IN ('check', 'post', 'undo')),
    about_id          uuid        NOT NULL,
    -- Who asked for it; nobody for what the host does.
    asked_by          uuid,
    runner            text        NOT NULL CHECK (runner IN ('server', 'command')),
    state             text        NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'refused',
                          'cancelled', 'failed')),
    phase             text        NOT NULL,
    done              bigint      NOT NULL CHECK (done >= 0),
    total             bigint      NOT NULL CHECK (total >= 0),
    cancel            boolean     NOT NULL,
    refusal           text        NOT NULL,
    created_at        timestamptz NOT NULL,
    started_at        timestamptz,
    changed_at        timestamptz NOT NULL,
    -- While the book is locked for everybody else: when that will be over, as far as can be told.
    locked_until      timestamptz,
    PRIMARY KEY (group_id, job_id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX jobs_one_at_a_time ON timebank.jobs (group_id) WHERE state IN ('waiting', 'running');
CREATE INDEX jobs_of_import ON timebank.jobs (group_id, about_id, created_at);

-- One import: files that were handed in together, checked, and posted as one batch of records
-- from first_seq to last_seq. options says how they were read; nothing here names a person.
CREATE TABLE timebank.imports (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    import_id         uuid        NOT NULL,
    state             text        NOT NULL CHECK (state IN ('new', 'checked', 'posted', 'undone', 'dropped')),
    options           jsonb       NOT NULL,
    summary           jsonb       NOT NULL,
    member_id         uuid,
    created_at        timestamptz NOT NULL,
    changed_at        timestamptz NOT NULL,
    first_seq         bigint,
    last_seq          bigint,
    PRIMARY KEY (group_id, import_id),
    CONSTRAINT posted_as_one_batch CHECK ((first_seq IS NULL) = (last_seq IS NULL)
        AND (state IN ('posted', 'undone')) = (first_seq IS NOT NULL) AND first_seq <= last_seq)
);
CREATE INDEX imports_by_day ON timebank.imports (group_id, created_at);

-- Which of a file's columns is which of ours, as the group said it the last time.
-- header_hash = SHA-256 of the header as it stands in the file.
CREATE TABLE timebank.import_columns (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    header_hash       bytea       NOT NULL CHECK (length(header_hash) = 32),
    layout            text        NOT NULL,
    columns           jsonb       NOT NULL,
    PRIMARY KEY (group_id, header_hash)
);

-- Files that wait to be checked or posted, and what was found in them, sealed with the key of who
-- handed them in; gone once they are posted, dropped or a week old.
CREATE TABLE people.import_papers (
    group_id          uuid        NOT NULL,
    import_id         uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('file', 'report')),
    number            integer     NOT NULL CHECK (number >= 0),
    part              integer     NOT NULL CHECK (part >= 0),
    member_id         uuid        NOT NULL,
    box               bytea       NOT NULL,
    expires_on        date        NOT NULL,
    PRIMARY KEY (group_id, import_id, what, number, part),
    FOREIGN KEY (group_id, import_id) REFERENCES timebank.imports,
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['timebank.jobs', 'timebank.imports', 'timebank.import_columns',
                            'people.import_papers']) AS name
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

GRANT SELECT, INSERT, UPDATE ON timebank.jobs, timebank.imports, timebank.import_columns TO timebank_app;
GRANT SELECT, INSERT, DELETE ON people.import_papers TO timebank_app;

-- A book that begins earlier than the group was set up: an import brings the past along. It only
-- ever moves back, and a record says so.
GRANT UPDATE (began_on) ON timebank.groups TO timebank_app;
CREATE FUNCTION timebank.began_only_earlier() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    IF NEW.began_on > OLD.began_on THEN
        RAISE EXCEPTION 'the book of a group cannot begin later than it did' USING ERRCODE = 'TB001';
    END IF;
    RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION timebank.began_only_earlier() FROM PUBLIC;
CREATE TRIGGER began_only_earlier BEFORE UPDATE OF began_on ON timebank.groups
    FOR EACH ROW EXECUTE FUNCTION timebank.began_only_earlier();
