"""Passkeys (WebAuthn): both ceremonies, with challenges that need no row before they are answered.

A challenge carries its end and a seal that only this host can make, for one purpose and one session;
once answered it is noted, so that none is answered twice. So strangers cannot fill a table by asking.
"""

from __future__ import annotations

import hmac
import logging
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from timebank.errors import FieldInvalid, ProofFailed, SignInFailed, UnknownPasskey
from timebank.rules.names import NICKNAME_MAX, plain_text
from timebank.rules.sessions import STRONG_DUTIES
from timebank.rules.set_up import TOO_MANY
from timebank.services import sessions
from timebank.services.enrolment import check_may_change, start_anew
from timebank.services.ways_in import note_ways_in
from timebank.store import members as members_store
from timebank.store import passkeys as store
from timebank.store.boxes import BoxBrokenError
from timebank.store.passkeys import Passkey, PasskeyRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from fido2.server import Fido2Server
    from fido2.webauthn import AttestedCredentialData, AuthenticatorData

    from timebank.services.house import House
    from timebank.services.sessions import SessionSecret, SignedIn
    from timebank.store.engine import Tx

# It tells ids of passkeys at INFO, and ours are in no log.
logging.getLogger("fido2").setLevel(logging.WARNING)

CHALLENGE_FOR: Final = timedelta(minutes=5)
PASSKEYS_MAX: Final = 20
NAME_MAX: Final = NICKNAME_MAX

_NONCE_BYTES: Final = 16
_MOMENT_BYTES: Final = 8
_SEAL_BYTES: Final = 16

Purpose = Literal["add", "prove", "sign_in"]


class Place(NamedTuple):
    """Where a ceremony happens, as the browser knows it.

    Attributes:
        host: Host without a port; passkeys belong to it.
        origin: Scheme, host and port.
        name: What the browser shows: the group's name.
    """

    host: str
    origin: str
    name: str


class OwnPasskey(NamedTuple):
    """A passkey as its owner sees it."""

    passkey_id: UUID
    name: str
    added_at: datetime


# ---------------------------------------------------------------- what the browser is asked


async def offer_add(house: House, signed_in: SignedIn, place: Place, *, now: datetime) -> dict[str, Any]:
    """Return the options with which a browser makes a passkey for a member (JSON values only).

    Raises:
        StepUpNeeded, CardNeeded: See enrolment.check_may_change.
    """
    check_may_change(signed_in)
    group_id, member_id = signed_in.actor.group_id, signed_in.actor.member_id
    async with house.database.read(group_id) as tx:
        rows = await store.list_passkeys(tx, group_id, member_id)
        member = await members_store.find_member(tx, group_id, member_id)
    nickname = member and members_store.open_nickname(house.keys, group_id, member_id, member.nickname_box)
    options, _ = _server(place).register_begin(
        {"id": member_id.bytes, "name": nickname or "?", "displayName": nickname or "?"},  # type: ignore[arg-type]
        credentials=[_credential(passkey.credential) for _, passkey in _opened(house, group_id, rows)],
        resident_key_requirement="required",  # type: ignore[arg-type]
        user_verification=_verification(signed_in.duties),  # type: ignore[arg-type]
        challenge=_challenge(house, group_id, "add", signed_in.session_id.bytes, now=now),
    )
    return _json(options)


async def offer_proof(house: House, signed_in: SignedIn, place: Place, *, now: datetime) -> dict[str, Any]:
    """Return the options with which a member who is signed in proves once more who they are."""
    group_id = signed_in.actor.group_id
    async with house.database.read(group_id) as tx:
        rows = await store.list_passkeys(tx, group_id, signed_in.actor.member_id)
    options, _ = _server(place).authenticate_begin(
        credentials=[_credential(passkey.credential) for _, passkey in _opened(house, group_id, rows)],
        user_verification=_verification(signed_in.duties),  # type: ignore[arg-type]
        challenge=_challenge(house, group_id, "prove", signed_in.session_id.bytes, now=now),
    )
    return _json(options)


