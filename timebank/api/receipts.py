"""Receipts of one's own entries over the API."""

from __future__ import annotations

import base64
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.door import json_reply, signed_in
from timebank.edge.openapi import QueryField, reads
from timebank.errors import N_, FieldInvalid, UnknownEntry
from timebank.services.receipts import Inclusion, Opening, Receipt, read_receipt

NOT_YES: Final = N_("it must be yes, or left out")


class InclusionOut(msgspec.Struct):
    """The proof that the entry is in the public log (RFC 6962): `leaf` and `hashes` are in base64."""

    index: int
    size: int
    leaf: str
    hashes: list[str]
    checkpoint: str


class OpeningOut(msgspec.Struct):
    """What the commitment was made of: the bytes of the record as text, and its salt in hexadecimal."""

    record: str
    salt: str


class ReceiptOut(msgspec.Struct, omit_defaults=True):
    """What anybody can keep of their own entry.

    `promise` is a signed note: this commitment, recorded on this day, will be published. `published` is there once
    a close has published it. Neither says anything about a person; `opening` does, and is there only when asked for.
    """

    receipt: str
    commitment: str
    day: date
    promise: str
    published: InclusionOut | None = None
    opening: OpeningOut | None = None


@get(
    "/groups/{slug:str}/me/receipts/{entry_id:uuid}",
    operation_class=reads(
        ReceiptOut,
        summary="The receipt of an own entry",
        description="For whoever gave, received, logged or asked for it. Before it is published it is a promise, "
        "afterwards a proof.",
        query=(
            QueryField(
                "opening",
                {"type": "string", "enum": ["yes"]},
                "Hand out what opens the commitment, too: whoever gets to see it knows the entry",
            ),
        ),
        refusals=(FieldInvalid, UnknownEntry),
        gives={
            "receipt": "74NV-ATIZ-WKVU-UOXN",
            "commitment": "ff1b504d19caab4a3aed05f8a6f1b9eb7b9c0d1aa7f8d2d0a1e0c4b3f2a19d80",
            "day": "2026-03-02",
            "promise": "bank.example/g/riverside/live\n1\n/xtQTRnKq0o67QX4pvG563ucDRqn+NLQoeDEs/KhnYA=\n2026-03-02\n\n"
            "— bank.example/g/riverside/live Zm9vYmFy\n",
        },
    ),
)
async def get_receipt(request: Request[Any, Any, Any], entry_id: FromPath[UUID]) -> ASGIApp:
    """Return the receipt of one of the actor's own entries."""
    door, actor = await signed_in(request)
    wish = request.query_params.get("opening")
    if wish not in {None, "yes"}:
        raise FieldInvalid(field="opening", why=NOT_YES)
    return json_reply(_out(await read_receipt(door.house, actor, entry_id, opened=wish == "yes")))


ROUTES: Final = (get_receipt,)


def _out(receipt: Receipt) -> ReceiptOut:
    return ReceiptOut(
        receipt=receipt.code,
        commitment=receipt.commitment.hex(),
        day=receipt.day,
        promise=receipt.promise,
        published=_inclusion(receipt.inclusion) if receipt.inclusion else None,
        opening=_opening(receipt.opening) if receipt.opening else None,
    )


def _inclusion(found: Inclusion) -> InclusionOut:
    return InclusionOut(
        index=found.index,
        size=found.size,
        leaf=base64.b64encode(found.leaf).decode("ascii"),
        hashes=[base64.b64encode(one).decode("ascii") for one in found.hashes],
        checkpoint=found.checkpoint,
    )


def _opening(opening: Opening) -> OpeningOut:
    return OpeningOut(opening.record.decode(), opening.salt.hex())
