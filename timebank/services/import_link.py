"""The secret address of an import: whoever knows it looks and acts as who handed the import in, for a week."""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from timebank.errors import UnknownImport, UnknownMember
from timebank.services.members import actor_of
from timebank.store import imports as store
from timebank.store.ids import id_of

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.services.house import House

_ID_BYTES: Final = 16
#: 184 bits; with the id they are 39 bytes, which base 64 writes without padding.
_CODE_BYTES: Final = 23


def link_of(house: House, group_id: UUID, import_id: UUID) -> str:
    """Return the secret part of an import's address; always the same one, and it is kept nowhere."""
    return base64.urlsafe_b64encode(import_id.bytes + _code(house, group_id, import_id)).decode("ascii")


async def open_link(house: House, group_id: UUID, link: str, *, now: datetime) -> tuple[Actor, UUID]:
    """Return who handed an import in, with the duties that they carry now, and its id.

    Every wrong address takes equally long.

    Raises:
        UnknownImport: It leads nowhere in this group, or who handed the import in is gone.
    """
    try:
        told = base64.b64decode(link.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeError, binascii.Error):
        raise UnknownImport from None
    if len(told) != _ID_BYTES + _CODE_BYTES:
        raise UnknownImport
    import_id = id_of(told[:_ID_BYTES])
    if not hmac.compare_digest(told[_ID_BYTES:], _code(house, group_id, import_id)):
        raise UnknownImport
    async with house.database.dial(group_id) as line:
        row = await store.find_import(line, group_id, import_id)
    if row is None or row.member_id is None:
        raise UnknownImport
    try:
        return await actor_of(house, group_id, row.member_id, now=now), import_id
    except UnknownMember:
        raise UnknownImport from None


def _code(house: House, group_id: UUID, import_id: UUID) -> bytes:
    return house.keys.derive("import link", group_id.bytes, import_id.bytes)[:_CODE_BYTES]