def offer_sign_in(house: House, group_id: UUID, place: Place, *, now: datetime) -> dict[str, Any]:
    """Return the options with which somebody signs in; the device knows who they are."""
    options, _ = _server(place).authenticate_begin(
        user_verification="preferred",  # type: ignore[arg-type]
        challenge=_challenge(house, group_id, "sign_in", b"", now=now),
    )
    return _json(options)


# ---------------------------------------------------------------- what the browser answers


async def add_passkey(
    house: House,
    signed_in: SignedIn,
    session_secret: str,
    response: Mapping[str, Any],
    place: Place,
    *,
    name: str,
    now: datetime,
) -> SessionSecret:
    """Keep a passkey that was just made; it also proves who asks, if it asked for a finger or a code.

    Args:
        response: What the browser's ``create`` gave, as JSON values.
        name: What its owner calls it, 1 to 40 characters.

    Raises:
        FieldInvalid: The name cannot be one, or there are too many passkeys.
        PasskeyTaken: This one is here already.
        ProofFailed: It is no answer to a challenge of this session, or not for this place.
        StepUpNeeded, CardNeeded: See enrolment.check_may_change.
        NotSignedIn: The session ended meanwhile.
    """
    check_may_change(signed_in)
    name = plain_text(name, field="name", length_max=NAME_MAX)
    group_id, member_id = signed_in.actor.group_id, signed_in.actor.member_id
    answer = _read_answer(house, group_id, response, "add", signed_in.session_id.bytes, now=now)
    if answer is None:
        raise ProofFailed
    made = _verify_new(answer, response, place, required=_is_required(signed_in.duties))
    key = house.keys.find_member_key(group_id, member_id)
    if made is None or made.credential_data is None or key is None:
        raise ProofFailed

    async with house.database.tx(group_id) as tx:
        await start_anew(tx, signed_in)
        if len(await store.list_passkeys(tx, group_id, member_id)) >= PASSKEYS_MAX:
            raise FieldInvalid(field="passkey", why=TOO_MANY)
        if not await _spend(tx, group_id, answer, now=now):
            raise ProofFailed
        passkey_id = house.new_id()
        row = PasskeyRow(
            passkey_id=passkey_id,
            credential_index=store.credential_index(house.keys, group_id, made.credential_data.credential_id),
            member_id=member_id,
            box=store.seal_passkey(key, group_id, passkey_id, Passkey(name, bytes(made.credential_data))),
            sign_count=made.counter,
            added_at=now,
        )
        await store.insert_passkey(tx, group_id, row)
        await note_ways_in(tx, group_id, member_id, now=now)
        return await sessions.turn(
            tx, group_id, signed_in.session_id, session_secret, strong=made.is_user_verified(), now=now
        )


async def sign_in(
    house: House,
    group_id: UUID,
    response: Mapping[str, Any],
    place: Place,
    *,
    now: datetime,
    replaces: UUID | None = None,
) -> SessionSecret:
    """Sign in with a passkey.

    Args:
        response: What the browser's ``get`` gave, as JSON values.
        replaces: Session that the same browser had, which ends.

    Raises:
        SignInFailed: It is not known here, was not asked for, or not for this place; or its owner is
            not active. All of these look the same from outside.
    """
    answer = _read_answer(house, group_id, response, "sign_in", b"", now=now)
    if answer is None:
        raise SignInFailed
    async with house.database.tx(group_id) as tx:
        used = await _use(tx, house, group_id, answer, response, place, now=now)
        if used is None:
            raise SignInFailed
        member_id, verified = used
        return await sessions.begin_in(
            tx, house, group_id, member_id, way="passkey", strong=verified, now=now, replaces=replaces
        )


