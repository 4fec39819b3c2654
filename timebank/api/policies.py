"""The rules of a pot over the API: agreeing on a new version. Reading them is public (api.public)."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp

from timebank import errors
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, Door, json_reply, signed_in
from timebank.edge.openapi import acts, reads
from timebank.rules.people import Actor
from timebank.services.acts import Once
from timebank.services.policies import agree_policy
from timebank.services.reminders import list_reminders
from timebank.services.writer import Answer


class PolicyBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A new version of a pot's rules; docs/policies.md has every field of `terms`."""

    terms: dict[str, Any]
    agreed_on: date | None = None


class AgreedOut(msgspec.Struct):
    """A new version of a pot's rules, with every field of `terms` that differs from what is usual."""

    pot: str
    version: int
    agreed_on: date
    terms: dict[str, Any]


async def _agree(door: Door, actor: Actor, body: PolicyBody, params: dict[str, Any], once: Once) -> Answer:
    return await agree_policy(
        door.house, actor, params["pot"], body.terms, agreed_on=body.agreed_on, once=once
    )


class ReminderOut(msgspec.Struct, frozen=True):
    """One thing to talk about: `rule` is `surplus`, `stewards.months` or `stewards.people`."""

    pot: str
    rule: str
    limit: int
    found: int
    text: str


class RemindersOut(msgspec.Struct, frozen=True):
    """What the group agreed and no program can keep for it."""

    reminders: tuple[ReminderOut, ...]


POLICIES: Final = Act(Reader(PolicyBody), _agree)


@post(
    "/groups/{slug:str}/policies/{pot:str}",
    operation_class=acts(
        PolicyBody,
        AgreedOut,
        summary="Agree on a new version of a pot's rules",
        description="By a steward. It is public at once, and holds for what is asked from then on.",
        status=201,
        refusals=(
            errors.DateInFuture,
            errors.NeedsRole,
            errors.PolicyInvalid,
            errors.RuleNotYet,
            errors.StepUpNeeded,
            errors.UnknownPage,
        ),
        example={
            "terms": {
                "who": "members",
                "approvals": [{"above": 0, "count": 1}],
                "per_request_max": 50000,
                "consent_hours": 24,
            }
        },
        gives={
            "pot": "money",
            "version": 3,
            "agreed_on": "2026-03-01",
            "terms": {
                "approvals": [{"above": 0, "count": 1}],
                "per_request_max": 50000,
                "two_people": False,
                "consent_hours": 24,
            },
        },
    ),
)
async def agree_on_policy(request: Request[Any, Any, Any]) -> ASGIApp:
    """Agree on a new version of a pot's rules."""
    return await POLICIES.answer(request)


@get(
    "/groups/{slug:str}/reminders",
    operation_class=reads(
        RemindersOut,
        summary="What stewards should talk about",
        description="To stewards: a pot above its surplus, stewards for longer than agreed, too few or too many of them.",
        refusals=(errors.NeedsRole,),
    ),
)
async def get_reminders(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return what stewards should talk about."""
    door, actor = await signed_in(request)
    found = await list_reminders(door.house, actor, now=door.clock())
    return json_reply(RemindersOut(tuple(ReminderOut(*each) for each in found)))


ROUTES: Final = (agree_on_policy, get_reminders)
