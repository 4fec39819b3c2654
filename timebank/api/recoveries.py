"""Ways back in for people with a duty over the API: seen by who has one, and stopped by any of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank import errors
from timebank.edge.bodies import Reader, check_media_type, receive_body
from timebank.edge.door import Asked, json_reply, signed_in
from timebank.edge.idempotency import check_key
from timebank.edge.openapi import reads, sets
from timebank.services.recovery import list_recoveries, stop_recovery
from timebank.store.recoveries import RecoveryRow


class StopRecoveryBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing needs to be said."""


class RecoveryOut(msgspec.Struct, omit_defaults=True):
    """Somebody with a duty is to sign in anew; `state` is asked, stopped or done. `due_at`: stop it before."""

    id: UUID
    member: UUID
    state: str
    asked_at: datetime
    due_at: datetime
    ended_at: datetime | None = None
    stopped_by: UUID | None = None
    nickname: str = ""


class RecoveriesOut(msgspec.Struct):
    """Newest first, at most 50."""

    recoveries: list[RecoveryOut]


READER: Final = Reader(StopRecoveryBody)


def _out(row: RecoveryRow, nickname: str = "") -> RecoveryOut:
    return RecoveryOut(
        row.recovery_id,
        row.member_id,
        row.state,
        row.asked_at,
        row.due_at,
        row.ended_at,
        row.stopped_by,
        nickname,
    )


@get(
    "/groups/{slug:str}/recoveries",
    operation_class=reads(
        RecoveriesOut,
        summary="Ways back in that were asked for",
        description="Of people with a duty, by whoever runs the server. Stewards, treasurers and auditors see"
        " all of them, everybody else their own.",
    ),
)
async def get_recoveries(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return ways back in that were asked for."""
    door, actor = await signed_in(request)
    actor.require_scope("read")
    found = await list_recoveries(door.house, actor)
    return json_reply(RecoveriesOut([_out(each.row, each.nickname or "") for each in found]))


@post(
    "/groups/{slug:str}/recoveries/{recovery_id:uuid}/stop",
    status_code=200,
    operation_class=sets(
        RecoveryOut,
        body=StopRecoveryBody,
        body_required=False,
        summary="Stop a way back in",
        description="One's own, or anybody's for a steward, treasurer or auditor, before `due_at` is over and"
        " it is used. The book says so. Stopping it again changes nothing.",
        refusals=(
            errors.RecoveryNotOpen,
            errors.UnknownRecovery,
        ),
        example={},
        gives={
            "id": "8f14e45f-ceea-467f-a9d1-4f0b5c9a2d10",
            "member": "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42",
            "state": "stopped",
            "asked_at": "2026-03-01T12:00:00Z",
            "due_at": "2026-03-03T12:00:00Z",
            "ended_at": "2026-03-01T18:00:00Z",
            "stopped_by": "8c5a1d0e-7b52-4f3a-a0c4-6f1e2d3b4a59",
        },
    ),
)
async def post_stop_recovery(request: Request[Any, Any, Any], recovery_id: FromPath[UUID]) -> ASGIApp:
    """Stop a way back in."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    asked = Asked(request.scope["headers"])
    body = await receive_body(request.receive, size_max=READER.size_max, announced=asked.content_length)
    if body:
        check_media_type(asked.content_type)
    check_key(asked.keys)
    READER.read(body or b"{}")
    return json_reply(_out(await stop_recovery(door.house, actor, recovery_id, now=door.clock())))


ROUTES: Final = (get_recoveries, post_stop_recovery)
