"""Codes of an app: the ones of the standard, each good once, and wrong ones slow down without ever locking."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.cast import NOON, Cast
from timebank.errors import CardNeeded, CodesWait, ProofFailed, Refusal, StepUpNeeded
from timebank.services import cards, proofs, sessions, totp
from timebank.services.sessions import Sessions, SessionSecret, SignedIn

pytestmark = pytest.mark.database

NOW = NOON
STEP = timedelta(seconds=30)


async def signed_in(cast: Cast, session: SessionSecret, now: datetime = NOW) -> SignedIn:
    return await Sessions(cast.house, clock=lambda: now).find(cast.group_id, session.secret)


async def begin(cast: Cast, name: str, *, way: str = "card", now: datetime = NOW) -> SessionSecret:
    return await sessions.begin(cast.house, cast.group_id, cast.ids[name], way=way, strong=False, now=now)


async def set_up(cast: Cast, session: SessionSecret, now: datetime = NOW) -> tuple[bytes, SessionSecret]:
    visitor = await signed_in(cast, session, now)
    offered = totp.offer_totp(cast.house, visitor, group_name="Riverside", nickname="Bo")
    secret = base64.b32decode(offered.secret)
    turned = await totp.add_totp(
        cast.house,
        visitor,
        session.secret,
        nonce=offered.nonce,
        code=totp.code_at(secret, now),
        now=now,
    )
    return secret, turned


async def prove(cast: Cast, session: SessionSecret, code: str, now: datetime) -> SessionSecret:
    visitor = await signed_in(cast, session, now)
    return await proofs.prove_by_code(cast.house, visitor, session.secret, code, now=now)


async def refused(cast: Cast, session: SessionSecret, code: str, now: datetime) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        await prove(cast, session, code, now)
    return refusal.value


def test_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B, the last six of its eight digits.
    secret = b"12345678901234567890"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037")):
        assert totp.code_at(secret, datetime.fromtimestamp(seconds, UTC)) == code


async def test_a_card_and_a_code_open_a_duty(cast: Cast) -> None:
    secret, turned = await set_up(cast, await begin(cast, "bo"))
    assert (await signed_in(cast, turned)).actor.roles == {"member", "steward"}
    later = NOW + timedelta(hours=2)
    session = await begin(cast, "bo", now=later)
    assert (await signed_in(cast, session, later)).actor.roles == {"member"}

    proved = await prove(cast, session, totp.code_at(secret, later), later)

    assert (await signed_in(cast, proved, later)).actor.roles == {"member", "steward"}


async def test_an_app_is_kept_only_once_its_first_code_is_right(cast: Cast) -> None:
    session = await begin(cast, "bo")
    visitor = await signed_in(cast, session)
    offered = totp.offer_totp(cast.house, visitor, group_name="Riverside", nickname="Bo")
    secret = base64.b32decode(offered.secret)
    right = totp.code_at(secret, NOW)
    other = totp.offer_totp(cast.house, visitor, group_name="Riverside", nickname="Bo")

    for nonce, code in (
        (offered.nonce, "000000" if right != "000000" else "1"),
        (other.nonce, right),
        ("", ""),
    ):
        with pytest.raises(ProofFailed):
            await totp.add_totp(cast.house, visitor, session.secret, nonce=nonce, code=code, now=NOW)
    assert not (await signed_in(cast, session)).has_totp
    assert totp.totp_of(cast.house, visitor, offered.nonce, group_name="Riverside", nickname="Bo") == offered
    assert offered.address.startswith("otpauth://totp/Riverside%3ABo?secret=")


async def test_each_code_is_good_once_and_one_step_around(cast: Cast) -> None:
    secret, turned = await set_up(cast, await begin(cast, "bo"))
    used = totp.code_at(secret, NOW)

    assert isinstance(await refused(cast, turned, used, NOW), ProofFailed), "the one it was set up with"
    later = NOW + 10 * STEP
    for skew in (-2, 2):
        code = totp.code_at(secret, later + skew * STEP)
        assert isinstance(await refused(cast, turned, code, later), ProofFailed)
    turned = await prove(cast, turned, totp.code_at(secret, later - STEP), later)
    written = totp.code_at(secret, later)
    turned = await prove(cast, turned, f" {written[:3]} {written[3:]} ", later)
    turned = await prove(cast, turned, totp.code_at(secret, later + STEP), later)
    for skew in (-1, 0, 1):
        code = totp.code_at(secret, later + skew * STEP)
        assert isinstance(await refused(cast, turned, code, later), ProofFailed)


async def test_wrong_codes_slow_down_and_never_lock(cast: Cast) -> None:
    secret, turned = await set_up(cast, await begin(cast, "bo"))
    now = NOW + 10 * STEP
    for _ in range(9):
        assert isinstance(await refused(cast, turned, "nonsense", now), ProofFailed)
    assert isinstance(await refused(cast, turned, "", now), ProofFailed), "the tenth"

    # Even the right one waits, and trying meanwhile neither helps nor harms.
    for _ in range(3):
        assert await refused(cast, turned, totp.code_at(secret, now), now) == CodesWait(seconds=31)
    now += STEP
    assert isinstance(await refused(cast, turned, "nonsense", now), ProofFailed)
    assert await refused(cast, turned, "nonsense", now) == CodesWait(seconds=61)
    for _ in range(10):
        turned = await begin(cast, "bo", now=(now := now + timedelta(hours=1)))
        await refused(cast, turned, "nonsense", now)
    seconds = (await refused(cast, turned, "nonsense", now)).params["seconds"]
    assert seconds == 3601, "never longer than an hour"

    now += timedelta(hours=1)
    turned = await begin(cast, "bo", now=now)
    turned = await prove(cast, turned, totp.code_at(secret, now), now)
    assert isinstance(await refused(cast, turned, "nonsense", now), ProofFailed), (
        "it counts from nothing again"
    )


async def test_an_app_is_replaced_or_taken_away_only_with_a_strong_and_fresh_proof(cast: Cast) -> None:
    secret, turned = await set_up(cast, await begin(cast, "bo"))
    weak = await begin(cast, "bo")

    with pytest.raises(StepUpNeeded):
        await set_up(cast, weak)
    with pytest.raises(StepUpNeeded):
        await totp.remove_totp(cast.house, await signed_in(cast, weak))
    late = NOW + timedelta(minutes=6)
    with pytest.raises(StepUpNeeded):
        await totp.remove_totp(cast.house, await signed_in(cast, turned, late))
    with pytest.raises(CardNeeded):
        await set_up(cast, await begin(cast, "di", way="mail"))

    _, turned = await set_up(cast, turned, now=NOW + timedelta(minutes=2))
    now = NOW + timedelta(minutes=3)
    assert isinstance(await refused(cast, turned, totp.code_at(secret, now), now), ProofFailed)
    await totp.remove_totp(cast.house, await signed_in(cast, turned, now))
    assert not (await signed_in(cast, turned, now)).has_totp
    assert isinstance(await refused(cast, turned, "123456", now), ProofFailed)


async def test_a_card_proves_it_for_members_and_never_for_duties_or_for_somebody_else(cast: Cast) -> None:
    late = NOW + timedelta(minutes=6)

    async def card(name: str) -> str:
        made = await cards.make_card(cast.house, cast.group_id, cast.ids[name], made_by=None, now=NOW)
        return made.code

    async def prove_by(name: str, code: str) -> SignedIn:
        session = await begin(cast, name)
        visitor = await signed_in(cast, session, late)
        made = await proofs.prove_by_card(cast.house, visitor, session.secret, code, key="k", now=late)
        return await signed_in(cast, made, late)

    of_flo = await card("flo")
    with pytest.raises(ProofFailed):
        await prove_by("ada", of_flo)
    with pytest.raises(ProofFailed):
        await prove_by("bo", await card("bo"))
    assert (await prove_by("flo", of_flo)).actor.fresh, "it was not used up by who it is not for"
    with pytest.raises(ProofFailed):
        await prove_by("flo", "nonsense")
