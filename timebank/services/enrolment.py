"""Who may add or take away what proves who they are: whoever could, could become them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.errors import CardNeeded, StepUpNeeded
from timebank.rules.sessions import may_enrol
from timebank.store.ways_in import delete_proofs

if TYPE_CHECKING:
    from timebank.services.sessions import SignedIn
    from timebank.store.engine import Tx


async def start_anew(tx: Tx, signed_in: SignedIn) -> None:
    """Take away what somebody signed in with before, where the host let them start anew and nothing new is there yet.

    What is lost may have been found by somebody else.
    """
    if signed_in.way == "recovery" and not signed_in.strong:
        await delete_proofs(tx, signed_in.actor.group_id, signed_in.actor.member_id)


def check_may_change(signed_in: SignedIn) -> None:
    """Refuse a session that may not change the passkeys and the app of its member.

    Raises:
        StepUpNeeded: The last proof is too old; or there is a passkey or app, and it was none of them.
        CardNeeded: A link by mail does not set up the first one of somebody with duties.
    """
    has_strong = signed_in.has_passkey or signed_in.has_totp
    if not may_enrol(signed_in.duties, way=signed_in.way, strong=signed_in.strong, has_strong=has_strong):
        raise StepUpNeeded if has_strong else CardNeeded
    signed_in.actor.require_fresh()
