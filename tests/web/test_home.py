"""The own page: what waits, the pair of hours, and ways that fit the duties."""

from __future__ import annotations

import re

from tests.cast import Stage, cast, house, stage, today
from tests.web.member import forms_of, signed_in, text_of

__all__ = ["cast", "house", "stage", "today"]


async def test_an_empty_page_says_so_and_shows_the_doors(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")

    page = await ada.get("/me")

    said = text_of(page)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "Hello, Ada" in said
    assert "How to begin Nothing waits for you." in said
    assert "Your last entries" not in said
    assert "hours given 0 h hours received 0 h" in said
    assert "Nobody has to prove need" in said
    for href in ("/log", "/ask", "/statement", "/me/settings"):
        assert f'href="/g/riverside{href}"' in page.text
    assert "<script" not in page.text
    assert (await stage.http.get("/g/riverside/me")).status_code == 303


async def test_pages_of_duties_are_for_those_who_carry_them(stage: Stage) -> None:
    links = {}
    for name in ("ada", "bo", "ed"):
        page = await (await signed_in(stage, name)).get("/me")
        links[name] = sorted(set(re.findall(r'href="/g/riverside/(today|pay)"', page.text)))
    waiting = await (await signed_in(stage, "bo", strong=False)).get("/me")

    assert links == {"ada": [], "bo": ["today"], "ed": ["pay"]}
    assert "Your duties wait" in text_of(waiting)
    assert "/today" not in waiting.text


async def test_the_head_marks_the_page_one_is_on_and_has_one_way_out(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    for path, here in (
        ("/me", "Your page"),
        ("/log", "Log help"),
        ("/ask", "Ask"),
        ("/me/settings", "Settings"),
    ):
        page = (await ada.get(path)).text
        assert re.findall(r'aria-current="page">([^<]*)<', page) == [here], path
        assert page.count("/sign-out") == 1
    for path in ("/statement", "/me/hours", "/me/receipts"):
        page = (await ada.get(path)).text
        assert 'href="/g/riverside/me">Your page</a>' in page, path
        assert "aria-current" not in page, path


async def test_given_and_received_stand_side_by_side_and_never_as_a_sum(stage: Stage, today: str) -> None:
    body = {"minutes": 90, "effective_on": today, "category": "repairs"}
    await stage.post("ada", "/hours", body)
    await stage.post("flo", "/hours", {**body, "minutes": 30, "receiver": str(stage.cast.ids["ada"])})

    page = await (await signed_in(stage, "ada")).get("/me")

    assert "hours given 1 h 30 min hours received 30 min" in text_of(page)
    assert not re.search(r"[-−]\d", text_of(page))


async def test_the_other_side_says_yes_once(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    body = {"minutes": 30, "effective_on": today, "category": "repairs"}
    await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})
    page = await ada.get("/me")
    assert "Flo helped you, 30 min" in text_of(page)

    answer = await ada.follow(await ada.send(page, say="yes"))

    assert "Nothing waits for you." in text_of(answer)
    assert (await ada.send(page, say="yes")).status_code == 303
    form = forms_of(page)[0]
    late = await ada.post(form.action, {**form.hidden, "key": "B" * 22, "say": "yes"})
    assert late.status_code == 409


async def test_not_quite_goes_to_the_one_who_logged_and_comes_to_an_end(stage: Stage, today: str) -> None:
    ada, flo = await signed_in(stage, "ada"), await signed_in(stage, "flo")
    body = {"minutes": 60, "effective_on": today, "category": "repairs"}
    await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})
    page = await ada.get("/me")
    form = forms_of(page)[1]

    wrong = await ada.post(form.action, {**form.hidden, "say": "not-quite", "time": "a while", "why": "Kept"})
    assert wrong.status_code == 422
    assert text_of(wrong).count("Write how long it was, for example 1:30") == 2
    assert '<details class="more other" open>' in wrong.text
    assert 'value="Kept"' in wrong.text
    long = await ada.post(form.action, {**form.hidden, "say": "not-quite", "time": "1", "why": "a\x07"})
    assert long.status_code == 422

    sent = await ada.post(
        form.action, {**form.hidden, "say": "not-quite", "time": "45m", "why": "We had tea"}
    )
    assert sent.status_code == 303
    asked = await flo.get("/me")
    assert "The other one says it was 45 min instead. We had tea" in text_of(asked)
    await flo.follow(await flo.send(asked, say="agree"))
    assert "hours received 45 min" in text_of(await ada.get("/me"))


