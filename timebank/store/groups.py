"""Groups in SQL: a new one with its accounts, pots, places and policies, and what the public may know of it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from timebank.errors import SlugTaken, UnknownGroup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from uuid import UUID

    from timebank.rules.state import HeldPlace, Pot
    from timebank.store.engine import Tx


class GroupRow(NamedTuple):
    """A row of timebank.groups."""

    group_id: UUID
    slug: str
    name: str
    origin: str
    book_id: bytes
    began_on: date
    time_zone: str
    languages: list[str]
    preset: str
    categories: list[str]
    time_bank: bool
    created_at: datetime
    rounding_minutes: int = 1
    rounding_up: bool = False
    confirm_days: int = 7
    words: str = "pot"
    member_list: bool = False
    joining: str = "invitation"
    categories_retired: Sequence[str] = ()


class NewAccount(NamedTuple):
    """An account without any turnover; ``pot_account`` is 0 unless it belongs to a pot."""

    account_id: int
    kind: str
    unit: str
    pot_account: int
    floor: int | None


class PolicyRow(NamedTuple):
    """One version of what a pot's rules say; ``pot`` is the code of the pot."""

    pot_id: UUID
    pot: str
    version: int
    agreed_on: date
    terms: dict[str, Any]


class NewestPolicy(NamedTuple):
    """The newest version of a pot's rules, and what a further one needs to know."""

    pot_id: UUID
    unit: str
    version: int
    time_zone: str


class PublishedGroup(NamedTuple):
    """What anybody may know of a group before its first close."""

    first_close_on: date
    units: list[dict[str, Any]]
    pots: list[dict[str, Any]]
    held: list[dict[str, Any]]
    people: int
    gifts_wait: bool


class GroupFrame(NamedTuple):
    """What joining and reading need to know of a group."""

    time_zone: str
    preset: str
    time_bank: bool
    units: list[str]


async def insert_group(tx: Tx, group: GroupRow) -> None:
    """Insert the group, its address and the head row of its empty book.

    Raises:
        SlugTaken: Another group has this address; the transaction cannot go on.
    """
    try:
        await tx.execute(
            text("INSERT INTO timebank.published_slugs (slug, group_id) VALUES (:slug, :group_id)"),
            {"slug": group.slug, "group_id": group.group_id},
        )
    except IntegrityError as error:
        raise SlugTaken(slug=group.slug) from error
    await tx.execute(
        text("""
            INSERT INTO timebank.groups (group_id, slug, name, origin, book_id, began_on, time_zone,
                                         languages, preset, categories, time_bank, created_at,
                                         rounding_minutes, rounding_up, confirm_days, words,
                                         member_list, joining, categories_retired, next_time_zone,
                                         witnesses)
            VALUES (:group_id, :slug, :name, :origin, :book_id, :began_on, :time_zone,
                    CAST(:languages AS text[]), :preset, CAST(:categories AS text[]), :time_bank, :created_at,
                    :rounding_minutes, :rounding_up, :confirm_days, :words,
                    :member_list, :joining, CAST(:categories_retired AS text[]), '', '{}')
        """),
        {**group._asdict(), "categories_retired": list(group.categories_retired)},
    )
    await tx.execute(
        text("""
            INSERT INTO timebank.book_heads (group_id, seq, frontier, recorded_at, epoch, setup_version,
                                             checkpoint)
            VALUES (:group_id, 0, '', :created_at, 1, 1, '')
        """),
        {"group_id": group.group_id, "created_at": group.created_at},
    )


async def insert_accounts(tx: Tx, group_id: UUID, accounts: Sequence[NewAccount]) -> None:
    """Insert accounts that nothing has moved through yet.

    Raises:
        IntegrityError: A number is in use: 2^53 numbers, so the random source is broken.
    """
    await tx.execute(
        text("""
            INSERT INTO timebank.accounts (group_id, account_id, kind, unit, pot_account, floor, closed,
                                           debits, credits, reversal_debits, reversal_credits)
            SELECT :group_id, account_id, kind, unit, pot_account, floor, false, 0, 0, 0, 0
              FROM unnest(CAST(:numbers AS bigint[]), CAST(:kinds AS text[]), CAST(:units AS text[]),
                          CAST(:pots AS bigint[]), CAST(:floors AS bigint[]))
                AS new (account_id, kind, unit, pot_account, floor)
        """),
        {
            "group_id": group_id,
            "numbers": [account.account_id for account in accounts],
            "kinds": [account.kind for account in accounts],
            "units": [account.unit for account in accounts],
            "pots": [account.pot_account for account in accounts],
            "floors": [account.floor for account in accounts],
        },
    )


async def insert_pots(tx: Tx, group_id: UUID, pots: Sequence[Pot]) -> None:
    """Insert pots whose three accounts are there."""
    await tx.execute(
        text("""
            INSERT INTO timebank.pots (group_id, pot_id, code, unit, number,
                                       pot_account, promised_account, shared_account)
            VALUES (:group_id, :pot_id, :code, :unit, :number,
                    :pot_account, :promised_account, :shared_account)
        """),
        [{"group_id": group_id, **pot._asdict()} for pot in pots],
    )


async def insert_held_places(tx: Tx, group_id: UUID, places: Sequence[HeldPlace]) -> None:
    """Insert places whose account is there."""
    if not places:
        return
    await tx.execute(
        text("""
            INSERT INTO timebank.held_places (group_id, held_id, code, kind, number, unit, account_id)
            VALUES (:group_id, :held_id, :code, :kind, :number, :unit, :account_id)
        """),
        [{"group_id": group_id, **place._asdict()} for place in places],
    )