async def take_proof(
    tx: Tx, house: House, signed_in: SignedIn, response: Mapping[str, Any], place: Place, *, now: datetime
) -> bool:
    """Use a passkey as a proof inside a transaction; return whether it was a strong one.

    Raises:
        ProofFailed: It is not this member's, was not asked for by this session, or not for this place;
            or it asked for no finger and no code although its owner has duties.
    """
    group_id = signed_in.actor.group_id
    answer = _read_answer(house, group_id, response, "prove", signed_in.session_id.bytes, now=now)
    used = answer and await _use(tx, house, group_id, answer, response, place, now=now)
    if not used or used[0] != signed_in.actor.member_id:
        raise ProofFailed
    if not used[1] and _is_required(signed_in.duties):
        raise ProofFailed
    return used[1]


# ---------------------------------------------------------------- one's own


async def list_own(house: House, signed_in: SignedIn) -> list[OwnPasskey]:
    """Return a member's passkeys, oldest first."""
    group_id = signed_in.actor.group_id
    async with house.database.read(group_id) as tx:
        return await list_in(tx, house, group_id, signed_in.actor.member_id)


async def list_in(tx: Tx, house: House, group_id: UUID, member_id: UUID) -> list[OwnPasskey]:
    """Return a member's passkeys inside a transaction, oldest first."""
    rows = await store.list_passkeys(tx, group_id, member_id)
    return [
        OwnPasskey(row.passkey_id, passkey.name, row.added_at)
        for row, passkey in _opened(house, group_id, rows)
    ]


async def remove_passkey(house: House, signed_in: SignedIn, passkey_id: UUID, *, now: datetime) -> None:
    """Take one of one's own passkeys away.

    Raises:
        UnknownPasskey: There is none of theirs with this id.
        StepUpNeeded, CardNeeded: See enrolment.check_may_change.
    """
    check_may_change(signed_in)
    group_id, member_id = signed_in.actor.group_id, signed_in.actor.member_id
    async with house.database.tx(group_id) as tx:
        if not await store.delete_passkey(tx, group_id, member_id, passkey_id):
            raise UnknownPasskey
        await note_ways_in(tx, group_id, member_id, now=now)


# ---------------------------------------------------------------- inside


class _Answer(NamedTuple):
    """An answer to a challenge of ours that still holds."""

    challenge: bytes
    expires_at: datetime


def _challenge(house: House, group_id: UUID, purpose: Purpose, whose: bytes, *, now: datetime) -> bytes:
    until = int((now + CHALLENGE_FOR).timestamp()).to_bytes(_MOMENT_BYTES, "big")
    plain = house.random(_NONCE_BYTES) + until
    return plain + _seal_of(house, group_id, purpose, whose, plain)


def _seal_of(house: House, group_id: UUID, purpose: Purpose, whose: bytes, plain: bytes) -> bytes:
    return house.keys.derive("challenge", group_id.bytes, purpose.encode(), whose, plain)[:_SEAL_BYTES]


def _read_answer(
    house: House,
    group_id: UUID,
    response: Mapping[str, Any],
    purpose: Purpose,
    whose: bytes,
    *,
    now: datetime,
) -> _Answer | None:
    """Return which challenge of ours is answered, or None if it is none that holds for this purpose."""
    from fido2.utils import websafe_decode
    from fido2.webauthn import CollectedClientData

    try:
        data = CollectedClientData(websafe_decode(response["response"]["clientDataJSON"]))
        challenge = bytes(data.challenge)
    except Exception:  # noqa: BLE001 - whatever a stranger sends, a parser may choke on it in its own way
        return None
    plain, seal = challenge[:-_SEAL_BYTES], challenge[-_SEAL_BYTES:]
    if len(plain) != _NONCE_BYTES + _MOMENT_BYTES:
        return None
    if not hmac.compare_digest(seal, _seal_of(house, group_id, purpose, whose, plain)):
        return None
    until = datetime.fromtimestamp(int.from_bytes(plain[_NONCE_BYTES:], "big"), UTC)
    return _Answer(challenge, until) if now < until else None


