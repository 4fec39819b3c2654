-- The first schema: the book, what people do with it, the people, and what is published.
--
-- Every key leads with group_id and every tenant table is walled off by row-level
-- security, so that no statement can reach across two groups by accident. There are no
-- foreign keys among the hot tables (records, entries, transfers, account_days, answers,
-- hours): the writer makes those rows in one statement, and the whole-book checks hold them.
-- It runs on PostgreSQL 15 to 18: no extension, no ICU, no uuidv7().

-- Alembic keeps its version in this schema, so it is there already when a migration runs it.
CREATE SCHEMA IF NOT EXISTS timebank;
CREATE SCHEMA people;

-- ---------------------------------------------------------------- groups and their set-up

CREATE TABLE timebank.groups (
    group_id          uuid        NOT NULL PRIMARY KEY,
    slug              text        NOT NULL,
    name              text        NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    origin            text        NOT NULL,
    book_id           bytea       NOT NULL CHECK (length(book_id) = 16),
    began_on          date        NOT NULL,
    time_zone         text        NOT NULL,
    languages         text[]      NOT NULL CHECK (cardinality(languages) >= 1),
    preset            text        NOT NULL CHECK (preset IN ('open', 'careful', 'sheltered')),
    categories        text[]      NOT NULL CHECK (cardinality(categories) >= 1),
    time_bank         boolean     NOT NULL,
    created_at        timestamptz NOT NULL
);

-- One row per group, locked by every write to its book. setup_version counts every change of
-- what the writer may keep in memory between batches (pots, policies, members, categories).
CREATE TABLE timebank.book_heads (
    group_id          uuid        NOT NULL PRIMARY KEY REFERENCES timebank.groups,
    seq               bigint      NOT NULL CHECK (seq >= 0),
    frontier          bytea       NOT NULL CHECK (length(frontier) % 32 = 0),
    recorded_at       timestamptz NOT NULL,
    epoch             integer     NOT NULL CHECK (epoch >= 1),
    setup_version     bigint      NOT NULL CHECK (setup_version >= 1),
    checkpoint        text        NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE timebank.accounts (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    account_id        bigint      NOT NULL CHECK (account_id BETWEEN 1 AND 9007199254740991),
    kind              text        NOT NULL CHECK (kind IN ('pot', 'promised', 'shared', 'member',
                          'exchange', 'outside', 'custody', 'held', 'opening', 'adjustment')),
    unit              text        NOT NULL CHECK (length(unit) BETWEEN 1 AND 16),
    pot_account       bigint      NOT NULL,
    floor             bigint,
    closed            boolean     NOT NULL,
    debits            bigint      NOT NULL CHECK (debits >= 0),
    credits           bigint      NOT NULL CHECK (credits >= 0),
    reversal_debits   bigint      NOT NULL CHECK (reversal_debits BETWEEN 0 AND debits),
    reversal_credits  bigint      NOT NULL CHECK (reversal_credits BETWEEN 0 AND credits),
    PRIMARY KEY (group_id, account_id),
    -- A cash box cannot hold less than nothing, and nothing may be promised twice.
    CONSTRAINT held_never_below_zero CHECK (kind <> 'held' OR debits >= credits),
    CONSTRAINT promised_never_below_zero CHECK (kind <> 'promised' OR credits >= debits),
    -- pot_account: for pot, promised and shared the number of the pot's own account; else 0.
    CONSTRAINT pot_accounts_name_their_pot CHECK ((kind IN ('pot', 'promised', 'shared')) = (pot_account <> 0))
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX accounts_one_of_a_kind ON timebank.accounts (group_id, kind, unit)
    WHERE kind IN ('outside', 'custody', 'opening', 'adjustment');

CREATE TABLE timebank.pots (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    pot_id            uuid        NOT NULL,
    code              text        NOT NULL CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(code) <= 32),
    unit              text        NOT NULL,
    number            integer     NOT NULL CHECK (number >= 1),
    pot_account       bigint      NOT NULL,
    promised_account  bigint      NOT NULL,
    shared_account    bigint      NOT NULL,
    PRIMARY KEY (group_id, pot_id),
    UNIQUE (group_id, code),
    UNIQUE (group_id, unit, number),
    FOREIGN KEY (group_id, pot_account)      REFERENCES timebank.accounts,
    FOREIGN KEY (group_id, promised_account) REFERENCES timebank.accounts,
    FOREIGN KEY (group_id, shared_account)   REFERENCES timebank.accounts
);

CREATE TABLE timebank.held_places (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    held_id           uuid        NOT NULL,
    code              text        NOT NULL CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(code) <= 32),
    kind              text        NOT NULL CHECK (kind IN ('cash', 'bank', 'platform')),
    number            integer     NOT NULL CHECK (number >= 1),
    unit              text        NOT NULL,
    account_id        bigint      NOT NULL,
    PRIMARY KEY (group_id, held_id),
    UNIQUE (group_id, code),
    UNIQUE (group_id, unit, kind, number),
    FOREIGN KEY (group_id, account_id) REFERENCES timebank.accounts
);

