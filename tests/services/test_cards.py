"""Printed cards: a code signs in once, whoever types it and however, and nothing else does."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest

from tests.cast import NOON, Cast
from timebank.errors import (
    CardForDuty,
    NeedsRole,
    NotSignedIn,
    SignInFailed,
    StepUpNeeded,
    UnknownCard,
    UnknownMember,
)
from timebank.rules.people import Actor
from timebank.services import cards
from timebank.services.cards import CODE_LENGTH, SIGNS, MadeCard
from timebank.services.members import set_state
from timebank.services.sessions import Sessions

pytestmark = pytest.mark.database

NOW = NOON


async def card(cast: Cast, name: str = "ada", *, now: datetime = NOW) -> MadeCard:
    return await cards.make_card(cast.house, cast.group_of(name), cast.ids[name], made_by=None, now=now)


async def use(cast: Cast, code: str, *, key: str = "one", now: datetime = NOW) -> str:
    made = await cards.sign_in(cast.house, cast.group_id, code, key=key, now=now)
    found = await Sessions(cast.house, clock=lambda: now).find(cast.group_id, made.secret)
    return next(name for name, member_id in cast.ids.items() if member_id == found.actor.member_id)


def test_a_code_cannot_be_guessed_or_misread() -> None:
    assert CODE_LENGTH * math.log2(len(set(SIGNS))) >= 75
    assert not set("0O1IL").intersection(SIGNS)
    assert SIGNS.isalnum()
    assert SIGNS.upper() == SIGNS


async def test_a_card_signs_in_once_however_it_is_typed(cast: Cast) -> None:
    for typed in (
        str,
        str.lower,
        lambda code: code.replace("-", " "),
        lambda code: f"  {code.replace('-', '')}\n",
    ):
        made = await card(cast)

        assert await use(cast, typed(made.code)) == "ada"

        with pytest.raises(SignInFailed):
            await use(cast, made.code, key="another")


async def test_the_same_sending_is_answered_again_for_a_moment_and_not_longer(cast: Cast) -> None:
    made = await card(cast)
    await use(cast, made.code)

    assert await use(cast, made.code, now=NOW + timedelta(seconds=100)) == "ada", "the line broke"

    with pytest.raises(SignInFailed):
        await use(cast, made.code, now=NOW + timedelta(seconds=121))


async def test_cards_that_are_old_taken_back_wrong_or_of_others_open_nothing(cast: Cast) -> None:
    old, back, foreign = await card(cast), await card(cast), await card(cast, "cy")
    suspended = await card(cast, "flo")
    await set_state(cast.house, cast.group_id, cast.ids["flo"], "suspended")
    await cards.revoke_card(cast.house, await cast.actor("ada"), back.card_id, now=NOW)

    for code, at in (
        (old.code, NOW + cards.CARD_FOR),
        (back.code, NOW),
        (foreign.code, NOW),
        (suspended.code, NOW),
        (old.code[:-1], NOW),
        (old.code[:-1] + ("2" if old.code[-1] != "2" else "3"), NOW),
        ("", NOW),
        ("\x00" * 400, NOW),
    ):
        with pytest.raises(SignInFailed):
            await use(cast, code, now=at)
    assert await use(cast, old.code, now=NOW + cards.CARD_FOR - timedelta(seconds=1)) == "ada"


async def test_a_card_of_somebody_who_is_not_active_is_not_even_found(cast: Cast) -> None:
    """What is found first and refused later takes longer than a card that is none: that would tell them apart."""
    made, gone = await card(cast), await card(cast, "flo")
    await set_state(cast.house, cast.group_id, cast.ids["flo"], "left")

    found = []
    for code in (made.code, gone.code):
        async with cast.house.database.tx(cast.group_id) as tx:
            found.append(await cards.take_card(tx, cast.house, cast.group_id, code, key="one", now=NOW))

    assert [used and used.member_id for used in found] == [cast.ids["ada"], None]


async def test_stewards_print_cards_for_members_and_nobody_for_somebody_with_a_duty(cast: Cast) -> None:
    bo, ada, ids = await cast.actor("bo"), await cast.actor("ada"), cast.ids

    made = await cards.make_card_for(cast.house, bo, ids["ada"], now=NOW)
    assert [row.card_id for row in await cards.list_cards(cast.house, bo, ids["ada"], now=NOW)] == [
        made.card_id
    ]
    await cards.make_card_for(cast.house, bo, ids["bo"], now=NOW)
    await cards.make_card_for(cast.house, ada, ids["ada"], now=NOW)

    for name in ("di", "ed"):
        with pytest.raises(CardForDuty):
            await cards.make_card_for(cast.house, bo, ids[name], now=NOW)
    with pytest.raises(NeedsRole):
        await cards.make_card_for(cast.house, ada, ids["flo"], now=NOW)
    with pytest.raises(NeedsRole):
        await cards.list_cards(cast.house, ada, ids["flo"], now=NOW)
    with pytest.raises(UnknownMember):
        await cards.make_card_for(cast.house, bo, ids["cy"], now=NOW)
    stale = Actor(
        group_id=bo.group_id,
        member_id=bo.member_id,
        account=bo.account,
        accounts=bo.accounts,
        roles=bo.roles,
        scopes=bo.scopes,
        fresh=False,
    )
    with pytest.raises(StepUpNeeded):
        await cards.make_card_for(cast.house, stale, ids["ada"], now=NOW)


async def test_a_card_is_taken_back_by_its_owner_or_a_steward_only(cast: Cast) -> None:
    made, foreign = await card(cast), await card(cast, "cy")
    with pytest.raises(UnknownCard):
        await cards.revoke_card(cast.house, await cast.actor("flo"), made.card_id, now=NOW)
    with pytest.raises(UnknownCard):
        await cards.revoke_card(cast.house, await cast.actor("bo"), foreign.card_id, now=NOW)

    await cards.revoke_card(cast.house, await cast.actor("bo"), made.card_id, now=NOW)

    with pytest.raises(UnknownCard):
        await cards.revoke_card(cast.house, await cast.actor("bo"), made.card_id, now=NOW)


async def test_what_expired_is_swept_and_who_has_no_way_in_left_is_noted(cast: Cast) -> None:
    from timebank.services.members import add_member
    from timebank.store import members as members_store

    gil = await add_member(cast.house, cast.group_id, "Gil", now=NOW)
    await cards.make_card(cast.house, cast.group_id, gil, made_by=None, now=NOW)

    async def signs_in() -> bool:
        async with cast.house.database.read(cast.group_id) as tx:
            row = await members_store.find_member(tx, cast.group_id, gil)
            assert row is not None
            return row.signs_in

    assert await signs_in()
    async with cast.house.database.tx(cast.group_id) as tx:
        await cards.sweep_cards(tx, cast.group_id, now=NOW + cards.CARD_FOR)
    assert not await signs_in()


async def test_the_session_of_a_card_that_was_never_used_is_not_there(cast: Cast) -> None:
    made = await card(cast)
    with pytest.raises(NotSignedIn):
        await Sessions(cast.house, clock=lambda: NOW).find(cast.group_id, made.code)
