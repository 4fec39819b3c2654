-- The walls around the book. Three keep its past as it was: the application role has no UPDATE,
-- DELETE or TRUNCATE on it, triggers refuse everybody, and the trees show anyone else's hand.
-- The trigger is no wall against the owner or a superuser, who can disable it: that is what the
-- trees are for. Between groups stands row-level security, ENABLE and FORCE on every table that
-- has a group_id. What stands here can be read back from the catalog: migrations/walls.txt.

-- ---------------------------------------------------------------- nobody by default

REVOKE ALL ON SCHEMA timebank, people FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA timebank, people FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA timebank, people FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TYPES FROM PUBLIC;

-- A backup that forgets a new table is found out on the day it is needed.
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO timebank_backup;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO timebank_backup;

-- ---------------------------------------------------------------- the past stays as it was

CREATE FUNCTION timebank.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: the book is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'TB001',
              HINT = 'Write a correction; it is a new entry that undoes the old one.';
END
$$;
REVOKE ALL ON FUNCTION timebank.refuse_change() FROM PUBLIC;

-- Once per statement, so that a write of many rows pays nothing and one of no rows is refused too.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.records
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.entries
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON timebank.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION timebank.refuse_change();

-- ---------------------------------------------------------------- between groups

-- On a connection that was used before, a setting that is not set reads as the empty string:
-- NULLIF makes it no group at all instead of an error. The sub-select is evaluated once per
-- statement, not once per row.
DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT c.oid::regclass AS name,
               CASE WHEN c.relname LIKE 'published\_%' THEN 'timebank_app, timebank_public'
                    ELSE 'timebank_app' END AS roles
          FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'group_id'
         WHERE c.relnamespace IN ('timebank'::regnamespace, 'people'::regnamespace)
           AND c.relkind IN ('r', 'p')
           AND c.relname <> 'published_slugs'
      ORDER BY c.oid
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

-- The way in: everybody may look up which group has an address, but nobody may take or move the
-- address of another group.
ALTER TABLE timebank.published_slugs ENABLE ROW LEVEL SECURITY;
ALTER TABLE timebank.published_slugs FORCE ROW LEVEL SECURITY;
CREATE POLICY anyone_looks ON timebank.published_slugs FOR SELECT TO timebank_app, timebank_public
    USING (true);
CREATE POLICY one_group_adds ON timebank.published_slugs FOR INSERT TO timebank_app
    WITH CHECK (group_id = (SELECT NULLIF(current_setting('timebank.group', true), '')::uuid));
CREATE POLICY one_group_changes ON timebank.published_slugs FOR UPDATE TO timebank_app
    USING (group_id = (SELECT NULLIF(current_setting('timebank.group', true), '')::uuid))
    WITH CHECK (group_id = (SELECT NULLIF(current_setting('timebank.group', true), '')::uuid));

-- ---------------------------------------------------------------- who may do what

GRANT USAGE ON SCHEMA timebank, people TO timebank_app, timebank_backup;
GRANT USAGE ON SCHEMA timebank TO timebank_public;
GRANT SELECT ON ALL TABLES IN SCHEMA timebank, people TO timebank_backup;

-- The application reads and adds; what it may change besides stands below, table by table.
GRANT SELECT, INSERT ON
    timebank.groups, timebank.book_heads, timebank.accounts, timebank.pots, timebank.held_places,
    timebank.policies,
    timebank.records, timebank.entries, timebank.transfers, timebank.account_days, timebank.answers,
    timebank.hours, timebank.draws, timebank.draw_hands, timebank.closes,
    people.members, people.member_roles, people.tokens, people.notes,
    timebank.published_slugs, timebank.published_groups, timebank.published_policies,
    timebank.published_periods, timebank.published_balances, timebank.published_held,
    timebank.published_flows, timebank.published_lines
    TO timebank_app;
GRANT SELECT ON timebank.alembic_version TO timebank_app;

-- Every commitment holds the book id and every checkpoint the origin: these never change, nor does
-- the day that the book begins on.
GRANT UPDATE (slug, name, time_zone, languages, preset, categories, time_bank) ON timebank.groups
    TO timebank_app;
GRANT UPDATE ON
    timebank.book_heads, timebank.accounts, timebank.account_days, timebank.pots, timebank.held_places,
    timebank.hours, timebank.draws, timebank.draw_hands,
    people.members, people.member_roles, people.tokens, people.notes,
    timebank.published_slugs, timebank.published_groups
    TO timebank_app;

-- Who is erased takes their words and their ways in along; what a member row held is overwritten.
GRANT DELETE ON people.notes, people.tokens TO timebank_app;

GRANT SELECT ON
    timebank.published_slugs, timebank.published_groups, timebank.published_policies,
    timebank.published_periods, timebank.published_balances, timebank.published_held,
    timebank.published_flows, timebank.published_lines
    TO timebank_public;
