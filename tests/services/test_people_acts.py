"""What people decide about people: proved just now, once for each key, and right when two do it at once."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.cast import Cast
from timebank.edge.problems import renderer
from timebank.errors import KeyReused, StepUpNeeded
from timebank.i18n import language
from timebank.rules.people import Actor
from timebank.rules.settings import Change
from timebank.services import joining, member_acts, settings, stand_ins
from timebank.services.acts import Once
from timebank.services.house import House
from timebank.services.members import find_member
from timebank.services.writer import Answer


def once(key: str = "", asked: bytes = b"") -> Once:
    return Once(key or str(uuid4()), asked.ljust(32, b"\0"), datetime.now(UTC), renderer(language("en")))


Act = Callable[[House, Actor, Once], Awaitable[Answer]]


def acts_that_need_proof(cast: Cast) -> dict[str, Act]:
    ada, flo = cast.ids["ada"], cast.ids["flo"]
    until = (datetime.now(UTC) + timedelta(days=9)).date()
    return {
        "duties": lambda h, a, o: member_acts.change_duties(h, a, o, ada, give=["auditor"], take=[]),
        "enter": lambda h, a, o: member_acts.enter_member(h, a, o, nickname="Uma", roles=["auditor"]),
        "invite": lambda h, a, o: joining.make_invitation(h, a, o, roles=["auditor"], uses=1, days=1),
        "stand in": lambda h, a, o: stand_ins.begin_stand_in(
            h, a, o, stand_in=flo, member_id=ada, scopes=["log"], until=until, consent="on_paper"
        ),
        "settings": lambda h, a, o: settings.write_settings(h, a, o, Change(confirm_days=9)),
        "suspend": lambda h, a, o: member_acts.suspend_member(h, a, o, ada),
        "resume": lambda h, a, o: member_acts.resume_member(h, a, o, ada),
        "let go": lambda h, a, o: member_acts.leave_group(h, a, o, flo),
        "forget": lambda h, a, o: member_acts.forget_member(h, a, o, a.member_id),
    }


async def test_what_must_be_proved_just_now_is_refused_until_it_is_and_the_same_key_goes_on(
    house: House, cast: Cast
) -> None:
    bo = await cast.actor("bo")
    stale = dataclasses.replace(bo, fresh=False)
    for name, act in acts_that_need_proof(cast).items():
        asked = once()
        with pytest.raises(StepUpNeeded):
            await act(house, stale, asked)

        answer = await act(house, bo, asked)

        assert answer.status < 300, (name, answer)
        assert not answer.replayed, name


async def test_what_needs_no_proof_is_done_without(house: House, cast: Cast) -> None:
    stale = dataclasses.replace(await cast.actor("bo"), fresh=False)
    ada = await cast.actor("ada")
    for answer in (
        await member_acts.enter_member(house, stale, once(), nickname="Uma", roles=[]),
        await joining.make_invitation(house, stale, once(), roles=[], uses=1, days=1),
        await member_acts.leave_group(house, dataclasses.replace(ada, fresh=False), once(), ada.member_id),
    ):
        assert answer.status < 300, answer


async def test_two_stewards_who_take_each_other_away_at_once_leave_one(house: House, cast: Cast) -> None:
    bo, di = await cast.actor("bo"), await cast.actor("di")

    answers = await asyncio.gather(
        member_acts.change_duties(house, bo, once(), di.member_id, give=[], take=["steward"]),
        member_acts.change_duties(house, di, once(), bo.member_id, give=[], take=["steward"]),
    )

    assert sorted(answer.status for answer in answers) == [200, 409]
    roles = [
        (await find_member(house, cast.group_id, member_id=one.member_id, now=datetime.now(UTC))).roles
        for one in (bo, di)
    ]
    assert sorted(roles) == [(), ("steward",)]


async def test_one_key_sent_many_times_at_once_is_done_once_and_answered_alike(
    house: House, cast: Cast
) -> None:
    bo = await cast.actor("bo")
    asked = once("the same")

    answers = await asyncio.gather(
        *(member_acts.enter_member(house, bo, asked, nickname="Uma", roles=[]) for _ in range(6))
    )

    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False, *[True] * 5]
    with pytest.raises(KeyReused):
        await member_acts.enter_member(house, bo, once("the same", b"x"), nickname="Uma", roles=[])
    # The same key of somebody else is another key.
    other: Any = await member_acts.enter_member(
        house, await cast.actor("di"), once("the same"), nickname="Ugo", roles=[]
    )
    assert other.status == 201


async def test_a_refusal_that_many_wait_for_is_one_answer(house: House, cast: Cast) -> None:
    bo = await cast.actor("bo")
    asked = once("taken")

    answers = await asyncio.gather(
        *(member_acts.enter_member(house, bo, asked, nickname="ada", roles=[]) for _ in range(4))
    )

    assert {answer.status for answer in answers} == {409}
    assert len({answer.body for answer in answers}) == 1
