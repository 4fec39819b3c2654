"""Apps that show codes (RFC 6238): set up with one code, each code good once, wrong ones slow down and never lock."""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from timebank.errors import CodesWait, ProofFailed, Refusal
from timebank.services import sessions
from timebank.services.enrolment import check_may_change, start_anew
from timebank.store import totps as store
from timebank.store.boxes import BoxBrokenError
from timebank.store.totps import TotpRow

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from timebank.services.house import House
    from timebank.services.sessions import SessionSecret, SignedIn
    from timebank.store.engine import Tx

DIGITS: Final = 6
STEP_SECONDS: Final = 30
#: How far clocks may be apart: one step before and one after.
SKEW: Final = (0, -1, 1)

#: So many wrong codes in a row are free; the wait after each further one doubles, up to an hour.
WRONG_FREE: Final = 10
_WAIT_FIRST_S: Final = 30
_WAIT_MOST_S: Final = 3600

_SECRET_BYTES: Final = 20
_NONCE_BYTES: Final = 16


class NewTotp(NamedTuple):
    """What an app is set up with; nothing is kept before the first code proves that it works.

    Attributes:
        nonce: Comes back with the code; the secret is made from it, for this member only.
        secret: In base32, as people type it.
        address: ``otpauth://`` address, for a QR code.
    """

    nonce: str
    secret: str
    address: str


def offer_totp(house: House, signed_in: SignedIn, *, group_name: str, nickname: str) -> NewTotp:
    """Return a new secret for a member's app."""
    return totp_of(
        house, signed_in, secrets.token_hex(_NONCE_BYTES), group_name=group_name, nickname=nickname
    )


def totp_of(house: House, signed_in: SignedIn, nonce: str, *, group_name: str, nickname: str) -> NewTotp:
    """Return the secret that goes with a nonce, to show a form again."""
    secret = base64.b32encode(_secret_of(house, signed_in, nonce)).decode()
    label = quote(f"{group_name}:{nickname}")
    address = f"otpauth://totp/{label}?secret={secret}&issuer={quote(group_name)}"
    return NewTotp(nonce, secret, address)


async def add_totp(
    house: House, signed_in: SignedIn, session_secret: str, *, nonce: str, code: str, now: datetime
) -> SessionSecret:
    """Keep an app whose first code is right; it replaces one that was there, and proves who asks.

    Raises:
        StepUpNeeded, CardNeeded: See enrolment.check_may_change.
        ProofFailed: The code is not the one of this moment.
        NotSignedIn: The session ended meanwhile.
    """
    check_may_change(signed_in)
    group_id, member_id = signed_in.actor.group_id, signed_in.actor.member_id
    secret = _secret_of(house, signed_in, nonce)
    step = _step_of(secret, code, now)
    key = house.keys.find_member_key(group_id, member_id)
    if step is None or key is None:
        raise ProofFailed

    row = TotpRow(
        member_id=member_id,
        box=store.seal_secret(key, group_id, member_id, secret),
        last_step=step,
        added_at=now,
        wrong=0,
        wait_until=now,
    )
    async with house.database.tx(group_id) as tx:
        await start_anew(tx, signed_in)
        await store.put_totp(tx, group_id, row)
        return await sessions.turn(tx, group_id, signed_in.session_id, session_secret, strong=True, now=now)


async def remove_totp(house: House, signed_in: SignedIn) -> None:
    """Take a member's app away; taking it twice changes nothing.

    Raises:
        StepUpNeeded, CardNeeded: See enrolment.check_may_change.
    """
    check_may_change(signed_in)
    async with house.database.tx(signed_in.actor.group_id) as tx:
        await store.delete_totp(tx, signed_in.actor.group_id, signed_in.actor.member_id)


async def try_code(
    tx: Tx, house: House, group_id: UUID, member_id: UUID, code: str, *, now: datetime
) -> Refusal | None:
    """Try a code; what comes of it counts once the transaction is committed, refused or not.

    Returns:
        None if it is right; CodesWait after too many wrong ones; else ProofFailed.
    """
    row = await store.find_totp(tx, group_id, member_id, lock=True)
    if row is None:
        return ProofFailed()
    if now < row.wait_until:
        return CodesWait(seconds=int((row.wait_until - now).total_seconds()) + 1)
    try:
        secret = store.open_secret(house.keys, group_id, member_id, row.box)
    except BoxBrokenError:
        secret = None
    step = None if secret is None else _step_of(secret, code, now, after=row.last_step)
    if step is not None:
        await store.note_try(tx, group_id, member_id, last_step=step, wrong=0, wait_until=now)
        return None
    wrong = row.wrong + 1
    wait = timedelta(seconds=_wait_seconds(wrong))
    await store.note_try(tx, group_id, member_id, last_step=row.last_step, wrong=wrong, wait_until=now + wait)
    return ProofFailed()


def code_at(secret: bytes, moment: datetime) -> str:
    """Return the code that an app shows at a moment."""
    return _code(secret, int(moment.timestamp()) // STEP_SECONDS)


def _step_of(secret: bytes, typed: str, now: datetime, *, after: int = -1) -> int | None:
    """Return the step whose code was typed, if it is one of this moment and later than ``after``."""
    code = "".join(sign for sign in typed[:40] if sign.isascii() and sign.isdigit())
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    # All are compared, so that the time it takes does not tell which one it was.
    for skew in SKEW:
        if hmac.compare_digest(_code(secret, current + skew), code) and current + skew > after:
            found = current + skew
    return found


def _code(secret: bytes, step: int) -> str:
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).generate(step * STEP_SECONDS).decode()  # noqa: S303


def _wait_seconds(wrong: int) -> int:
    if wrong < WRONG_FREE:
        return 0
    return int(min(_WAIT_FIRST_S * 2 ** min(wrong - WRONG_FREE, 20), _WAIT_MOST_S))


def _secret_of(house: House, signed_in: SignedIn, nonce: str) -> bytes:
    actor = signed_in.actor
    parts = (actor.group_id.bytes, actor.member_id.bytes, nonce[:100].encode("utf-8", "surrogateescape"))
    return house.keys.derive("totp", *parts)[:_SECRET_BYTES]