CREATE TABLE timebank.policies (
    group_id          uuid        NOT NULL,
    pot_id            uuid        NOT NULL,
    version           integer     NOT NULL CHECK (version >= 1),
    agreed_on         date        NOT NULL,
    terms             jsonb       NOT NULL,
    PRIMARY KEY (group_id, pot_id, version),
    FOREIGN KEY (group_id, pot_id) REFERENCES timebank.pots
);

-- ---------------------------------------------------------------- the book (append-only)

CREATE TABLE timebank.records (
    group_id          uuid        NOT NULL,
    seq               bigint      NOT NULL CHECK (seq >= 1),
    kind              text        NOT NULL,
    record            bytea       NOT NULL,
    salt              bytea       NOT NULL CHECK (length(salt) = 32),
    commitment        bytea       NOT NULL CHECK (length(commitment) = 32),
    PRIMARY KEY (group_id, seq)
);

-- An entry carries the seq of its record. reverses_seq is the entry that it corrects.
CREATE TABLE timebank.entries (
    group_id          uuid        NOT NULL,
    seq               bigint      NOT NULL,
    entry_id          uuid        NOT NULL,
    kind              text        NOT NULL,
    source            text        NOT NULL,
    effective_on      date        NOT NULL,
    recorded_at       timestamptz NOT NULL,
    category          text        NOT NULL,
    draw_id           uuid,
    reverses_seq      bigint,
    PRIMARY KEY (group_id, seq)
);
CREATE UNIQUE INDEX entries_by_id ON timebank.entries (group_id, entry_id);
CREATE UNIQUE INDEX entries_corrected_once ON timebank.entries (group_id, reverses_seq)
    WHERE reverses_seq IS NOT NULL;

-- Balances are credits - debits of that account after this transfer, whatever its kind.
CREATE TABLE timebank.transfers (
    group_id          uuid        NOT NULL,
    seq               bigint      NOT NULL,
    leg               smallint    NOT NULL,
    debit_account     bigint      NOT NULL,
    credit_account    bigint      NOT NULL,
    amount            bigint      NOT NULL CHECK (amount BETWEEN 1 AND 1000000000000),
    debit_balance     bigint      NOT NULL,
    credit_balance    bigint      NOT NULL,
    PRIMARY KEY (group_id, seq, leg),
    CHECK (debit_account <> credit_account)
);
CREATE INDEX transfers_by_debit  ON timebank.transfers (group_id, debit_account, seq);
CREATE INDEX transfers_by_credit ON timebank.transfers (group_id, credit_account, seq);

CREATE TABLE timebank.account_days (
    group_id          uuid        NOT NULL,
    account_id        bigint      NOT NULL,
    effective_on      date        NOT NULL,
    debits            bigint      NOT NULL,
    credits           bigint      NOT NULL,
    reversal_debits   bigint      NOT NULL,
    reversal_credits  bigint      NOT NULL,
    PRIMARY KEY (group_id, account_id, effective_on)
) WITH (fillfactor = 70);

-- What was answered under an Idempotency-Key. answer_id = first 16 bytes of
-- SHA-256(actor || 0x00 || key); request_hash = SHA-256 of method, path and body.
CREATE TABLE timebank.answers (
    group_id          uuid        NOT NULL,
    answer_id         uuid        NOT NULL,
    request_hash      bytea       NOT NULL CHECK (length(request_hash) = 32),
    status            smallint    NOT NULL CHECK (status BETWEEN 200 AND 599),
    body              bytea       NOT NULL,
    answered_at       timestamptz NOT NULL,
    CONSTRAINT answers_once PRIMARY KEY (group_id, answer_id)
);

-- ---------------------------------------------------------------- what people do

