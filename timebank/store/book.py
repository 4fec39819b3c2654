"""The book in SQL: lock the head, read what a batch needs, append what it decided; the head row is the only lock."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import asyncpg

from timebank.ledger.accounts import Account, AccountKind
from timebank.ledger.canonical import entry_record, other_record, read_entry
from timebank.ledger.entries import Entry, KnownEntry
from timebank.ledger.tree import Frontier, commitment, leaf_hash
from timebank.rules.state import OtherRecord
from timebank.store.engine import WRITE_DOOR_SETTINGS, enter_group
from timebank.store.tokens import STILL_HELD, held_arguments

if TYPE_CHECKING:
    from timebank.rules.state import HoursRow
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.engine import Raw
    from timebank.store.tokens import Bearer


@dataclass(slots=True)
class Head:
    """The head row of a group's book, held under its lock.

    Attributes:
        seq: Number of the last record; the size of the live-book tree.
        frontier: RFC 6962 frontier over the leaves 1..seq.
        recorded_at: When the last record was written; the next one is later.
        checkpoint: The signed note to be written with the next records.
    """

    group_id: UUID
    seq: int
    frontier: Frontier
    recorded_at: datetime
    epoch: int
    setup_version: int
    checkpoint: str = ""


class StoredAnswer(NamedTuple):
    """What was answered under a key before."""

    request_hash: bytes
    status: int
    body: bytes


class AnswerRow(NamedTuple):
    """An answer to be written with the effect that it speaks of."""

    answer_id: UUID
    request_hash: bytes
    status: int
    body: bytes


class Appended(NamedTuple):
    """Records made from what was decided: the bytes that can never change, column by column.

    Attributes:
        first_seq: Number of the first; the others follow without a gap.
        salts: 32 bytes of each, end to end.
    """

    first_seq: int
    kinds: list[str]
    records: list[bytes]
    salts: bytes
    commitments: list[bytes]


class KeyTakenError(Exception):
    """A key of the batch was answered before; nothing of the batch may be kept."""


class NotDurable(Exception):
    """The server would answer before a commit is on disk; nothing may be acknowledged."""


_LOCK = "SELECT FROM timebank.book_heads WHERE group_id = '{group_id}' FOR UPDATE"

# Head and accounts in one round trip. It must come after the lock, in a statement of its own:
# one that waits for the lock would see the balances of before it waited.
_LOAD = """
    SELECT h.seq, h.frontier, h.recorded_at, h.epoch, h.setup_version,
           current_setting('synchronous_commit') AS synchronous_commit,
           a.account_id, a.kind, a.unit, a.pot_account, a.floor, a.closed,
           a.debits, a.credits, a.reversal_debits, a.reversal_credits{held}
      FROM timebank.book_heads AS h
 LEFT JOIN timebank.accounts AS a
        ON a.group_id = h.group_id
       AND a.account_id = ANY($2::bigint[])
     WHERE h.group_id = $1
"""
_LOAD_ONLY = _LOAD.format(held="")
_LOAD_CONFIRMED = _LOAD.format(
    held=","
    + STILL_HELD.format(hashes="$3", members="$4", scopes="$5", roles="$6", boxes="$7", now="$8::timestamptz")
)

_KINDS = {kind.value: kind for kind in AccountKind}


def begin_batch(group_id: UUID) -> str:
    """Return what opens a batch in one round trip: a transaction, the group's wall, and its one lock."""
    return f"{enter_group(group_id)}; {_LOCK.format(group_id=group_id)}"


async def load_confirmed(
    connection: Raw,
    group_id: UUID,
    numbers: Collection[int],
    held: Sequence[tuple[bytes, Bearer]],
    *,
    now: datetime,
) -> tuple[Head, dict[int, Account], set[int]]:
    """Return what ``load`` does, and which of these tokens still open what they did, by position from 0.

    In the same round trip, and under the lock: a duty that was taken away before this batch cannot decide in it.

    Args:
        held: Hash of each token, and whom and what it opened at its last look-up; none twice.

    Raises:
        NotDurable, LookupError: See ``load``.
    """
    if not held:
        return *await load(connection, group_id, numbers), set()
    rows = await connection.fetch(_LOAD_CONFIRMED, group_id, list(numbers), *held_arguments(held), now)
    return *_read_load(group_id, rows), {at - 1 for at in (rows[0][-1] if rows else ())}


