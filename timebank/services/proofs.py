"""Proving once more who one is: what may be asked for again and again within five minutes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timebank.errors import ProofFailed, Refusal
from timebank.rules.sessions import STRONG_DUTIES
from timebank.services import cards, passkeys, sessions, totp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from timebank.services.house import House
    from timebank.services.passkeys import Place
    from timebank.services.sessions import SessionSecret, SignedIn
    from timebank.store.engine import Tx


async def prove_by_code(
    house: House, signed_in: SignedIn, session_secret: str, code: str, *, now: datetime
) -> SessionSecret:
    """Prove it with the code of an app; the session is strong from then on.

    Raises:
        ProofFailed: It is not the code of this moment, or was used.
        CodesWait: There were too many wrong ones.
        NotSignedIn: The session ended meanwhile.
    """
    actor = signed_in.actor
    refusal: Refusal | None
    made: SessionSecret | None = None
    async with house.database.tx(actor.group_id) as tx:
        refusal = await totp.try_code(tx, house, actor.group_id, actor.member_id, code, now=now)
        if refusal is None:
            made = await _turn(tx, signed_in, session_secret, strong=True, now=now)
    # Raised only now: a wrong code is counted.
    if refusal is not None:
        raise refusal
    assert made is not None
    return made


async def prove_by_passkey(
    house: House,
    signed_in: SignedIn,
    session_secret: str,
    response: Mapping[str, Any],
    place: Place,
    *,
    now: datetime,
) -> SessionSecret:
    """Prove it with a passkey; the session is strong from then on if it asked for a finger or a code.

    Raises:
        ProofFailed: See passkeys.take_proof.
        NotSignedIn: The session ended meanwhile.
    """
    async with house.database.tx(signed_in.actor.group_id) as tx:
        strong = await passkeys.take_proof(tx, house, signed_in, response, place, now=now)
        return await _turn(tx, signed_in, session_secret, strong=strong, now=now)


async def prove_by_card(
    house: House, signed_in: SignedIn, session_secret: str, code: str, *, key: str, now: datetime
) -> SessionSecret:
    """Prove it with a fresh card; for duties and for those who have something stronger it is not enough.

    Raises:
        ProofFailed: It is no card of this member that holds, or a card is not enough.
        NotSignedIn: The session ended meanwhile.
    """
    if not is_card_enough(signed_in):
        raise ProofFailed
    async with house.database.tx(signed_in.actor.group_id) as tx:
        used = await cards.take_card(tx, house, signed_in.actor.group_id, code, key=key, now=now)
        if used is None or used.member_id != signed_in.actor.member_id:
            raise ProofFailed
        return await _turn(tx, signed_in, session_secret, strong=False, now=now)


def is_card_enough(signed_in: SignedIn) -> bool:
    """Return whether a card proves enough for a session."""
    has_strong = signed_in.has_passkey or signed_in.has_totp
    return not has_strong and STRONG_DUTIES.isdisjoint(signed_in.duties)


async def _turn(
    tx: Tx, signed_in: SignedIn, session_secret: str, *, strong: bool, now: datetime
) -> SessionSecret:
    return await sessions.turn(
        tx, signed_in.actor.group_id, signed_in.session_id, session_secret, strong=strong, now=now
    )