-- Hours are tied to people by account numbers only. seq is the entry that posted them;
-- time-bank hours wait without one until the other side says yes.
CREATE TABLE timebank.hours (
    group_id          uuid        NOT NULL,
    hours_id          uuid        NOT NULL,
    seq               bigint,
    state             text        NOT NULL CHECK (state IN ('logged', 'confirmed', 'questioned',
                          'settled', 'withdrawn')),
    giver_account     bigint      NOT NULL,
    receiver_account  bigint,
    draw_id           uuid,
    minutes           bigint      NOT NULL CHECK (minutes BETWEEN 1 AND 1000000000000),
    effective_on      date        NOT NULL,
    category          text        NOT NULL,
    logged_by         bigint      NOT NULL,
    logged_at         timestamptz NOT NULL,
    PRIMARY KEY (group_id, hours_id)
) WITH (fillfactor = 90);
CREATE INDEX hours_received ON timebank.hours (group_id, receiver_account, logged_at)
    WHERE receiver_account IS NOT NULL;

CREATE TABLE timebank.draws (
    group_id          uuid        NOT NULL,
    draw_id           uuid        NOT NULL,
    pot_id            uuid        NOT NULL,
    category          text        NOT NULL,
    needed_by         date,
    state             text        NOT NULL CHECK (state IN ('asked', 'promised', 'handed_over', 'arrived',
                          'released', 'not_now', 'expired', 'cancelled')),
    policy_version    integer     NOT NULL,
    amount_asked      bigint      NOT NULL CHECK (amount_asked BETWEEN 1 AND 1000000000000),
    amount_agreed     bigint      NOT NULL CHECK (amount_agreed BETWEEN 0 AND amount_asked),
    amount_promised   bigint      NOT NULL CHECK (amount_promised BETWEEN 0 AND amount_agreed),
    amount_handed     bigint      NOT NULL CHECK (amount_handed >= 0),
    amount_released   bigint      NOT NULL CHECK (amount_released >= 0),
    asked_at          timestamptz NOT NULL,
    changed_at        timestamptz NOT NULL,
    PRIMARY KEY (group_id, draw_id),
    FOREIGN KEY (group_id, pot_id, policy_version) REFERENCES timebank.policies,
    CONSTRAINT never_more_than_promised CHECK (amount_handed + amount_released <= amount_promised)
);
CREATE INDEX draws_open ON timebank.draws (group_id, asked_at) WHERE state IN ('asked', 'promised');

-- One row per draw and person, so that plain CHECKs hold the rule of different people.
CREATE TABLE timebank.draw_hands (
    group_id          uuid        NOT NULL,
    draw_id           uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    asked             boolean     NOT NULL,
    approved          boolean     NOT NULL,
    paid              boolean     NOT NULL,
    two_people        boolean     NOT NULL,
    PRIMARY KEY (group_id, draw_id, member_id),
    FOREIGN KEY (group_id, draw_id) REFERENCES timebank.draws,
    CONSTRAINT nobody_decides_their_own CHECK (NOT (asked AND approved)),
    CONSTRAINT nobody_pays_their_own CHECK (NOT (asked AND paid)),
    CONSTRAINT payer_did_not_approve CHECK (NOT (approved AND paid) OR two_people)
);
CREATE INDEX draw_hands_of_member ON timebank.draw_hands (group_id, member_id);

-- Which records a close covered. Never public: a seq tells how busy a group is.
CREATE TABLE timebank.closes (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    period            integer     NOT NULL CHECK (period >= 1),
    first_day         date        NOT NULL,
    last_day          date        NOT NULL CHECK (last_day >= first_day),
    through_seq       bigint      NOT NULL,
    closed_at         timestamptz NOT NULL,
    PRIMARY KEY (group_id, period)
);

-- ---------------------------------------------------------------- the people

-- Boxes are sealed with the member's own key, which is not in this database.
CREATE TABLE people.members (
    group_id          uuid        NOT NULL REFERENCES timebank.groups,
    member_id         uuid        NOT NULL,
    state             text        NOT NULL CHECK (state IN ('active', 'suspended', 'left', 'erased')),
    nickname_box      bytea       NOT NULL,
    nickname_index    bytea       NOT NULL,
    accounts_box      bytea       NOT NULL,
    joined_on         date        NOT NULL,
    PRIMARY KEY (group_id, member_id)
);
CREATE UNIQUE INDEX members_by_nickname ON people.members (group_id, nickname_index)
    WHERE state IN ('active', 'suspended');