async def load(connection: Raw, group_id: UUID, numbers: Collection[int]) -> tuple[Head, dict[int, Account]]:
    """Return the head row, and the accounts with these numbers; the caller holds the head lock.

    Unknown numbers are left out.

    Raises:
        NotDurable: synchronous_commit was switched off under our feet.
        LookupError: The group has no book.
    """
    return _read_load(group_id, await connection.fetch(_LOAD_ONLY, group_id, list(numbers)))


def _read_load(group_id: UUID, rows: Sequence[Any]) -> tuple[Head, dict[int, Account]]:
    if not rows:
        raise LookupError(f"no book for group {group_id}")
    seq, frontier, recorded_at, epoch, setup_version, synchronous_commit = rows[0][:6]
    if synchronous_commit == "off":
        raise NotDurable("synchronous_commit is off")
    head = Head(
        group_id=group_id,
        seq=seq,
        frontier=Frontier.from_bytes(seq, frontier),
        recorded_at=recorded_at,
        epoch=epoch,
        setup_version=setup_version,
    )
    accounts = {
        row[6]: Account(
            account_id=row[6],
            kind=_KINDS[row[7]],
            unit=row[8],
            pot_account=row[9],
            floor=row[10],
            closed=row[11],
            debits=row[12],
            credits=row[13],
            reversal_debits=row[14],
            reversal_credits=row[15],
        )
        for row in rows
        if row[6] is not None
    }
    return head, accounts


# A long batch has the plans of the write door, on a connection that others use for reading.
_PATIENCE = "; ".join(
    f"SET LOCAL {name} = '{value}'"
    for name, value in {
        **{name: value for name, value in WRITE_DOOR_SETTINGS.items() if name != "application_name"},
        "lock_timeout": "60s",
        "statement_timeout": "10min",
        "idle_in_transaction_session_timeout": "10min",
    }.items()
)


async def be_patient(connection: Raw) -> None:
    """Prepare a transaction that is under way for a batch that is longer than the writer's."""
    await connection.execute(_PATIENCE)


async def lock_head(connection: Raw, group_id: UUID) -> Head:
    """Take the group's one lock inside a transaction that is under way, and return the head row.

    Raises:
        NotDurable, LookupError: See ``load``.
    """
    await connection.execute(_LOCK.format(group_id=group_id))
    head, _ = await load(connection, group_id, ())
    return head


_LOAD_KNOWN = """
    SELECT e.entry_id, e.seq, r.record, e.draw_id,
           EXISTS (SELECT FROM timebank.entries AS c
                    WHERE c.group_id = e.group_id AND c.reverses_seq = e.seq) AS corrected
      FROM timebank.entries AS e
      JOIN timebank.records AS r ON r.group_id = e.group_id AND r.seq = e.seq
     WHERE e.group_id = $1
       AND e.entry_id = ANY($2::uuid[])
"""


async def load_known(connection: Raw, group_id: UUID, entry_ids: Collection[UUID]) -> dict[UUID, KnownEntry]:
    """Return entries that are in the book already, by id, as far as corrections need them."""
    if not entry_ids:
        return {}
    rows = await connection.fetch(_LOAD_KNOWN, group_id, list(entry_ids))
    return {
        row["entry_id"]: KnownEntry(
            seq=row["seq"], draft=read_entry(row["record"])[0], corrected=row["corrected"]
        )
        for row in rows
    }


_LOAD_ANSWERS = """
    SELECT answer_id, request_hash, status, body
      FROM timebank.answers
     WHERE group_id = $1
       AND answer_id = ANY($2::uuid[])
"""


async def load_answers(
    connection: Raw, group_id: UUID, answer_ids: Collection[UUID]
) -> dict[UUID, StoredAnswer]:
    """Return what was answered before under these keys, by answer id."""
    rows = await connection.fetch(_LOAD_ANSWERS, group_id, list(answer_ids))
    return {row["answer_id"]: StoredAnswer(row["request_hash"], row["status"], row["body"]) for row in rows}


