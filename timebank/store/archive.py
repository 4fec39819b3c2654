"""A group's archive in SQL: one short cut of what moves, pages of what never changes, and the way back in.

The cut is one snapshot of seconds at most. What is hot in it is small; of hours, which are many,
it keeps ids and states only, packed into seventeen bytes each, because nothing else of them moves.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text

from timebank.ledger.entries import EntryKind
from timebank.rules.journal import BookAccount
from timebank.rules.state import Draw, Hand
from timebank.store.engine import driver
from timebank.store.groups import PolicyRow
from timebank.store.members import MemberRow

if TYPE_CHECKING:
    from timebank.rules.state import HeldPlace, Pot
    from timebank.store.engine import Raw, Tx

PAGE: Final = 4_000
"""Records, or hours, of one page."""

#: Sorting the hours of a large book takes longer than a page may.
_CUT_SECONDS: Final = 300
_PACKED_BYTES: Final = 17


class GroupRow(NamedTuple):
    """What the group says about itself, and the head of its book."""

    slug: str
    name: str
    origin: str
    began_on: date
    time_zone: str
    languages: list[str]
    preset: str
    categories: list[str]
    time_bank: bool
    seq: int
    checkpoint: str
    rounding_minutes: int
    rounding_up: bool
    confirm_days: int
    words: str
    member_list: bool
    joining: str
    categories_retired: list[str]


class Turnover(NamedTuple):
    """An account with all that went through it."""

    account: BookAccount
    floor: int | None
    debits: int
    credits: int
    reversal_debits: int
    reversal_credits: int


class PlaceRow(NamedTuple):
    """A place where money lies, by its public number."""

    number: int
    code: str
    kind: str
    unit: str


class RoleRow(NamedTuple):
    """A duty that somebody has or had."""

    member_id: UUID
    role: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Cut:
    """All that moves in a group, and its set-up, at one moment.

    Attributes:
        pots: (number, code, unit, floor, pot_id), by unit and number.
        hours: Ids and first letters of states, in the order of the book; ``unpack`` reads it.
        hands: (draw, member, hand).
        households: (member, household) of everybody who is tied to one.
    """

    group: GroupRow
    accounts: list[Turnover]
    pots: list[tuple[int, str, str, int | None, UUID]]
    policies: list[PolicyRow]
    places: list[PlaceRow]
    members: list[MemberRow]
    roles: list[RoleRow]
    draws: list[Draw]
    hands: list[tuple[UUID, UUID, Hand]]
    hours: bytes
    households: list[tuple[UUID, UUID]]


_GROUP: Final = """
    SELECT g.slug, g.name, g.origin, g.began_on, g.time_zone, g.languages, g.preset, g.categories,
           g.time_bank, h.seq, h.checkpoint, g.rounding_minutes, g.rounding_up, g.confirm_days, g.words,
           g.member_list, g.joining, g.categories_retired
      FROM timebank.groups AS g
      JOIN timebank.book_heads AS h ON h.group_id = g.group_id
     WHERE g.group_id = $1
"""
_ACCOUNTS: Final = """
    SELECT a.account_id, a.kind, a.unit, coalesce(p.code, h.code, '') AS owner, a.floor,
           a.debits, a.credits, a.reversal_debits, a.reversal_credits
      FROM timebank.accounts AS a
 LEFT JOIN timebank.pots AS p
        ON p.group_id = a.group_id
       AND p.pot_account = a.pot_account
 LEFT JOIN timebank.held_places AS h
        ON h.group_id = a.group_id
       AND h.account_id = a.account_id
     WHERE a.group_id = $1
  ORDER BY a.account_id
"""
_POTS: Final = """
    SELECT p.number, p.code, p.unit, a.floor, p.pot_id
      FROM timebank.pots AS p
      JOIN timebank.accounts AS a
        ON a.group_id = p.group_id
       AND a.account_id = p.pot_account
     WHERE p.group_id = $1
  ORDER BY p.unit <> 'minutes', p.unit COLLATE "C", p.number
