"""Every form that writes says who sees what of it: by what it will publish, or by a sentence that is always true."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import httpx
import pytest_asyncio
from litestar import Litestar
from litestar.routes import HTTPRoute

from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn
from tests.web.member import Form, Member, forms_of, signed_in, text_of
from tests.web.test_join import key_of
from tests.web.test_preview import every_row, sight_of
from tests.web.test_setup import FORM, LINK, Open, fault, home, opened
from timebank.i18n import language, language_codes
from timebank.web.who_sees import NOTHING_TO_SAY, SHOWN, WHO_SEES

__all__ = ["cast", "home", "house", "opened", "stage", "today"]

_EFFECTS = ("POST", "PUT", "PATCH", "DELETE")


def writing_handlers(app: Litestar) -> dict[str, str]:
    """Return, for every page that takes something, its handler and its address."""
    return {
        handlers[method][0].handler_name: route.path_format
        for route in app.routes
        if isinstance(route, HTTPRoute) and not route.path.startswith("/api/")
        for handlers in [route.route_handler_map]
        for method in handlers
        if method in _EFFECTS
    }


@pytest_asyncio.fixture(loop_scope="session")
async def app(stage: Stage) -> AsyncIterator[Litestar]:
    transport: Any = stage.http._transport
    yield transport.app


async def test_every_page_that_writes_says_who_sees_what(app: Litestar) -> None:
    handlers = writing_handlers(app)
    said = [{key.partition(".")[0] for key in table} for table in (WHO_SEES, SHOWN, NOTHING_TO_SAY)]

    assert len(handlers) > 45
    silent = {name: path for name, path in handlers.items() if not any(name in names for names in said)}
    assert silent == {}, "web/who_sees.py: a sentence, what shows it, or why there is nothing to say"
    assert set().union(*said) - set(handlers) == set(), "handlers that are no more"
    assert not (said[2] & (said[0] | said[1])), "either there is nothing to say or something"
    for name, why in sorted(NOTHING_TO_SAY.items()):
        print(f"{name}: {why}")


def test_every_sentence_about_who_sees_what_is_there_in_every_language() -> None:
    sentences = {text for rows in WHO_SEES.values() for row in rows for text in row}

    for code in language_codes()[1:]:
        chosen = language(code)
        assert [text for text in sentences if chosen.say(text) == text] == [], code


# ---------------------------------------------------------------- a word about hours


async def test_a_word_about_hours_is_looked_at_and_nothing_is_written(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    body = {
        "minutes": 60,
        "effective_on": today,
        "category": "repairs",
        "receiver": str(stage.cast.ids["ada"]),
    }
    hours = (await stage.post("flo", "/hours", body)).json()["id"]
    for name, address in (("ada", "/me"), ("bo", "/today")):
        member = await signed_in(stage, name)
        page = await member.get(address)
        assert re.search(rf'hours/{hours}" novalidate autocomplete="off" data-preview>', page.text)
        form = next(form for form in forms_of(page) if "time" in form.names and hours in form.action)
        before = await every_row(fresh_dsn)

        async def look(
            kind: str = "first", *, member: Member = member, form: Form = form, **fields: str
        ) -> httpx.Response:
            return await member.post(form.action, {**form.hidden, **fields, "look": kind})

        for kind in ("live", "first"):
            answer = await look(kind, time="1:30")
            said, told = sight_of(answer, hours)
            assert (answer.status_code, told) == (200, True)
            assert "Corrected · repairs 1:00 1:00 " in said
            assert "1:30 1:30" in said
            assert 'value="1:30"' in answer.text, "what was typed stays"
            assert re.search(
                rf'data-sight="{hours}" data-told aria-live="polite" tabindex="-1" autofocus', answer.text
            )
        same = sight_of(await look(time="1:00"), hours)
        assert "Nothing new: its line is in the book already." in same[0]
        wrong = await look(time="a bit")
        assert wrong.status_code == 422
        assert text_of(wrong).count("Write how long it was, for example 1:30") == 2
        assert not sight_of(wrong, hours)[1]
        assert (await look(say="yes", time="1:30")).status_code == 200, "whatever is pressed"
        assert await every_row(fresh_dsn) == before
        await stage.post("ada", f"/hours/{hours}/question", {"minutes": 30, "reason": "It was short"})


async def test_what_taking_hours_back_will_publish_stands_beside_its_button(stage: Stage, today: str) -> None:
    hours = (
        await stage.post("ada", "/hours", {"minutes": 90, "effective_on": today, "category": "repairs"})
    ).json()

    receipt = await (await signed_in(stage, "ada")).get(f"/log/{hours['id']}")

    assert re.search(r"Corrected · repairs 1:30 With the day", text_of(receipt)), text_of(receipt)


# ---------------------------------------------------------------- joining


async def test_who_joins_sees_first_what_the_group_will_see(stage: Stage, fresh_dsn: Dsn) -> None:
    made = (await stage.post("bo", "/invitations", {"uses": 2})).json()
    address = f"/g/riverside{made['path']}"
    page = await stage.http.get(address)
    fields = {"nickname": "  Rosa ", "key": key_of(page)}
    before = await every_row(fresh_dsn)

    looks = [await stage.http.post(address, data={**fields, "look": look}) for look in ("live", "first")]
    wrong = await stage.http.post(address, data={**fields, "nickname": "", "look": "first"})

    assert await every_row(fresh_dsn) == before
    for look in looks:
        said, told = sight_of(look)
        assert (look.status_code, told) == (200, True)
        assert "Your group will see Rosa" in said
        assert "  Rosa " in look.text
    assert (wrong.status_code, fault(wrong, "nickname")) == (422, "Write a nickname for yourself")
    assert not sight_of(wrong)[1]
    assert (await stage.http.post(f"{address}x", data={**fields, "look": "live"})).status_code == 404
    assert await every_row(fresh_dsn) != before, "whoever guesses is counted, also in looking"
    assert (await stage.http.post(address, data=fields)).status_code == 200


async def test_who_asks_to_join_sees_first_what_stewards_will_read(stage: Stage, fresh_dsn: Dsn) -> None:
    await stage.post("bo", "/settings", {"joining": "request"})
    address = "/g/riverside/ask-to-join"
    page = await stage.http.get(address)
    assert re.search(r'<textarea[^>]* name="words"[^>]* data-unsent', page.text), "words stay in the browser"
    fields = {"nickname": "Rosa", "words": "From the choir", "key": key_of(page)}
    before = await every_row(fresh_dsn)

    look = await stage.http.post(address, data={**fields, "look": "first"})
    wrong = await stage.http.post(address, data={**fields, "words": "x" * 3000, "look": "first"})

    assert await every_row(fresh_dsn) == before
    assert "Somebody asks to join: Rosa From the choir" in sight_of(look)[0]
    assert "From the choir</textarea>" in look.text
    assert (wrong.status_code, fault(wrong, "words")) == (422, "Write it again, and shorter")
    assert (await stage.http.post(address, data=fields)).status_code == 303
    read = text_of(await (await signed_in(stage, "bo")).get("/people"))
    assert "From the choir" in read, "and that is what they read"


# ---------------------------------------------------------------- setting up


async def test_who_sets_up_sees_first_what_the_public_will_see(opened: Open, fresh_dsn: Dsn) -> None:
    async with opened() as (_, http):
        page = await http.get(LINK)
        assert re.search(r"<form[^>]* data-preview>", page.text)
        assert not sight_of(page)[1]
        before = await every_row(fresh_dsn)

        look = await http.post(LINK, data={**FORM, "preset": "open", "policy": "consent", "look": "first"})
        sheltered = await http.post(LINK, data={**FORM, "preset": "sheltered", "look": "live"})
        wrong = await http.post(LINK, data={**FORM, "name": "", "look": "first"})

        assert await every_row(fresh_dsn) == before
        said, told = sight_of(look)
        assert (look.status_code, told) == (200, True)
        for words in ("localhost:8000/g/pena-nandu", "An hour that somebody gives", "1:00", "With the day, "):
            assert words in said, said
        assert "No line: only a part of the totals of a month" in sight_of(sheltered)[0]
        assert (wrong.status_code, fault(wrong, "name")) == (422, "Write the name of your group")
        made = await http.post(LINK, data={**FORM, "preset": "open", "policy": "consent"})
        assert made.status_code == 200, "the link is still good"
        rules = text_of(await http.get("/g/pena-nandu/rules?lang=en"))
        shown = [unescape(rule) for rule in re.findall(r"<li>([^<]+)</li>", _lens(look))]
        assert len(shown) > 5
        assert [rule for rule in shown if " ".join(rule.split()) not in rules] == [], "as they were published"


def _lens(answer: httpx.Response) -> str:
    found = re.search(r'<div class="lens-pair" data-sight="form".*?data-before', answer.text, re.DOTALL)
    assert found
    return found[0]
