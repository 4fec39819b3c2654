"""Who may add or take away what proves who they are: whoever could, could become them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timebank.errors import CardNeeded, StepUpNeeded
from timebank.rules.sessions import may_enrol

if TYPE_CHECKING:
    from timebank.services.sessions import SignedIn


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
