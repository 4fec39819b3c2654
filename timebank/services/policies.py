"""The rules of a pot: a new version is published at once, and holds for whatever is asked from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from timebank.errors import DateInFuture, UnknownPage
from timebank.rules.policies import read_terms
from timebank.services.acts import Acted, Once
from timebank.services.groups import policy_fields
from timebank.store import groups as store
from timebank.store.groups import PolicyRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx


async def agree_policy(
    house: House,
    actor: Actor,
    pot: str,
    told: Mapping[str, Any],
    *,
    agreed_on: date | None,
    once: Once,
) -> Answer:
    """Make a new version of a pot's rules, published in the same transaction that the book has its hash from.

    Args:
        pot: Code of the pot.
        told: The terms, as rules.policies has them.
        agreed_on: Day on which the group agreed; None is today in its time zone.

    Raises:
        NeedsRole, StepUpNeeded: Not a steward, or not one who proved just now who they are.
        UnknownPage: There is no such pot.
        PolicyInvalid, RuleNotYet: They are no rules that the pot can have.
        DateInFuture: They would be agreed after today.
    """
    actor.require_role("steward")
    actor.require_fresh()

    async def agree(tx: Tx) -> Acted:
        found = await store.find_newest_policy(tx, actor.group_id, pot)
        if found is None:
            raise UnknownPage
        terms = read_terms(told, found.unit)
        today = once.now.astimezone(ZoneInfo(found.time_zone)).date()
        day = agreed_on or today
        if day > today:
            raise DateInFuture(effective_on=day.isoformat(), today=today.isoformat())
        row = PolicyRow(found.pot_id, pot, found.version + 1, day, terms.as_json())
        await store.insert_policies(tx, actor.group_id, [row])
        body = {"pot": pot, "version": row.version, "agreed_on": day.isoformat(), "terms": row.terms}
        return Acted(201, body, [("policy", actor.account, policy_fields(row))])

    return await once.run(house, actor, agree)
