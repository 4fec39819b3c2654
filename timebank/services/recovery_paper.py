"""The recovery key of a group's public log: put on paper by whoever sets the group up, and then destroyed here."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.services.house import House


def on_paper(key: bytes) -> str:
    """Return a key as people copy it: base 32 in groups of four, without padding."""
    text = base64.b32encode(key).decode("ascii").rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


async def read_recovery_key(house: House, group_id: UUID) -> str:
    """Return the key as it is written on paper; empty once it was destroyed here."""
    key = await asyncio.to_thread(house.keys.recovery_key, group_id)
    return "" if key is None else on_paper(key)


async def forget_recovery_key(house: House, group_id: UUID) -> None:
    """Destroy the key here: from now on it is on paper and nowhere else. Doing it again changes nothing."""
    await asyncio.to_thread(house.keys.forget_recovery_key, group_id)