async def _spend(tx: Tx, group_id: UUID, answer: _Answer, *, now: datetime) -> bool:
    digest = sha256(answer.challenge).digest()
    return await store.spend_challenge(tx, group_id, digest, expires_at=answer.expires_at, now=now)


async def _use(
    tx: Tx,
    house: House,
    group_id: UUID,
    answer: _Answer,
    response: Mapping[str, Any],
    place: Place,
    *,
    now: datetime,
) -> tuple[UUID, bool] | None:
    """Return whose passkey answered, and whether it asked for a finger or a code; None if it proves nothing."""
    from fido2.utils import websafe_decode
    from fido2.webauthn import AuthenticationResponse

    if not await _spend(tx, group_id, answer, now=now):
        return None
    try:
        credential_id = websafe_decode(response["rawId"])
        index = store.credential_index(house.keys, group_id, credential_id)
    except Exception:  # noqa: BLE001 - see _read_answer
        return None
    row = await store.find_passkey(tx, group_id, index)
    opened = _opened(house, group_id, [] if row is None else [row])
    try:
        said = AuthenticationResponse.from_dict(response)
        # Whoever is not known is checked against a key that nobody has, and refused as late as somebody who is.
        credential = _credential(opened[0][1].credential) if opened else _nobodys(credential_id)
        _server(place).authenticate_complete(_state(answer, required=False), [credential], response)
        data: AuthenticatorData = said.response.authenticator_data
        handle = said.response.user_handle
    except Exception:  # noqa: BLE001 - see _read_answer
        return None
    if row is None or not opened or (handle is not None and bytes(handle) != row.member_id.bytes):
        return None
    # A device that counts and did not count on is a copy of one.
    if (data.counter or row.sign_count) and data.counter <= row.sign_count:
        return None
    await store.note_sign_count(tx, group_id, row.passkey_id, data.counter)
    return row.member_id, data.is_user_verified()


@cache
def _key_of_nobody() -> Any:
    """Return a public key whose private half is forgotten at once."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from fido2.cose import ES256

    made = ec.generate_private_key(ec.SECP256R1()).public_key()
    return ES256.from_cryptography_key(made)  # type: ignore[no-untyped-call]


def _nobodys(credential_id: bytes) -> AttestedCredentialData:
    from fido2.webauthn import Aaguid, AttestedCredentialData

    return AttestedCredentialData.create(Aaguid.NONE, credential_id, _key_of_nobody())


def _verify_new(
    answer: _Answer, response: Mapping[str, Any], place: Place, *, required: bool
) -> AuthenticatorData | None:
    try:
        return _server(place).register_complete(_state(answer, required=required), response)
    except Exception:  # noqa: BLE001 - see _read_answer
        return None


def _server(place: Place) -> Fido2Server:
    # Imported late: it takes longer than all the rest of a start, and few requests need it.
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    return Fido2Server(
        PublicKeyCredentialRpEntity(id=place.host, name=place.name),
        verify_origin=lambda origin: origin == place.origin,
    )


def _state(answer: _Answer, *, required: bool) -> dict[str, Any]:
    from fido2.utils import websafe_encode

    return {
        "challenge": websafe_encode(answer.challenge),
        "user_verification": "required" if required else None,
    }


def _credential(data: bytes) -> Any:
    from fido2.webauthn import AttestedCredentialData

    return AttestedCredentialData(data)


def _json(options: Any) -> dict[str, Any]:
    return dict(options)


def _is_required(duties: Collection[str]) -> bool:
    return not STRONG_DUTIES.isdisjoint(duties)


def _verification(duties: Collection[str]) -> str:
    return "required" if _is_required(duties) else "preferred"


def _opened(house: House, group_id: UUID, rows: list[PasskeyRow]) -> list[tuple[PasskeyRow, Passkey]]:
    opened = []
    for row in rows:
        try:
            passkey = store.open_passkey(house.keys, group_id, row)
        except BoxBrokenError:
            continue
        if passkey is not None:
            opened.append((row, passkey))
    return opened
