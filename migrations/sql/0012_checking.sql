-- Checking: keys of auditors, a group's own list of witnesses, and what a cosignature says.

-- A name is for ever: what was cosigned with it stays readable. Who has it is told to nobody but the group's own
-- people; a key that was withdrawn, or whose auditor carries the duty no more, counts for nothing new.
CREATE TABLE timebank.auditor_keys (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    name              text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    key               text        NOT NULL CHECK (length(key) BETWEEN 1 AND 400),
    member_id         uuid        NOT NULL,
    introduced_at     timestamptz NOT NULL,
    withdrawn_at      timestamptz,
    PRIMARY KEY (group_id, name),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);
CREATE UNIQUE INDEX auditor_keys_one_each ON timebank.auditor_keys (group_id, member_id)
    WHERE withdrawn_at IS NULL;

-- Verifier keys of witnesses; none stands for those of the host.
ALTER TABLE timebank.groups ADD COLUMN witnesses text[] NOT NULL DEFAULT '{}';
ALTER TABLE timebank.groups ALTER COLUMN witnesses DROP DEFAULT;

ALTER TABLE timebank.published_cosignatures
    ADD COLUMN said text NOT NULL DEFAULT 'witnessed' CHECK (said IN ('witnessed', 'audited'));
ALTER TABLE timebank.published_cosignatures ALTER COLUMN said DROP DEFAULT;

ALTER TABLE people.looks
    DROP CONSTRAINT looks_what_check,
    ADD CONSTRAINT looks_what_check CHECK (what IN ('found', 'list', 'hours', 'archive', 'audit'));

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['timebank.auditor_keys']) AS name
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

GRANT SELECT, INSERT ON timebank.auditor_keys TO timebank_app;
GRANT UPDATE (withdrawn_at) ON timebank.auditor_keys TO timebank_app;
GRANT UPDATE (witnesses) ON timebank.groups TO timebank_app;
