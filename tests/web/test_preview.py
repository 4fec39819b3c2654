"""A form that is looked at while somebody still writes: the server's own words, and nothing written, whatever is pressed."""

from __future__ import annotations

import re
from typing import NamedTuple

import httpx

from tests.api.test_looks import code_of, seen
from tests.cast import Stage, cast, house, stage, today
from tests.database import Dsn, connected
from tests.web.member import Form, Member, fields_of, forms_of, grow_old, signed_in, text_of
from tests.web.test_ask_by_link import open_stage
from tests.web.test_log_many import rows
from tests.web.test_pay import promised
from tests.web.test_today import asked
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house", "open_stage", "stage", "today"]

RULES = "/group/rules/money"
_TABLES = """
SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
 WHERE table_schema IN ('people', 'timebank') AND table_type = 'BASE TABLE'
"""


class Case(NamedTuple):
    """A form that somebody writes in.

    Attributes:
        writes: What its button that writes would send along.
        said: What others will see, as far as it is written.
        half: The same form when it cannot be read.
        whole: Whether all that stands on the page goes along, as from a form with many fields.
    """

    who: str
    page: str
    ending: str
    fields: dict[str, str]
    writes: dict[str, str]
    said: tuple[str, ...]
    half: dict[str, str]
    whole: bool = False


async def every_row(dsn: Dsn) -> dict[str, str]:
    """Return what stands in every table, as a sum over it."""
    async with connected(dsn, SUPERUSER) as connection:
        names = [row[0] for row in await connection.fetch(_TABLES)]
        sums = [
            f"SELECT '{name}', coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {name} t"
            for name in names
        ]
        return {row[0]: row[1] for row in await connection.fetch(" UNION ALL ".join(sums))}


def sight_of(answer: httpx.Response, which: str = "form") -> tuple[str, bool]:
    """Return what the script puts beside the form, in words, and whether it is of what stands in it."""
    found = re.search(
        rf'<div class="lens-pair" data-sight="{which}"( data-told)?.*?data-before', answer.text, re.DOTALL
    )
    assert found, text_of(answer)
    return text_of(httpx.Response(200, text=found[0])), bool(found[1])


async def cases(stage: Stage, today: str) -> list[Case]:
    paid, decided = await promised(stage, today), await asked(stage, "flo", amount=2000)
    help_, money = {"what": "gave", "kind": "repairs", "day": today}, {"held": "bank", "day": today}
    press, checked = {"minutes": "90"}, {"checked": "yes"}
    together = {**help_, "what": "together", "who": "Flo", "time": "1:30"}
    row = rows(("Ada", "Flo", "1h20", "repairs"), ("Nobody", "", "2"))
    ask = {"pot": "money", "amount": "12.50"}
    return [
        Case("ada", "/log", "/log", {**help_, "who": "Flo"}, press, ("Ada helped Flo", "Help"), {"day": ""}),
        Case("ada", "/log", "/log", {**help_, "time": "1:30"}, checked, ("1:30",), {"day": ""}),
        Case("ada", "/log", "/log", together, {"shared": "yes"}, ("Flo helped the whole group",), {"day": ""}),
        Case("bo", "/log/many", "/many", row, {"do": "write"}, ("Ada helped Flo", "1:20"), rows(("x", "", ""))),
        Case("ada", "/ask", "/ask", ask, {"kind": "repairs"}, ("A neighbour asks for €12.50",), {"pot": ""}),
        Case("ed", "/money/in", "/in", {**money, "amount": "7.25"}, checked, ("Given 7.25",), {"amount": "x"}),
        Case(
            "ed", "/money/carry", "/carry", {**money, "source": "cash-box", "amount": "1"}, checked,
            ("No amount in the line.",), {"amount": ""},
        ),
        Case("ed", "/money/out", "/out", {**money, "amount": "3"}, checked, ("3.00",), {"amount": ""}),
        Case("ed", "/money/places/bank", "/bank", {"amount": "5"}, checked, ("5.00",), {"amount": ""}),
        Case("ed", "/pay", paid, {**money, "amount": "4"}, {}, ("Asked for", "4.00"), {"amount": "x"}),
        Case("bo", f"/today/{decided}", decided, {"say": "part", "part": "6"}, {}, ("Asked for", "6.00"), {"part": ""}),
        Case("bo", f"/today/{decided}", decided, {"say": "later", "words": "…"}, {}, ("Nothing.",), {"say": ""}),
        Case("bo", "/group", "/group", {"name": "Brook"}, {"say": "save"}, ("Name and languages",), {"name": ""}, True),
        Case("bo", RULES, RULES, {"per_request_max": "50"}, {"say": "agree"}, ("Up to €50.00",), {"per_request_max": "x"}, True),
    ]  # fmt: skip


