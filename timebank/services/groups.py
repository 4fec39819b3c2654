"""Groups: setting one up, in one transaction, with its accounts, its book and the first records in it."""

from __future__ import annotations

import asyncio
import zoneinfo
from datetime import date, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from babel.numbers import get_currency_precision, list_currencies

from timebank.errors import FieldInvalid
from timebank.ledger.canonical import canonical
from timebank.ledger.units import MINUTES
from timebank.rules import set_up
from timebank.rules.publication import place_name
from timebank.rules.readiness import Way, period_end
from timebank.rules.set_up import OpenedAccount
from timebank.rules.state import HeldPlace, Pot
from timebank.services import public_log
from timebank.store import groups as store
from timebank.store.closes import insert_way
from timebank.store.groups import GroupRow, NewAccount, PolicyRow, PublishedGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.set_up import NewGroup, PlannedAccount
    from timebank.services.house import House


async def create_group(
    house: House,
    group: NewGroup,
    *,
    origin: str,
    now: datetime,
    group_id: UUID | None = None,
    agreed_on: Mapping[str, date] | None = None,
) -> UUID:
    """Set up a group: from the next moment on its book takes entries.

    Args:
        group: What it says about itself.
        origin: Name of its book in proofs, such as ``bank.example/g/riverside``; it never changes.
        now: The moment of set-up, aware.
        group_id: Its id; None for a random one.
        agreed_on: By pot, the day on which its first rules were agreed; today for others.

    Returns:
        The id of the group.

    Raises:
        FieldInvalid, DateInFuture: It cannot be a group; see rules.set_up.check_group.
        SlugTaken: Another group has this address.
    """
    zone = _zone(group.time_zone)
    today = now.astimezone(zone).date()
    group = set_up.check_group(
        group,
        today=today,
        currencies_known=list_currencies(),
        time_zones_known=zoneinfo.available_timezones(),
    )
    group_id = group_id or house.new_id()
    row = GroupRow(
        group_id=group_id,
        slug=group.slug,
        name=group.name,
        origin=origin,
        book_id=house.random(16),
        began_on=group.began_on,
        time_zone=group.time_zone,
        languages=list(group.languages),
        preset=group.preset,
        categories=list(group.categories),
        time_bank=group.time_bank,
        created_at=now,
        rounding_minutes=group.rounding_minutes,
        rounding_up=group.rounding_up,
        confirm_days=group.confirm_days,
        words=group.words,
        member_list=group.member_list,
        joining=group.joining,
        categories_retired=group.categories_retired,
    )
    plan = set_up.accounts_of_group(group)
    numbers = _draw_numbers(plan, house.new_number)
    pots = _pots(group, numbers, house.new_id)
    places = _places(group, numbers, house.new_id)
    policies = [
        PolicyRow(pot.pot_id, pot.code, 1, (agreed_on or {}).get(pot.code, today), new.terms.as_json())
        for pot, new in zip(pots, group.pots, strict=True)
    ]
    # Keys first: a group without keys could never sign or find anybody; keys without a group
    # are thirty-two bytes that nobody asks for.
    await asyncio.to_thread(house.keys.create_group_keys, group_id)
    await public_log.make_keys(house, group_id)

    async with house.database.tx(group_id) as tx:
        await store.insert_group(tx, row)
        await store.insert_accounts(tx, group_id, _accounts(plan, numbers))
        await store.insert_pots(tx, group_id, pots)
        await store.insert_held_places(tx, group_id, places)
        await store.insert_policies(tx, group_id, policies)
        await store.insert_published_group(tx, row, _published(group, pots, places, now))
        await insert_way(tx, group_id, date.min, _way(group), decided_at=now)
        records = [("genesis", 0, _genesis(row, group, _opened(plan, numbers, places)))]
        records += [("policy", 0, policy_fields(policy)) for policy in policies]
        kept = await house.append_records(tx, group_id, records, now=now)
        await public_log.begin(house, tx, group_id)
    house.checkpoints.keep(group_id, *kept)
    return group_id


def policy_fields(policy: PolicyRow) -> dict[str, Any]:
    """Return what the book says of a policy version: pot, version, day, hash of the published text."""
    published = canonical(set_up.published_terms(policy.terms))
    return {
        "agreed_on": policy.agreed_on.isoformat(),
        "pot": policy.pot,
        "terms_hash": sha256(published).hexdigest(),
        "version": policy.version,
    }


