"""What auditors do over the API: open the whole book, and introduce the key that they cosign with."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.types import ASGIApp
from msgspec import Meta

from timebank import errors
from timebank.api.fields import NothingBody
from timebank.edge.bodies import Reader
from timebank.edge.door import Act, signed_in
from timebank.edge.openapi import acts, gives_file
from timebank.edge.streams import FileReply
from timebank.rules.settings import COSIGNER_KEY_MAX
from timebank.services import auditors as service
from timebank.services.audit_book import open_book

LINES: Final = "application/jsonl"
_KEY: Final = "auditor.example/al+8bd95e64+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


class AuditorKeyBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A verifier key that cosigns (C2SP tlog-cosignature), as `timebank audit begin` prints it."""

    key: Annotated[str, Meta(max_length=COSIGNER_KEY_MAX)]


class AuditorKeyOut(msgspec.Struct, frozen=True):
    """A key, and the name that what it cosigns is shown under."""

    name: str
    key: str


INTRODUCE: Final = Act(
    Reader(AuditorKeyBody),
    lambda door, actor, body, _params, once: service.introduce_key(
        door.house, actor, once, body.key, witnesses=door.witnesses
    ),
)
WITHDRAW: Final = Act(
    Reader(NothingBody),
    lambda door, actor, _body, _params, once: service.withdraw_key(door.house, actor, once),
)


@get(
    "/groups/{slug:str}/audit/book",
    operation_class=gives_file(
        LINES,
        summary="The whole book, opened for an audit",
        description="For auditors. Every record with its salt, the facts of every decision, and words that tell people "
        "apart for this audit only; no name. That they looked is told to everybody. `timebank audit` reads it, and so "
        "does [docs/checking.md](checking.md).",
        refusals=(errors.NeedsRole, errors.StepUpNeeded),
    ),
)
async def get_opened_book(request: Request[Any, Any, Any]) -> ASGIApp:
    """Send the whole book, opened."""
    door, actor = await signed_in(request)
    name, lines = await open_book(door.house, actor, now=door.clock())
    return FileReply(lines, LINES, name)


@post(
    "/groups/{slug:str}/audit/key",
    operation_class=acts(
        AuditorKeyBody,
        AuditorKeyOut,
        summary="Introduce the key that one cosigns with",
        description="By an auditor. What is cosigned with it is taken at `/g/{slug}/log/cosignatures` and shown; every "
        "closing from the next one on names it. One key each: the one before counts no more.",
        status=201,
        refusals=(errors.AlreadyDone, errors.NeedsRole, errors.StepUpNeeded),
        example={"key": _KEY},
        gives={"name": "auditor.example/al", "key": _KEY},
    ),
)
async def introduce_key(request: Request[Any, Any, Any]) -> ASGIApp:
    """Introduce a key."""
    return await INTRODUCE.answer(request)


@post(
    "/groups/{slug:str}/audit/key/withdraw",
    operation_class=acts(
        NothingBody,
        AuditorKeyOut,
        summary="Withdraw the key that one cosigns with",
        description="By an auditor. What it cosigned stays, and closings name it no more.",
        refusals=(errors.NeedsRole, errors.StepUpNeeded, errors.UnknownPage),
        example={},
        gives={"name": "auditor.example/al", "key": _KEY},
    ),
)
async def withdraw_key(request: Request[Any, Any, Any]) -> ASGIApp:
    """Withdraw a key."""
    return await WITHDRAW.answer(request)


ROUTES: Final = (get_opened_book, introduce_key, withdraw_key)