def seal_records(
    head: Head, book_id: bytes, written: Sequence[Entry | OtherRecord], random: bytes
) -> Appended:
    """Turn what was decided into records, and append their leaves to the head's frontier.

    Args:
        head: Its frontier, seq and recorded_at move on.
        written: In order of seq, beginning at ``head.seq + 1``.
        random: 32 fresh bytes for each record: their salts.
    """
    assert len(random) == 32 * len(written), "each record has a salt of its own"
    records: list[bytes] = []
    kinds: list[str] = []
    commitments: list[bytes] = []
    append_leaf = head.frontier.append
    at = 0
    for record in written:
        if type(record) is Entry:
            data = entry_record(record)
            kinds.append(record.draft.kind)
        else:
            assert isinstance(record, OtherRecord)
            data = other_record(record.kind, record.recorded_at, record.actor, record.fields)
            kinds.append(record.kind)
        sealed = commitment(book_id, random[at : at + 32], data)
        at += 32
        append_leaf(leaf_hash(sealed))
        records.append(data)
        commitments.append(sealed)
    first_seq = head.seq + 1
    if written:
        last = written[-1]
        assert last.seq == head.seq + len(records), "records are gapless"
        head.seq, head.recorded_at = last.seq, last.recorded_at
    return Appended(first_seq, kinds, records, random, commitments)


# ---------------------------------------------------------------- one statement for one batch
#
# A batch is written by one statement of many parts, so that it costs one round trip whatever it
# holds. Each part is a set-based insert from columns of equal length (NOT NULL refuses unequal
# ones). Columns travel as array literals in text: the driver spends a microsecond on every
# element of a binary array, and a literal is one join. Fixed-width bytes travel end to end.

_ANSWERS = """answered AS (
        INSERT INTO timebank.answers (group_id, answer_id, request_hash, status, body, answered_at)
        SELECT {group}, u.answer_id, substr({hashes}::bytea, (32 * (u.at - 1) + 1)::integer, 32),
               u.status, u.body, {answered_at}::timestamptz
          FROM unnest({answer_ids}::text::uuid[], {statuses}::text::smallint[], {bodies}::bytea[])
          WITH ORDINALITY AS u (answer_id, status, body, at)
    )"""

_RECORDS = """recorded AS (
        INSERT INTO timebank.records (group_id, seq, kind, record, salt, commitment)
        SELECT {group}, {first_seq}::bigint + u.at - 1, u.kind, u.record,
               substr({salts}::bytea, (32 * (u.at - 1) + 1)::integer, 32),
               substr({commitments}::bytea, (32 * (u.at - 1) + 1)::integer, 32)
          FROM unnest({record_kinds}::text::text[], {records}::bytea[])
          WITH ORDINALITY AS u (kind, record, at)
    )"""

_ENTRIES = """entered AS (
        INSERT INTO timebank.entries (group_id, seq, entry_id, kind, source, effective_on, recorded_at,
                                      category, draw_id, reverses_seq)
        SELECT {group}, u.seq, u.entry_id, u.kind, u.source, u.effective_on,
               {first_at}::timestamptz + (u.seq - {first_seq}::bigint) * interval '1 microsecond',
               u.category, u.draw_id, u.reverses_seq
          FROM unnest({entry_seqs}::text::bigint[], {entry_ids}::text::uuid[], {entry_kinds}::text::text[],
                      {sources}::text::text[], {entry_days}::text::date[], {categories}::text::text[],
                      {entry_draws}::text::uuid[], {reverses}::text::bigint[])
            AS u (seq, entry_id, kind, source, effective_on, category, draw_id, reverses_seq)
    )"""

_TRANSFERS = """transferred AS (
        INSERT INTO timebank.transfers (group_id, seq, leg, debit_account, credit_account, amount,
                                        debit_balance, credit_balance)
        SELECT {group}, u.*
          FROM unnest({transfer_seqs}::text::bigint[], {legs}::text::smallint[],
                      {debit_accounts}::text::bigint[], {credit_accounts}::text::bigint[],
                      {amounts}::text::bigint[], {debit_balances}::text::bigint[],
                      {credit_balances}::text::bigint[]) AS u
    )"""

