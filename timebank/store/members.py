"""Members in SQL: rows that say nothing without the key store, and the duties that hold now."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from timebank.errors import NicknameTaken, UnknownMember
from timebank.store.boxes import code_index, open_box, seal
from timebank.store.duties import forget_card_makers
from timebank.store.hours import forget_waiting
from timebank.store.sessions import delete_sessions
from timebank.store.ways_in import delete_ways_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE = "people.members"

#: 40 characters of four bytes; every nickname is padded to it, so that a box does not tell its length.
_NICKNAME_BYTES = 160

_accounts_decoder = msgspec.json.Decoder(dict[str, int])


class MemberRow(NamedTuple):
    """A row of people.members; the boxes open with the member's own key."""

    member_id: UUID
    state: str
    nickname_box: bytes
    nickname_index: bytes
    accounts_box: bytes
    joined_on: date
    signs_in: bool = False


class ListedRow(NamedTuple):
    """A member as lists show them; ``code_box`` is None until they get a code, ``nickname_box`` empty once erased."""

    member_id: UUID
    state: str
    nickname_box: bytes
    code_box: bytes | None
    joined_on: date
    signs_in: bool
    household_id: UUID | None
    roles: list[str]


class Listing(NamedTuple):
    """Which members a list has; None does not filter.

    Attributes:
        role: A duty that they carry now.
        member_id: This one only.
    """

    role: str | None = None
    state: str | None = None
    household_id: UUID | None = None
    signs_in: bool | None = None
    member_id: UUID | None = None


def seal_nickname(key: bytes, group_id: UUID, member_id: UUID, nickname: str) -> bytes:
    """Return the box of a nickname of at most 40 characters; all boxes have one length."""
    data = nickname.encode()
    assert len(data) <= _NICKNAME_BYTES, "checked before"
    return seal(
        key,
        data.ljust(_NICKNAME_BYTES, b"\0"),
        group_id=group_id,
        table=_TABLE,
        row=member_id,
        column="nickname_box",
    )


def open_nickname(keys: KeyStore, group_id: UUID, member_id: UUID, box: bytes) -> str | None:
    """Return the nickname in a box, or None if the member was erased.

    Raises:
        BoxBrokenError: It is not this member's box.
    """
    key = keys.find_member_key(group_id, member_id)
    if key is None or not box:
        return None
    data = open_box(key, box, group_id=group_id, table=_TABLE, row=member_id, column="nickname_box")
    return data.rstrip(b"\0").decode()


def seal_accounts(key: bytes, group_id: UUID, member_id: UUID, accounts: Mapping[str, int]) -> bytes:
    """Return the box with the only tie between a person and their account numbers."""
    data = msgspec.json.encode(accounts)
    return seal(key, data, group_id=group_id, table=_TABLE, row=member_id, column="accounts_box")


def open_accounts(keys: KeyStore, group_id: UUID, member_id: UUID, box: bytes) -> dict[str, int] | None:
    """Return a member's account numbers by unit, or None if the member was erased.

    Raises:
        BoxBrokenError: It is not this member's box.
    """
    key = keys.find_member_key(group_id, member_id)
    if key is None or not box:
        return None
    return _accounts_decoder.decode(
        open_box(key, box, group_id=group_id, table=_TABLE, row=member_id, column="accounts_box")
    )


def open_code(keys: KeyStore, group_id: UUID, member_id: UUID, box: bytes | None) -> str:
    """Return the code in a box; empty if there is none, or the member was erased.

    Raises:
        BoxBrokenError: It is not this member's box.
    """
    key = keys.find_member_key(group_id, member_id)
    if key is None or not box:
        return ""
    return open_box(key, box, group_id=group_id, table=_TABLE, row=member_id, column="code_box").decode()


async def set_codes(tx: Tx, keys: KeyStore, group_id: UUID, codes: Mapping[UUID, str]) -> int:
    """Give members codes, all different, instead of those they had; return how many got theirs.

    A code that somebody here has already is given to nobody, nor is one to who was erased.
    """
    index_key = keys.index_key(group_id)
    rows = []
    for member_id, code in codes.items():
        key = keys.find_member_key(group_id, member_id)
        if key is not None:
            box = seal(key, code.encode(), group_id=group_id, table=_TABLE, row=member_id, column="code_box")
            rows.append((member_id, box, code_index(index_key, code)))
    if not rows:
        return 0
    ids, boxes, indexes = zip(*rows, strict=True)
    result = await tx.execute(
        text("""
            UPDATE people.members AS m
               SET code_box = new.box, code_index = new.index
              FROM unnest(CAST(:ids AS uuid[]), CAST(:boxes AS bytea[]), CAST(:indexes AS bytea[]))
                AS new (member_id, box, index)
             WHERE m.group_id = :group_id
               AND m.member_id = new.member_id
               AND m.state <> 'erased'
               AND NOT EXISTS (SELECT FROM people.members AS other
                                WHERE other.group_id = :group_id AND other.code_index = new.index)
        """),
        {"group_id": group_id, "ids": list(ids), "boxes": list(boxes), "indexes": list(indexes)},
    )
    return int(result.rowcount)


