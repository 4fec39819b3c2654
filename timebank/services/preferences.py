"""What somebody chooses for themselves: the language that they read in, on every device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.errors import FieldInvalid
from timebank.i18n import language_codes
from timebank.rules.set_up import NOT_KNOWN
from timebank.store import preferences as store

if TYPE_CHECKING:
    from timebank.rules.people import Actor
    from timebank.services.house import House


async def read_language(house: House, actor: Actor) -> str:
    """Return the code of the language that the actor chose; empty if they leave it to their browser."""
    async with house.database.read(actor.group_id) as tx:
        return await store.find_language(tx, house.keys, actor.group_id, actor.member_id)


async def choose_language(house: House, actor: Actor, code: str) -> None:
    """Keep the language that the actor reads in; empty leaves it to their browser.

    Raises:
        FieldInvalid: Nothing is written in this language.
        NeedsScope: The token was not made for writing.
    """
    actor.require_scope("write")
    if code and code not in language_codes():
        raise FieldInvalid(field="language", why=NOT_KNOWN)
    async with house.database.tx(actor.group_id) as tx:
        if code:
            await store.set_language(tx, house.keys, actor.group_id, actor.member_id, code)
        else:
            await store.forget_language(tx, actor.group_id, actor.member_id)