_HOURS = """logged AS (
        INSERT INTO timebank.hours (group_id, hours_id, seq, state, giver_account, receiver_account,
                                    draw_id, minutes, effective_on, category, logged_by, logged_at)
        SELECT {group}, u.hours_id, u.seq, u.state, u.giver_account, u.receiver_account, u.draw_id,
               u.minutes, u.effective_on, u.category, u.logged_by,
               {first_at}::timestamptz + (u.seq - {first_seq}::bigint) * interval '1 microsecond'
          FROM unnest({hours_ids}::text::uuid[], {hours_seqs}::text::bigint[], {hours_states}::text::text[],
                      {givers}::text::bigint[], {receivers}::text::bigint[], {hours_draws}::text::uuid[],
                      {minutes}::text::bigint[], {hours_days}::text::date[], {hours_categories}::text::text[],
                      {loggers}::text::bigint[])
            AS u (hours_id, seq, state, giver_account, receiver_account, draw_id, minutes, effective_on,
                  category, logged_by)
    )"""

_DAYS = """dated AS (
        INSERT INTO timebank.account_days AS d (group_id, account_id, effective_on, debits, credits,
                                                reversal_debits, reversal_credits)
        SELECT {group}, u.*
          FROM unnest({day_accounts}::text::bigint[], {days}::text::date[], {day_debits}::text::bigint[],
                      {day_credits}::text::bigint[], {day_reversal_debits}::text::bigint[],
                      {day_reversal_credits}::text::bigint[]) AS u
            ON CONFLICT (group_id, account_id, effective_on) DO UPDATE
           SET debits = d.debits + excluded.debits,
               credits = d.credits + excluded.credits,
               reversal_debits = d.reversal_debits + excluded.reversal_debits,
               reversal_credits = d.reversal_credits + excluded.reversal_credits
    )"""

# An upsert of rows that are all there: unlike UPDATE ... FROM, which the planner turned into a
# scan of all accounts where statistics were missing, it has only one plan.
_BALANCES = """balanced AS (
        INSERT INTO timebank.accounts AS a (group_id, account_id, kind, unit, pot_account, floor, closed,
                                            debits, credits, reversal_debits, reversal_credits)
        SELECT {group}, u.*
          FROM unnest({account_ids}::text::bigint[], {account_kinds}::text::text[],
                      {account_units}::text::text[], {account_pots}::text::bigint[],
                      {account_floors}::text::bigint[], {account_closed}::text::boolean[],
                      {debits}::text::bigint[], {credits}::text::bigint[],
                      {reversal_debits}::text::bigint[], {reversal_credits}::text::bigint[]) AS u
            ON CONFLICT (group_id, account_id) DO UPDATE
           SET debits = excluded.debits, credits = excluded.credits,
               reversal_debits = excluded.reversal_debits, reversal_credits = excluded.reversal_credits
    )"""

_HEAD = """headed AS (
        UPDATE timebank.book_heads
           SET seq = {seq}::bigint, frontier = {frontier}::bytea, recorded_at = {recorded_at}::timestamptz,
               checkpoint = {checkpoint}::text
         WHERE group_id = {group}
    )"""


class _Statement:
    """A statement made of parts, with ``{name}`` places instead of numbers."""

    def __init__(self, *parts: str) -> None:
        *before, last = parts
        # The last part is the statement itself; the ones before it run all the same.
        text = f"WITH {', '.join(before)} {last.partition('AS (')[2].strip().removesuffix(')')}"
        self.names: dict[str, int] = {"group": 1}
        for name in re.findall(r"\{(\w+)\}", text):
            self.names.setdefault(name, len(self.names) + 1)
        places = {name: f"${number}" for name, number in self.names.items()}
        self.sql = text.format_map(places | {"group": "$1::uuid"})

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        return [values[name] for name in self.names]


