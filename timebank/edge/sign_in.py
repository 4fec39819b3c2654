"""Signing in and proving it once more, as routes and pages both do it: the try is counted before it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timebank.edge.limits import peer_of, slow_down
from timebank.edge.sessions import find_visitor, place_of
from timebank.services import cards, passkeys, proofs
from timebank.services.limits import forgive

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from litestar import Request

    from timebank.edge.door import Door
    from timebank.edge.sessions import Visitor
    from timebank.services.proofs import Proof
    from timebank.services.sessions import SessionSecret


async def begin(
    request: Request[Any, Any, Any],
    group_id: UUID,
    *,
    card: str | None,
    passkey: Mapping[str, Any] | None,
    key: str,
) -> SessionSecret:
    """Begin a session by card, or by passkey if there is no card; one before it in this browser ends.

    Args:
        card: As it was typed.
        passkey: What the browser's ``get`` gave, as JSON values.
        key: What tells this sending of a form from others.

    Raises:
        SignInFailed: It signs nobody in.
        TooManyTries: They must wait first.
    """
    door: Door = request.app.state.door
    now = door.clock()
    await slow_down(request, group_id, "sign_in")
    before = await find_visitor(request)
    replaces = None if before is None else before.session_id
    if card is not None:
        return await cards.sign_in(door.house, group_id, card, key=key, now=now, replaces=replaces)
    place = place_of(request, "")
    return await passkeys.sign_in(door.house, group_id, passkey or {}, place, now=now, replaces=replaces)


async def prove_once_more(
    request: Request[Any, Any, Any], visitor: Visitor, secret: str, proof: Proof
) -> SessionSecret:
    """Make a session fresh, and strong if the proof is; its secret changes with it.

    Raises:
        ProofFailed, CodesWait, NotSignedIn: See proofs.prove.
        TooManyTries: They must wait first.
    """
    door: Door = request.app.state.door
    now = door.clock()
    await slow_down(request, visitor.actor.group_id, "prove", account=visitor.actor.member_id.bytes)
    made = await proofs.prove(door.house, visitor, secret, proof, place_of(request, ""), now=now)
    await forgive(
        door.house,
        visitor.actor.group_id,
        "prove",
        peer_of(request),
        now=now,
        account=visitor.actor.member_id.bytes,
    )
    return made