"""
_POLICIES: Final = """
    SELECT o.pot_id, o.code, p.version, p.agreed_on, p.terms::text
      FROM timebank.policies AS p
      JOIN timebank.pots AS o ON o.group_id = p.group_id AND o.pot_id = p.pot_id
     WHERE p.group_id = $1
  ORDER BY o.unit <> 'minutes', o.unit COLLATE "C", o.number, p.version
"""
_PLACES: Final = """
    SELECT number, code, kind, unit
      FROM timebank.held_places
     WHERE group_id = $1
  ORDER BY unit COLLATE "C", kind COLLATE "C", number
"""
_MEMBERS: Final = """
    SELECT member_id, state, nickname_box, nickname_index, accounts_box, joined_on
      FROM people.members
     WHERE group_id = $1
"""
_HOUSEHOLDS: Final = """
    SELECT member_id, household_id
      FROM people.members
     WHERE group_id = $1
       AND household_id IS NOT NULL
"""
_ROLES: Final = """
    SELECT member_id, role, since, until
      FROM people.member_roles
     WHERE group_id = $1
"""
_DRAWS: Final = """
    SELECT draw_id, pot_id, category, needed_by, state, policy_version, amount_asked, amount_agreed,
           amount_promised, amount_handed, amount_released, asked_at
      FROM timebank.draws
     WHERE group_id = $1
  ORDER BY asked_at, draw_id
"""
_HANDS: Final = """
    SELECT draw_id, member_id, asked, approved, paid, two_people
      FROM timebank.draw_hands
     WHERE group_id = $1
"""
# Hours that wait for a yes come last. States begin with different letters.
_HOURS: Final = """
    SELECT string_agg(uuid_send(hours_id) || convert_to(left(state, 1), 'UTF8'), ''
                      ORDER BY seq NULLS LAST, logged_at, hours_id)
      FROM timebank.hours
     WHERE group_id = $1
"""
STATES_OF_HOURS: Final = {
    ord(state[0]): state for state in ("logged", "confirmed", "questioned", "settled", "withdrawn")
}


async def take_cut(tx: Tx, group_id: UUID) -> Cut:
    """Return all that moves in a group that is there; ``tx`` sees one moment."""
    await tx.execute(text(f"SET LOCAL statement_timeout = '{_CUT_SECONDS}s'"))
    connection = await driver(tx)
    group = await connection.fetchrow(_GROUP, group_id)
    assert group is not None, group_id
    return Cut(
        group=GroupRow(*group),
        accounts=[
            Turnover(BookAccount(*row[:4]), *row[4:]) for row in await connection.fetch(_ACCOUNTS, group_id)
        ],
        pots=[tuple(row) for row in await connection.fetch(_POTS, group_id)],
        policies=[
            PolicyRow(pot_id, pot, version, agreed_on, json.loads(terms))
            for pot_id, pot, version, agreed_on, terms in await connection.fetch(_POLICIES, group_id)
        ],
        places=[PlaceRow(*row) for row in await connection.fetch(_PLACES, group_id)],
        members=[MemberRow(*row) for row in await connection.fetch(_MEMBERS, group_id)],
        roles=[RoleRow(*row) for row in await connection.fetch(_ROLES, group_id)],
        draws=[Draw(*row) for row in await connection.fetch(_DRAWS, group_id)],
        hands=[(row[0], row[1], Hand(*row[2:])) for row in await connection.fetch(_HANDS, group_id)],
        hours=await connection.fetchval(_HOURS, group_id) or b"",
        households=[(row[0], row[1]) for row in await connection.fetch(_HOUSEHOLDS, group_id)],
    )


_RECORDS: Final = """
    SELECT record
      FROM timebank.records
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
       AND kind = ANY($4::text[])
  ORDER BY seq
"""
_KINDS: Final = [str(kind) for kind in EntryKind]


async def list_entries(tx: Tx, group_id: UUID, *, first_seq: int, last_seq: int) -> list[bytes]:
    """Return the entries among these records as they were written down, in order."""
    connection = await driver(tx)
    return [row[0] for row in await connection.fetch(_RECORDS, group_id, first_seq, last_seq, _KINDS)]


_TRANSFERS: Final = """
    SELECT seq, leg, debit_account, credit_account, amount
      FROM timebank.transfers
     WHERE group_id = $1
       AND seq BETWEEN $2 AND $3
  ORDER BY seq, leg
