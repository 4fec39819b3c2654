-- How people join, change and leave; who stands in for whom; what a group says about itself over time.

-- A household is a random id that stewards tie people to; nothing else about it exists.
ALTER TABLE people.members ADD COLUMN household_id uuid;
CREATE INDEX members_of_household ON people.members (group_id, household_id) WHERE household_id IS NOT NULL;

-- Hours are rounded to so many minutes (1 is not at all), up or to the nearest; silence of so many days is a yes.
ALTER TABLE timebank.groups
    ADD COLUMN rounding_minutes integer NOT NULL DEFAULT 1 CHECK (rounding_minutes IN (1, 5, 6, 10, 15, 30, 60)),
    ADD COLUMN rounding_up boolean NOT NULL DEFAULT false,
    ADD COLUMN confirm_days integer NOT NULL DEFAULT 7 CHECK (confirm_days BETWEEN 1 AND 90),
    ADD COLUMN words text NOT NULL DEFAULT 'pot' CHECK (words IN ('pot', 'pool', 'hat', 'kitty'));
GRANT UPDATE (rounding_minutes, rounding_up, confirm_days, words) ON timebank.groups TO timebank_app;
ALTER TABLE timebank.groups
    ALTER COLUMN rounding_minutes DROP DEFAULT,
    ALTER COLUMN rounding_up DROP DEFAULT,
    ALTER COLUMN confirm_days DROP DEFAULT,
    ALTER COLUMN words DROP DEFAULT;

-- Each member has a short code by which others in the group find them; who was there before gets one
-- when it is first asked for.
ALTER TABLE people.members
    ADD COLUMN code_box bytea,
    ADD COLUMN code_index bytea CHECK (length(code_index) = 32),
    ADD CONSTRAINT code_is_whole CHECK ((code_box IS NULL) = (code_index IS NULL));
CREATE UNIQUE INDEX members_by_code ON people.members (group_id, code_index) WHERE code_index IS NOT NULL;

-- Whether members see a list of each other; how people come in besides being entered by a steward;
-- categories that were used and are offered no more; a time zone that begins with the next day.
ALTER TABLE timebank.groups
    ADD COLUMN member_list boolean NOT NULL DEFAULT false,
    ADD COLUMN joining text NOT NULL DEFAULT 'invitation' CHECK (joining IN ('invitation', 'request')),
    ADD COLUMN categories_retired text[] NOT NULL DEFAULT '{}',
    ADD COLUMN next_time_zone text NOT NULL DEFAULT '',
    ADD COLUMN next_time_zone_from timestamptz,
    ADD CONSTRAINT next_time_zone_is_whole CHECK ((next_time_zone = '') = (next_time_zone_from IS NULL)),
    ADD CONSTRAINT categories_in_use_or_retired CHECK (NOT categories && categories_retired);
GRANT UPDATE (member_list, joining, categories_retired, next_time_zone, next_time_zone_from)
    ON timebank.groups TO timebank_app;
ALTER TABLE timebank.groups
    ALTER COLUMN member_list DROP DEFAULT,
    ALTER COLUMN joining DROP DEFAULT,
    ALTER COLUMN categories_retired DROP DEFAULT,
    ALTER COLUMN next_time_zone DROP DEFAULT;

-- What a group said about itself before and after a change; a record of the book holds the hash of both.
CREATE TABLE timebank.settings_history (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    change_id         uuid        NOT NULL,
    changed_at        timestamptz NOT NULL,
    -- Account number of who changed it, as in records; 0 is the group or its host.
    changed_by        bigint      NOT NULL CHECK (changed_by >= 0),
    before            jsonb       NOT NULL,
    after             jsonb       NOT NULL,
    PRIMARY KEY (group_id, change_id)
);
CREATE INDEX settings_by_time ON timebank.settings_history (group_id, changed_at);

