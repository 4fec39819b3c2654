"""Mail addresses of members and the links that were mailed to them, in SQL: sealed, or as hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import text

from timebank.store.boxes import BoxBrokenError, open_box, seal

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

_TABLE = "people.mail"


class AddressRow(NamedTuple):
    """A row of people.mail; the box opens with the member's own key."""

    member_id: UUID
    address_box: bytes
    address_index: bytes
    confirmed_at: datetime | None


class LinkRow(NamedTuple):
    """A row of people.mail_links; the link itself is nowhere but in the mail.

    Attributes:
        what: ``sign_in`` or ``confirm``.
        bound_to: SHA-256 of a browser's cookie, or the blind index of an address.
    """

    link_hash: bytes
    member_id: UUID
    what: str
    bound_to: bytes
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


class AskRow(NamedTuple):
    """A row of people.mail_asks: somebody, perhaps nobody, wants a link."""

    ask_id: UUID
    nickname_index: bytes
    address_index: bytes
    browser_hash: bytes
    language: str
    created_at: datetime


def seal_address(key: bytes, group_id: UUID, member_id: UUID, content: bytes) -> bytes:
    """Return the box with an address and the language of its reader."""
    return seal(key, content, group_id=group_id, table=_TABLE, row=member_id, column="address_box")


def open_address(keys: KeyStore, group_id: UUID, row: AddressRow) -> bytes | None:
    """Return what is in an address's box; None if the member was erased or the box is broken."""
    key = keys.find_member_key(group_id, row.member_id)
    if key is None:
        return None
    try:
        return open_box(
            key, row.address_box, group_id=group_id, table=_TABLE, row=row.member_id, column="address_box"
        )
    except BoxBrokenError:
        return None


async def find_address(tx: Tx, group_id: UUID, member_id: UUID) -> AddressRow | None:
    """Return a member's address, confirmed or not, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT member_id, address_box, address_index, confirmed_at
                  FROM people.mail
                 WHERE group_id = :group_id
                   AND member_id = :member_id
            """),
            {"group_id": group_id, "member_id": member_id},
        )
    ).one_or_none()
    return None if row is None else AddressRow(*row)


async def upsert_address(tx: Tx, group_id: UUID, row: AddressRow) -> None:
    """Set a member's address."""
    await tx.execute(
        text("""
            INSERT INTO people.mail (group_id, member_id, address_box, address_index, confirmed_at)
            VALUES (:group_id, :member_id, :address_box, :address_index, :confirmed_at)
            ON CONFLICT (group_id, member_id) DO UPDATE
               SET address_box = excluded.address_box, address_index = excluded.address_index,
                   confirmed_at = excluded.confirmed_at
        """),
        {"group_id": group_id, **row._asdict()},
    )


async def confirm_address(
    tx: Tx, group_id: UUID, member_id: UUID, address_index: bytes, *, now: datetime
) -> bool:
    """Confirm an address if it still is the member's; return whether it is."""
    result = await tx.execute(
        text("""
            UPDATE people.mail
               SET confirmed_at = :now
             WHERE group_id = :group_id
               AND member_id = :member_id
               AND address_index = :address_index
        """),
        {"group_id": group_id, "member_id": member_id, "address_index": address_index, "now": now},
    )
    return bool(result.rowcount)


async def delete_address(tx: Tx, group_id: UUID, member_id: UUID) -> bool:
    """Delete a member's address and every link that was mailed to it; return whether there was one."""
    names = {"group_id": group_id, "member_id": member_id}
    await tx.execute(
        text("DELETE FROM people.mail_links WHERE group_id = :group_id AND member_id = :member_id"), names
    )
    result = await tx.execute(
        text("DELETE FROM people.mail WHERE group_id = :group_id AND member_id = :member_id"), names
    )
    return bool(result.rowcount)


async def list_reachable(
    tx: Tx, group_id: UUID, *, nickname_index: bytes, address_index: bytes, now: datetime, limit: int
) -> list[AddressRow]:
    """Return active members without a duty at a moment, by nickname or by address, whose address is confirmed."""
    rows = await tx.execute(
        text("""
            SELECT a.member_id, a.address_box, a.address_index, a.confirmed_at
              FROM people.mail AS a
              JOIN people.members AS m ON m.group_id = a.group_id AND m.member_id = a.member_id
             WHERE a.group_id = :group_id
               AND (a.address_index = :address_index OR m.nickname_index = :nickname_index)
               AND a.confirmed_at IS NOT NULL
               AND m.state = 'active'
               AND NOT EXISTS (SELECT FROM people.member_roles AS r
                                WHERE r.group_id = a.group_id
                                  AND r.member_id = a.member_id
                                  AND r.since <= :now
                                  AND (r.until IS NULL OR r.until > :now))
          ORDER BY a.confirmed_at, a.member_id
             LIMIT :limit
        """),
        {
            "group_id": group_id,
            "nickname_index": nickname_index,
            "address_index": address_index,
            "now": now,
            "limit": limit,
        },
    )
    return [AddressRow(*row) for row in rows]


