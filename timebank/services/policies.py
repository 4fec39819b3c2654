"""The rules of a pot: a new version is published at once, and holds for whatever is asked from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from timebank.errors import DateInFuture, UnknownPage
from timebank.rules.policies import read_terms
from timebank.services.groups import policy_fields
from timebank.services.once import once
from timebank.store import groups as store
from timebank.store.groups import PolicyRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Answer


async def agree_policy(
    house: House,
    actor: Actor,
    pot: str,
    told: Mapping[str, Any],
    *,
    agreed_on: date | None,
    key: str,
    request_hash: bytes,
    now: datetime,
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
    group_id = actor.group_id
    kept: tuple[int, str] | None = None

    async with house.database.tx(group_id) as tx:
        await store.bump_setup_version(tx, group_id)

        async def agree() -> tuple[int, dict[str, Any]]:
            nonlocal kept
            found = await store.find_newest_policy(tx, group_id, pot)
            if found is None:
                raise UnknownPage
            terms = read_terms(told, found.unit)
            today = now.astimezone(ZoneInfo(found.time_zone)).date()
            day = agreed_on or today
            if day > today:
                raise DateInFuture(effective_on=day.isoformat(), today=today.isoformat())
            row = PolicyRow(found.pot_id, pot, found.version + 1, day, terms.as_json())
            await store.insert_policies(tx, group_id, [row])
            kept = await house.append_records(
                tx, group_id, [("policy", actor.account, policy_fields(row))], now=now
            )
            return 201, {
                "pot": pot,
                "version": row.version,
                "agreed_on": day.isoformat(),
                "terms": row.terms,
            }

        answer = await once(tx, actor, key=key, request_hash=request_hash, now=now, do=agree)
    if kept is not None:
        house.checkpoints.keep(group_id, *kept)
    return answer