def _way(group: NewGroup) -> Way:
    return Way.of(group.preset, people=group.people, gifts_wait=group.gifts_wait)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FieldInvalid(field="time_zone", why=set_up.NOT_KNOWN) from error


def _draw_numbers(
    plan: list[PlannedAccount], new_number: Callable[[], int]
) -> dict[tuple[str, str, str], int]:
    """Give each planned account a number: (kind, unit, owner) -> number, all different."""
    drawn: dict[tuple[str, str, str], int] = {}
    for account in plan:
        number = new_number()
        while number in drawn.values():
            number = new_number()
        drawn[account.kind, account.unit, account.owner] = number
    return drawn


def _accounts(plan: list[PlannedAccount], numbers: Mapping[tuple[str, str, str], int]) -> list[NewAccount]:
    pots = {"pot", "promised", "shared"}
    return [
        NewAccount(
            account_id=numbers[kind, unit, owner],
            kind=kind,
            unit=unit,
            pot_account=numbers["pot", unit, owner] if kind in pots else 0,
            floor=floor,
        )
        for kind, unit, owner, floor in plan
    ]


def _opened(
    plan: list[PlannedAccount], numbers: Mapping[tuple[str, str, str], int], places: list[HeldPlace]
) -> list[OpenedAccount]:
    # What a group calls a place may name somebody: the book knows it by its kind and number.
    names = {place.account_id: place_name(place.kind, place.number, place.unit) for place in places}
    opened = []
    for kind, unit, owner, floor in plan:
        number = numbers[kind, unit, owner]
        opened.append(OpenedAccount(number, kind, unit, names.get(number, owner), floor))
    return opened


def _pots(
    group: NewGroup, numbers: Mapping[tuple[str, str, str], int], new_id: Callable[[], UUID]
) -> list[Pot]:
    return [
        Pot(
            pot_id=new_id(),
            code=pot.code,
            unit=pot.unit,
            number=number,
            pot_account=numbers["pot", pot.unit, pot.code],
            promised_account=numbers["promised", pot.unit, pot.code],
            shared_account=numbers["shared", pot.unit, pot.code],
        )
        for pot, number in zip(group.pots, set_up.numbers(group.pots), strict=True)
    ]


def _places(
    group: NewGroup, numbers: Mapping[tuple[str, str, str], int], new_id: Callable[[], UUID]
) -> list[HeldPlace]:
    return [
        HeldPlace(
            held_id=new_id(),
            code=place.code,
            kind=place.kind,
            number=number,
            unit=place.unit,
            account_id=numbers["held", place.unit, place.code],
        )
        for place, number in zip(group.held_places, set_up.numbers(group.held_places), strict=True)
    ]


def _units(group: NewGroup) -> list[dict[str, Any]]:
    money = [
        {"code": currency, "digits": get_currency_precision(currency), "kind": "money"}
        for currency in group.currencies
    ]
    return [{"code": MINUTES, "digits": 0, "kind": "time"}, *money]


def _published(group: NewGroup, pots: list[Pot], places: list[HeldPlace], now: datetime) -> PublishedGroup:
    today = now.astimezone(_zone(group.time_zone)).date()
    return PublishedGroup(
        first_close_on=period_end(group.preset, today) + timedelta(days=1),
        units=_units(group),
        pots=[{"number": pot.number, "pot": pot.code, "unit": pot.unit, "word": group.words} for pot in pots],
        # Places by kind and number: what a group calls them may name somebody.
        held=[{"kind": place.kind, "number": place.number, "unit": place.unit} for place in places],
        people=_way(group).people,
        gifts_wait=_way(group).gifts_wait,
    )


def _genesis(row: GroupRow, group: NewGroup, accounts: list[OpenedAccount]) -> dict[str, Any]:
    return {
        "accounts": set_up.opened_accounts(accounts),
        "began_on": row.began_on.isoformat(),
        "book": row.book_id.hex(),
        "origin": row.origin,
        "pots": [{"pot": pot.code, "unit": pot.unit} for pot in group.pots],
        "preset": row.preset,
        "units": _units(group),
    }
