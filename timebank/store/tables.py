"""Every table, column, key and index as SQLAlchemy sees them, so that ``alembic check`` finds what drifted.

Queries are SQL text in the other files of the store and do not use these. CHECKs, walls, grants
and index predicates are compared in :mod:`timebank.store.walls`, which reads them from the catalog.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, ForeignKeyConstraint, Index, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import (
    ARRAY,
    BIGINT,
    BOOLEAN,
    BYTEA,
    DATE,
    INTEGER,
    JSONB,
    SMALLINT,
    TEXT,
    TIMESTAMP,
    UUID,
)
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

metadata: Final = MetaData()

_TYPES: Final[dict[str, TypeEngine[Any]]] = {
    "bigint": BIGINT(),
    "boolean": BOOLEAN(),
    "bytea": BYTEA(),
    "date": DATE(),
    "integer": INTEGER(),
    "jsonb": JSONB(),
    "smallint": SMALLINT(),
    "text": TEXT(),
    "text[]": ARRAY(TEXT()),
    "timestamptz": TIMESTAMP(timezone=True),
    "uuid": UUID(),
}


def _table(name: str, key: str, columns: str, *more: SchemaItem) -> None:
    """Add a table: ``columns`` are lines of names and a type (``?`` when it may be NULL)."""
    schema, _, bare = name.partition(".")
    keys = key.split()
    parts = []
    for line in columns.strip().splitlines():
        *names, kind = line.split()
        column_type = _TYPES[kind.removesuffix("?")]
        parts += [
            Column(column, column_type, primary_key=column in keys, nullable=kind.endswith("?"))
            for column in names
        ]
    Table(bare, metadata, *parts, *more, schema=schema)


def _refers(columns: str, target: str, target_columns: str = "") -> ForeignKeyConstraint:
    targets = (target_columns or columns).split()
    return ForeignKeyConstraint(columns.split(), [f"{target}.{column}" for column in targets])


def _group() -> ForeignKeyConstraint:
    return _refers("group_id", "timebank.groups")


def _unique(columns: str) -> UniqueConstraint:
    return UniqueConstraint(*columns.split())


def _index(name: str, columns: str, *, unique: bool = False) -> Index:
    return Index(name, *columns.split(), unique=unique)


# ---------------------------------------------------------------- groups and their set-up

_table(
    "timebank.groups",
    "group_id",
    """
    group_id uuid
    slug name origin text
    book_id bytea
    began_on date
    time_zone text
    languages text[]
    preset text
    categories text[]
    time_bank boolean
    created_at timestamptz
    rounding_minutes integer
    rounding_up boolean
    confirm_days integer
    words text
    member_list boolean
    joining text
    categories_retired text[]
    next_time_zone text
    next_time_zone_from timestamptz?
    witnesses text[]
    """,
)
_table(
    "timebank.settings_history",
    "group_id change_id",
    """
    group_id change_id uuid
    changed_at timestamptz
    changed_by bigint
    before after jsonb
    """,
    _group(),
    _index("settings_by_time", "group_id changed_at"),
)
_table(
    "timebank.book_heads",
    "group_id",
    """
    group_id uuid
    seq bigint
    frontier bytea
    recorded_at timestamptz
    epoch integer
    setup_version bigint
    checkpoint text
    """,
    _group(),
)
_table(
    "timebank.accounts",
    "group_id account_id",
    """
    group_id uuid
    account_id bigint
    kind unit text
    pot_account bigint
    floor bigint?
    closed boolean
    debits credits reversal_debits reversal_credits bigint
    """,
    _group(),
    _index("accounts_one_of_a_kind", "group_id kind unit", unique=True),
)
_table(
    "timebank.pots",
    "group_id pot_id",
    """
    group_id pot_id uuid
    code unit text
    number integer
    pot_account promised_account shared_account bigint
    """,
    _group(),
    _unique("group_id code"),
    _unique("group_id unit number"),
    _refers("group_id pot_account", "timebank.accounts", "group_id account_id"),
    _refers("group_id promised_account", "timebank.accounts", "group_id account_id"),
    _refers("group_id shared_account", "timebank.accounts", "group_id account_id"),
)
_table(
    "timebank.held_places",
    "group_id held_id",
    """
    group_id held_id uuid
    code kind text
    number integer
    unit text
    account_id bigint
    """,
    _group(),
    _unique("group_id code"),
    _unique("group_id unit kind number"),
    _refers("group_id account_id", "timebank.accounts"),
)
_table(
    "timebank.policies",
    "group_id pot_id version",
    """
    group_id pot_id uuid
    version integer
    agreed_on date
    terms jsonb
    """,
    _refers("group_id pot_id", "timebank.pots"),
)

# ---------------------------------------------------------------- the book

_table(
    "timebank.records",
    "group_id seq",
    """
    group_id uuid
    seq bigint
    kind text
    record salt commitment bytea
    """,
    _index("records_told_at_once", "group_id kind seq"),
)
_table(
    "timebank.entries",
    "group_id seq",
    """
    group_id uuid
    seq bigint
    entry_id uuid
    kind source text
    effective_on date
    recorded_at timestamptz
    category text
    draw_id uuid?
    reverses_seq bigint?
    """,
    _index("entries_by_id", "group_id entry_id", unique=True),
    _index("entries_corrected_once", "group_id reverses_seq", unique=True),
)
_table(
    "timebank.transfers",
    "group_id seq leg",
    """
    group_id uuid
    seq bigint
    leg smallint
    debit_account credit_account amount debit_balance credit_balance bigint
    """,
    _index("transfers_by_debit", "group_id debit_account seq"),
    _index("transfers_by_credit", "group_id credit_account seq"),
)
_table(
    "timebank.account_days",
    "group_id account_id effective_on",
    """
    group_id uuid
    account_id bigint
    effective_on date
    debits credits reversal_debits reversal_credits bigint
    """,
)
_table(
    "timebank.answers",
    "group_id answer_id",
    """
    group_id answer_id uuid
    request_hash bytea
    status smallint
    body bytea
    answered_at timestamptz
    """,
)

# ---------------------------------------------------------------- what people do

_table(
    "timebank.hours",
    "group_id hours_id",
    """
    group_id hours_id uuid
    seq bigint?
    state text
    giver_account bigint
    receiver_account bigint?
    draw_id uuid?
    minutes bigint
    effective_on date
    category text
    logged_by bigint
    logged_at timestamptz
    """,
    _index("hours_received", "group_id receiver_account logged_at"),
    _index("hours_given", "group_id giver_account logged_at"),
)
_table(
    "timebank.hours_waiting",
    "group_id hours_id",
    """
    group_id hours_id giver_id receiver_id uuid
    """,
    _refers("group_id giver_id", "people.members", "group_id member_id"),
    _refers("group_id receiver_id", "people.members", "group_id member_id"),
)
_table(
    "timebank.hours_questions",
    "group_id question_id",
    """
    group_id question_id hours_id uuid
    asked_by minutes bigint
    state text
    asked_at timestamptz
    """,
    _group(),
    _index("hours_questions_open", "group_id hours_id", unique=True),
)
_table(
    "timebank.money_references",
    "group_id reference_index entry_id",
    """
    group_id uuid
    reference_index bytea
    entry_id uuid
    held_account amount bigint
    """,
    _group(),
    _index("money_references_of_entry", "group_id entry_id"),
)
_table(
    "timebank.proposals",
    "group_id proposal_id",
    """
    group_id proposal_id uuid
    kind text
    body jsonb
    state text
    proposed_by uuid
    signed_by entry_id uuid?
    proposed_at changed_at timestamptz
    """,
    _group(),
    _refers("group_id proposed_by", "people.members", "group_id member_id"),
    _refers("group_id signed_by", "people.members", "group_id member_id"),
    _index("proposals_by_day", "group_id proposed_at"),
    _index("proposals_open", "group_id proposed_at"),
)
_table(
    "timebank.draws",
    "group_id draw_id",
    """
    group_id draw_id pot_id uuid
    category text
    needed_by date?
    state text
    policy_version integer
    amount_asked amount_agreed amount_promised amount_handed amount_released bigint
    asked_at changed_at timestamptz
    agreed_at queued_at timestamptz?
    promised_on date?
    due_at timestamptz?
    without_account boolean
    warnings text[]
    """,
    _refers("group_id pot_id policy_version", "timebank.policies", "group_id pot_id version"),
    _unique("group_id draw_id without_account"),
    _index("draws_open", "group_id asked_at"),
    _index("draws_queued", "group_id pot_id queued_at draw_id"),
    _index("draws_due", "group_id due_at"),
)
_table(
    "timebank.draw_hands",
    "group_id draw_id member_id",
    """
    group_id draw_id member_id uuid
    asked approved paid two_people boolean
    theirs stepped_aside objected not_own without_account boolean
    """,
    _refers("group_id draw_id", "timebank.draws"),
    _refers("group_id draw_id without_account", "timebank.draws"),
    _index("draw_hands_of_member", "group_id member_id"),
)
_table(
    "timebank.closes",
    "group_id period",
    """
    group_id uuid
    period integer
    first_day last_day date
    through_seq bigint
    closed_at timestamptz
    """,
    _group(),
)

# ---------------------------------------------------------------- the people

_table(
    "people.members",
    "group_id member_id",
    """
    group_id member_id uuid
    state text
    nickname_box nickname_index accounts_box bytea
    joined_on date
    signs_in boolean
    household_id uuid?
    code_box code_index bytea?
    """,
    _group(),
    _index("members_by_nickname", "group_id nickname_index", unique=True),
    _index("members_by_code", "group_id code_index", unique=True),
    _index("members_of_household", "group_id household_id"),
)
_table(
    "people.member_roles",
    "group_id member_id role since",
    """
    group_id member_id uuid
    role text
    since timestamptz
    until timestamptz?
    """,
    _refers("group_id member_id", "people.members"),
)
_table(
    "people.tokens",
    "group_id token_hash",
    """
    group_id uuid
    token_hash bytea
    token_id member_id uuid
    scopes text[]
    created_at timestamptz
    expires_at revoked_at timestamptz?
    """,
    _unique("group_id token_id"),
    _refers("group_id member_id", "people.members"),
)
_table(
    "people.notes",
    "group_id about_id what",
    """
    group_id about_id uuid
    what text
    member_id uuid
    salt box bytea
    expires_on date?
    """,
    _refers("group_id member_id", "people.members"),
)
_table(
    "people.invitations",
    "group_id invitation_id",
    """
    group_id invitation_id uuid
    secret_hash bytea
    roles text[]
    uses_max uses integer
    made_by uuid
    made_at expires_at timestamptz
    revoked_at timestamptz?
    """,
    _unique("group_id secret_hash"),
    _refers("group_id made_by", "people.members", "group_id member_id"),
    _index("invitations_by_time", "group_id made_at"),
)
_table(
    "people.invited",
    "group_id member_id",
    """
    group_id member_id invitation_id uuid
    joined_at timestamptz
    """,
    _refers("group_id invitation_id", "people.invitations"),
    _refers("group_id member_id", "people.members"),
)
_table(
    "people.join_requests",
    "group_id request_id",
    """
    group_id request_id uuid
    secret_hash bytea
    state text
    nickname_box words_box bytea
    asked_at expires_at timestamptz
    decided_at entered_at timestamptz?
    """,
    _group(),
    _unique("group_id secret_hash"),
    _index("join_requests_waiting", "group_id asked_at"),
)
_table(
    "people.stand_ins",
    "group_id stand_in_id",
    """
    group_id stand_in_id stand_in member_id uuid
    scopes text[]
    consent text
    consent_by uuid
    since expires_at timestamptz
    until date
    ended_at timestamptz?
    """,
    _refers("group_id stand_in", "people.members", "group_id member_id"),
    _refers("group_id member_id", "people.members"),
    _refers("group_id consent_by", "people.members", "group_id member_id"),
    _index("stand_ins_one_tie", "group_id stand_in member_id", unique=True),
    _index("stand_ins_for", "group_id member_id"),
)

# ---------------------------------------------------------------- people and draws

_table(
    "people.ask_links",
    "group_id draw_id",
    """
    group_id draw_id uuid
    link_hash bytea
    code_index bytea?
    contact_index bytea
    issue integer
    issued_at timestamptz
    """,
    _unique("group_id link_hash"),
    _refers("group_id draw_id", "timebank.draws"),
    _index("ask_links_by_code", "group_id code_index", unique=True),
    _index("ask_links_by_contact", "group_id contact_index"),
)
_table(
    "people.ask_notes",
    "group_id draw_id about_id what",
    """
    group_id draw_id about_id uuid
    what text
    salt box bytea
    """,
    _refers("group_id draw_id", "timebank.draws"),
)
_table(
    "people.draw_looks",
    "group_id look_id",
    """
    group_id look_id draw_id member_id uuid
    what text
    looked_at timestamptz
    """,
    _refers("group_id draw_id", "timebank.draws"),
    _refers("group_id member_id", "people.members"),
    _index("draw_looks_of_draw", "group_id draw_id looked_at"),
)

# ---------------------------------------------------------------- who looked at whose name

_table(
    "people.looks",
    "group_id whose looked_on looker what",
    """
    group_id whose uuid
    looked_on date
    looker uuid
    what text
    """,
    _group(),
)

# ---------------------------------------------------------------- imports and long work

_table(
    "timebank.jobs",
    "group_id job_id",
    """
    group_id job_id uuid
    kind text
    about_id uuid
    asked_by uuid?
    runner state phase text
    done total bigint
    cancel boolean
    refusal text
    created_at timestamptz
    started_at timestamptz?
    changed_at timestamptz
    locked_until timestamptz?
    """,
    _group(),
    _index("jobs_one_at_a_time", "group_id", unique=True),
    _index("jobs_of_import", "group_id about_id created_at"),
)
_table(
    "timebank.imports",
    "group_id import_id",
    """
    group_id import_id uuid
    state text
    options summary jsonb
    member_id uuid?
    created_at changed_at timestamptz
    first_seq last_seq bigint?
    """,
    _group(),
    _index("imports_by_day", "group_id created_at"),
)
_table(
    "timebank.import_columns",
    "group_id header_hash",
    """
    group_id uuid
    header_hash bytea
    layout text
    columns jsonb
    """,
    _group(),
)
_table(
    "people.import_papers",
    "group_id import_id what number part",
    """
    group_id import_id uuid
    what text
    number part integer
    member_id uuid
    box bytea
    expires_on date
    """,
    _refers("group_id import_id", "timebank.imports"),
    _refers("group_id member_id", "people.members"),
)

# ---------------------------------------------------------------- signing in

_table(
    "people.sessions",
    "group_id session_id",
    """
    group_id session_id uuid
    session_hash bytea
    member_id uuid
    way text
    strong boolean
    begun_at turned_at proved_at seen_at timestamptz
    """,
    _unique("group_id session_hash"),
    _refers("group_id member_id", "people.members"),
    _index("sessions_of_member", "group_id member_id"),
)
_table(
    "people.cards",
    "group_id card_id",
    """
    group_id card_id uuid
    code_hash bytea
    member_id uuid
    made_by uuid?
    recovers boolean
    made_at expires_at timestamptz
    used_at timestamptz?
    used_key bytea?
    """,
    _unique("group_id code_hash"),
    _refers("group_id member_id", "people.members"),
    _index("cards_of_member", "group_id member_id"),
)
_table(
    "people.duty_proposals",
    "group_id duty_id",
    """
    group_id duty_id member_id uuid
    roles text[]
    state text
    proposed_by uuid
    proposed_at expires_at timestamptz
    signed_by uuid?
    ended_at timestamptz?
    """,
    _refers("group_id member_id", "people.members", "group_id member_id"),
    _refers("group_id proposed_by", "people.members", "group_id member_id"),
    _refers("group_id signed_by", "people.members", "group_id member_id"),
    _index("duty_proposals_by_day", "group_id proposed_at"),
)
_table(
    "people.card_makers",
    "group_id member_id made_by",
    """
    group_id member_id made_by uuid
    """,
    _refers("group_id member_id", "people.members", "group_id member_id"),
    _refers("group_id made_by", "people.members", "group_id member_id"),
)
_table(
    "people.passkeys",
    "group_id passkey_id",
    """
    group_id passkey_id uuid
    credential_index bytea
    member_id uuid
    box bytea
    sign_count bigint
    added_at timestamptz
    """,
    _unique("group_id credential_index"),
    _refers("group_id member_id", "people.members"),
    _index("passkeys_of_member", "group_id member_id"),
)
_table(
    "people.totps",
    "group_id member_id",
    """
    group_id member_id uuid
    box bytea
    last_step bigint
    added_at timestamptz
    wrong integer
    wait_until timestamptz
    """,
    _refers("group_id member_id", "people.members"),
)
_table(
    "people.spent_challenges",
    "group_id challenge_hash",
    """
    group_id uuid
    challenge_hash bytea
    expires_at timestamptz
    """,
    _group(),
)
# ---------------------------------------------------------------- the post

_table(
    "people.tries",
    "group_id try_key",
    """
    group_id uuid
    try_key bytea
    tried integer
    healed_at open_at timestamptz
    day date
    """,
    _group(),
    _index("tries_by_day", "group_id day"),
)
_table(
    "people.mail",
    "group_id member_id",
    """
    group_id member_id uuid
    address_box address_index bytea
    confirmed_at timestamptz?
    """,
    _refers("group_id member_id", "people.members"),
    _index("mail_by_address", "group_id address_index"),
)
_table(
    "people.outbox",
    "group_id mail_id",
    """
    group_id mail_id member_id uuid
    box bytea
    state text
    tries integer
    created_at next_try_at useless_at timestamptz
    ended_at timestamptz?
    """,
    _refers("group_id member_id", "people.members"),
    _index("outbox_waiting", "group_id next_try_at"),
)
_table(
    "people.mail_links",
    "group_id link_hash",
    """
    group_id uuid
    link_hash bytea
    member_id uuid
    what text
    bound_to bytea
    created_at expires_at timestamptz
    used_at timestamptz?
    """,
    _refers("group_id member_id", "people.members"),
    _index("mail_links_by_end", "group_id expires_at"),
    _index("mail_links_of_member", "group_id member_id"),
)
_table(
    "people.mail_asks",
    "group_id ask_id",
    """
    group_id ask_id uuid
    nickname_index address_index browser_hash bytea
    language text
    created_at timestamptz
    """,
    _group(),
)
_table(
    "people.recoveries",
    "group_id recovery_id",
    """
    group_id recovery_id member_id uuid
    state text
    asked_at due_at timestamptz
    ended_at timestamptz?
    stopped_by uuid?
    """,
    _refers("group_id member_id", "people.members"),
    _index("recoveries_one_at_a_time", "group_id member_id", unique=True),
    _index("recoveries_by_day", "group_id asked_at"),
)

# ---------------------------------------------------------------- who audits

_table(
    "timebank.auditor_keys",
    "group_id name",
    """
    group_id uuid
    name key text
    member_id uuid
    introduced_at timestamptz
    withdrawn_at timestamptz?
    """,
    _group(),
    _refers("group_id member_id", "people.members"),
    _index("auditor_keys_one_each", "group_id member_id", unique=True),
)

# ---------------------------------------------------------------- how a group publishes, and what waits

_table(
    "timebank.publishing",
    "group_id from_day",
    """
    group_id uuid
    from_day date
    preset text
    people integer
    gifts_wait boolean
    decided_at timestamptz
    """,
    _group(),
)
_table(
    "timebank.waiting",
    "group_id seq",
    """
    group_id uuid
    seq bigint
    recorded_on date
    preset text
    people integer
    gifts_wait boolean
    """,
    _group(),
)

# ---------------------------------------------------------------- what is published

_table(
    "timebank.published_slugs",
    "slug",
    """
    slug text
    group_id uuid
    """,
    _unique("group_id"),
)
_table(
    "timebank.published_groups",
    "group_id",
    """
    group_id uuid
    slug name text
    languages text[]
    preset text
    began_on first_close_on date
    units pots held jsonb
    people integer
    gifts_wait boolean
    """,
)
_table(
    "timebank.published_policies",
    "group_id pot version",
    """
    group_id uuid
    pot text
    version integer
    agreed_on date
    terms jsonb
    """,
)
_table(
    "timebank.published_periods",
    "group_id period",
    """
    group_id uuid
    period integer
    first_day last_day next_close_on date
    lines integer
    preset text
    """,
)
_table(
    "timebank.published_balances",
    "group_id period pot",
    """
    group_id uuid
    period integer
    pot unit text
    available promised given drawn came_in went_out bigint
    """,
)
_table(
    "timebank.published_held",
    "group_id period place",
    """
    group_id uuid
    period integer
    place kind text
    number integer
    unit text
    amount bigint
    """,
)
_table(
    "timebank.published_flows",
    "group_id period pot kind",
    """
    group_id uuid
    period integer
    pot kind unit text
    came_in went_out bigint
    lines integer
    """,
)
_table(
    "timebank.published_lines",
    "group_id period line_id",
    """
    group_id uuid
    period integer
    line_id uuid
    kind category text
    day date?
    arrived_late boolean
    changes jsonb
    """,
)
_table(
    "timebank.published_leaves",
    "group_id leaf_index",
    """
    group_id uuid
    leaf_index bigint
    period integer
    commitment leaf hash bytea
    """,
    UniqueConstraint("group_id", "commitment", name="published_once"),
    _index("published_leaves_told", "group_id leaf_index"),
)
_table(
    "timebank.published_nodes",
    "group_id level node_index",
    """
    group_id uuid
    level smallint
    node_index bigint
    hash bytea
    """,
)
_table(
    "timebank.published_checkpoints",
    "group_id period",
    """
    group_id uuid
    period integer
    size bigint
    frontier bytea
    note text
    """,
)
_table(
    "timebank.published_cosignatures",
    "group_id size name",
    """
    group_id uuid
    size bigint
    name line text
    cosigned_at timestamptz
    said text
    """,
)
