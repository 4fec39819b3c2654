"""The page of an invitation: one field lets somebody in, pressed twice it is one person."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import httpx

from tests.cast import Stage, cast, house, stage
from tests.database import Dsn, run
from tests.web.test_setup import fault
from timebank.services.cards import sign_in
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house", "stage"]


def key_of(page: httpx.Response) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return unescape(found[1])


async def test_an_invitation_is_a_page_with_one_field_that_lets_somebody_in_once(stage: Stage) -> None:
    made = (await stage.post("bo", "/invitations", {"uses": 2})).json()
    address = f"/g/riverside{made['path']}"
    page = await stage.http.get(address)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "Riverside" in page.text
    form = {"nickname": "Rosa", "key": key_of(page)}

    taken = await stage.http.post(address, data={**form, "nickname": "ada"})
    empty = await stage.http.post(address, data={**form, "nickname": " "})
    foreign = await stage.http.post(address, data=form, headers={"Sec-Fetch-Site": "cross-site"})
    forged = await stage.http.post(address, data={**form, "key": "mine"})
    assert [answer.status_code for answer in (taken, empty, foreign, forged)] == [422, 422, 403, 422]
    assert fault(taken, "nickname")
    assert fault(empty, "nickname")

    joined = await stage.http.post(address, data=form)
    again = await stage.http.post(address, data=form)

    assert joined.status_code == again.status_code == 200
    card = re.search(r'<code class="secret" dir="ltr">([^<]+)</code>', joined.text)
    assert card is not None
    made = await sign_in(stage.cast.house, stage.cast.group_id, card[1], key="once", now=datetime.now(UTC))
    own = await stage.get(None, "/me", headers={"Cookie": f"timebank-riverside={made.secret}"})
    assert own.json()["nickname"] == "Rosa"
    listed = (await stage.get("bo", "/invitations")).json()["invitations"]
    assert [one["uses"] for one in listed] == [1]


async def test_an_invitation_keeps_the_language_of_its_address_or_is_in_that_of_its_group(
    stage: Stage, fresh_dsn: Dsn
) -> None:
    made = (await stage.post("bo", "/invitations", {"uses": 2})).json()
    address = f"/g/riverside{made['path']}"
    await run(fresh_dsn, SUPERUSER, "UPDATE timebank.published_groups SET languages = '{es,en}'")

    of_group = await stage.http.get(address)
    arabic = await stage.http.get(f"{address}?lang=ar")
    wrong = await stage.http.post(f"{address}?lang=ar", data={"nickname": " ", "key": key_of(arabic)})
    joined = await stage.http.post(f"{address}?lang=ar", data={"nickname": "Rosa", "key": key_of(arabic)})

    assert '<html lang="es"' in of_group.text
    for page in (arabic, wrong):
        assert '<html lang="ar"' in page.text
        assert f'action="{address}?lang=ar"' in page.text
        assert 'href="/g/riverside?lang=ar"' in page.text
    assert 'href="/g/riverside/sign-in?lang=ar"' in joined.text


async def test_the_door_says_how_people_join_and_has_the_form_only_where_the_group_takes_requests(
    stage: Stage,
) -> None:
    ask = 'href="/g/riverside/ask-to-join"'
    for joining, text in (("invitation", "this group lets people in by invitation"), ("request", "ask here")):
        await stage.post("bo", "/settings", {"joining": joining})

        door = await stage.http.get("/g/riverside/join")

        assert text in door.text
        assert (ask in door.text) == (joining == "request")
        assert "It costs nothing, and you can leave whenever you like." in door.text
        assert 'href="/g/riverside/rules"' in door.text
    asked = await stage.http.get("/g/riverside/ask-to-join")
    assert 'name="nickname"' in asked.text


async def test_a_page_of_no_invitation_is_not_there(stage: Stage) -> None:
    never = await stage.http.get(f"/g/riverside/join/{'x' * 32}")
    made = (await stage.post("bo", "/invitations", {})).json()
    await stage.post("bo", f"/invitations/{made['id']}/revoke", None)

    over = await stage.http.get(f"/g/riverside{made['path']}")

    assert (never.status_code, over.status_code) == (404, 404)
    assert over.content == never.content
