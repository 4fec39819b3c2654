-- The post: mail that waits to be sent, links that it carries, and limits on how often anybody tries.

-- How often somebody tried something today. try_key = HMAC-SHA256(key of the day, what and who): the key
-- is a file outside the database and is gone a day later, so that no row tells who tried.
CREATE TABLE people.tries (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    try_key           bytea       NOT NULL CHECK (length(try_key) = 32),
    tried             integer     NOT NULL CHECK (tried >= 0),
    healed_at         timestamptz NOT NULL,
    open_at           timestamptz NOT NULL,
    day               date        NOT NULL,
    PRIMARY KEY (group_id, try_key)
) WITH (fillfactor = 50);
CREATE INDEX tries_by_day ON people.tries (group_id, day);

-- Where a member gets mail, if they want any. The box holds address and language; several people may
-- share one address.
CREATE TABLE people.mail (
    group_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    address_box       bytea       NOT NULL,
    address_index     bytea       NOT NULL CHECK (length(address_index) = 32),
    confirmed_at      timestamptz,
    PRIMARY KEY (group_id, member_id),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);
CREATE INDEX mail_by_address ON people.mail (group_id, address_index);

-- Mail on its way. What it says and to whom is in one box, which is emptied when nobody needs it any more:
-- sent, refused for good by the other server (failed), or too late (given_up).
CREATE TABLE people.outbox (
    group_id          uuid        NOT NULL,
    mail_id           uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    box               bytea       NOT NULL,
    state             text        NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'given_up')),
    tries             integer     NOT NULL CHECK (tries >= 0),
    created_at        timestamptz NOT NULL,
    next_try_at       timestamptz NOT NULL,
    useless_at        timestamptz NOT NULL,
    ended_at          timestamptz,
    PRIMARY KEY (group_id, mail_id),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members,
    CONSTRAINT nothing_kept_of_ended_mail CHECK ((state = 'waiting') = (length(box) > 0)
        AND (state = 'waiting') = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX outbox_waiting ON people.outbox (group_id, next_try_at) WHERE state = 'waiting';

-- Links that were mailed, by their hash. One to sign in holds for the browser that asked for it;
-- one that confirms an address holds for that address.
CREATE TABLE people.mail_links (
    group_id          uuid        NOT NULL,
    link_hash         bytea       NOT NULL CHECK (length(link_hash) = 32),
    member_id         uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('sign_in', 'confirm')),
    -- SHA-256 of the browser's cookie, or the blind index of the address.
    bound_to          bytea       NOT NULL CHECK (length(bound_to) = 32),
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL,
    used_at           timestamptz,
    PRIMARY KEY (group_id, link_hash),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members,
    CONSTRAINT sign_in_links_are_short CHECK (what <> 'sign_in' OR expires_at <= created_at + interval '10 minutes')
);
CREATE INDEX mail_links_by_end ON people.mail_links (group_id, expires_at);
CREATE INDEX mail_links_of_member ON people.mail_links (group_id, member_id);

-- Somebody asked for a link to sign in. Who that is, is looked up after they were answered, so that the
-- answer cannot tell; the row is the same for a name that nobody has, and is gone once it was looked at.
CREATE TABLE people.mail_asks (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    ask_id            uuid        NOT NULL,
    nickname_index    bytea       NOT NULL CHECK (length(nickname_index) = 32),
    address_index     bytea       NOT NULL CHECK (length(address_index) = 32),
    browser_hash      bytea       NOT NULL CHECK (length(browser_hash) = 32),
    language          text        NOT NULL,
    created_at        timestamptz NOT NULL,
    PRIMARY KEY (group_id, ask_id)
);

-- A way back in for somebody with a duty, by the host. Others with a duty are told and can stop it
-- until due_at.
CREATE TABLE people.recoveries (
    group_id          uuid        NOT NULL,
    recovery_id       uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    state             text        NOT NULL CHECK (state IN ('asked', 'stopped', 'done')),
    asked_at          timestamptz NOT NULL,
    due_at            timestamptz NOT NULL CHECK (due_at >= asked_at),
    ended_at          timestamptz,
    stopped_by        uuid,
    PRIMARY KEY (group_id, recovery_id),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members,
    CONSTRAINT ended_with_its_state CHECK ((state = 'asked') = (ended_at IS NULL)
        AND (state = 'stopped') = (stopped_by IS NOT NULL)),
    CONSTRAINT nothing_done_early CHECK (state <> 'done' OR ended_at >= due_at)
);
CREATE UNIQUE INDEX recoveries_one_at_a_time ON people.recoveries (group_id, member_id) WHERE state = 'asked';
CREATE INDEX recoveries_by_day ON people.recoveries (group_id, asked_at);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['people.tries', 'people.mail', 'people.outbox', 'people.mail_links',
                            'people.mail_asks', 'people.recoveries']) AS name
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

GRANT SELECT, INSERT, DELETE ON people.tries, people.mail, people.outbox, people.mail_links, people.mail_asks
    TO timebank_app;
GRANT SELECT, INSERT ON people.recoveries TO timebank_app;
GRANT UPDATE (tried, healed_at, open_at) ON people.tries TO timebank_app;
GRANT UPDATE (address_box, address_index, confirmed_at) ON people.mail TO timebank_app;
GRANT UPDATE (box, state, tries, next_try_at, ended_at) ON people.outbox TO timebank_app;
GRANT UPDATE (used_at) ON people.mail_links TO timebank_app;
GRANT UPDATE (state, ended_at, stopped_by) ON people.recoveries TO timebank_app;