# ---------------------------------------------------------------- links


async def insert_link(tx: Tx, group_id: UUID, link: LinkRow) -> None:
    """Insert a link that nobody has used."""
    await tx.execute(
        text("""
            INSERT INTO people.mail_links (group_id, link_hash, member_id, what, bound_to, created_at,
                                           expires_at, used_at)
            VALUES (:group_id, :link_hash, :member_id, :what, :bound_to, :created_at, :expires_at, :used_at)
        """),
        {"group_id": group_id, **link._asdict()},
    )


async def find_link(tx: Tx, group_id: UUID, link_hash: bytes, what: str) -> LinkRow | None:
    """Return a link of a kind, used and ended ones too, or None."""
    row = (
        await tx.execute(
            text("""
                SELECT link_hash, member_id, what, bound_to, created_at, expires_at, used_at
                  FROM people.mail_links
                 WHERE group_id = :group_id
                   AND link_hash = :link_hash
                   AND what = :what
            """),
            {"group_id": group_id, "link_hash": link_hash, "what": what},
        )
    ).one_or_none()
    return None if row is None else LinkRow(*row)


async def use_link(tx: Tx, group_id: UUID, link_hash: bytes, *, now: datetime) -> bool:
    """Use a link up; False if somebody did, or its time is over."""
    result = await tx.execute(
        text("""
            UPDATE people.mail_links
               SET used_at = :now
             WHERE group_id = :group_id
               AND link_hash = :link_hash
               AND used_at IS NULL
               AND expires_at > :now
        """),
        {"group_id": group_id, "link_hash": link_hash, "now": now},
    )
    return bool(result.rowcount)


async def was_link_made(tx: Tx, group_id: UUID, member_id: UUID, bound_to: bytes, *, since: datetime) -> bool:
    """Return whether a link of a member, bound to this, was made since a moment."""
    return bool(
        await tx.scalar(
            text("""
                SELECT EXISTS (SELECT FROM people.mail_links
                                WHERE group_id = :group_id
                                  AND member_id = :member_id
                                  AND bound_to = :bound_to
                                  AND created_at > :since)
            """),
            {"group_id": group_id, "member_id": member_id, "bound_to": bound_to, "since": since},
        )
    )


async def delete_ended_links(tx: Tx, group_id: UUID, *, now: datetime) -> None:
    """Delete links whose time is over."""
    await tx.execute(
        text("DELETE FROM people.mail_links WHERE group_id = :group_id AND expires_at <= :now"),
        {"group_id": group_id, "now": now},
    )


# ---------------------------------------------------------------- who asked for a link


async def insert_ask(tx: Tx, group_id: UUID, ask: AskRow) -> None:
    """Note that somebody wants a link."""
    await tx.execute(
        text("""
            INSERT INTO people.mail_asks (group_id, ask_id, nickname_index, address_index, browser_hash,
                                          language, created_at)
            VALUES (:group_id, :ask_id, :nickname_index, :address_index, :browser_hash, :language, :created_at)
        """),
        {"group_id": group_id, **ask._asdict()},
    )


async def take_asks(tx: Tx, group_id: UUID, *, limit: int) -> list[AskRow]:
    """Take who waits for a link out of the list, oldest first; each is taken once."""
    rows = await tx.execute(
        text("""
            DELETE FROM people.mail_asks AS a
             USING (SELECT ask_id
                      FROM people.mail_asks
                     WHERE group_id = :group_id
                  ORDER BY created_at, ask_id
                     LIMIT :limit) AS first
             WHERE a.group_id = :group_id
               AND a.ask_id = first.ask_id
         RETURNING a.ask_id, a.nickname_index, a.address_index, a.browser_hash, a.language, a.created_at
        """),
        {"group_id": group_id, "limit": limit},
    )
    return [AskRow(*row) for row in rows]