-- An invitation is a secret that so many people may join with; only its hash is kept.
CREATE TABLE people.invitations (
    group_id          uuid        NOT NULL,
    invitation_id     uuid        NOT NULL,
    secret_hash       bytea       NOT NULL CHECK (length(secret_hash) = 32),
    roles             text[]      NOT NULL CHECK (roles <@ ARRAY['steward', 'treasurer', 'auditor', 'host']),
    uses_max          integer     NOT NULL CHECK (uses_max BETWEEN 1 AND 500),
    uses              integer     NOT NULL CHECK (uses BETWEEN 0 AND uses_max),
    made_by           uuid        NOT NULL,
    made_at           timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL CHECK (expires_at > made_at),
    revoked_at        timestamptz,
    PRIMARY KEY (group_id, invitation_id),
    UNIQUE (group_id, secret_hash),
    FOREIGN KEY (group_id, made_by) REFERENCES people.members
);
CREATE INDEX invitations_by_time ON people.invitations (group_id, made_at);

-- Who joined by an invitation, so that sending the form twice lets nobody in twice.
CREATE TABLE people.invited (
    group_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    invitation_id     uuid        NOT NULL,
    joined_at         timestamptz NOT NULL,
    PRIMARY KEY (group_id, member_id),
    FOREIGN KEY (group_id, invitation_id) REFERENCES people.invitations,
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

-- Somebody without an account asks to join. The boxes are sealed with the key of the member whom
-- request_id will be, and that key is destroyed if they do not become one.
CREATE TABLE people.join_requests (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    request_id        uuid        NOT NULL,
    secret_hash       bytea       NOT NULL CHECK (length(secret_hash) = 32),
    state             text        NOT NULL CHECK (state IN ('waiting', 'accepted', 'not_now', 'withdrawn', 'expired')),
    nickname_box      bytea       NOT NULL,
    words_box         bytea       NOT NULL,
    asked_at          timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL CHECK (expires_at > asked_at),
    decided_at        timestamptz,
    -- When whoever asked first took their way in.
    entered_at        timestamptz,
    PRIMARY KEY (group_id, request_id),
    UNIQUE (group_id, secret_hash),
    CONSTRAINT decided_or_waiting CHECK ((decided_at IS NULL) = (state = 'waiting')),
    CONSTRAINT words_go_with_the_decision CHECK (state = 'waiting' OR (nickname_box = '' AND words_box = '')),
    CONSTRAINT only_the_accepted_enter CHECK (entered_at IS NULL OR state = 'accepted')
);
CREATE INDEX join_requests_waiting ON people.join_requests (group_id, asked_at) WHERE state = 'waiting';

-- Who stands in for whom, in what, until when; nobody by their own word alone.
CREATE TABLE people.stand_ins (
    group_id          uuid        NOT NULL,
    stand_in_id       uuid        NOT NULL,
    stand_in          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    scopes            text[]      NOT NULL CHECK (scopes <@ ARRAY['log', 'ask', 'see'] AND cardinality(scopes) > 0),
    consent           text        NOT NULL CHECK (consent IN ('said', 'on_paper', 'in_person_with_steward')),
    consent_by        uuid        NOT NULL,
    since             timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL CHECK (expires_at > since),
    until             date        NOT NULL,
    ended_at          timestamptz,
    PRIMARY KEY (group_id, stand_in_id),
    FOREIGN KEY (group_id, stand_in) REFERENCES people.members,
    FOREIGN KEY (group_id, member_id) REFERENCES people.members,
    FOREIGN KEY (group_id, consent_by) REFERENCES people.members,
    CONSTRAINT for_somebody_else CHECK (stand_in <> member_id),
    CONSTRAINT not_by_their_own_word CHECK (consent_by <> stand_in)
);
CREATE UNIQUE INDEX stand_ins_one_tie ON people.stand_ins (group_id, stand_in, member_id) WHERE ended_at IS NULL;
CREATE INDEX stand_ins_for ON people.stand_ins (group_id, member_id);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['timebank.settings_history', 'people.invitations', 'people.invited',
                            'people.join_requests', 'people.stand_ins']) AS name
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

GRANT SELECT, INSERT ON timebank.settings_history, people.invitations, people.invited,
    people.join_requests, people.stand_ins TO timebank_app;
GRANT UPDATE (uses, revoked_at) ON people.invitations TO timebank_app;
GRANT UPDATE (state, nickname_box, words_box, decided_at, entered_at) ON people.join_requests TO timebank_app;
GRANT UPDATE (ended_at) ON people.stand_ins TO timebank_app;
