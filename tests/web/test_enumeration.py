"""Nobody can find out who is here: a known and an unknown name get the same answer, as long, and as soon.

Whoever builds a new way to name a person to a stranger adds it to ``WAYS``. The medians are measured
when asked: ``TIMEBANK_TEST_TRIES=1000``.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.cast import cast, house
from tests.mail_stage import MailStage, posted
from timebank.rules.tries import PACES, Pace, Paces

__all__ = ["cast", "house", "posted"]

pytestmark = pytest.mark.database

TRIES = int(os.environ.get("TIMEBANK_TEST_TRIES", "0"))
SHORT = 10

#: Sends one try about somebody, from a browser of its own.
Way = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]


async def by_nickname(browser: httpx.AsyncClient, name: str) -> httpx.Response:
    return await browser.post("/g/riverside/sign-in/mail", data={"who": name})


async def by_address(browser: httpx.AsyncClient, name: str) -> httpx.Response:
    return await browser.post("/g/riverside/sign-in/mail", data={"who": f"{name}@mail.example"})


#: Each with a name that is known there and one of the same length that is not.
WAYS: dict[str, tuple[Way, str, str]] = {
    "link by nickname": (by_nickname, "Ada", "Adb"),
    "link by address": (by_address, "ada", "adb"),
    "link of a steward": (by_nickname, "Bo", "Bx"),
    "link of somebody without an address": (by_nickname, "Flo", "Flx"),
}


@pytest.fixture(autouse=True)
def without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test try as often as it likes."""
    free = Pace(10**9, 1, 1, 1)
    for what in PACES:
        monkeypatch.setitem(PACES, what, Paces(free, free, free))


def seen(answer: httpx.Response) -> tuple[object, ...]:
    """Return what a stranger sees, with what is random for everybody put aside."""
    headers = {
        name: re.sub(r"=[0-9a-f]{64};", "=random;", value)
        for name, value in answer.headers.items()
        if name != "date"
    }
    return answer.status_code, len(answer.content), answer.content, headers


async def test_known_and_unknown_get_the_same_answer(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    await posted.give_address("bo", "bo@mail.example")

    for way in WAYS:
        await compare(posted, way)


async def compare(posted: MailStage, way: str) -> None:
    """Try a way with both names in turns, and compare what comes."""
    send, known, unknown = WAYS[way]
    times: dict[str, list[float]] = {known: [], unknown: []}

    answers = set()
    for number in range(2 * (TRIES or SHORT)):
        # In turns, so that whatever else this machine does is shared; and each begins half of the pairs.
        name = (known, unknown)[(number + number // 2) % 2]
        async with posted.browser() as browser:
            begun = time.perf_counter()
            answer = await send(browser, name)
            times[name].append(time.perf_counter() - begun)
        answers.add(repr(seen(answer)))

    assert len(answers) == 1
    assert "200" in answers.pop()[:5]
    if TRIES:
        first, second = (quartiles(times[name]) for name in (known, unknown))
        print(f"\n{way}: known {first[1]:.3f} ms, unknown {second[1]:.3f} ms; quartiles {first} {second}")
        assert first[0] <= second[2]
        assert second[0] <= first[2]


def quartiles(seconds: list[float]) -> tuple[float, float, float]:
    """Return the quartiles in milliseconds."""
    low, middle, high = statistics.quantiles(seconds, n=4)
    return round(low * 1000, 3), round(middle * 1000, 3), round(high * 1000, 3)