async def test_a_look_while_somebody_writes_says_what_will_be_seen_and_writes_no_row(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    people = {name: await signed_in(stage, name) for name in ("ada", "bo", "ed")}
    known = await cases(stage, today)
    # Codes are made when they are first asked for.
    code = await code_of(stage, "flo")
    for case in known:
        member: Member = people[case.who]
        page = await member.get(case.page)
        # Opening a page may write down that somebody's words were seen; looking again at what one writes never does.
        before = await every_row(fresh_dsn)
        form = next(form for form in forms_of(page) if form.action.endswith(case.ending))
        which = case.ending if "-" in case.ending else "form"
        policy = page.headers["content-security-policy"]
        assert "script-src 'self'; connect-src 'self'" in policy, case
        assert re.search(r'<script src="/static/js/preview\.[0-9a-f]{16}\.js" defer></script>', page.text)
        assert re.search(rf'action="{form.action}"[^>]* data-preview>', page.text), case

        standing = {**form.hidden, **(fields_of(page.text) if case.whole else {})}

        async def look(
            fields: dict[str, str],
            *,
            member: Member = member,
            form: Form = form,
            standing: dict[str, str | list[str]] = standing,
        ) -> httpx.Response:
            return await member.post(form.action, {**standing, **fields, "look": "live"})

        live = await look(case.fields)
        said, told = sight_of(live, which)
        assert told, case
        for words in case.said:
            assert words in said, case
        assert not sight_of(await look({**case.fields, **case.half}), which)[1], case
        # A look is a look, even where a button came along that writes.
        assert (await look({**case.fields, **case.writes})).status_code in {200, 403, 409, 422}, case
        # Somebody with a duty who goes by a code would learn a name: not before they press.
        for field in ("who", "giver", "giver-0"):
            await look({**case.fields, field: code})
        assert await every_row(fresh_dsn) == before, case
    # That Bo opened the page of the day is told to everybody; that somebody typed Flo's code is nobody's to know.
    assert [look for look in await seen(stage, "flo") if not look["everybody"]] == []


async def test_a_pressed_look_may_show_a_name_by_its_code_and_that_is_written_down(
    stage: Stage, today: str
) -> None:
    code, ed = await code_of(stage, "flo"), await signed_in(stage, "ed")

    check = await ed.send(await ed.get("/money/in"), "/in", amount="7.25", held="bank", day=today, giver=code)

    assert "Flo finds it in their own statement." in text_of(check)
    assert await seen(stage, "flo") == [{"on": today, "what": "found", "by": "Ed"}]


async def test_looking_takes_no_fresh_proof_and_writing_does(
    stage: Stage, today: str, fresh_dsn: Dsn
) -> None:
    paid = await promised(stage, today)
    ed = await signed_in(stage, "ed")
    page = await ed.get("/pay")
    await grow_old(fresh_dsn)
    fields = {"held": "cash-box", "amount": "12.50", "day": today}

    look = await ed.send(page, paid, **fields, look="first")

    assert look.status_code == 200
    assert re.search(rf'data-sight="{paid}" data-told aria-live="polite" tabindex="-1" autofocus', look.text)
    assert "Prove that it is you" in text_of(await ed.send(page, paid, **fields))


async def test_without_a_script_an_ask_is_looked_at_first_and_keeps_what_was_written(
    stage: Stage, today: str
) -> None:
    ada = await signed_in(stage, "ada")
    fields = {"pot": "money", "amount": "12.50", "kind": "repairs", "contact": "The blue door"}

    look = await ada.send(await ada.get("/ask"), "/ask", **fields, look="first")

    assert look.status_code == 200
    said, told = sight_of(look)
    assert told
    assert "Handed over · repairs 12.50" in said
    assert "A neighbour asks for €12.50 repairs" in said
    assert 'value="The blue door"' in look.text
    wrong = await ada.send(look, "/ask", **{**fields, "kind": ""}, look="first")
    assert wrong.status_code == 422
    assert "Choose what it is for" in text_of(wrong)
    for half in ("", "x"):
        said, told = sight_of(await ada.send(look, "/ask", **{**fields, "amount": half}, look="live"))
        assert "A neighbour asks for so much" in said
        assert not told, "of an amount that cannot be read nobody knows what will be seen"
    assert (await ada.send(look, "/ask", **fields)).status_code == 303


async def test_a_look_behind_a_link_counts_as_no_try(open_stage: Stage, fresh_dsn: Dsn) -> None:
    place = (await open_stage.http.get("/g/riverside/a")).headers["location"]
    page = await open_stage.http.get(place)
    form = forms_of(page)[0]
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    fields = {**form.hidden, "pot": "money", "amount": "12.50", "kind": "repairs"}
    before = await every_row(fresh_dsn)

    look = await open_stage.http.post(place, data={**fields, "look": "live"})

    assert (look.status_code, sight_of(look)[1]) == (200, True)
    assert await every_row(fresh_dsn) == before
    assert (await open_stage.http.post(place, data=fields)).headers["location"] == place
    assert await every_row(fresh_dsn) != before
