"""What the database holds about one member besides the lines of their statement, in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from timebank.store.statement import NoteRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx


class OwnGroup(NamedTuple):
    """The group that a member is in, as far as their own papers name it."""

    name: str
    slug: str
    time_zone: str


class DutyRow(NamedTuple):
    """A duty and how long it was carried; ``until`` None is until it is taken away."""

    role: str
    since: datetime
    until: datetime | None


class HandRow(NamedTuple):
    """What a member had to do with an ask."""

    draw_id: UUID
    asked: bool
    approved: bool
    paid: bool


class OwnCardRow(NamedTuple):
    """A sign-in card of theirs; ``used_at`` None for one that was not used."""

    card_id: UUID
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None


class OwnSessionRow(NamedTuple):
    """A session of theirs that holds, or is over and not swept yet."""

    session_id: UUID
    way: str
    begun_at: datetime
    proved_at: datetime
    seen_at: datetime


async def find_group(tx: Tx, group_id: UUID) -> OwnGroup:
    """Return the group, which is there."""
    row = await tx.execute(
        text("SELECT name, slug, time_zone FROM timebank.groups WHERE group_id = :group_id"),
        {"group_id": group_id},
    )
    return OwnGroup(*row.one())


async def list_duties(tx: Tx, group_id: UUID, member_id: UUID) -> list[DutyRow]:
    """Return every duty that a member has or had, oldest first."""
    rows = await tx.execute(
        text("""
            SELECT role, since, until
              FROM people.member_roles
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY since, role COLLATE "C"
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [DutyRow(*row) for row in rows]


async def list_hands(tx: Tx, group_id: UUID, member_id: UUID) -> list[HandRow]:
    """Return every ask that a member made, said yes to or handed over, by id."""
    rows = await tx.execute(
        text("""
            SELECT draw_id, asked, approved, paid
              FROM timebank.draw_hands
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY draw_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [HandRow(*row) for row in rows]


async def list_cards(tx: Tx, group_id: UUID, member_id: UUID) -> list[OwnCardRow]:
    """Return every card of a member that is kept, newest first."""
    rows = await tx.execute(
        text("""
            SELECT card_id, made_at, expires_at, used_at
              FROM people.cards
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY made_at DESC, card_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [OwnCardRow(*row) for row in rows]


async def list_sessions(tx: Tx, group_id: UUID, member_id: UUID) -> list[OwnSessionRow]:
    """Return every session of a member that is kept, newest first."""
    rows = await tx.execute(
        text("""
            SELECT session_id, way, begun_at, proved_at, seen_at
              FROM people.sessions
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY begun_at DESC, session_id
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [OwnSessionRow(*row) for row in rows]


async def find_app(tx: Tx, group_id: UUID, member_id: UUID) -> datetime | None:
    """Return when a member set an app up that shows codes; None for none."""
    row = await tx.execute(
        text("SELECT added_at FROM people.totps WHERE group_id = :group_id AND member_id = :member_id"),
        {"group_id": group_id, "member_id": member_id},
    )
    found: datetime | None = row.scalar_one_or_none()
    return found


async def list_words(tx: Tx, group_id: UUID, member_id: UUID) -> list[NoteRow]:
    """Return everything that is sealed with a member's key besides their own row, still sealed."""
    rows = await tx.execute(
        text("""
            SELECT about_id, what, box
              FROM people.notes
             WHERE group_id = :group_id
               AND member_id = :member_id
          ORDER BY about_id, what COLLATE "C"
        """),
        {"group_id": group_id, "member_id": member_id},
    )
    return [NoteRow(*row) for row in rows]
