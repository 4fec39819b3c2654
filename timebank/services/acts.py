"""What people decide about people and rules, done once for each key, with its records and its answer in one transaction.

The book's own commands go through the writer. These are rare, change set-up, and need the group's
lock anyway: each is a transaction of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from timebank.errors import Busy, KeyReused, NeedsScope, NotSignedIn, Refusal, ServerFault, StepUpNeeded
from timebank.services.writer import Answer, answer_id
from timebank.store import answers as store
from timebank.store import groups as groups_store
from timebank.store.book import AnswerRow, StoredAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from uuid import UUID

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Render
    from timebank.store.engine import Tx

Records = list[tuple[str, int, dict[str, Any]]]

#: Refusals that the same request may be free of in a moment: the key stays unused.
_NOT_KEPT = (Busy, NeedsScope, NotSignedIn, ServerFault, StepUpNeeded)

_encode = msgspec.json.Encoder().encode


class Acted(NamedTuple):
    """What an act came to.

    Attributes:
        status: 200 or 201, what HTTP will say.
        body: What the answer says; it is stored, so no secret is in it.
        records: What the book says of it: (kind, account number of the actor or 0, fields) of each.
    """

    status: int
    body: dict[str, Any]
    records: Records


@dataclass(frozen=True, slots=True)
class Once:
    """One request: what makes sending it twice the same as sending it once.

    Attributes:
        key: Its Idempotency-Key.
        request_hash: 32 bytes that say what was asked.
        now: The moment of the request, aware.
        render: Says a refusal in the language of whoever asked.
    """

    key: str
    request_hash: bytes
    now: datetime
    render: Render

    def answer_id(self, actor: Actor) -> UUID:
        """Return the id under which the answer is kept; ids of what the request makes can follow from it."""
        return answer_id(actor.account, self.key)

    async def run(self, house: House, actor: Actor, act: Callable[[Tx], Awaitable[Acted]]) -> Answer:
        """Do it under the group's lock, unless it was done before; return what was stored with it.

        Args:
            act: Does it inside the transaction; whatever it refuses leaves no trace but the answer.

        Raises:
            KeyReused: The key was used by this actor for something else.
            Refusal: What is not remembered, so that the same key may be used again.
        """
        kept: tuple[int, str] | None = None
        try:
            async with house.database.tx(actor.group_id) as tx:
                await groups_store.bump_setup_version(tx, actor.group_id)
                known = await store.find_answer(tx, actor.group_id, self.answer_id(actor))
                if known is not None:
                    return self._again(known)
                acted = await act(tx)
                if acted.records:
                    kept = await house.append_records(tx, actor.group_id, acted.records, now=self.now)
                row = self._row(actor, acted.status, acted.body)
                await store.insert_answer(tx, actor.group_id, row, now=self.now)
        except _NOT_KEPT:
            raise
        except KeyReused:
            raise
        except Refusal as refusal:
            return await self._refuse(house, actor, refusal)
        if kept is not None:
            house.checkpoints.keep(actor.group_id, *kept)
        return Answer(row.status, row.body, replayed=False)

    async def _refuse(self, house: House, actor: Actor, refusal: Refusal) -> Answer:
        """Remember a refusal; if the key was answered meanwhile, that is the answer."""
        row = self._row(actor, *self.render(refusal))
        async with house.database.tx(actor.group_id) as tx:
            if await store.insert_answer(tx, actor.group_id, row, now=self.now):
                return Answer(row.status, row.body, replayed=False)
            known = await store.find_answer(tx, actor.group_id, row.answer_id)
            assert known is not None, "somebody else's insert was in the way"
            return self._again(known)

    def _row(self, actor: Actor, status: int, body: dict[str, Any]) -> AnswerRow:
        return AnswerRow(self.answer_id(actor), self.request_hash, status, _encode(body))

    def _again(self, known: StoredAnswer) -> Answer:
        if known.request_hash != self.request_hash:
            raise KeyReused
        return Answer(known.status, known.body, replayed=True)
