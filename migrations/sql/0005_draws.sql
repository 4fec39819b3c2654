-- The whole life of a draw, and policies as data.

-- ---------------------------------------------------------------- draws

ALTER TABLE timebank.draws
    DROP CONSTRAINT draws_state_check,
    ADD CONSTRAINT draws_state_check CHECK (state IN ('asked', 'looked_at', 'promised', 'handed_over', 'arrived',
        'released', 'not_now', 'expired', 'cancelled')),
    -- When the last yes came that the rules want; since when it waits for the pot; the day of the promise.
    ADD COLUMN agreed_at timestamptz,
    ADD COLUMN queued_at timestamptz,
    ADD COLUMN promised_on date,
    -- When the group next has to do something with it: a window ends, a promise, the keeping of papers.
    ADD COLUMN due_at timestamptz,
    ADD COLUMN without_account boolean NOT NULL DEFAULT false,
    ADD COLUMN warnings text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT draws_and_account UNIQUE (group_id, draw_id, without_account),
    ADD CONSTRAINT in_the_queue_when_agreed CHECK (queued_at IS NULL OR (agreed_at IS NOT NULL AND state = 'looked_at')),
    ADD CONSTRAINT promised_by_a_promise CHECK (
        (state IN ('asked', 'looked_at', 'not_now') AND amount_promised = 0)
        OR (state = 'promised' AND amount_handed + amount_released < amount_promised)
        OR (state IN ('handed_over', 'arrived', 'released', 'expired', 'cancelled')
            AND amount_handed + amount_released = amount_promised));
ALTER TABLE timebank.draws
    ALTER COLUMN without_account DROP DEFAULT,
    ALTER COLUMN warnings DROP DEFAULT;
DROP INDEX timebank.draws_open;
CREATE INDEX draws_open ON timebank.draws (group_id, asked_at) WHERE state IN ('asked', 'looked_at', 'promised');
CREATE INDEX draws_queued ON timebank.draws (group_id, pot_id, queued_at, draw_id) WHERE queued_at IS NOT NULL;
CREATE INDEX draws_due ON timebank.draws (group_id, due_at) WHERE due_at IS NOT NULL;

-- Who asked, for whom, and who has no say any more, so that plain CHECKs still hold the rule of different
-- people. without_account repeats what the draw says, and the foreign key makes that true.
ALTER TABLE timebank.draw_hands
    ADD COLUMN theirs boolean NOT NULL DEFAULT false,
    ADD COLUMN stepped_aside boolean NOT NULL DEFAULT false,
    ADD COLUMN objected boolean NOT NULL DEFAULT false,
    ADD COLUMN not_own boolean NOT NULL DEFAULT false,
    ADD COLUMN without_account boolean NOT NULL DEFAULT false;
SET ROLE NONE;
UPDATE timebank.draw_hands SET theirs = true WHERE asked;
UPDATE timebank.draws SET due_at = changed_at + interval '30 days' WHERE state NOT IN ('asked', 'promised');
SET ROLE timebank_owner;
-- A new foreign key looks at all rows at once, which the owner may not do behind the wall.
ALTER TABLE timebank.draw_hands NO FORCE ROW LEVEL SECURITY;
ALTER TABLE timebank.draws NO FORCE ROW LEVEL SECURITY;
ALTER TABLE timebank.draw_hands
    ALTER COLUMN theirs DROP DEFAULT,
    ALTER COLUMN stepped_aside DROP DEFAULT,
    ALTER COLUMN objected DROP DEFAULT,
    ALTER COLUMN not_own DROP DEFAULT,
    ALTER COLUMN without_account DROP DEFAULT,
    ADD CONSTRAINT of_such_a_draw FOREIGN KEY (group_id, draw_id, without_account)
        REFERENCES timebank.draws (group_id, draw_id, without_account),
    ADD CONSTRAINT theirs_if_asked CHECK (NOT theirs OR asked),
    ADD CONSTRAINT nobody_objects_to_their_own CHECK (NOT (asked AND (objected OR stepped_aside))),
    ADD CONSTRAINT no_say_once_aside CHECK (NOT (stepped_aside AND (approved OR paid OR objected))),
    ADD CONSTRAINT yes_or_objection CHECK (NOT (approved AND objected)),
    ADD CONSTRAINT states_that_it_is_not_their_own CHECK (NOT (without_account AND approved) OR not_own);
ALTER TABLE timebank.draws FORCE ROW LEVEL SECURITY;
ALTER TABLE timebank.draw_hands FORCE ROW LEVEL SECURITY;

-- ---------------------------------------------------------------- what people are told and asked

ALTER TABLE people.notes
    DROP CONSTRAINT notes_what_check,
    ADD CONSTRAINT notes_what_check CHECK (what IN ('note', 'contact', 'payout', 'reference', 'facts', 'reason',
        'objection', 'question', 'answer'));

-- How somebody without an account finds their ask again. The link and the short code of a slip are derived
-- and never stored, only these hashes; another issue replaces both.
CREATE TABLE people.ask_links (
    group_id          uuid        NOT NULL,
    draw_id           uuid        NOT NULL,
    link_hash         bytea       NOT NULL CHECK (length(link_hash) = 32),
    code_index        bytea       CHECK (length(code_index) = 32),
    -- Blind index of what they can be reached by, so that two asks of one person are noticed.
    contact_index     bytea       NOT NULL,
    issue             integer     NOT NULL CHECK (issue >= 0),
    issued_at         timestamptz NOT NULL,
    PRIMARY KEY (group_id, draw_id),
    UNIQUE (group_id, link_hash),
    FOREIGN KEY (group_id, draw_id) REFERENCES timebank.draws
);
CREATE UNIQUE INDEX ask_links_by_code ON people.ask_links (group_id, code_index) WHERE code_index IS NOT NULL;
CREATE INDEX ask_links_by_contact ON people.ask_links (group_id, contact_index) WHERE contact_index <> '';

-- What somebody without an account wrote, and the facts of decisions about it, sealed with a key of the ask.
CREATE TABLE people.ask_notes (
    group_id          uuid        NOT NULL,
    draw_id           uuid        NOT NULL,
    about_id          uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('contact', 'payout', 'facts', 'answer')),
    salt              bytea       NOT NULL CHECK (length(salt) = 32),
    box               bytea       NOT NULL,
    PRIMARY KEY (group_id, draw_id, about_id, what),
    FOREIGN KEY (group_id, draw_id) REFERENCES timebank.draws
);

-- Who looked at what is personal about a draw, shown to the person whom it is about.
CREATE TABLE people.draw_looks (
    group_id          uuid        NOT NULL,
    look_id           uuid        NOT NULL,
    draw_id           uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('who', 'payout', 'link')),
    looked_at         timestamptz NOT NULL,
    PRIMARY KEY (group_id, look_id),
    FOREIGN KEY (group_id, draw_id) REFERENCES timebank.draws,
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);
CREATE INDEX draw_looks_of_draw ON people.draw_looks (group_id, draw_id, looked_at);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['people.ask_links', 'people.ask_notes', 'people.draw_looks']) AS name
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

GRANT SELECT, INSERT ON people.ask_links, people.ask_notes, people.draw_looks TO timebank_app;
GRANT UPDATE (link_hash, code_index, issue, issued_at) ON people.ask_links TO timebank_app;
GRANT UPDATE (salt, box), DELETE ON people.ask_notes TO timebank_app;
