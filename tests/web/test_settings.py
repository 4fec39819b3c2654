"""What is one's own to say: the language on every device, the name, one's data, leaving and being forgotten."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.cast import SLUG, Stage, cast, house, stage, today
from tests.web.member import Member, forms_of, signed_in, text_of

__all__ = ["cast", "house", "stage", "today"]


def lang(page: object) -> str:
    found = re.search(r'<html lang="([^"]+)"', page.text)  # type: ignore[attr-defined]
    assert found
    return found[1]


async def choose(member: Member, code: str) -> None:
    await member.send(await member.get("/me/settings"), "/language", language=code)


async def test_the_language_follows_the_person_then_the_browser_then_the_group_and_is_sealed(
    stage: Stage,
) -> None:
    ada, elsewhere = await signed_in(stage, "ada"), await signed_in(stage, "ada")
    browser = {"accept-language": "es"}

    async def read(member: Member, path: str = "/me", **headers: str) -> str:
        answer = await stage.http.get(f"/g/riverside{path}", headers={**member._headers(), **headers})
        return lang(answer)

    assert (await read(ada), await read(ada, **browser)) == ("en", "es")
    await choose(ada, "en")
    assert await read(ada, **browser) == "en", "the person before the browser"
    assert await read(elsewhere, **browser) == "en", "on every device"
    assert await read(ada, "/me?lang=es") == "es", "and what the address says before both"
    assert await read(await signed_in(stage, "flo"), **browser) == "es", "nobody else's"
    await choose(ada, "")
    assert await read(ada, **browser) == "es"
    assert await read(ada) == "en"

    wrong = await ada.send(await ada.get("/me/settings"), "/language", language="tlh")

    assert wrong.status_code == 422
    assert text_of(wrong).count("Choose one of these") == 2
    await choose(ada, "es")
    words = (await stage.get("ada", "/me/data")).json()["words"]
    assert [each["text"] for each in words] == ["es"], "they find it among what the group holds of them"
    async with stage.cast.house.database.read(stage.cast.group_id) as tx:
        box = (await tx.execute(text("SELECT box FROM people.notes"))).scalar_one()
    assert len(bytes(box)) > 16, "a box, and not two letters"


async def test_what_cannot_be_done_is_said_in_the_language_and_under_the_head_that_somebody_reads(
    stage: Stage,
) -> None:
    ada = await signed_in(stage, "ada")
    await choose(ada, "es")

    for path, status in (("/today", 403), (f"/log/{stage.cast.ids['ada']}", 404)):
        answer = await ada.get(path)
        assert answer.status_code == status
        assert lang(answer) == "es", path
        assert "Riverside" in text_of(answer), path


async def test_a_name_and_a_code_can_be_changed_and_every_way_stands_on_one_page(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/me/settings")
    code = re.search(r"<code dir=\"ltr\">([A-Z0-9]{8})</code>", page.text)
    assert code
    for path in ("ways-in", "looks", "receipts", "leave", "forget"):
        assert f'href="/g/riverside/me/{path}"' in page.text
        assert (await ada.get(f"/me/{path}")).status_code == 200
    for path in ("me/data", "me/statement.csv"):
        assert f'href="/api/v1/groups/{SLUG}/{path}"' in page.text
        taken = await stage.http.get(f"/api/v1/groups/{SLUG}/{path}", headers=ada._headers())
        assert taken.status_code == 200

    for nickname, status in (("Flo", 409), ("x" * 41, 422), ("", 422)):
        wrong = await ada.send(await ada.get("/me/settings"), "/nickname", nickname=nickname)
        assert wrong.status_code == status, nickname
        assert 'id="nickname-fault"' in wrong.text
    renamed = await ada.follow(await ada.send(await ada.get("/me/settings"), "/nickname", nickname="Adele"))
    assert 'value="Adele"' in renamed.text
    other = await ada.follow(await ada.send(renamed, "/code"))
    assert code[1] not in other.text


async def test_leaving_says_first_what_ends_and_asks_whether_it_is_meant(stage: Stage, today: str) -> None:
    ada = await signed_in(stage, "ada")
    page = await ada.get("/me/leave")
    assert "1 program of yours is signed out." in text_of(page)

    unsure = await ada.send(page, "/leave")
    assert unsure.status_code == 422
    assert text_of(unsure).count("Set the tick if you mean it") == 2
    left = await ada.send(unsure, "/leave", sure="yes")

    assert left.status_code == 200
    assert "You have left" in text_of(left)
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert (await ada.get("/me")).status_code == 303


async def test_being_forgotten_says_in_plain_words_what_goes_and_what_stays(stage: Stage) -> None:
    ada = await signed_in(stage, "ada")
    await choose(ada, "en")
    page = await ada.get("/me/forget")
    said = text_of(page)
    assert "This cannot be undone by anybody." in said
    assert "In backups, too" in said
    assert "Your entries, under a number that leads to nobody any more." in said
    (form,) = forms_of(page)
    assert (await ada.post(form.action, {**form.hidden, "csrf": "x", "sure": "yes"})).status_code == 403

    gone = await ada.send(page, "/forget", sure="yes")

    assert "You are forgotten" in text_of(gone)
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert (await ada.get("/me")).status_code == 303
    assert (await stage.get("ada", "/me")).status_code == 401


@pytest.mark.parametrize("act", ["code", "nickname", "tie", "leave"])
async def test_a_form_that_comes_again_with_something_else_says_so_on_its_own_page(
    stage: Stage, act: str
) -> None:
    ada = await signed_in(stage, "ada")
    key = "K" * 22
    settings, leave = await ada.get("/me/settings"), await ada.get("/me/leave")
    assert (await ada.send(settings, "/nickname", nickname="Adele", key=key)).status_code == 303

    match act:
        case "code":
            again = await ada.send(settings, "/code", key=key)
        case "nickname":
            again = await ada.send(settings, "/nickname", nickname="Adina", key=key)
        case "tie":
            form = next(form for form in forms_of(settings) if form.action.endswith("/code"))
            fields = {**form.hidden, "key": key, "id": str(stage.cast.group_id)}
            again = await ada.post(form.action.replace("/code", "/tie"), fields)
        case _:
            again = await ada.send(leave, "/leave", sure="yes", key=key)

    assert again.status_code == 422
    assert "This form was sent before, with something else in it." in text_of(again)
    assert forms_of(again), "the page of the form, and not one of an error"
    (field,) = re.findall(r'<li><a href="#(\w+)">This form was sent before', again.text)
    assert f'id="{field}"' in again.text
    assert f'id="{field}-fault"' in again.text
    if act == "nickname":
        assert 'value="Adina"' in again.text


async def test_the_only_steward_is_told_why_they_cannot_go(stage: Stage) -> None:
    cy = await signed_in(stage, "cy")

    for act in ("leave", "forget"):
        answer = await cy.send(await cy.get(f"/me/{act}"), f"/{act}", sure="yes")
        assert answer.status_code == 409
        assert 'id="sure-fault"' in answer.text
    assert (await cy.get("/me")).status_code == 200


async def test_whoever_is_stood_in_for_sees_it_and_ends_it(stage: Stage) -> None:
    ids = stage.cast.ids
    tie = {"stand_in": str(ids["flo"]), "for": str(ids["ada"]), "scopes": ["log"], "consent": "said"}
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert (await stage.post("ada", "/stand-ins", {**tie, "until": until})).status_code == 201
    ada, flo, ed = [await signed_in(stage, name) for name in ("ada", "flo", "ed")]

    page = await ada.get("/me/settings")

    assert "Flo stands in for you until" in text_of(page)
    assert "You stand in for Ada until" in text_of(await flo.get("/me/settings"))
    assert "stand" not in text_of(await ed.get("/me/settings"))
    form = next(form for form in forms_of(page) if "id" in form.hidden)
    theirs = forms_of(await ed.get("/me/settings"))[0].hidden
    await ed.post(form.action, {**theirs, "id": form.hidden["id"]})
    assert "Flo stands in for you" in text_of(await ada.get("/me/settings")), "it is none of his"
    assert "Flo stands in" not in text_of(await ada.follow(await ada.send(page, "/tie")))
    assert (await ada.post(form.action, {**form.hidden, "key": "G" * 22})).status_code == 303, "it is over"
    assert (await ada.post(form.action, {**form.hidden, "id": "x", "key": "F" * 22})).status_code == 404
