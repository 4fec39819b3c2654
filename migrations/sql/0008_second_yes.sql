-- A duty takes a second steward's yes; and whoever printed a sign-in card for somebody is remembered until
-- another person says that they are who they are.

-- Duties that one person wants to give, and that another one has to agree to. Nothing here is personal.
CREATE TABLE people.duty_proposals (
    group_id          uuid        NOT NULL,
    duty_id           uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    roles             text[]      NOT NULL CHECK (roles <@ ARRAY['steward', 'treasurer', 'auditor', 'host']
                          AND cardinality(roles) > 0),
    state             text        NOT NULL CHECK (state IN ('open', 'given', 'withdrawn')),
    proposed_by       uuid        NOT NULL,
    proposed_at       timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL CHECK (expires_at > proposed_at),
    signed_by         uuid,
    ended_at          timestamptz,
    PRIMARY KEY (group_id, duty_id),
    FOREIGN KEY (group_id, member_id)   REFERENCES people.members (group_id, member_id),
    FOREIGN KEY (group_id, proposed_by) REFERENCES people.members (group_id, member_id),
    FOREIGN KEY (group_id, signed_by)   REFERENCES people.members (group_id, member_id),
    CONSTRAINT nobody_signs_their_own_duty CHECK (signed_by <> proposed_by),
    CONSTRAINT given_by_two CHECK ((state = 'given') = (signed_by IS NOT NULL)),
    CONSTRAINT duty_ended_with_its_state CHECK ((state = 'open') = (ended_at IS NULL))
);
CREATE INDEX duty_proposals_by_day ON people.duty_proposals (group_id, proposed_at);

-- Who printed a sign-in card for whom. While there is a row, duties of that member wait.
CREATE TABLE people.card_makers (
    group_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    made_by           uuid        NOT NULL,
    PRIMARY KEY (group_id, member_id, made_by),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members (group_id, member_id),
    FOREIGN KEY (group_id, made_by)   REFERENCES people.members (group_id, member_id),
    CONSTRAINT for_somebody_else CHECK (made_by <> member_id)
);

-- Cards of those who joined by an invitation bear the name of who invited them, who never saw the card.
-- Whoever carries a duty today keeps it: what they sign in with is no younger than it was yesterday.
SET ROLE NONE;
INSERT INTO people.card_makers (group_id, member_id, made_by)
SELECT DISTINCT c.group_id, c.member_id, c.made_by
  FROM people.cards AS c
 WHERE c.made_by IS NOT NULL
   AND c.made_by <> c.member_id
   AND EXISTS (SELECT FROM people.members AS m WHERE m.group_id = c.group_id AND m.member_id = c.made_by)
   AND NOT EXISTS (SELECT FROM people.invited AS i WHERE i.group_id = c.group_id AND i.member_id = c.member_id)
   AND NOT EXISTS (SELECT FROM people.member_roles AS r
                    WHERE r.group_id = c.group_id AND r.member_id = c.member_id AND r.role <> 'stand_in'
                      AND (r.until IS NULL OR r.until > now()));

-- What files and their columns are called may name people. It is sealed from now on, and which column is which
-- is remembered by its place; what was kept in clear goes.
DELETE FROM timebank.import_columns;
UPDATE timebank.imports
   SET options = options - ARRAY['columns', 'files', 'sheet']
 WHERE state NOT IN ('new', 'checked');
SET ROLE timebank_owner;

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['people.duty_proposals', 'people.card_makers']) AS name
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

GRANT SELECT, INSERT ON people.duty_proposals TO timebank_app;
GRANT UPDATE (state, signed_by, ended_at) ON people.duty_proposals TO timebank_app;
GRANT SELECT, INSERT, DELETE ON people.card_makers TO timebank_app;
