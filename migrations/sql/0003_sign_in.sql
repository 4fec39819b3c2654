-- How people sign in: sessions, passkeys, codes and cards.

-- Whether this person has any way to sign in; silence of somebody without one is never a yes.
ALTER TABLE people.members ADD COLUMN signs_in boolean NOT NULL DEFAULT false;
-- The owner is walled off from the rows as everybody is; the role that migrates is not.
SET ROLE NONE;
UPDATE people.members AS m
   SET signs_in = true
 WHERE EXISTS (SELECT FROM people.tokens AS t
                WHERE t.group_id = m.group_id AND t.member_id = m.member_id AND t.revoked_at IS NULL);
SET ROLE timebank_owner;
ALTER TABLE people.members ALTER COLUMN signs_in DROP DEFAULT;

-- Somebody who is signed in on one device. The id in the cookie is only here as a hash; it changes with
-- every proof. A row that is gone is a session that ended. Nothing says from where anybody came.
CREATE TABLE people.sessions (
    group_id          uuid        NOT NULL,
    session_id        uuid        NOT NULL,
    session_hash      bytea       NOT NULL CHECK (length(session_hash) = 32),
    member_id         uuid        NOT NULL,
    way               text        NOT NULL CHECK (way IN ('card', 'mail', 'passkey', 'recovery', 'set_up')),
    -- Whether a passkey that asked for a finger or a code, or a code of an app, was among the proofs.
    strong            boolean     NOT NULL,
    begun_at          timestamptz NOT NULL,
    -- When the id was made that holds now: duties that changed later end the session.
    turned_at         timestamptz NOT NULL CHECK (turned_at >= begun_at),
    proved_at         timestamptz NOT NULL CHECK (proved_at >= begun_at),
    -- Kept up to the minute for those who carry duties, and not at all for others.
    seen_at           timestamptz NOT NULL CHECK (seen_at >= begun_at),
    PRIMARY KEY (group_id, session_id),
    UNIQUE (group_id, session_hash),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
) WITH (fillfactor = 70);
CREATE INDEX sessions_of_member ON people.sessions (group_id, member_id);

-- A printed card: a code that signs in once. code_hash is made with the group's own key, which is not here.
CREATE TABLE people.cards (
    group_id          uuid        NOT NULL,
    card_id           uuid        NOT NULL,
    code_hash         bytea       NOT NULL CHECK (length(code_hash) = 32),
    member_id         uuid        NOT NULL,
    -- Nobody where the host or the set-up made it.
    made_by           uuid,
    -- Whether it lets somebody who lost their passkey or app set up another.
    recovers          boolean     NOT NULL,
    made_at           timestamptz NOT NULL,
    expires_at        timestamptz NOT NULL CHECK (expires_at > made_at),
    used_at           timestamptz,
    -- Which sending of the form used it: the same one, sent again, is answered again.
    used_key          bytea       CHECK (length(used_key) = 32),
    PRIMARY KEY (group_id, card_id),
    UNIQUE (group_id, code_hash),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members,
    CONSTRAINT used_with_a_key CHECK ((used_at IS NULL) = (used_key IS NULL))
);
CREATE INDEX cards_of_member ON people.cards (group_id, member_id);

-- A passkey: its public key and the name that its owner gave it, sealed. credential_index finds it by the id
-- that the device sends, without that id being here.
CREATE TABLE people.passkeys (
    group_id          uuid        NOT NULL,
    passkey_id        uuid        NOT NULL,
    credential_index  bytea       NOT NULL CHECK (length(credential_index) = 32),
    member_id         uuid        NOT NULL,
    box               bytea       NOT NULL,
    -- What the device counted last; one that counts backwards is a copy. Many devices do not count.
    sign_count        bigint      NOT NULL CHECK (sign_count >= 0),
    added_at          timestamptz NOT NULL,
    PRIMARY KEY (group_id, passkey_id),
    CONSTRAINT passkey_once UNIQUE (group_id, credential_index),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);
CREATE INDEX passkeys_of_member ON people.passkeys (group_id, member_id);

-- An app that shows codes of six digits. Each 30 seconds are a step, and each step is good once.
CREATE TABLE people.totps (
    group_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    box               bytea       NOT NULL,
    last_step         bigint      NOT NULL,
    added_at          timestamptz NOT NULL,
    -- Wrong codes in a row; from the tenth on there is a while to wait, never for ever.
    wrong             integer     NOT NULL CHECK (wrong >= 0),
    wait_until        timestamptz NOT NULL,
    PRIMARY KEY (group_id, member_id),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

-- Challenges of passkeys that were answered: each can be answered once, and after expires_at not at all.
CREATE TABLE people.spent_challenges (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    challenge_hash    bytea       NOT NULL CHECK (length(challenge_hash) = 32),
    expires_at        timestamptz NOT NULL,
    CONSTRAINT challenge_once PRIMARY KEY (group_id, challenge_hash)
);

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['people.sessions', 'people.cards', 'people.passkeys', 'people.totps',
                            'people.spent_challenges']) AS name
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

GRANT SELECT, INSERT, DELETE ON people.sessions, people.cards, people.passkeys, people.totps,
    people.spent_challenges TO timebank_app;
GRANT UPDATE (session_hash, strong, turned_at, proved_at, seen_at) ON people.sessions TO timebank_app;
GRANT UPDATE (used_at, used_key) ON people.cards TO timebank_app;
GRANT UPDATE (sign_count) ON people.passkeys TO timebank_app;
GRANT UPDATE (box, last_step, added_at, wrong, wait_until) ON people.totps TO timebank_app;