async def test_whoever_said_yes_and_was_forgotten_is_a_neighbour(stage: Stage, today: str) -> None:
    ada, flo = await signed_in(stage, "ada"), await signed_in(stage, "flo")
    body = {"minutes": 30, "effective_on": today, "category": "repairs"}
    await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})
    await ada.send(await ada.get("/me"), say="yes")
    assert "Ada said yes. Thank you." in text_of(await flo.get("/me"))

    assert (await stage.post("ada", f"/members/{stage.cast.ids['ada']}/erase", {})).status_code == 200

    said = text_of(await flo.get("/me"))
    assert "· repairs · A neighbour said yes. Thank you." in said
    assert "A neighbour said yes to your 30 min of" in said


async def test_hours_of_others_and_forms_of_nobody_change_nothing(stage: Stage, today: str) -> None:
    ada, bystander, cy = [await signed_in(stage, name) for name in ("ada", "ed", "cy")]
    body = {"minutes": 60, "effective_on": today, "category": "repairs"}
    await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})
    form = forms_of(await ada.get("/me"))[0]
    place = form.action.removeprefix("/g/riverside")
    nowhere = f"{place[:-36]}00000000-0000-4000-8000-000000000000"

    for somebody in (bystander, cy):
        own = forms_of(await somebody.get("/log"))[0].hidden
        answers = []
        for number, path in enumerate((place, nowhere)):
            fields = {**own, "key": f"{number}" * 22, "say": "yes"}
            answers.append(await somebody.post(f"/g/{somebody.slug}{path}", fields))
        assert [answer.status_code for answer in answers] == [404, 404]
    assert (await ada.post(form.action, {**form.hidden, "csrf": "x", "say": "yes"})).status_code == 403
    assert (await ada.post(form.action, {**form.hidden, "say": "perhaps"})).status_code == 400
    assert "Flo helped you" in text_of(await ada.get("/me"))


async def test_of_much_that_waits_a_little_is_shown_and_all_of_it_can_be_answered(
    stage: Stage, today: str
) -> None:
    ada = await signed_in(stage, "ada")
    body = {"effective_on": today, "category": "repairs", "receiver": str(stage.cast.ids["ada"])}
    for minutes in range(10, 180, 10):
        await stage.post("flo", "/hours", {**body, "minutes": minutes})

    page = await ada.get("/me")
    assert page.text.count('value="yes"') == 4
    assert 'href="/g/riverside/me/waiting"' in page.text
    everything = await ada.get("/me/waiting")
    assert everything.text.count('value="yes"') == 15
    older = re.search(r"before=([0-9a-f-]{36})", everything.text)
    assert older
    rest = await ada.get("/me/waiting", before=older[1])
    assert rest.text.count('value="yes"') == 2
    assert "before=" not in rest.text

    oldest = forms_of(rest)[-1]
    wrong = await ada.post(oldest.action, {**oldest.hidden, "say": "not-quite", "time": "soon"})
    assert wrong.status_code == 422
    assert '<details class="more other" open>' in wrong.text, "on the page on which it was answered"
    right = await ada.post(forms_of(wrong)[-2].action, {**forms_of(wrong)[-2].hidden, "say": "yes"})
    assert right.headers["location"] == "/g/riverside/me/waiting"
    assert "Flo helped you, 10 min" not in text_of(await ada.get("/me/waiting", before=older[1]))
    assert (await ada.get("/me/waiting", before="nonsense")).text.count('value="yes"') == 15


async def test_what_waits_is_found_behind_all_that_waits_for_others(stage: Stage, today: str) -> None:
    ada, ids = await signed_in(stage, "ada"), stage.cast.ids
    body = {"minutes": 30, "effective_on": today, "category": "repairs"}
    await stage.post("flo", "/hours", {**body, "receiver": str(ids["ada"])})
    for _ in range(6):
        await stage.post("ada", "/hours", {**body, "receiver": str(ids["flo"])})

    said = text_of(await ada.get("/me"))

    assert "Waiting for your yes Flo helped you, 30 min" in said
    assert "written today" in said


