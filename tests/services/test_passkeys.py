"""Passkeys: both ceremonies with a device in software, and everything that a device must not get away with."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.authenticator import Device
from tests.cast import NOON, Cast
from timebank.errors import (
    CardNeeded,
    FieldInvalid,
    NotSignedIn,
    PasskeyTaken,
    ProofFailed,
    SignInFailed,
    StepUpNeeded,
    UnknownPasskey,
)
from timebank.services import passkeys, proofs, sessions
from timebank.services.members import erase_member, set_state
from timebank.services.passkeys import CHALLENGE_FOR, Place
from timebank.services.sessions import Sessions, SessionSecret, SignedIn

pytestmark = pytest.mark.database

NOW = NOON
HERE = Place("localhost", "http://localhost", "Riverside")


async def signed_in(cast: Cast, session: SessionSecret, now: datetime = NOW) -> SignedIn:
    return await Sessions(cast.house, clock=lambda: now).find(cast.group_id, session.secret)


async def begin(cast: Cast, name: str, *, way: str = "card", now: datetime = NOW) -> SessionSecret:
    return await sessions.begin(
        cast.house, cast.group_of(name), cast.ids[name], way=way, strong=False, now=now
    )


async def add(
    cast: Cast, session: SessionSecret, device: Device, *, name: str = "My phone", now: datetime = NOW
) -> SessionSecret:
    visitor = await signed_in(cast, session, now)
    options = await passkeys.offer_add(cast.house, visitor, HERE, now=now)
    return await passkeys.add_passkey(
        cast.house, visitor, session.secret, device.create(options), HERE, name=name, now=now
    )


async def sign_in(cast: Cast, answer: Any, *, now: datetime = NOW, place: Place = HERE) -> SignedIn:
    made = await passkeys.sign_in(cast.house, cast.group_id, answer, place, now=now)
    return await signed_in(cast, made, now)


def offer(cast: Cast, now: datetime = NOW) -> Any:
    # As it goes over the wire: JSON values and nothing else.
    offered = passkeys.offer_sign_in(cast.house, cast.group_id, HERE, now=now)
    return json.loads(msgspec.json.encode(offered))


async def test_a_passkey_signs_in_with_all_duties(cast: Cast) -> None:
    device = Device()
    session = await begin(cast, "bo")

    turned = await add(cast, session, device)

    assert (await signed_in(cast, turned)).actor.roles == {"member", "steward"}, "it proved who it was"
    with pytest.raises(NotSignedIn):
        await signed_in(cast, session)
    visitor = await sign_in(cast, device.get(offer(cast)))
    assert visitor.actor.member_id == cast.ids["bo"]
    assert visitor.actor.roles == {"member", "steward"}
    assert (visitor.way, visitor.strong, visitor.duties_wait) == ("passkey", True, ())
    assert [each.name for each in await passkeys.list_own(cast.house, visitor)] == ["My phone"]


async def test_without_a_finger_or_a_code_a_passkey_opens_a_member_and_no_duty(cast: Cast) -> None:
    device = Device()
    await add(cast, await begin(cast, "bo"), device)
    lazy = Device(asks=False)
    with pytest.raises(ProofFailed):
        await add(cast, await begin(cast, "ed"), lazy)

    device.asks = False
    visitor = await sign_in(cast, device.get(offer(cast)))

    assert visitor.actor.roles == {"member"}
    assert visitor.duties_wait == ("steward",)
    await add(cast, await begin(cast, "ada"), lazy)
    assert (await sign_in(cast, lazy.get(offer(cast)))).actor.roles == {"member"}


async def test_an_answer_is_good_once(cast: Cast) -> None:
    device = Device()
    await add(cast, await begin(cast, "ada"), device)
    answer = device.get(offer(cast))
    await sign_in(cast, answer)

    with pytest.raises(SignInFailed):
        await sign_in(cast, answer)
    again = Device()
    session = await begin(cast, "flo")
    visitor = await signed_in(cast, session)
    made = again.create(await passkeys.offer_add(cast.house, visitor, HERE, now=NOW))
    turned = await passkeys.add_passkey(cast.house, visitor, session.secret, made, HERE, name="One", now=NOW)
    with pytest.raises(ProofFailed):
        await passkeys.add_passkey(
            cast.house, await signed_in(cast, turned), turned.secret, made, HERE, name="Two", now=NOW
        )


async def test_a_challenge_is_short_lived_for_one_purpose_one_session_and_one_group(cast: Cast) -> None:
    device = Device()
    ada = await add(cast, await begin(cast, "ada"), device)
    visitor = await signed_in(cast, ada)
    other = await signed_in(cast, await begin(cast, "ada"))
    for_proof = await passkeys.offer_proof(cast.house, visitor, HERE, now=NOW)
    for_add = await passkeys.offer_add(cast.house, visitor, HERE, now=NOW)
    elsewhere = passkeys.offer_sign_in(cast.house, cast.other_group_id, HERE, now=NOW)
    stale = offer(cast)
    forged = {"publicKey": {"challenge": "A" * 54, "rpId": "localhost"}}

    for options in (
        for_proof,
        for_add | {"publicKey": {**for_add["publicKey"], "rpId": "localhost"}},
        elsewhere,
        forged,
    ):
        with pytest.raises(SignInFailed):
            await sign_in(cast, device.get(options))
    with pytest.raises(SignInFailed):
        await sign_in(cast, device.get(stale), now=NOW + CHALLENGE_FOR)
    assert await sign_in(cast, device.get(stale), now=NOW + CHALLENGE_FOR - timedelta(seconds=1))
    for options in (offer(cast), await passkeys.offer_proof(cast.house, other, HERE, now=NOW)):
        with pytest.raises(ProofFailed):
            await proofs.prove_by_passkey(cast.house, visitor, ada.secret, device.get(options), HERE, now=NOW)
    assert await proofs.prove_by_passkey(
        cast.house, visitor, ada.secret, device.get(for_proof), HERE, now=NOW
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:81"},
        {"origin": "https://localhost"},
        {"host": "evil.example"},
        {"type": "webauthn.create"},
        {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"},
        {"signature": b""},
        {"handle": bytes(16)},
    ],
)
async def test_what_was_signed_elsewhere_or_by_another_key_opens_nothing(
    cast: Cast, changes: dict[str, Any]
) -> None:
    device = Device()
    await add(cast, await begin(cast, "ada"), device)

    with pytest.raises(SignInFailed):
        await sign_in(cast, device.get(offer(cast), **changes))

    assert await sign_in(cast, device.get(offer(cast)))


async def test_a_copy_of_a_device_that_counts_is_found_out(cast: Cast) -> None:
    device = Device(counts=True)
    await add(cast, await begin(cast, "ada"), device)
    await sign_in(cast, device.get(offer(cast)))

    device.count -= 1
    with pytest.raises(SignInFailed):
        await sign_in(cast, device.get(offer(cast)))

    assert await sign_in(cast, device.get(offer(cast)))


async def test_whatever_is_no_answer_is_refused_alike(cast: Cast) -> None:
    device = Device()
    await add(cast, await begin(cast, "ada"), device)
    good = device.get(offer(cast))
    broken: list[Any] = [
        {},
        {"response": None},
        {"response": {"clientDataJSON": 7}},
        {"response": {"clientDataJSON": "!!!"}},
        {**good, "rawId": "AAAA"},
        {**good, "rawId": None},
        {**good, "response": {**good["response"], "authenticatorData": "AAAA"}},
        {**good, "response": {**good["response"], "signature": None}},
        {**good, "response": {"clientDataJSON": good["response"]["clientDataJSON"]}},
    ]
    for answer in broken:
        with pytest.raises(SignInFailed):
            await sign_in(cast, answer)
    visitor = await signed_in(cast, session := await begin(cast, "flo"))
    options = await passkeys.offer_add(cast.house, visitor, HERE, now=NOW)
    made = Device().create(options)
    for changed in ({}, {"attestationObject": "AAAA"}, {"attestationObject": "gYGBgYGBgYGBgYGB" * 400}):
        with pytest.raises(ProofFailed):
            await passkeys.add_passkey(
                cast.house,
                visitor,
                session.secret,
                {**made, "response": {"clientDataJSON": made["response"]["clientDataJSON"], **changed}},
                HERE,
                name="x",
                now=NOW,
            )


async def test_a_device_is_kept_once_and_under_a_plain_name(cast: Cast) -> None:
    device = Device()
    turned = await add(cast, await begin(cast, "ada"), device)

    with pytest.raises(PasskeyTaken):
        await add(cast, turned, device)
    for name in ("", "x" * 41, "a\nb"):
        with pytest.raises(FieldInvalid):
            await add(cast, turned, Device(), name=name)
    listed = await passkeys.offer_add(cast.house, await signed_in(cast, turned), HERE, now=NOW)
    assert len(listed["publicKey"]["excludeCredentials"]) == 1


async def test_adding_another_takes_the_first_one_and_a_fresh_proof(cast: Cast) -> None:
    device = Device()
    first = await add(cast, await begin(cast, "bo"), device)

    with pytest.raises(StepUpNeeded):
        await add(cast, await begin(cast, "bo"), Device())
    later = NOW + timedelta(minutes=6)
    with pytest.raises(StepUpNeeded):
        await add(cast, first, Device(), now=later)
    visitor = await signed_in(cast, first, later)
    answer = device.get(await passkeys.offer_proof(cast.house, visitor, HERE, now=later))
    proved = await proofs.prove_by_passkey(cast.house, visitor, first.secret, answer, HERE, now=later)
    assert await add(cast, proved, Device(), now=later)
    recovered = await sessions.begin(
        cast.house, cast.group_id, cast.ids["bo"], way="recovery", strong=False, now=NOW
    )
    assert await add(cast, recovered, Device()), "who lost theirs starts anew with a card of the host"


async def test_mail_sets_up_nothing_for_somebody_with_a_duty(cast: Cast) -> None:
    with pytest.raises(CardNeeded):
        await add(cast, await begin(cast, "bo", way="mail"), Device())

    assert await add(cast, await begin(cast, "ada", way="mail"), Device())


async def test_a_passkey_of_somebody_else_proves_nothing(cast: Cast) -> None:
    device = Device()
    await add(cast, await begin(cast, "ada"), device)
    flo = await begin(cast, "flo")
    visitor = await signed_in(cast, flo)
    options = await passkeys.offer_proof(cast.house, visitor, HERE, now=NOW)

    with pytest.raises(ProofFailed):
        await proofs.prove_by_passkey(cast.house, visitor, flo.secret, device.get(options), HERE, now=NOW)

    assert (await signed_in(cast, flo)).actor.member_id == cast.ids["flo"]


async def test_one_that_is_taken_away_or_whose_owner_went_opens_nothing(cast: Cast) -> None:
    devices = {name: Device() for name in ("ada", "flo", "bo")}
    held = {name: await add(cast, await begin(cast, name), device) for name, device in devices.items()}
    ada = await signed_in(cast, held["ada"])
    own = await passkeys.list_own(cast.house, ada)
    with pytest.raises(UnknownPasskey):
        await passkeys.remove_passkey(
            cast.house, await signed_in(cast, held["flo"]), own[0].passkey_id, now=NOW
        )

    await passkeys.remove_passkey(cast.house, ada, own[0].passkey_id, now=NOW)
    await set_state(cast.house, cast.group_id, cast.ids["flo"], "suspended")
    await erase_member(cast.house, cast.group_id, cast.ids["bo"], now=NOW)

    for device in devices.values():
        with pytest.raises(SignInFailed):
            await sign_in(cast, device.get(offer(cast)))
    with pytest.raises(UnknownPasskey):
        await passkeys.remove_passkey(cast.house, ada, own[0].passkey_id, now=NOW)
