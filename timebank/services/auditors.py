"""Keys of auditors: introduced by whoever carries the duty, named in every closing from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timebank.errors import AlreadyDone, UnknownPage
from timebank.rules.settings import cosigner_name, refuse_taken
from timebank.services.acts import Acted, Once, Records
from timebank.store import auditors as store
from timebank.store.auditors import KeyRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timebank.rules.people import Actor
    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx


async def introduce_key(
    house: House, actor: Actor, once: Once, key: str, *, witnesses: Sequence[str]
) -> Answer:
    """Have what an auditor cosigns with this key be taken and shown; the next closing names it.

    The key that they had before counts no more.

    Args:
        witnesses: Verifier keys of those whom the host was told of.

    Raises:
        NeedsRole, StepUpNeeded: No auditor, or not one who proved just now who they are.
        FieldInvalid: It is no such key, or it or its name is that of a witness or of another auditor.
        AlreadyDone: It is their key already.
    """
    name = cosigner_name(key, field="key")

    async def act(tx: Tx) -> Acted:
        actor.require_role("auditor")
        actor.require_fresh()
        introduced = await store.list_introduced(tx, actor.group_id)
        others = [row.key for row in introduced if (row.key, row.member_id) != (key, actor.member_id)]
        chosen = await store.list_witnesses(tx, actor.group_id)
        refuse_taken(key, [*others, *chosen, *witnesses], field="key")
        before = await store.find_key_of(tx, actor.group_id, actor.member_id)
        if before is not None and before.name == name:
            raise AlreadyDone
        records: Records = []
        if before is not None:
            await store.withdraw_key(tx, actor.group_id, before.name, now=once.now)
            records.append(_record(actor, before.key, given=False))
        row = KeyRow(name, key, actor.member_id, None)
        await store.insert_key(tx, actor.group_id, row, now=once.now)
        records.append(_record(actor, key, given=True))
        return Acted(201, {"name": name, "key": key}, records)

    return await once.run(house, actor, act)


async def withdraw_key(house: House, actor: Actor, once: Once) -> Answer:
    """Have the actor's own key count no more; what it cosigned stays.

    Raises:
        NeedsRole, StepUpNeeded: No auditor, or not one who proved just now who they are.
        UnknownPage: They have none.
    """

    async def act(tx: Tx) -> Acted:
        actor.require_role("auditor")
        actor.require_fresh()
        before = await store.find_key_of(tx, actor.group_id, actor.member_id)
        if before is None:
            raise UnknownPage
        await store.withdraw_key(tx, actor.group_id, before.name, now=once.now)
        return Acted(200, {"name": before.name, "key": before.key}, [_record(actor, before.key, given=False)])

    return await once.run(house, actor, act)


def _record(actor: Actor, key: str, *, given: bool) -> tuple[str, int, dict[str, Any]]:
    return ("auditor_key", actor.account, {"account": actor.account, "given": given, "key": key})
