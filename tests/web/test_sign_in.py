"""The pages to sign in, to sign out, and to prove it once more: what they open, and what they refuse."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.authenticator import Device
from tests.cast import Stage, cast, house, stage
from timebank.rules.tries import PACES
from timebank.services import cards, sessions, totp
from timebank.services.members import grant_role

__all__ = ["cast", "house", "stage"]

SLUG = "riverside"
SIGN_IN = f"/g/{SLUG}/sign-in"
WAYS_IN = f"/g/{SLUG}/me/ways-in"
PROVE = f"/g/{SLUG}/prove"
COOKIE = f"timebank-{SLUG}"


async def card_of(stage: Stage, name: str) -> str:
    made = await cards.make_card(
        stage.cast.house, stage.cast.group_of(name), stage.cast.ids[name], made_by=None, now=datetime.now(UTC)
    )
    return made.code


async def with_card(stage: Stage, name: str, **more: Any) -> httpx.Response:
    code = await card_of(stage, name)
    return await stage.http.post(SIGN_IN, data={"card": code, "key": "k"}, **more)


async def begun(stage: Stage, name: str, *, strong: bool = False, ago: timedelta = timedelta()) -> str:
    """Sign somebody in with this browser, as so long ago; return the token for forms."""
    house, group_id = stage.cast.house, stage.cast.group_id
    made = await sessions.begin(
        house, group_id, stage.cast.ids[name], way="card", strong=strong, now=datetime.now(UTC) - ago
    )
    stage.http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")
    return sessions.csrf_of(house.keys, group_id, made.session_id)


def hidden(answer: httpx.Response) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', answer.text)
    return {name: html.unescape(value) for name, value in found}


def text_of(answer: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).replace("\u00a0", " ").split())


async def test_the_sign_in_page_shows_the_ways_and_sets_no_cookie(stage: Stage) -> None:
    answer = await stage.http.get(SIGN_IN)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert "The code on your card" in answer.text
    assert "Use a passkey" in answer.text
    assert re.findall(r"<script[^>]*>", answer.text) == re.findall(
        r'<script src="/static/js/passkey\.[0-9a-f]{16}\.js" defer>', answer.text
    )
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'; connect-src 'self'" in policy
    assert "unsafe" not in policy
    assert (await stage.http.get("/g/nowhere/sign-in")).status_code == 404


async def test_a_card_signs_in_with_a_cookie_that_only_this_host_reads(stage: Stage) -> None:
    answer = await with_card(stage, "ada")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/g/{SLUG}")
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(rf"{COOKIE}=[\w-]{{43}}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax", cookie)
    page = await stage.http.get(WAYS_IN)
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"
    assert "with a card" in text_of(page)
    assert (await stage.http.get(SIGN_IN)).headers["location"] == f"/g/{SLUG}/me", "who is in goes on"


async def test_behind_tls_the_cookie_is_bound_to_the_host(stage: Stage) -> None:
    code = await card_of(stage, "ada")
    answer = await stage.http.post(f"https://localhost{SIGN_IN}", data={"card": code, "key": "k"})

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"__Host-{COOKIE}=")
    assert "; Path=/; " in cookie
    assert cookie.endswith("; Secure")
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize("code", ["", "nonsense", "2222-2222-2222-2222", "é" * 40, "\x00"])
async def test_a_card_that_does_not_work_brings_the_form_back_and_tells_nothing(
    stage: Stage, code: str
) -> None:
    answer = await stage.http.post(SIGN_IN, data={"card": code, "key": "k", "next": WAYS_IN})

    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert "it may be mistyped, used already or too old" in text_of(answer)
    assert hidden(answer)["next"] == WAYS_IN
    assert 'aria-invalid="true"' in answer.text


async def test_without_a_script_a_passkey_says_what_to_do_instead(stage: Stage) -> None:
    for said, advice in (
        ("", "a passkey needs JavaScript"),
        ("{", "Try it again"),
        ("[1]", "Try it again"),
        ("[" * 4000, "Try it again"),
    ):
        answer = await stage.http.post(SIGN_IN, data={"passkey": said})
        assert answer.status_code == 422
        assert advice in text_of(answer)
    assert (await stage.http.post(SIGN_IN, data={"passkey": "{}"})).status_code == 403


async def test_signing_in_leads_back_to_pages_of_this_group_only(stage: Stage) -> None:
    for said, leads in (
        (WAYS_IN, WAYS_IN),
        (f"{WAYS_IN}?lang=es", f"{WAYS_IN}?lang=es"),
        (f"/g/{SLUG}", f"/g/{SLUG}"),
        ("https://evil.example/", f"/g/{SLUG}"),
        ("//evil.example/", f"/g/{SLUG}"),
        (f"/g/{SLUG}//evil.example", f"/g/{SLUG}"),
        (f"/g/{SLUG}/../../evil", f"/g/{SLUG}"),
        (f"/g/{SLUG}\\evil", f"/g/{SLUG}"),
        (f"/g/{SLUG}evil", f"/g/{SLUG}"),
        ("/g/hillside/me/ways-in", f"/g/{SLUG}"),
        (f"/g/{SLUG}/\r\nSet-Cookie: a=b", f"/g/{SLUG}"),
        (f"/g/{SLUG}/{'x' * 600}", f"/g/{SLUG}"),
    ):
        code = await card_of(stage, "ada")
        answer = await stage.http.post(SIGN_IN, data={"card": code, "key": "k", "next": said})
        assert answer.headers["location"] == leads, said
        stage.http.cookies.clear()


async def test_a_page_for_somebody_signed_in_leads_to_the_sign_in_page_and_back(stage: Stage) -> None:
    answer = await stage.http.get(f"{WAYS_IN}?lang=es")

    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    to = urlsplit(answer.headers["location"])
    assert to.path == SIGN_IN
    assert parse_qs(to.query) == {"next": [f"{WAYS_IN}?lang=es"], "lang": ["es"]}
    page = await stage.http.get(answer.headers["location"])
    assert hidden(page)["next"] == f"{WAYS_IN}?lang=es"


async def test_the_same_form_sent_twice_signs_in_twice_and_another_one_does_not(stage: Stage) -> None:
    code = await card_of(stage, "ada")

    said = [
        (await stage.http.post(SIGN_IN, data={"card": code, "key": key})).status_code
        for key in ("one", "one", "two")
    ]

    assert said == [303, 303, 403]


async def test_signing_out_ends_it_on_the_server(stage: Stage) -> None:
    csrf = await begun(stage, "ada")
    secret = stage.http.cookies.get(COOKIE)
    assert (await stage.http.post(f"/g/{SLUG}/sign-out", data={"csrf": "wrong"})).status_code == 403
    assert (await stage.http.get(WAYS_IN)).status_code == 200

    answer = await stage.http.post(f"/g/{SLUG}/sign-out", data={"csrf": csrf})

    assert (answer.status_code, answer.headers["location"]) == (303, f"/g/{SLUG}")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    again = await stage.http.get(WAYS_IN, headers={"Cookie": f"{COOKIE}={secret}"})
    assert again.status_code == 303
    assert (await stage.http.post(f"/g/{SLUG}/sign-out")).status_code == 400
    assert (await stage.http.post(f"/g/{SLUG}/sign-out", data={"a": "b"})).status_code == 303


async def test_a_cookie_of_another_group_twice_or_made_up_is_nobody(stage: Stage) -> None:
    await begun(stage, "ada")
    secret = stage.http.cookies.get(COOKIE)
    stage.http.cookies.clear()
    for cookie in (
        f"timebank-hillside={secret}",
        f"{COOKIE}=ATTACKERCHOSEN",
        f"{COOKIE}={'A' * 43}",
        f"{COOKIE}={secret}; {COOKIE}={secret}",
        f"x{COOKIE}={secret}",
        f"__Host-{COOKIE}={secret}",
    ):
        for path in (WAYS_IN, "/g/hillside/me/ways-in"):
            answer = await stage.http.get(path, headers={"Cookie": cookie})
            assert answer.status_code == 303, cookie
            assert "set-cookie" not in answer.headers
    assert (await stage.http.get(WAYS_IN, headers={"Cookie": f"{COOKIE}={secret}"})).status_code == 200


async def test_a_proof_is_asked_for_and_what_was_written_goes_out_after_it(stage: Stage) -> None:
    house, cast = stage.cast.house, stage.cast
    now = datetime.now(UTC)
    csrf = await begun(stage, "ada", ago=timedelta(minutes=6))
    before = stage.http.cookies.get(COOKIE)

    asked = await stage.http.post(f"{WAYS_IN}/card", data={"csrf": csrf, "more": '"<b>', "twice": ["1", "2"]})

    assert asked.status_code == 403
    assert "Prove that it is you" in text_of(asked)
    fields = hidden(asked)
    assert (fields["more"], fields["prove-then"]) == ('"<b>', f"{WAYS_IN}/card")
    assert asked.text.count('name="twice"') == 2
    wrong = await stage.http.post(PROVE, data={**fields, "prove-card": "nonsense"})
    assert wrong.status_code == 403
    assert hidden(wrong)["more"] == '"<b>', "it is still there"
    fresh = await cards.make_card(house, cast.group_id, cast.ids["ada"], made_by=None, now=now)
    done = await stage.http.post(PROVE, data={**hidden(wrong), "prove-card": fresh.code})
    assert (done.status_code, done.headers["location"]) == (307, f"{WAYS_IN}/card")
    assert stage.http.cookies.get(COOKIE) != before

    # A browser sends the same body there, with the new cookie.
    card = await stage.http.post(f"{WAYS_IN}/card", data={**fields, "prove-card": fresh.code})
    assert card.status_code == 200
    assert re.search(r'<code class="secret" dir="ltr">[A-Z2-9]{4}(-[A-Z2-9]{4}){3}</code>', card.text)


async def test_who_proves_it_right_again_and_again_never_waits(stage: Stage) -> None:
    cast, often = stage.cast, int(PACES["prove"].pair.free) + 2
    await begun(stage, "ada")

    for _ in range(often):
        page = await stage.http.get(PROVE)
        card = await cards.make_card(
            cast.house, cast.group_id, cast.ids["ada"], made_by=None, now=datetime.now(UTC)
        )
        done = await stage.http.post(PROVE, data={**hidden(page), "prove-card": card.code})
        assert done.status_code == 303, done.text


async def test_duties_wait_and_say_so_until_a_code_comes(stage: Stage) -> None:
    await with_card(stage, "bo")
    page = await stage.http.get(WAYS_IN)
    assert "Your duties wait" in text_of(page)
    csrf = hidden(page)["csrf"]
    app = await stage.http.get(f"{WAYS_IN}/new-app")
    assert "<svg" in app.text
    nonce = hidden(app)["nonce"]
    secret = re.search(r'<code class="secret" dir="ltr">([A-Z2-7 ]+)</code>', app.text)
    assert secret is not None
    assert secret[1].replace(" ", "") in html.unescape(app.text).partition("otpauth://")[2]
    wrong = await stage.http.post(f"{WAYS_IN}/app", data={"csrf": csrf, "nonce": nonce, "code": "1"})
    assert wrong.status_code == 403
    assert hidden(wrong)["nonce"] == nonce

    import base64

    code = totp.code_at(base64.b32decode(secret[1].replace(" ", "")), datetime.now(UTC))
    done = await stage.http.post(f"{WAYS_IN}/app", data={"csrf": csrf, "nonce": nonce, "code": code})

    assert done.status_code == 303
    assert "Your duties wait" not in text_of(await stage.http.get(WAYS_IN))
    # The next sign-in with a card waits again, and is asked for the code.
    stage.http.cookies.clear()
    await with_card(stage, "bo")
    page = await stage.http.get(PROVE)
    assert "The code of your app" in text_of(page)
    refused = await stage.http.post(PROVE, data={**hidden(page), "prove-code": code})
    assert refused.status_code == 403, "it was used to set the app up"


async def test_a_passkey_is_added_on_the_page_and_signs_in_on_it(stage: Stage) -> None:
    device = Device()
    csrf = await begun(stage, "ada")
    api = f"/api/v1/groups/{SLUG}"
    asked = (await stage.http.post(f"{api}/me/passkeys/options", headers={"X-CSRF-Token": csrf})).json()
    assert asked["publicKey"]["rp"] == {"id": "localhost", "name": "Riverside"}
    assert asked["publicKey"]["user"]["name"] == "Ada"
    said = json.dumps(device.create(asked))
    bad = await stage.http.post(f"{WAYS_IN}/passkey", data={"csrf": csrf, "device": "", "passkey": said})
    assert bad.status_code == 422
    assert "Write a name for this device" in text_of(bad)

    done = await stage.http.post(
        f"{WAYS_IN}/passkey", data={"csrf": csrf, "device": "My <phone>", "passkey": said}
    )

    assert done.status_code == 303
    page = await stage.http.get(WAYS_IN)
    assert "My &lt;phone&gt;" in page.text
    stage.http.cookies.clear()
    asked = (await stage.http.post(f"{api}/sign-in/options")).json()
    entered = await stage.http.post(SIGN_IN, data={"passkey": json.dumps(device.get(asked)), "next": WAYS_IN})
    assert (entered.status_code, entered.headers["location"]) == (303, WAYS_IN)
    page = await stage.http.get(WAYS_IN)
    passkey_id = hidden(page)["id"]
    gone = await stage.http.post(
        f"{WAYS_IN}/passkey-remove", data={"csrf": hidden(page)["csrf"], "id": passkey_id}
    )
    assert gone.status_code == 303
    assert "None yet." in text_of(await stage.http.get(WAYS_IN))


async def test_cards_and_sessions_are_listed_and_ended_on_the_page(stage: Stage) -> None:
    house, cast, now = stage.cast.house, stage.cast, datetime.now(UTC)
    csrf = await begun(stage, "ada")
    others = [
        await sessions.begin(house, cast.group_id, cast.ids["ada"], way="mail", strong=False, now=now)
        for _ in range(3)
    ]
    card = await cards.make_card(house, cast.group_id, cast.ids["ada"], made_by=None, now=now)
    page = await stage.http.get(WAYS_IN)
    assert text_of(page).count("with a link by mail") == 3
    assert "works once until" in text_of(page)

    for act, key in (("session-end", others[0].session_id), ("card-revoke", card.card_id)):
        assert (
            await stage.http.post(f"{WAYS_IN}/{act}", data={"csrf": csrf, "id": str(key)})
        ).status_code == 303
        assert (
            await stage.http.post(f"{WAYS_IN}/{act}", data={"csrf": csrf, "id": str(key)})
        ).status_code == 303
        assert (await stage.http.post(f"{WAYS_IN}/{act}", data={"csrf": csrf, "id": "x"})).status_code == 303
    page = await stage.http.get(WAYS_IN)
    assert text_of(page).count("with a link by mail") == 2
    assert "None that works." in text_of(page)
    await stage.http.post(f"{WAYS_IN}/sessions-end", data={"csrf": csrf})
    assert "Nowhere else." in text_of(await stage.http.get(WAYS_IN))
    assert (await stage.http.post(f"{WAYS_IN}/nothing", data={"csrf": csrf})).status_code == 404


async def test_a_new_duty_ends_the_session_at_the_next_request(stage: Stage) -> None:
    await begun(stage, "ada")
    assert (await stage.http.get(WAYS_IN)).status_code == 200

    await grant_role(
        stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], "auditor", now=datetime.now(UTC)
    )

    assert (await stage.http.get(WAYS_IN)).status_code == 303


async def test_tries_are_counted_before_a_card_is_looked_at(stage: Stage) -> None:
    code = await card_of(stage, "ada")

    answers = [
        await stage.http.post(SIGN_IN, data={"card": "ZZZZ-ZZZZ-ZZZZ-ZZZZ", "key": "k"}) for _ in range(40)
    ]

    assert [answer.status_code for answer in answers].count(429) > 0
    assert answers[-1].status_code == 429
    assert "seconds" in text_of(answers[-1])
    assert (await stage.http.post(SIGN_IN, data={"card": code, "key": "k"})).status_code == 429
