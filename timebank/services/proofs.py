"""Proving once more who one is: what may be asked for again and again within five minutes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from timebank.errors import ProofFailed, Refusal
from timebank.rules.sessions import STRONG_DUTIES
from timebank.services import cards, passkeys, sessions, totp

if TYPE_CHECKING:
    from datetime import datetime

    from timebank.services.house import House
    from timebank.services.passkeys import Place
    from timebank.services.sessions import SessionSecret, SignedIn
    from timebank.store.engine import Tx


class Proof(NamedTuple):
    """What somebody gives as a proof: exactly one of code, passkey and card.

    Attributes:
        code: Six digits of an app.
        passkey: What the browser's ``get`` gave, as JSON values.
        card: The code of a printed card.
        key: What tells this sending of a form from others.
    """

    code: str | None = None
    passkey: Mapping[str, Any] | None = None
    card: str | None = None
    key: str = ""


async def prove(
    house: House, signed_in: SignedIn, session_secret: str, proof: Proof, place: Place, *, now: datetime
) -> SessionSecret:
    """Make a session fresh, and strong if the proof is; its secret changes with it.

    Raises:
        ProofFailed, CodesWait, NotSignedIn: See the three below.
    """
    if proof.passkey is not None:
        return await prove_by_passkey(house, signed_in, session_secret, proof.passkey, place, now=now)
    if proof.card is not None:
        return await prove_by_card(house, signed_in, session_secret, proof.card, key=proof.key, now=now)
    return await prove_by_code(house, signed_in, session_secret, proof.code or "", now=now)


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
