"""Stewards let people in, give duties together, pause and let go; and nobody else gets to see any of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest

from tests.cast import Stage, cast, house, stage
from tests.database import Dsn
from tests.web.member import forms_of, grow_old, signed_in, text_of
from timebank.services.cards import sign_in
from timebank.services.house import House
from timebank.services.members import load_member, revoke_role
from timebank.services.ways_in import time_zone_of

__all__ = ["cast", "house", "stage"]


async def state_of(stage: Stage, name: str) -> tuple[str, tuple[str, ...]]:
    group_id = stage.cast.group_id
    async with stage.cast.house.database.read(group_id) as tx:
        member = await load_member(
            stage.cast.house, tx, group_id, stage.cast.ids[name], now=datetime.now(UTC)
        )
    return member.state, member.roles


async def test_somebody_without_a_device_is_entered_once_and_gets_a_card(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    page = await bo.get("/people")
    assert "Ada" in text_of(page)
    assert "everybody on it can read it" in text_of(page)

    found = await bo.send(page, "/find", who=" flo ")
    nobody = await bo.send(page, "/find", who="Fl")
    assert found.headers["location"] == f"/g/riverside/people/{stage.cast.ids['flo']}"
    assert nobody.status_code == 422
    assert 'href="#who"' in nobody.text

    entered = [await bo.send(page, "/people", nickname="Old Rosa") for _ in range(2)]
    taken = await bo.send(await bo.get("/people"), "/people", nickname="ada")
    empty = await bo.send(await bo.get("/people"), "/people", nickname=" ")

    assert {answer.headers["location"] for answer in entered} == {entered[0].headers["location"]}
    assert (taken.status_code, empty.status_code) == (409, 422)
    for wrong in (taken, empty):
        assert 'href="#nickname"' in wrong.text
        assert 'id="nickname-fault"' in wrong.text
    assert 'value="ada"' in taken.text
    person = await bo.follow(entered[0])
    assert "They are in." in text_of(person)
    assert "They have no way in: others write for them." in text_of(person)
    card = await bo.send(person, "/card")
    code = re.search(r'<code class="secret" dir="ltr">([^<]+)</code>', card.text)
    assert code is not None
    made = await sign_in(stage.cast.house, stage.cast.group_id, code[1], key="once", now=datetime.now(UTC))
    assert made.secret


async def test_a_duty_is_proposed_by_one_steward_and_given_by_another(stage: Stage) -> None:
    bo, di = await signed_in(stage, "bo"), await signed_in(stage, "di")
    path = f"/people/{stage.cast.ids['ada']}"

    nothing = await bo.send(await bo.get(path), "/give")
    proposed = await bo.send(await bo.get(path), "/give", give="treasurer")

    assert nothing.status_code == 422
    assert "Choose a duty" in text_of(nothing)
    assert "It is proposed. Another steward says yes to it." in text_of(await bo.follow(proposed))
    own = await bo.get("/people")
    assert "<bdi>Bo</bdi> proposes <bdi>Ada</bdi>: treasurer" in own.text
    assert "You proposed it: another steward says yes." in text_of(own)
    form = next(form for form in forms_of(own) if "/duties/" in form.action)
    forged = await bo.post(form.action, {**form.hidden, "say": "yes"})
    assert forged.status_code in {403, 409}
    assert (await state_of(stage, "ada"))[1] == ()

    waiting = await di.get("/people")
    given = await di.post(
        form.action, {**next(f for f in forms_of(waiting) if f.action == form.action).hidden, "say": "yes"}
    )
    assert "Done. The duty counts from their next step on." in text_of(await di.follow(given))
    assert (await state_of(stage, "ada"))[1] == ("treasurer",)

    taken = await bo.send(await bo.get(path), "/take", take="treasurer")
    assert taken.status_code == 303
    assert (await state_of(stage, "ada"))[1] == ()


async def test_pausing_and_leaving_say_what_ends_and_the_last_steward_stays(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    await stage.post(
        "ada", "/draws", {"pot": "money", "category": "repairs", "amount": 1250, "currency": "EUR"}
    )
    path = f"/people/{stage.cast.ids['ada']}"

    await bo.send(await bo.get(path), "/suspend")
    assert (await state_of(stage, "ada"))[0] == "suspended"
    await bo.send(await bo.get(path), "/resume")
    page = await bo.get(path)
    assert "It ends: 1 ask is taken back." in text_of(page)
    unsure = await bo.send(page, "/leave")
    assert unsure.status_code == 422
    assert "Set the tick if they said so" in text_of(unsure)
    assert (await state_of(stage, "ada"))[0] == "active"
    await bo.send(await bo.get(path), "/leave", sure="yes")
    assert (await state_of(stage, "ada"))[0] == "left"

    di = stage.cast.ids["di"]
    await revoke_role(
        stage.cast.house, stage.cast.group_id, stage.cast.ids["bo"], "steward", now=datetime.now(UTC)
    )
    other = await signed_in(stage, "di")
    form = forms_of(await other.get("/people"))[1].hidden
    last = await other.post(f"/g/riverside/people/{di}/suspend", form)
    assert last.status_code == 409
    assert "This is the only steward" in text_of(last)


async def test_households_stand_ins_names_and_codes(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    path = f"/people/{stage.cast.ids['ada']}"

    await bo.send(await bo.get(path), "/household", household="flo")
    page = await bo.get(path)
    assert "Together with Flo" in text_of(page)
    other = await bo.get(f"/people/{stage.cast.ids['ed']}")
    assert (await bo.send(other, "/household", household="Ada")).status_code == 303
    arabic = await bo.get(path, lang="ar")
    assert re.search(r"<bdi>(Flo|Ed)</bdi>، <bdi>(Flo|Ed)</bdi>", arabic.text), "in a row, each by itself"
    nobody = await bo.send(page, "/stand-in", **{"stand-in": "nobody", "scopes": "log"})
    assert nobody.status_code == 422
    assert "nobody here has exactly this name or code" in text_of(nobody)
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    fields = {"stand-in": "Flo", "scopes": "log", "until": until, "consent": "on_paper"}
    for missing, field in (("scopes", "scopes"), ("until", "until"), ("consent", "consent")):
        said = {name: value for name, value in fields.items() if name != missing}
        wrong = await bo.send(await bo.get(path), "/stand-in", **said)
        assert wrong.status_code == 422
        assert f'href="#{field}"' in wrong.text
        assert f'id="{field}"' in wrong.text
    late = (datetime.now(UTC) + timedelta(days=500)).date().isoformat()
    assert (await bo.send(await bo.get(path), "/stand-in", **{**fields, "until": late})).status_code == 422
    assert (await bo.send(await bo.get(path), "/stand-in", **fields)).status_code == 303
    page = await bo.get(path)
    assert "Flo stands in for them until" in text_of(page)
    assert "<bdi>Flo</bdi> stands in for them" in page.text
    assert (await bo.send(page, "/stand-in-end", id=_id_of(page, "/stand-in-end"))).status_code == 303
    assert "Flo stands in" not in text_of(await bo.get(path))

    code = re.search(r'Code: <code dir="ltr">(\w+)</code>', page.text)
    await bo.send(page, "/code")
    await bo.send(await bo.get(path), "/nickname", nickname="Ada Maria")
    page = await bo.get(path)
    assert code is not None
    assert code[1] not in page.text
    assert "Ada Maria" in text_of(page)
    assert (await bo.send(page, "/nickname", nickname="Flo")).status_code == 409


def _id_of(page: httpx.Response, ending: str) -> str:
    return next(form for form in forms_of(page) if form.action.endswith(ending)).hidden["id"]


async def test_an_invitation_is_made_printed_joined_by_and_ended(stage: Stage) -> None:
    bo = await signed_in(stage, "bo")
    page = await bo.get("/people/invitations")
    for field, said in (("uses", "0"), ("uses", "x"), ("days", "91"), ("days", "-1")):
        wrong = await bo.send(page, "/invitations", **{"uses": "2", "days": "7", field: said})
        assert wrong.status_code == 422
        assert f'href="#{field}"' in wrong.text
        assert f'value="{said}"' in wrong.text

    made = [await bo.send(page, "/invitations", uses="2", days="7") for _ in range(2)]
    assert made[0].headers["location"] == made[1].headers["location"]
    card = await bo.follow(made[0])
    assert card.headers["cache-control"] == "no-store"
    address = re.search(r'<bdi dir="ltr">http://localhost(/g/riverside/join/[^<]+)</bdi>', card.text)
    assert address is not None
    assert card.text.count('class="qr"') == 4
    assert "http://localhost" in text_of(card)
    door = await stage.http.get(address[1])
    key = re.search(r'name="key" value="([^"]+)"', door.text)
    assert key is not None
    joined = await stage.http.post(address[1], data={"nickname": "Noor", "key": key[1]})
    assert "You are in" in text_of(joined)
    assert "/g/riverside/sign-in" in joined.text

    listed = await bo.get("/people/invitations")
    assert "1 of 2 joined by it" in text_of(listed)
    ended = await bo.send(listed, made[0].headers["location"].rpartition("/")[2])
    assert "It opens nothing any more." in text_of(await bo.follow(ended))
    assert (await stage.http.get(address[1])).status_code == 404
    assert (await bo.get(made[0].headers["location"].removeprefix("/g/riverside"))).status_code == 404


async def test_an_invitation_that_is_open_stands_above_all_that_are_over_however_many(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bo, asked = await signed_in(stage, "bo"), list[UUID]()

    async def counted(house: House, group_id: UUID) -> str:
        asked.append(group_id)
        return await time_zone_of(house, group_id)

    monkeypatch.setattr("timebank.web.invitations.time_zone_of", counted)
    made = []
    for _ in range(5):
        sent = await bo.send(await bo.get("/people/invitations"), "/invitations", uses="2", days="7")
        made.append(sent.headers["location"])
    for each in made[1:4]:
        await bo.send(await bo.get("/people/invitations"), each.rpartition("/")[2])
    asked.clear()
    monkeypatch.setattr("timebank.web.invitations._SHOWN", 2)
    monkeypatch.setattr("timebank.services.joining.LISTED_MAX", 3)

    page = await bo.get("/people/invitations")

    cards = re.findall(r'href="(/g/riverside/people/invitations/[^"]+)">Its card', page.text)
    assert sorted(cards) == sorted([made[0], made[4]])
    assert "taken back" not in text_of(page)
    assert (await bo.get(made[0].removeprefix("/g/riverside"))).status_code == 200
    assert len(asked) == 2, "once for the page, once for the card"


async def test_somebody_asks_to_join_and_is_let_in_or_told_not_now_or_takes_it_back(stage: Stage) -> None:
    closed = await stage.http.get("/g/riverside/ask-to-join")
    assert "People join this group by invitation." in text_of(closed)
    await stage.post("bo", "/settings", {"joining": "request"})
    page = await stage.http.get("/g/riverside/ask-to-join")
    (form,) = forms_of(page)
    empty = await stage.http.post(form.action, data={**form.hidden, "nickname": " "})
    assert empty.status_code == 422
    said = {**form.hidden, "nickname": "Ines", "words": "From the allotment"}
    asked = await stage.http.post(form.action, data=said)
    assert asked.status_code == 303
    own = await stage.http.get(asked.headers["location"])
    assert "It waits for a steward" in text_of(own)

    bo = await signed_in(stage, "bo")
    waiting = await bo.get("/people")
    assert "From the allotment" in text_of(waiting)
    request = next(form for form in forms_of(waiting) if "/requests/" in form.action)
    taken = await bo.post(request.action, {**request.hidden, "nickname": "Flo", "say": "yes"})
    assert taken.status_code == 409
    request = next(form for form in forms_of(await bo.get("/people")) if "/requests/" in form.action)
    let_in = await bo.post(request.action, {**request.hidden, "nickname": "Ines", "say": "yes"})
    assert "They are in" in text_of(await bo.follow(let_in))

    own = await stage.http.get(asked.headers["location"])
    (form,) = forms_of(own)
    entered = await stage.http.post(form.action, data=form.hidden)
    assert re.search(r'<code class="secret" dir="ltr">([^<]+)</code>', entered.text)

    for say in ("withdraw", "not-now"):
        (form,) = forms_of(await stage.http.get("/g/riverside/ask-to-join"))
        asked = await stage.http.post(form.action, data={**form.hidden, "nickname": "Ilse"})
        if say == "withdraw":
            (own,) = forms_of(await stage.http.get(asked.headers["location"]))
            await stage.http.post(own.action, data=own.hidden)
        else:
            request = next(f for f in forms_of(await bo.get("/people")) if "/requests/" in f.action)
            await bo.post(request.action, {**request.hidden, "say": say})
        shown = text_of(await stage.http.get(asked.headers["location"]))
        assert ("Taken back" if say == "withdraw" else "Not now") in shown
        assert "Ilse" not in text_of(await bo.get("/people"))


async def test_these_pages_are_for_stewards_of_this_group_who_proved_it_just_now(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    ada, ed, weak = (
        await signed_in(stage, "ada"),
        await signed_in(stage, "ed"),
        await signed_in(stage, "bo", strong=False),
    )
    person = f"/people/{stage.cast.ids['ada']}"
    for path in ("/people", "/people/invitations", person, "/group", "/group/rules/money", "/group/close"):
        assert (await ada.get(path)).status_code == (await ed.get(path)).status_code == 403, path
        assert "/prove?next=" in (await weak.get(path)).headers["location"], path
        assert "/sign-in?next=" in (await stage.http.get(f"/g/riverside{path}")).headers["location"], path

    bo, cy = await signed_in(stage, "bo"), await signed_in(stage, "cy")
    ada_id = stage.cast.ids["ada"]
    assert (await cy.get(f"/people/{ada_id}")).status_code == 404
    form = forms_of(await cy.get("/people"))[1].hidden
    for deed in ("suspend", "leave", "give", "card"):
        fields = {**form, "sure": "yes", "give": "steward"}
        foreign = await cy.post(f"/g/hillside/people/{ada_id}/{deed}", fields)
        assert foreign.status_code == 404, deed
    await grow_old(fresh_dsn)
    page = await bo.get(f"/people/{ada_id}")
    for deed, more in (("suspend", {}), ("give", {"give": "steward"}), ("card", {})):
        asked = await bo.send(page, f"/{deed}", **more)
        assert asked.status_code == 403, deed
        assert "Prove that it is you" in text_of(asked)
    assert await state_of(stage, "ada") == ("active", ())
