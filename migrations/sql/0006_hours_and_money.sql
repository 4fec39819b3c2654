-- The whole life of hours; money that moves, is counted and goes out.

-- ---------------------------------------------------------------- hours

-- What is said yes to is in the book.
ALTER TABLE timebank.hours
    ADD CONSTRAINT confirmed_is_posted CHECK (state <> 'confirmed' OR seq IS NOT NULL);

-- Everybody's own list: what they gave, as hours_received has what they got.
CREATE INDEX hours_given ON timebank.hours (group_id, giver_account, logged_at);

-- Hours between two people that wait for the receiver's yes. Only while they wait is it kept who the
-- two are: silence counts for somebody who can sign in, and the book needs their other accounts.
CREATE TABLE timebank.hours_waiting (
    group_id          uuid        NOT NULL,
    hours_id          uuid        NOT NULL,
    giver_id          uuid        NOT NULL,
    receiver_id       uuid        NOT NULL,
    PRIMARY KEY (group_id, hours_id),
    FOREIGN KEY (group_id, giver_id)    REFERENCES people.members (group_id, member_id),
    FOREIGN KEY (group_id, receiver_id) REFERENCES people.members (group_id, member_id),
    CONSTRAINT two_people_exchange CHECK (giver_id <> receiver_id)
);

-- A "not quite": other minutes, proposed by the side that did not log them. Why is a sealed note.
CREATE TABLE timebank.hours_questions (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    question_id       uuid        NOT NULL,
    hours_id          uuid        NOT NULL,
    asked_by          bigint      NOT NULL,
    minutes           bigint      NOT NULL CHECK (minutes BETWEEN 1 AND 1000000000000),
    state             text        NOT NULL CHECK (state IN ('open', 'settled', 'dropped', 'replaced')),
    asked_at          timestamptz NOT NULL,
    PRIMARY KEY (group_id, question_id)
);
CREATE UNIQUE INDEX hours_questions_open ON timebank.hours_questions (group_id, hours_id)
    WHERE state = 'open';

-- ---------------------------------------------------------------- money

-- What a bank's statement said, blinded with the group's key: the same reference twice is caught,
-- and nobody reads one here.
CREATE TABLE timebank.money_references (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    reference_index   bytea       NOT NULL CHECK (length(reference_index) = 32),
    entry_id          uuid        NOT NULL,
    held_account      bigint      NOT NULL,
    amount            bigint      NOT NULL,
    PRIMARY KEY (group_id, reference_index, entry_id)
);
CREATE INDEX money_references_of_entry ON timebank.money_references (group_id, entry_id);

-- What takes two people: one proposes, another one with a duty signs, and only then the book says it.
-- body has codes, amounts and days; why is a sealed note.
CREATE TABLE timebank.proposals (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    proposal_id       uuid        NOT NULL,
    kind              text        NOT NULL CHECK (kind IN ('count', 'money_out', 'opening', 'pot_move')),
    body              jsonb       NOT NULL,
    state             text        NOT NULL CHECK (state IN ('open', 'signed', 'withdrawn', 'expired')),
    proposed_by       uuid        NOT NULL,
    signed_by         uuid,
    entry_id          uuid,
    proposed_at       timestamptz NOT NULL,
    changed_at        timestamptz NOT NULL,
    PRIMARY KEY (group_id, proposal_id),
    FOREIGN KEY (group_id, proposed_by) REFERENCES people.members (group_id, member_id),
    FOREIGN KEY (group_id, signed_by)   REFERENCES people.members (group_id, member_id),
    CONSTRAINT nobody_signs_their_own CHECK (signed_by <> proposed_by),
    CONSTRAINT signed_is_posted CHECK (
        (state = 'signed') = (signed_by IS NOT NULL) AND (state = 'signed') = (entry_id IS NOT NULL))
);
CREATE INDEX proposals_by_day ON timebank.proposals (group_id, proposed_at);
CREATE INDEX proposals_open ON timebank.proposals (group_id, proposed_at) WHERE state = 'open';

-- ---------------------------------------------------------------- walls

DO $$
DECLARE
    wall record;
BEGIN
    FOR wall IN
        SELECT unnest(ARRAY['timebank.hours_waiting', 'timebank.hours_questions', 'timebank.money_references',
                            'timebank.proposals']) AS name
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

GRANT SELECT, INSERT, DELETE ON timebank.hours_waiting TO timebank_app;
GRANT SELECT, INSERT ON timebank.hours_questions, timebank.money_references, timebank.proposals TO timebank_app;
GRANT UPDATE (state) ON timebank.hours_questions TO timebank_app;
GRANT UPDATE (state, signed_by, entry_id, changed_at) ON timebank.proposals TO timebank_app;