async def test_the_own_page_stays_small_however_long_somebody_is_there(stage: Stage, today: str) -> None:
    ada, ids = await signed_in(stage, "ada"), stage.cast.ids
    body = {"effective_on": today, "category": "repairs"}
    for number in range(60):
        there, back = {"receiver": str(ids["ada"])}, {"receiver": str(ids["flo"])}
        await stage.post("flo", "/hours", {**body, **there, "minutes": 10 + number})
        made = (await stage.post("ada", "/hours", {**body, **back, "minutes": 100 + number})).json()["id"]
        if number % 2:
            await stage.post("flo", f"/hours/{made}/confirm", None)
        else:
            await stage.post("flo", f"/hours/{made}/question", {"minutes": 5})
    ask = {"pot": "money", "category": "repairs", "amount": 1250, "currency": "EUR"}
    for _ in range(6):
        assert (await stage.post("ada", "/draws", ask)).status_code == 201

    page = await ada.get("/me")

    assert len(page.content) < 30_000
    for below in ("/me/waiting", "/me/hours", "/me/asks", "/statement"):
        assert f'href="/g/riverside{below}"' in page.text, below


async def test_all_hours_and_all_asks_are_read_page_by_page(stage: Stage, today: str) -> None:
    ada, body = await signed_in(stage, "ada"), {"effective_on": today, "category": "repairs"}
    empty = [text_of(await ada.get(path)) for path in ("/me/hours", "/me/asks", "/me/waiting")]
    for number in range(53):
        await stage.post("ada", "/hours", {**body, "minutes": 5 + number})

    newest = await ada.get("/me/hours")
    older = re.search(r"before=([0-9a-f-]{36})", newest.text)
    assert older
    rest = await ada.get("/me/hours", before=older[1])

    found = [re.findall(r'<td class="n">(\d:\d\d)</td>', page.text) for page in (newest, rest)]
    assert [len(each) for each in found] == [50, 3]
    assert found[1] == ["0:07", "0:06", "0:05"]
    assert "before=" not in rest.text
    for said, words in zip(
        empty, ("in the book yet", "Nobody has to prove need", "Nothing waits"), strict=True
    ):
        assert words in said
    cy = await signed_in(stage, "cy")
    assert older[1] not in (await cy.get("/me/hours", before=older[1])).text


async def test_the_pot_and_the_last_entries_stand_on_the_own_page(stage: Stage, today: str) -> None:
    body = {"minutes": 90, "effective_on": today, "category": "repairs"}
    flo = str(stage.cast.ids["flo"])
    made = (await stage.post("ada", "/hours", {**body, "receiver": flo})).json()["id"]
    await stage.post("ada", "/hours", {**body, "minutes": 30})
    await stage.post("flo", f"/hours/{made}/confirm", None)

    page = await (await signed_in(stage, "ada")).get("/me")

    said = text_of(page)
    assert "30 min given, not yet drawn" in said
    assert "As it is now" in said
    assert re.search(r"You helped Flo \S+ \S+ · repairs · Flo said yes. Thank you. 1:30", said)
    assert re.search(r"You helped the whole group \S+ \S+ · repairs 0:30", said)
    assert "Flo said yes to your 1 h 30 min of" in said
    assert f'href="/g/riverside/log/{made}"' in page.text
    assert "<bdi>Flo</bdi>" in page.text


async def test_a_proposal_can_be_changed_and_ended_by_either_side(stage: Stage, today: str) -> None:
    ada, flo = await signed_in(stage, "ada"), await signed_in(stage, "flo")
    body = {"minutes": 60, "effective_on": today, "category": "repairs"}
    for _ in range(2):
        await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})

    async def answer(say: str, **fields: str) -> str:
        page = await ada.get("/me")
        form = next(form for form in forms_of(page) if ("time" in form.names) == bool(fields))
        return text_of(await ada.follow(await ada.post(form.action, {**form.hidden, "say": say, **fields})))

    assert "You said it was 45 min." in await answer("not-quite", time="45m")
    assert "Waiting for your yes Flo helped you, 1 h" in (page := text_of(await ada.get("/me"))), page
    await answer("yes")
    assert "You said it was 30 min." in await answer("not-quite", time="30m")
    assert "You said “not quite”" not in await answer("yes"), "it was right after all"

    await stage.post("flo", "/hours", {**body, "receiver": str(stage.cast.ids["ada"])})
    await answer("not-quite", time="15m")
    gone = await flo.follow(await flo.send(await flo.get("/me"), say="withdraw"))
    assert "Nothing waits for you." in text_of(gone)
    assert "taken back" in text_of(gone)
    assert "You said" not in text_of(await ada.get("/me"))