CREATE TABLE people.member_roles (
    group_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    role              text        NOT NULL CHECK (role IN ('steward', 'treasurer', 'auditor', 'stand_in', 'host')),
    since             timestamptz NOT NULL,
    until             timestamptz,
    PRIMARY KEY (group_id, member_id, role, since),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

CREATE TABLE people.tokens (
    group_id          uuid        NOT NULL,
    token_hash        bytea       NOT NULL CHECK (length(token_hash) = 32),
    token_id          uuid        NOT NULL,
    member_id         uuid        NOT NULL,
    scopes            text[]      NOT NULL,
    created_at        timestamptz NOT NULL,
    expires_at        timestamptz,
    revoked_at        timestamptz,
    PRIMARY KEY (group_id, token_hash),
    UNIQUE (group_id, token_id),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

-- Free text about hours or a draw (about_id), sealed with its author's key. The record holds
-- SHA-256(salt || text); deleting salt and box leaves the book as it was.
CREATE TABLE people.notes (
    group_id          uuid        NOT NULL,
    about_id          uuid        NOT NULL,
    what              text        NOT NULL CHECK (what IN ('note', 'contact', 'payout', 'reference', 'facts')),
    member_id         uuid        NOT NULL,
    salt              bytea       NOT NULL CHECK (length(salt) = 32),
    box               bytea       NOT NULL,
    expires_on        date,
    PRIMARY KEY (group_id, about_id, what),
    FOREIGN KEY (group_id, member_id) REFERENCES people.members
);

-- ---------------------------------------------------------------- what is published

-- The way in: what the address bar shows anyway. The only table here without a group wall.
CREATE TABLE timebank.published_slugs (
    slug              text        NOT NULL PRIMARY KEY
                          CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) BETWEEN 2 AND 63),
    group_id          uuid        NOT NULL UNIQUE
);

CREATE TABLE timebank.published_groups (
    group_id          uuid        NOT NULL PRIMARY KEY,
    slug              text        NOT NULL,
    name              text        NOT NULL,
    languages         text[]      NOT NULL,
    preset            text        NOT NULL,
    began_on          date        NOT NULL,
    first_close_on    date        NOT NULL,
    units             jsonb       NOT NULL,
    pots              jsonb       NOT NULL,
    held              jsonb       NOT NULL
);

CREATE TABLE timebank.published_policies (
    group_id          uuid        NOT NULL,
    pot               text        NOT NULL,
    version           integer     NOT NULL,
    agreed_on         date        NOT NULL,
    terms             jsonb       NOT NULL,
    PRIMARY KEY (group_id, pot, version)
);

CREATE TABLE timebank.published_periods (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL,
    first_day         date        NOT NULL,
    last_day          date        NOT NULL,
    next_close_on     date        NOT NULL,
    lines             integer     NOT NULL,
    PRIMARY KEY (group_id, period)
);

CREATE TABLE timebank.published_balances (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL,
    pot               text        NOT NULL,
    unit              text        NOT NULL,
    available         bigint      NOT NULL,
    promised          bigint      NOT NULL,
    given             bigint      NOT NULL,
    drawn             bigint      NOT NULL,
    came_in           bigint      NOT NULL,
    went_out          bigint      NOT NULL,
    PRIMARY KEY (group_id, period, pot)
);

CREATE TABLE timebank.published_held (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL,
    place             text        NOT NULL,
    kind              text        NOT NULL,
    number            integer     NOT NULL,
    unit              text        NOT NULL,
    amount            bigint      NOT NULL,
    PRIMARY KEY (group_id, period, place)
);

CREATE TABLE timebank.published_flows (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL,
    pot               text        NOT NULL,
    kind              text        NOT NULL,
    unit              text        NOT NULL,
    came_in           bigint      NOT NULL,
    went_out          bigint      NOT NULL,
    lines             integer     NOT NULL,
    PRIMARY KEY (group_id, period, pot, kind)
);

-- Ordered by a random line_id, so that the order tells nothing of time.
CREATE TABLE timebank.published_lines (
    group_id          uuid        NOT NULL,
    period            integer     NOT NULL,
    line_id           uuid        NOT NULL,
    kind              text        NOT NULL,
    category          text        NOT NULL,
    day               date,
    arrived_late      boolean     NOT NULL,
    changes           jsonb       NOT NULL,
    PRIMARY KEY (group_id, period, line_id)
);