_APPEND_PARTS = (_RECORDS, _ENTRIES, _TRANSFERS, _HOURS, _ANSWERS)
_APPEND = _Statement(*_APPEND_PARTS)
_APPEND_AND_SETTLE = _Statement(*_APPEND_PARTS, _DAYS, _BALANCES, _HEAD)


@dataclass(frozen=True, slots=True)
class Slice:
    """What one part of a batch appends; the rows of ``written`` are in order of seq."""

    answers: Sequence[AnswerRow]
    answered_at: datetime
    appended: Appended
    written: Sequence[Entry | OtherRecord]
    hours: Sequence[HoursRow]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a batch leaves behind: balances, day sums and the new head."""

    head: Head
    accounts: Sequence[Account]
    days: dict[tuple[int, date], list[int]]


class Ready(NamedTuple):
    """Rows as the database wants them: made while it still writes the ones before."""

    sql: str
    arguments: list[Any]


def ready_slice(group_id: UUID, part: Slice) -> Ready:
    """Return a slice of a batch, ready to be appended; balances and head follow with the last one."""
    return Ready(_APPEND.sql, _APPEND.arguments({"group": group_id, **_append_values(part)}))


def ready_to_settle(group_id: UUID, part: Slice, settlement: Settlement) -> Ready:
    """Return the last or only slice of a batch with what it leaves behind, ready to be appended."""
    values = {"group": group_id, **_append_values(part), **_settle_values(settlement)}
    return Ready(_APPEND_AND_SETTLE.sql, _APPEND_AND_SETTLE.arguments(values))


async def append(connection: Raw, ready: Ready) -> None:
    """Append rows, in one round trip.

    Raises:
        KeyTakenError: One of the keys was answered before. The transaction cannot go on: the
            caller rolls back, looks the answers up and begins again.
    """
    try:
        await connection.execute(ready.sql, *ready.arguments)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "answers_once":
            raise KeyTakenError from error
        raise


def _append_values(part: Slice) -> dict[str, Any]:
    appended, written = part.appended, part.written
    entries = [record for record in written if type(record) is Entry]
    drafts = [entry.draft for entry in entries]
    transfers = [
        (entry.seq, leg, transfer, balances)
        for entry in entries
        for leg, (transfer, balances) in enumerate(zip(entry.draft.transfers, entry.balances, strict=True))
    ]
    hours = part.hours
    first_at = written[0].recorded_at if written else part.answered_at
    if written:
        # The database counts the moments of a slice from the first one, as the books did.
        assert written[-1].recorded_at - first_at == timedelta(microseconds=len(written) - 1)
    return {
        "answered_at": part.answered_at,
        "hashes": b"".join([answer.request_hash for answer in part.answers]),
        "answer_ids": _literal([answer.answer_id for answer in part.answers]),
        "statuses": _literal([answer.status for answer in part.answers]),
        "bodies": [answer.body for answer in part.answers],
        "first_seq": appended.first_seq,
        "first_at": first_at,
        "salts": appended.salts,
        "commitments": b"".join(appended.commitments),
        "record_kinds": _words(appended.kinds),
        "records": appended.records,
        "entry_seqs": _literal([entry.seq for entry in entries]),
        "entry_ids": _literal([draft.entry_id for draft in drafts]),
        "entry_kinds": _words([draft.kind for draft in drafts]),
        "sources": _words([draft.source for draft in drafts]),
        "entry_days": _literal([draft.effective_on for draft in drafts]),
        "categories": _words([draft.category for draft in drafts]),
        "entry_draws": _nullable([draft.draw_id for draft in drafts]),
        "reverses": _nullable([entry.reverses_seq for entry in entries]),
        "transfer_seqs": _literal([seq for seq, _, _, _ in transfers]),
        "legs": _literal([leg for _, leg, _, _ in transfers]),
        "debit_accounts": _literal([transfer.debit for _, _, transfer, _ in transfers]),
        "credit_accounts": _literal([transfer.credit for _, _, transfer, _ in transfers]),
        "amounts": _literal([transfer.amount for _, _, transfer, _ in transfers]),
        "debit_balances": _literal([balances[0] for _, _, _, balances in transfers]),
        "credit_balances": _literal([balances[1] for _, _, _, balances in transfers]),
        "hours_ids": _literal([row.hours_id for row in hours]),
        "hours_seqs": _nullable([row.seq for row in hours]),
        "hours_states": _words([row.state for row in hours]),
        "givers": _literal([row.giver_account for row in hours]),
        "receivers": _nullable([row.receiver_account for row in hours]),
        "hours_draws": _nullable([row.draw_id for row in hours]),
        "minutes": _literal([row.minutes for row in hours]),
        "hours_days": _literal([row.effective_on for row in hours]),
        "hours_categories": _words([row.category for row in hours]),
        "loggers": _literal([row.logged_by for row in hours]),
    }


def _settle_values(settlement: Settlement) -> dict[str, Any]:
    head, accounts, days = settlement.head, settlement.accounts, settlement.days
    return {
        "day_accounts": _literal([account_id for account_id, _ in days]),
        "days": _literal([day for _, day in days]),
        "day_debits": _literal([delta[0] for delta in days.values()]),
        "day_credits": _literal([delta[1] for delta in days.values()]),
        "day_reversal_debits": _literal([delta[2] for delta in days.values()]),
        "day_reversal_credits": _literal([delta[3] for delta in days.values()]),
        "account_ids": _literal([account.account_id for account in accounts]),
        "account_kinds": _words([account.kind for account in accounts]),
        "account_units": _words([account.unit for account in accounts]),
        "account_pots": _literal([account.pot_account for account in accounts]),
        "account_floors": _nullable([account.floor for account in accounts]),
        "account_closed": _literal([account.closed for account in accounts]),
        "debits": _literal([account.debits for account in accounts]),
        "credits": _literal([account.credits for account in accounts]),
        "reversal_debits": _literal([account.reversal_debits for account in accounts]),
        "reversal_credits": _literal([account.reversal_credits for account in accounts]),
        "seq": head.seq,
        "frontier": head.frontier.to_bytes(),
        "recorded_at": head.recorded_at,
        "checkpoint": head.checkpoint,
    }


def _literal(values: Sequence[int | UUID | date]) -> str:
    """Return an array literal of values whose text holds nothing to be quoted."""
    return "{" + ",".join(map(str, values)) + "}"


def _nullable(values: Sequence[int | UUID | None]) -> str:
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _words(values: Sequence[str]) -> str:
    """Return an array literal of texts; there are few different ones in a batch."""
    return "{" + ",".join(map(_quoted, values)) + "}"


@lru_cache(maxsize=4096)
def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


async def append_records(
    connection: Raw,
    checkpoints: Checkpoints,
    group_id: UUID,
    records: Sequence[tuple[str, int, dict[str, Any]]],
    *,
    now: datetime,
    random: bytes,
) -> int:
    """Append records that move nothing, under the head lock that this takes; return the new seq.

    Args:
        connection: Inside a transaction and the group's wall; the caller commits, and hands
            ``checkpoints.keep`` the new head afterwards.
        records: (kind, account number of the actor or 0, fields) of each.
        random: 32 fresh bytes for each record.
    """
    head = await lock_head(connection, group_id)
    group = await connection.fetchrow(
        "SELECT book_id, origin FROM timebank.groups WHERE group_id = $1", group_id
    )
    assert group is not None
    written: list[OtherRecord] = []
    at = head.recorded_at
    for offset, (kind, actor, fields) in enumerate(records, start=1):
        at = later(now, at)
        written.append(OtherRecord(head.seq + offset, kind, at, actor, fields))
    appended = seal_records(head, group["book_id"], written, random)
    head.checkpoint = checkpoints.sign(group_id, group["origin"], head.epoch, head.seq, head.frontier.root())
    part = Slice(answers=(), answered_at=now, appended=appended, written=written, hours=())
    await append(connection, ready_to_settle(group_id, part, Settlement(head, (), {})))
    return head.seq


def later(now: datetime, previous: datetime) -> datetime:
    """Return a moment that is ``now`` or just after ``previous``, whichever is later; UTC."""
    if now > previous:
        return now.astimezone(UTC)
    return previous.astimezone(UTC) + datetime.resolution
