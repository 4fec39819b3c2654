"""Asking without an account: a secret link that the server made and never stores, and the short code of a slip.

A link says itself that this server made it. What is stored is its hash, and only once somebody asked.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from timebank.errors import KeyNotIssued, UnknownDraw
from timebank.rules.draw_steps import STEPS, waits_for
from timebank.rules.people import Actor, holder_of_link
from timebank.services.acts import Acted, Once
from timebank.services.draws import open_words
from timebank.store import asks as store
from timebank.store.boxes import blind_index
from timebank.store.ids import id_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timebank.rules.state import Draw, Pot
    from timebank.services.house import House
    from timebank.services.writer import Answer
    from timebank.store.engine import Tx
    from timebank.store.keys import KeyStore

#: 16 random bytes and 16 that only this host can make of them, in base64url without padding.
SECRET_LENGTH: Final = 43
_PART: Final = 16
_FORM: Final = "ask form"
_LINK: Final = "ask link"
_KEY: Final = "ask key"

#: No letters or digits that look like others; eight of them are a slip's code.
_SIGNS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_CODE_LENGTH: Final = 8

#: What whoever holds a link can do.
ACTS: Final = {"answer": "answer", "arrived": "arrive", "cancel": "cancel", "change": "change"}


class Holder(NamedTuple):
    """Somebody who came with a link.

    Attributes:
        ask_id: The ask that the link leads to, or will lead to once it was asked.
        link_hash: SHA-256 of the link, as it is stored.
        asked: Whether it was asked.
    """

    actor: Actor
    ask_id: UUID
    link_hash: bytes
    asked: bool


@dataclass(frozen=True, slots=True)
class AskStatus:
    """An ask as whoever holds its link sees it; nothing in it tells what the pot has.

    Attributes:
        said: Reason, question and answer, as far as there are any.
        acts: What can be done with it now.
        key: The Idempotency-Key for the next thing that is done with it.
    """

    draw: Draw
    pot: Pot
    waits_for: str
    said: Mapping[str, str]
    acts: tuple[str, ...]
    key: str


def make_form(keys: KeyStore, group_id: UUID) -> str:
    """Return a fresh secret under which somebody can ask once, and find it again."""
    return _secret(keys, _FORM, group_id, secrets.token_bytes(_PART))


def make_key(keys: KeyStore, group_id: UUID, link_hash: bytes) -> str:
    """Return a fresh key for one step with the ask behind a link."""
    return _secret(keys, _KEY, group_id, secrets.token_bytes(_PART), link_hash)


def check_key(keys: KeyStore, group_id: UUID, link_hash: bytes, key: str) -> None:
    """Refuse a key that this server did not make for this link.

    Raises:
        KeyNotIssued: It is another.
    """
    part = _read(key)
    if part is None or not _is_same(_secret(keys, _KEY, group_id, part, link_hash), key):
        raise KeyNotIssued


async def find_holder(house: House, group_id: UUID, secret: str) -> Holder:
    """Return who comes with a link.

    Raises:
        UnknownDraw: This server made no such link, or another has replaced it.
    """
    part = _read(secret)
    if part is None:
        raise UnknownDraw
    link_hash = sha256(secret.encode()).digest()
    is_form = _is_same(_secret(house.keys, _FORM, group_id, part), secret)
    if not is_form and not _is_same(_secret(house.keys, _LINK, group_id, part), secret):
        raise UnknownDraw
    ask_id = id_of(house.keys.derive("ask id", group_id.bytes, part)[:16])
    async with house.database.read(group_id) as tx:
        link = await store.find_link(tx, group_id, link_hash)
        if link is not None:
            return Holder(holder_of_link(group_id, link.draw_id), link.draw_id, link_hash, asked=True)
        # A form whose ask is there leads nowhere: a newer link has taken its place.
        if not is_form or await store.find_draw(tx, group_id, ask_id) is not None:
            raise UnknownDraw
    return Holder(holder_of_link(group_id, ask_id), ask_id, link_hash, asked=False)


async def find_holder_by_code(house: House, group_id: UUID, code: str) -> Holder:
    """Return who comes with the short code of a slip; whoever calls this limits how often it is tried.

    Raises:
        UnknownDraw: No ask has this code.
    """
    async with house.database.read(group_id) as tx:
        link = await store.find_code(tx, group_id, _code_index(house.keys, group_id, code))
    if link is None:
        raise UnknownDraw
    return Holder(holder_of_link(group_id, link.draw_id), link.draw_id, b"", asked=True)


async def read_status(house: House, holder: Holder) -> AskStatus:
    """Return how far an ask is.

    Raises:
        UnknownDraw: Nobody asked under this link yet.
    """
    group_id = holder.actor.group_id
    async with house.database.read(group_id) as tx:
        draw = await store.find_draw(tx, group_id, holder.ask_id)
        if draw is None:
            raise UnknownDraw
        hands = (await store.list_hands(tx, group_id, [draw.draw_id]))[draw.draw_id]
        said, setup = await open_words(house, tx, group_id, draw.draw_id)
    return AskStatus(
        draw=draw,
        pot=setup.pots_by_id[draw.pot_id],
        waits_for=waits_for(draw, hands.values()),
        said=said,
        acts=tuple(act for act, step in ACTS.items() if step in STEPS[draw.state])
        if holder.link_hash
        else (),
        key=make_key(house.keys, group_id, holder.link_hash) if holder.link_hash else "",
    )


async def issue_link(house: House, actor: Actor, draw_id: UUID, *, once: Once) -> Answer:
    """Make a new link and short code of an ask without an account, for a steward; older ones lead nowhere then.

    That it was given is written down like a look. The answer has the number of the issue; the secrets
    are derived from it again (``issued``) and are nowhere, not even in what is kept under the key.

    Raises:
        NeedsRole, StepUpNeeded
    """
    actor.require_role("steward")
    actor.require_fresh()
    group_id = actor.group_id

    async def issue(tx: Tx) -> Acted:
        number = await store.next_issue(tx, group_id, draw_id)
        if number is None:
            # It is not there, or it is a member's, who needs no link.
            raise UnknownDraw
        link, code = issued(house.keys, group_id, draw_id, number)
        await store.replace_link(
            tx,
            group_id,
            draw_id,
            issue=number,
            link_hash=sha256(link.encode()).digest(),
            code_index=_code_index(house.keys, group_id, code),
            now=once.now,
        )
        look_id = once.answer_id(actor)
        await store.insert_look(tx, group_id, look_id, draw_id, actor.member_id, "link", now=once.now)
        return Acted(200, {"id": str(draw_id), "issue": number}, [])

    return await once.run(house, actor, issue)


def contact_index(keys: KeyStore, group_id: UUID, contact: str) -> bytes:
    """Return the blind index by which two asks with one contact are noticed; empty for no contact."""
    return blind_index(keys.index_key(group_id), f"contact {contact}") if contact.strip() else b""


# ---------------------------------------------------------------- secrets


def _secret(keys: KeyStore, purpose: str, group_id: UUID, part: bytes, bound_to: bytes = b"") -> str:
    made = keys.derive(purpose, group_id.bytes, part, bound_to)[:_PART]
    return base64.urlsafe_b64encode(part + made).rstrip(b"=").decode()


def _read(secret: str) -> bytes | None:
    if len(secret) != SECRET_LENGTH or not secret.isascii():
        return None
    try:
        return base64.b64decode(secret + "=", altchars=b"-_", validate=True)[:_PART]
    except ValueError:
        return None


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def issued(keys: KeyStore, group_id: UUID, draw_id: UUID, number: int) -> tuple[str, str]:
    """Return the link and the short code of one issue of an ask, the same each time."""
    about = (group_id.bytes, draw_id.bytes, number.to_bytes(4, "big"))
    link = _secret(keys, _LINK, group_id, keys.derive("ask issue", *about)[:_PART])
    drawn = int.from_bytes(keys.derive("ask code", *about), "big")
    signs = []
    for _ in range(_CODE_LENGTH):
        drawn, place = divmod(drawn, len(_SIGNS))
        signs.append(_SIGNS[place])
    code = "".join(signs)
    return link, f"{code[:4]}-{code[4:]}"


def _code_index(keys: KeyStore, group_id: UUID, code: str) -> bytes:
    plain = "".join(sign for sign in code.upper() if sign in _SIGNS)
    return blind_index(keys.index_key(group_id), f"ask code {plain}")