async def find_member_by_code(tx: Tx, keys: KeyStore, group_id: UUID, code: str) -> UUID | None:
    """Return the active member who has a code now, or None."""
    member_id: UUID | None = await tx.scalar(
        text("""
            SELECT member_id
              FROM people.members
             WHERE group_id = :group_id
               AND code_index = :index
               AND state = 'active'
        """),
        {"group_id": group_id, "index": code_index(keys.index_key(group_id), code)},
    )
    return member_id


async def list_members(
    tx: Tx,
    group_id: UUID,
    listing: Listing,
    *,
    now: datetime,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[ListedRow]:
    """Return members in the order in which they joined, with the duties that they carry at a moment.

    Args:
        after: (day of joining, id) of the last one seen; None begins with the first.
        limit: Most rows to return.
    """
    rows = await tx.execute(
        text("""
            SELECT m.member_id, m.state, m.nickname_box, m.code_box, m.joined_on, m.signs_in, m.household_id,
                   ARRAY(SELECT DISTINCT r.role COLLATE "C"
                           FROM people.member_roles AS r
                          WHERE r.group_id = m.group_id
                            AND r.member_id = m.member_id
                            AND r.since <= :now
                            AND (r.until IS NULL OR r.until > :now)
                       ORDER BY 1) AS roles
              FROM people.members AS m
             WHERE m.group_id = :group_id
               AND (CAST(:state AS text) IS NULL OR m.state = :state)
               AND (CAST(:household_id AS uuid) IS NULL OR m.household_id = :household_id)
               AND (CAST(:signs_in AS boolean) IS NULL OR m.signs_in = :signs_in)
               AND (CAST(:member_id AS uuid) IS NULL OR m.member_id = :member_id)
               AND (CAST(:role AS text) IS NULL
                    OR EXISTS (SELECT FROM people.member_roles AS r
                                WHERE r.group_id = m.group_id
                                  AND r.member_id = m.member_id
                                  AND r.role = :role
                                  AND r.since <= :now
                                  AND (r.until IS NULL OR r.until > :now)))
               AND (CAST(:after_id AS uuid) IS NULL
                    OR (m.joined_on, m.member_id) > (CAST(:after_on AS date), CAST(:after_id AS uuid)))
          ORDER BY m.joined_on, m.member_id
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            **listing._asdict(),
            "now": now,
            "after_on": None if after is None else after[0],
            "after_id": None if after is None else after[1],
            "limit": limit,
        },
    )
    return [ListedRow(*row) for row in rows]


async def count_other_stewards(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> int:
    """Return how many active members other than this one are stewards at a moment."""
    count: int = await tx.scalar(
        text("""
            SELECT count(DISTINCT m.member_id)
              FROM people.member_roles AS r
              JOIN people.members AS m ON m.group_id = r.group_id AND m.member_id = r.member_id
             WHERE r.group_id = :group_id
               AND r.member_id <> :member_id
               AND r.role = 'steward'
               AND (r.until IS NULL OR r.until > :now)
               AND m.state = 'active'
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return count


async def update_nickname(tx: Tx, group_id: UUID, member_id: UUID, *, box: bytes, index: bytes) -> None:
    """Give a member another nickname.

    Raises:
        NicknameTaken: Somebody here has it; the transaction cannot go on.
    """
    try:
        await tx.execute(
            text("""
                UPDATE people.members
                   SET nickname_box = :box, nickname_index = :index
                 WHERE group_id = :group_id
                   AND member_id = :member_id
            """),
            {"group_id": group_id, "member_id": member_id, "box": box, "index": index},
        )
    except IntegrityError as error:
        if "members_by_nickname" in str(error.orig):
            raise NicknameTaken from error
        raise


async def find_household(tx: Tx, group_id: UUID, member_id: UUID) -> UUID | None:
    """Return the household that a member is tied to, or None."""
    household: UUID | None = await tx.scalar(
        text("""
            SELECT household_id
              FROM people.members
             WHERE group_id = :group_id
               AND member_id = :member_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return household


async def set_household(
    tx: Tx, group_id: UUID, member_ids: Sequence[UUID], household_id: UUID | None
) -> None:
    """Tie members to a household, or to none; the caller holds the group's lock."""
    await tx.execute(
        text("""
            UPDATE people.members
               SET household_id = CAST(:household_id AS uuid)
             WHERE group_id = :group_id
               AND member_id = ANY(CAST(:member_ids AS uuid[]))
        """),
        {"group_id": group_id, "member_ids": list(member_ids), "household_id": household_id},
    )


async def end_tokens(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> int:
    """End every token of a member from this moment on; return how many held."""
    result = await tx.execute(
        text("""
            UPDATE people.tokens
               SET revoked_at = :now
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND revoked_at IS NULL
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return int(result.rowcount)


async def count_what_ends(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> dict[str, int]:
    """Return how many stand-ins, invitations, tokens and proposed duties end when a member leaves, by these names."""
    found = (
        await tx.execute(
            text("""
                SELECT (SELECT count(*) FROM people.stand_ins AS s
                         WHERE s.group_id = :group_id AND (s.stand_in = :member_id OR s.member_id = :member_id)
                           AND s.ended_at IS NULL AND s.expires_at > :now) AS stand_ins,
                       (SELECT count(*) FROM people.invitations AS i
                         WHERE i.group_id = :group_id AND i.made_by = :member_id AND i.revoked_at IS NULL
                           AND i.uses < i.uses_max AND i.expires_at > :now) AS invitations,
                       (SELECT count(*) FROM people.tokens AS t
                         WHERE t.group_id = :group_id AND t.member_id = :member_id
                           AND t.revoked_at IS NULL) AS tokens,
                       (SELECT count(*) FROM people.duty_proposals AS d
                         WHERE d.group_id = :group_id AND d.state = 'open'
                           AND (d.proposed_by = :member_id OR d.member_id = :member_id)) AS duties_proposed
            """),
            {"group_id": group_id, "member_id": member_id, "now": now},
        )
    ).mappings()
    return dict(found.one())


async def insert_members(tx: Tx, group_id: UUID, members: Sequence[MemberRow]) -> None:
    """Insert members.

    Raises:
        NicknameTaken: Somebody here has one of these nicknames; the transaction cannot go on.
    """
    try:
        await tx.execute(
            text("""
                INSERT INTO people.members (group_id, member_id, state, nickname_box, nickname_index,
                                            accounts_box, joined_on, signs_in)
                VALUES (:group_id, :member_id, :state, :nickname_box, :nickname_index,
                        :accounts_box, :joined_on, :signs_in)
            """),
            [{"group_id": group_id, **member._asdict()} for member in members],
        )
    except IntegrityError as error:
        if "members_by_nickname" in str(error.orig):
            raise NicknameTaken from error
        raise


async def find_member(tx: Tx, group_id: UUID, member_id: UUID) -> MemberRow | None:
    """Return a member in whatever state, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT member_id, state, nickname_box, nickname_index, accounts_box, joined_on, signs_in
                  FROM people.members
                 WHERE group_id = :group_id
                   AND member_id = :member_id
            """),
            {"group_id": group_id, "member_id": member_id},
        )
    ).one_or_none()
    return None if row is None else MemberRow(*row)


async def find_member_by_index(tx: Tx, group_id: UUID, nickname_index: bytes) -> MemberRow | None:
    """Return the member who has a nickname now, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT member_id, state, nickname_box, nickname_index, accounts_box, joined_on, signs_in
                  FROM people.members
                 WHERE group_id = :group_id
                   AND nickname_index = :nickname_index
                   AND state IN ('active', 'suspended')
            """),
            {"group_id": group_id, "nickname_index": nickname_index},
        )
    ).one_or_none()
    return None if row is None else MemberRow(*row)


async def list_ties(
    tx: Tx, keys: KeyStore, group_id: UUID, *, wanted: Collection[int] | None = None
) -> dict[int, UUID]:
    """Return whose account of hours each number is, for lists of a page or two.

    Args:
        wanted: No more boxes are opened than it takes to find these; None opens every one.
    """
    missing = None if wanted is None else set(wanted)
    rows = await tx.execute(
        text("SELECT member_id, accounts_box FROM people.members WHERE group_id = :group_id"),
        {"group_id": group_id},
    )
    ties: dict[int, UUID] = {}
    for member_id, box in rows:
        if missing is not None and not missing:
            break
        accounts = open_accounts(keys, group_id, member_id, box)
        if accounts is None or (missing is not None and accounts["minutes"] not in missing):
            continue
        ties[accounts["minutes"]] = member_id
        if missing is not None:
            missing.remove(accounts["minutes"])
    return ties


async def update_member_state(tx: Tx, group_id: UUID, member_id: UUID, state: str) -> None:
    """Set the state of a member who is not erased; whoever is not active any more is signed out everywhere.

    Raises:
        UnknownMember: Nobody has this id, or nobody any more.
        NicknameTaken: They come back, and somebody else has their nickname by now.
    """
    try:
        result = await tx.execute(
            text("""
                UPDATE people.members
                   SET state = :state
                 WHERE group_id = :group_id
                   AND member_id = :member_id
                   AND state <> 'erased'
            """),
            {"group_id": group_id, "member_id": member_id, "state": state},
        )
    except IntegrityError as error:
        if "members_by_nickname" in str(error.orig):
            raise NicknameTaken from error
        raise
    if result.rowcount != 1:
        raise UnknownMember
    if state != "active":
        await delete_sessions(tx, group_id, member_id)


async def set_signs_in(tx: Tx, group_id: UUID, member_id: UUID, *, signs_in: bool = True) -> None:
    """Note that a member has a way to sign in now, or none any more; the caller holds the group's lock."""
    await tx.execute(
        text("""
            UPDATE people.members
               SET signs_in = :signs_in
             WHERE group_id = :group_id
               AND member_id = :member_id
        """),
        {"group_id": group_id, "member_id": member_id, "signs_in": signs_in},
    )


async def erase_member_rows(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> None:
    """Empty what the database holds about a person; their row stays, as an id without a tie."""
    names = {"group_id": group_id, "member_id": member_id}
    await tx.execute(
        text("""
            UPDATE people.members
               SET state = 'erased', nickname_box = '', nickname_index = '', accounts_box = '',
                   code_box = NULL, code_index = NULL, household_id = NULL, signs_in = false
             WHERE group_id = :group_id
               AND member_id = :member_id
        """),
        names,
    )
    await delete_ways_in(tx, group_id, member_id)
    await forget_card_makers(tx, group_id, member_id)
    await forget_waiting(tx, group_id, member_id)
    await tx.execute(
        text("DELETE FROM people.notes WHERE group_id = :group_id AND member_id = :member_id"), names
    )
    await tx.execute(
        text("DELETE FROM people.looks WHERE group_id = :group_id AND whose = :member_id"), names
    )
    await end_tokens(tx, group_id, member_id, now=now)
    for table in ("people.mail_links", "people.mail", "people.outbox"):
        await tx.execute(
            text(f"DELETE FROM {table} WHERE group_id = :group_id AND member_id = :member_id"), names
        )
    await tx.execute(
        text("""
            UPDATE people.tokens
               SET revoked_at = :now
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND revoked_at IS NULL
        """),
        {**names, "now": now},
    )
    await tx.execute(
        text("""
            UPDATE people.member_roles
               SET until = :now
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND (until IS NULL OR until > :now)
        """),
        {**names, "now": now},
    )


async def list_roles(tx: Tx, group_id: UUID, member_id: UUID, *, now: datetime) -> list[str]:
    """Return the duties that a member carries at a moment, sorted."""
    rows = await tx.execute(
        text("""
            SELECT DISTINCT role COLLATE "C" AS role
              FROM people.member_roles
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND since <= :now
               AND (until IS NULL OR until > :now)
          ORDER BY role
        """),
        {"group_id": group_id, "member_id": member_id, "now": now},
    )
    return list(rows.scalars())


async def insert_roles(
    tx: Tx, group_id: UUID, roles: Sequence[tuple[UUID, str]], *, since: datetime, until: datetime | None
) -> None:
    """Give duties to members from a moment on; until None is until they are taken away."""
    if not roles:
        return
    await tx.execute(
        text("""
            INSERT INTO people.member_roles (group_id, member_id, role, since, until)
            VALUES (:group_id, :member_id, :role, :since, :until)
        """),
        [
            {"group_id": group_id, "member_id": member_id, "role": role, "since": since, "until": until}
            for member_id, role in roles
        ],
    )


async def end_role(tx: Tx, group_id: UUID, member_id: UUID, role: str, *, now: datetime) -> None:
    """Take a duty away from this moment on."""
    await tx.execute(
        text("""
            UPDATE people.member_roles
               SET until = :now
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND role = :role
               AND (until IS NULL OR until > :now)
        """),
        {"group_id": group_id, "member_id": member_id, "role": role, "now": now},
    )


async def has_member_list(tx: Tx, group_id: UUID) -> bool:
    """Return whether members of this group see a list of each other."""
    return bool(
        await tx.scalar(
            text("SELECT member_list FROM timebank.groups WHERE group_id = :group_id"), {"group_id": group_id}
        )
    )


async def set_role_until(
    tx: Tx, group_id: UUID, member_id: UUID, role: str, *, now: datetime, until: datetime | None
) -> None:
    """Have a member carry a duty from now until a moment, whatever held before; None takes it away now."""
    await end_role(tx, group_id, member_id, role, now=now)
    if until is None:
        return
    await tx.execute(
        text("""
            INSERT INTO people.member_roles (group_id, member_id, role, since, until)
            VALUES (:group_id, :member_id, :role, :now, :until)
       ON CONFLICT (group_id, member_id, role, since) DO UPDATE SET until = excluded.until
        """),
        {"group_id": group_id, "member_id": member_id, "role": role, "now": now, "until": until},
    )
