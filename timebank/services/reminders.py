"""What a group agreed and no program can keep for it: a full pot, stewards for too long. It reminds its stewards."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from timebank.store import asks as store
from timebank.store.engine import driver
from timebank.store.setup import load_setup

if TYPE_CHECKING:
    from datetime import date, datetime

    from timebank.rules.people import Actor
    from timebank.services.house import House


class Reminder(NamedTuple):
    """One thing to talk about, with what the group agreed about it in its own words.

    Attributes:
        rule: ``surplus``, ``stewards.months`` or ``stewards.people``.
        limit: The amount, months or people that were agreed.
        found: What is there now: the pot's balance, how many stewards are over their time, how many there are.
    """

    pot: str
    rule: str
    limit: int
    found: int
    text: str


async def list_reminders(house: House, actor: Actor, *, now: datetime) -> list[Reminder]:
    """Return what stewards should talk about, by pot.

    Raises:
        NeedsScope, NeedsRole: Not a steward, or not with a token for reading.
    """
    actor.require_scope("read")
    actor.require_role("steward")
    group_id = actor.group_id
    async with house.database.read(group_id) as tx:
        setup = await load_setup(await driver(tx), group_id, 0)
        balances = await store.list_pot_balances(tx, group_id)
        since = await store.list_stewards_since(tx, group_id, now=now)
    today = now.astimezone(ZoneInfo(setup.time_zone)).date()
    days = [moment.astimezone(ZoneInfo(setup.time_zone)).date() for moment in since]
    reminders = []
    for pot in setup.pots.values():
        terms = setup.newest[pot.pot_id].terms
        surplus, stewards = terms.surplus, terms.stewards
        if surplus is not None and balances[pot.pot_id] > surplus.above:
            reminders.append(Reminder(pot.code, "surplus", surplus.above, balances[pot.pot_id], surplus.text))
        if stewards is None:
            continue
        if stewards.months is not None:
            over = sum(_months_later(day, stewards.months) < today for day in days)
            if over:
                reminders.append(Reminder(pot.code, "stewards.months", stewards.months, over, stewards.text))
        if stewards.people is not None and len(days) != stewards.people:
            reminders.append(Reminder(pot.code, "stewards.people", stewards.people, len(days), stewards.text))
    return reminders


def _months_later(day: date, months: int) -> date:
    """Return the same day so many months later, or the last of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return day.replace(year=day.year + years, month=month + 1, day=min(day.day, last))
        except ValueError:
            continue
    raise AssertionError(day)