async def insert_policies(tx: Tx, group_id: UUID, policies: Sequence[PolicyRow]) -> None:
    """Insert policy versions, and publish them: a pot's rules are public from the day they are agreed."""
    rows = [
        {
            "group_id": group_id,
            **policy._asdict(),
            "terms": msgspec.json.encode(policy.terms).decode(),
        }
        for policy in policies
    ]
    await tx.execute(
        text("""
            INSERT INTO timebank.policies (group_id, pot_id, version, agreed_on, terms)
            VALUES (:group_id, :pot_id, :version, :agreed_on, CAST(:terms AS jsonb))
        """),
        rows,
    )
    await tx.execute(
        text("""
            INSERT INTO timebank.published_policies (group_id, pot, version, agreed_on, terms)
            VALUES (:group_id, :pot, :version, :agreed_on, CAST(:terms AS jsonb))
        """),
        rows,
    )


async def find_newest_policy(tx: Tx, group_id: UUID, pot: str) -> NewestPolicy | None:
    """Return the newest version of a pot's rules, or None if there is no such pot."""
    row = (
        await tx.execute(
            text("""
                SELECT o.pot_id, o.unit, p.version, g.time_zone
                  FROM timebank.pots AS o
                  JOIN timebank.policies AS p ON p.group_id = o.group_id AND p.pot_id = o.pot_id
                  JOIN timebank.groups AS g ON g.group_id = o.group_id
                 WHERE o.group_id = :group_id
                   AND o.code = :pot
              ORDER BY p.version DESC
                 LIMIT 1
            """),
            {"group_id": group_id, "pot": pot},
        )
    ).one_or_none()
    return None if row is None else NewestPolicy(*row)


async def insert_published_group(tx: Tx, group: GroupRow, published: PublishedGroup) -> None:
    """Publish the frame of a group: its name, units, pots and places, and no figure."""
    await tx.execute(
        text("""
            INSERT INTO timebank.published_groups (group_id, slug, name, languages, preset, began_on,
                                                   first_close_on, units, pots, held, people, gifts_wait)
            VALUES (:group_id, :slug, :name, CAST(:languages AS text[]), :preset, :began_on,
                    :first_close_on, CAST(:units AS jsonb), CAST(:pots AS jsonb), CAST(:held AS jsonb),
                    :people, :gifts_wait)
        """),
        {
            "group_id": group.group_id,
            "slug": group.slug,
            "name": group.name,
            "languages": group.languages,
            "preset": group.preset,
            "began_on": group.began_on,
            "first_close_on": published.first_close_on,
            "units": msgspec.json.encode(published.units).decode(),
            "pots": msgspec.json.encode(published.pots).decode(),
            "held": msgspec.json.encode(published.held).decode(),
            "people": published.people,
            "gifts_wait": published.gifts_wait,
        },
    )


async def bump_setup_version(tx: Tx, group_id: UUID) -> None:
    """Take the group's lock, and tell every writer to read the set-up anew with its next batch.

    Raises:
        UnknownGroup: There is no such group.
    """
    result = await tx.execute(
        text("""
            UPDATE timebank.book_heads
               SET setup_version = setup_version + 1
             WHERE group_id = :group_id
        """),
        {"group_id": group_id},
    )
    if result.rowcount != 1:
        raise UnknownGroup


async def try_sweep_lock(tx: Tx, group_id: UUID) -> bool:
    """Take the lock of whoever looks at what is due in a group, until the end of the transaction, or return False."""
    key = int.from_bytes(sha256(b"timebank/due\0" + group_id.bytes).digest()[:8], "big", signed=True)
    return bool((await tx.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": key})).scalar_one())


async def find_frame(tx: Tx, group_id: UUID) -> GroupFrame:
    """Return what joining and reading need to know; units begin with minutes.

    Raises:
        UnknownGroup: There is no such group.
    """
    row = (
        await tx.execute(
            text("""
                SELECT g.time_zone, g.preset, g.time_bank,
                       ARRAY(SELECT a.unit
                               FROM timebank.accounts AS a
                              WHERE a.group_id = g.group_id
                                AND a.kind = 'outside'
                           ORDER BY a.unit <> 'minutes', a.unit COLLATE "C") AS units
                  FROM timebank.groups AS g
                 WHERE g.group_id = :group_id
            """),
            {"group_id": group_id},
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    return GroupFrame(*row)


class GroupNames(NamedTuple):
    """What a group is called."""

    slug: str
    name: str


async def find_names(tx: Tx, group_id: UUID) -> GroupNames:
    """Return what a group is called.

    Raises:
        UnknownGroup: There is no such group.
    """
    row = (
        await tx.execute(
            text("SELECT slug, name FROM timebank.groups WHERE group_id = :group_id"), {"group_id": group_id}
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    return GroupNames(*row)


async def find_checkpoint(tx: Tx, group_id: UUID) -> tuple[int, str]:
    """Return size and signed note of the live book as this transaction sees it.

    Raises:
        UnknownGroup: There is no such group.
    """
    row = (
        await tx.execute(
            text("SELECT seq, checkpoint FROM timebank.book_heads WHERE group_id = :group_id"),
            {"group_id": group_id},
        )
    ).one_or_none()
    if row is None:
        raise UnknownGroup
    return row[0], row[1]