"""


async def list_transfers(
    tx: Tx, group_id: UUID, *, first_seq: int, last_seq: int
) -> list[tuple[int, int, int, int, int]]:
    """Return (seq, leg, debit account, credit account, amount) of the entries among these records."""
    connection = await driver(tx)
    return list(await connection.fetch(_TRANSFERS, group_id, first_seq, last_seq))


# The smallest number by an index that has it first; asked for the first row in order, the planner
# may walk through the whole book for each person who never did anything.
class LoggedHours(NamedTuple):
    """Hours without the part that moves, their state."""

    hours_id: UUID
    posted: bool
    giver_account: int
    receiver_account: int | None
    draw_id: UUID | None
    minutes: int
    effective_on: date
    category: str
    logged_by: int
    logged_at: datetime


_LOGGED: Final = """
    SELECT hours_id, seq IS NOT NULL, giver_account, receiver_account, draw_id, minutes, effective_on,
           category, logged_by, logged_at
      FROM timebank.hours
     WHERE group_id = $1
       AND hours_id = ANY($2::uuid[])
"""


def count_hours(packed: bytes) -> int:
    """Return how many hours a cut has."""
    return len(packed) // _PACKED_BYTES


async def list_hours(tx: Tx, group_id: UUID, packed: bytes, *, first: int) -> list[tuple[LoggedHours, str]]:
    """Return a page of the hours of a cut, from the one at place ``first`` on, each with its state then."""
    page = packed[first * _PACKED_BYTES : (first + PAGE) * _PACKED_BYTES]
    states = {
        UUID(bytes=page[at : at + 16]): STATES_OF_HOURS[page[at + 16]]
        for at in range(0, len(page), _PACKED_BYTES)
    }
    connection = await driver(tx)
    found = {row[0]: LoggedHours(*row) for row in await connection.fetch(_LOGGED, group_id, list(states))}
    return [(found[hours_id], state) for hours_id, state in states.items()]


# ---------------------------------------------------------------- the way back in


async def has_entries(connection: Raw, group_id: UUID) -> bool:
    """Say whether the book of a group has an entry."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM timebank.entries WHERE group_id = $1)", group_id
        )
    )


async def load_policies(connection: Raw, group_id: UUID) -> list[PolicyRow]:
    """Return every version of the rules of every pot, by pot and version."""
    return [
        PolicyRow(pot_id, pot, version, agreed_on, json.loads(terms))
        for pot_id, pot, version, agreed_on, terms in await connection.fetch(_POLICIES, group_id)
    ]


async def load_members(connection: Raw, group_id: UUID) -> list[MemberRow]:
    """Return everybody whom the group has."""
    return [MemberRow(*row) for row in await connection.fetch(_MEMBERS, group_id)]


async def insert_past_roles(tx: Tx, group_id: UUID, roles: Sequence[RoleRow]) -> None:
    """Write duties with the times at which they were given and taken away."""
    if roles:
        await tx.execute(
            text("""
                INSERT INTO people.member_roles (group_id, member_id, role, since, until)
                VALUES (:group_id, :member_id, :role, :since, :until)
            """),
            [{"group_id": group_id, **role._asdict()} for role in roles],
        )


async def publish_additions(tx: Tx, group_id: UUID, pots: Sequence[Pot], places: Sequence[HeldPlace]) -> None:
    """Add pots and places to what anybody may know of a group: numbers and units, and no name of a place."""
    shown: dict[str, Any] = {
        "pots": json.dumps([{"number": pot.number, "pot": pot.code, "unit": pot.unit} for pot in pots]),
        "held": json.dumps(
            [{"kind": place.kind, "number": place.number, "unit": place.unit} for place in places]
        ),
    }
    await tx.execute(
        text("""
            UPDATE timebank.published_groups
               SET pots = pots || CAST(:pots AS jsonb),
                   held = held || CAST(:held AS jsonb)
             WHERE group_id = :group_id
        """),
        {"group_id": group_id, **shown},
    )
