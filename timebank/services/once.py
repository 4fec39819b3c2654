"""What is written without being a command, done once under its key: its answer is kept in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from timebank.errors import KeyReused
from timebank.services.writer import Answer, answer_id
from timebank.store import book
from timebank.store.engine import driver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from timebank.rules.people import Actor
    from timebank.store.engine import Tx


async def once(
    tx: Tx,
    actor: Actor,
    *,
    key: str,
    request_hash: bytes,
    now: datetime,
    do: Callable[[], Awaitable[tuple[int, dict[str, Any]]]],
) -> Answer:
    """Do something and keep its answer, or give the answer that was kept; the caller holds the group's lock.

    Refusals are not kept: whoever is refused has written nothing, and may try the same key again.

    Raises:
        KeyReused: The key was used by this actor for something else.
    """
    connection = await driver(tx)
    found = answer_id(actor.account, key)
    known = (await book.load_answers(connection, actor.group_id, {found})).get(found)
    if known is not None:
        if known.request_hash != request_hash:
            raise KeyReused
        return Answer(known.status, known.body, replayed=True)
    status, said = await do()
    body = msgspec.json.encode(said)
    await book.insert_answer(
        connection, actor.group_id, book.AnswerRow(found, request_hash, status, body), now=now
    )
    return Answer(status, body, replayed=False)
