"""The rules of a pot over the API: agreeing on a new version. Reading them is public (api.public)."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import msgspec
from litestar import Request, post
from litestar.types import ASGIApp

from timebank.edge.bodies import Reader
from timebank.edge.door import Door, ServiceWrite
from timebank.edge.openapi import writes
from timebank.rules.people import Actor
from timebank.services.policies import agree_policy
from timebank.services.writer import Answer


class PolicyBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A new version of a pot's rules; docs/policies.md has every field of `terms`."""

    terms: dict[str, Any]
    agreed_on: date | None = None


async def _agree(
    door: Door, actor: Actor, body: PolicyBody, params: dict[str, Any], key: str, hashed: bytes
) -> Answer:
    return await agree_policy(
        door.house,
        actor,
        params["pot"],
        body.terms,
        agreed_on=body.agreed_on,
        key=key,
        request_hash=hashed,
        now=door.clock(),
    )


POLICIES: Final = ServiceWrite(Reader(PolicyBody), _agree)


@post(
    "/groups/{slug:str}/policies/{pot:str}",
    operation_class=writes(
        PolicyBody,
        summary="Agree on a new version of a pot's rules",
        description="By a steward. It is public at once, and holds for what is asked from then on.",
    ),
)
async def agree_on_policy(request: Request[Any, Any, Any]) -> ASGIApp:
    """Agree on a new version of a pot's rules."""
    return await POLICIES.answer(request)


ROUTES: Final = (agree_on_policy,)
