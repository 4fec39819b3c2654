"""A mailed link signs in once, soon, in the browser that asked, and only who has no duty."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.cast import Stage, cast, house, stage
from tests.database import Dsn, connected
from tests.mail_stage import MailStage, posted
from tests.services.test_post import until
from timebank.rules.tries import PACES
from timebank.services.members import grant_role, set_state
from timebank.store.migrate import SUPERUSER

__all__ = ["cast", "house", "posted", "stage"]


ASK = "/g/riverside/sign-in/mail"


def heading(answer: httpx.Response) -> str:
    return html.unescape(re.findall(r"<h1>(.*?)</h1>", answer.text)[0])


async def ask(browser: httpx.AsyncClient, who: str, **more: str) -> httpx.Response:
    answer = await browser.post(ASK, data={"who": who}, headers=more)
    assert answer.status_code == 200, answer.text
    assert heading(answer) == "Look into your mail"
    return answer


async def test_who_has_no_duty_gets_in_with_a_link_and_one_press(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()

    asked = await ask(browser, "Ada")
    link = await posted.link(2)
    shown = await browser.get(link)
    assert posted.begun == []
    used = await browser.post(link)

    assert "httponly" in asked.headers["set-cookie"].lower()
    assert "samesite=lax" in asked.headers["set-cookie"].lower()
    assert (shown.status_code, heading(shown)) == (200, "Sign in")
    assert f'action="{link}"' in shown.text
    assert "<script" not in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    assert (used.status_code, used.headers["location"]) == (303, "/g/riverside")
    assert "timebank-riverside=" in used.headers["set-cookie"]
    assert posted.begun == [(posted.cast.group_id, posted.cast.ids["ada"])]
    assert posted.sink.messages[-1]["Subject"] == "A message for you"


async def test_one_is_known_by_nickname_and_by_address_in_any_letters(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")

    for count, who in enumerate((" aDA ", "ada@mail.example", "ADA@mail.EXAMPLE")):
        browser = posted.browser()
        await ask(browser, who)
        assert (await browser.post(await posted.link(count + 2))).status_code == 303


async def test_a_link_works_once_however_often_it_was_looked_at(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()
    await ask(browser, "Ada")
    link = await posted.link(2)
    for _ in range(5):
        assert heading(await browser.get(link)) == "Sign in"
        assert (await browser.head(link)).status_code == 200
    cookies = dict(browser.cookies)
    await browser.post(link)

    browser.cookies.update(cookies)
    for again in (await browser.post(link), await browser.get(link)):
        assert heading(again) == "This link does not work any more"
    assert len(posted.begun) == 1


async def test_a_link_works_in_no_other_browser_which_can_ask_for_its_own(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    asker, other = posted.browser(), posted.browser()
    await ask(asker, "Ada")
    link = await posted.link(2)

    seen = await other.get(link)
    assert heading(seen) == "Another browser asked for this link"
    assert f'href="{ASK}"' in seen.text
    assert (await other.post(link)).status_code == 404
    assert posted.begun == []
    await ask(other, "Ada")
    own = await posted.link(3)
    assert (await other.post(own)).status_code == 303
    assert (await asker.post(link)).status_code == 303, "what others did took nothing away"


async def test_a_browser_that_asks_twice_can_use_either_link(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()
    await ask(browser, "Ada")
    first = await posted.link(2)
    await ask(browser, "Ada")
    await posted.link(3)

    assert (await browser.post(first)).status_code == 303


async def test_after_ten_minutes_a_link_is_over(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()
    await ask(browser, "Ada")
    link = await posted.link(2)

    posted.clock.set_to = datetime.now(UTC) + timedelta(minutes=10)
    assert heading(await browser.get(link)) == "This link does not work any more"
    assert (await browser.post(link)).status_code == 404
    posted.clock.set_to -= timedelta(minutes=1)
    assert (await browser.post(link)).status_code == 303


@pytest.mark.parametrize("change", ["duty", "suspended", "removed"])
async def test_what_happened_since_counts(posted: MailStage, change: str) -> None:
    house, group_id, ada = posted.cast.house, posted.cast.group_id, posted.cast.ids["ada"]
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()
    await ask(browser, "Ada")
    link = await posted.link(2)

    if change == "duty":
        await grant_role(house, group_id, ada, "steward", now=datetime.now(UTC))
    elif change == "suspended":
        await set_state(house, group_id, ada, "suspended")
    else:
        await posted.send("ada", "DELETE", "/me/mail")

    assert (await browser.post(link)).status_code == 404
    assert posted.begun == []


async def test_stewards_people_without_a_confirmed_address_and_nobody_get_no_link(
    posted: MailStage, fresh_dsn: Dsn
) -> None:
    await posted.give_address("bo", "bo@mail.example")
    await posted.post("flo", "/me/mail", {"address": "flo@mail.example"})
    await posted.link(2)
    for who in ("Bo", "bo@mail.example", "Flo", "flo@mail.example", "Cy", "nobody", "x@nowhere.example"):
        await ask(posted.browser(), who, **{"X-Forwarded-For": "1.1.1.1"})

    async with connected(fresh_dsn, SUPERUSER) as connection:
        await until_asked(connection)
        links = await connection.fetchval("SELECT count(*) FROM people.mail_links WHERE what = 'sign_in'")
    assert links == 0
    assert len(posted.sink.messages) == 2


async def until_asked(connection: object) -> None:
    """Wait until the postman has looked at whoever asked."""
    left = [1]
    while left[0]:
        left[0] = await connection.fetchval("SELECT count(*) FROM people.mail_asks")  # type: ignore[attr-defined]


async def test_two_who_share_an_address_each_get_their_own_link(posted: MailStage) -> None:
    for name in ("ada", "flo"):
        await posted.give_address(name, "home@mail.example")
    browser = posted.browser()

    await ask(browser, "home@mail.example")
    await until(lambda: len(posted.sink.messages) == 4)

    for message in posted.sink.messages[2:]:
        link = next(word for word in message.get_content().split() if "/sign-in/" in word)
        await browser.post(link)
        # Signed in as one of them, the browser asks again as the other: the cookie of the link is used up.
        await ask(browser, "nobody")
    assert len(posted.begun) == 1


async def test_the_form_comes_back_for_nothing_written_and_asks_are_slowed_down(posted: MailStage) -> None:
    browser = posted.browser()
    empty = await browser.post(ASK, data={"who": "  "})
    assert empty.status_code == 422
    assert "Write your nickname" in empty.text

    statuses = [
        (await browser.post(ASK, data={"who": "Ada"})).status_code
        for _ in range(PACES["mail_link"].pair.free + 2)
    ]
    assert statuses[-2:] == [200, 429]
    assert (await browser.post(ASK, data={"who": "Flo"})).status_code == 200, "only this one waits"


async def test_where_no_mail_is_sent_the_way_in_by_mail_is_not_there(stage: Stage) -> None:
    for answer in (
        await stage.http.get(ASK),
        await stage.http.post(ASK, data={"who": "Ada"}),
        await stage.http.get(f"{ASK}/{'a' * 43}"),
        await stage.http.post(f"{ASK}/{'a' * 43}"),
    ):
        assert answer.status_code == 409
        assert "set-cookie" not in answer.headers


async def test_an_address_is_confirmed_with_a_press_and_not_by_looking(posted: MailStage) -> None:
    await posted.post("ada", "/me/mail", {"address": "ada@mail.example"})
    link = await posted.link(1)
    browser = posted.browser()

    for _ in range(3):
        assert heading(await browser.get(link)) == "Is this your address?"
    assert (await posted.get("ada", "/me/mail")).json()["confirmed"] is False
    assert heading(await browser.post(link)) == "Thank you"
    assert (await posted.get("ada", "/me/mail")).json()["confirmed"] is True
    for again in (await browser.post(link), await browser.get(link), await browser.get(link[:-1] + "%00")):
        assert heading(again) == "This link does not work any more"
    assert (await browser.post(link.replace("riverside", "hillside"))).status_code == 404


async def test_a_link_that_confirms_signs_nobody_in_and_the_other_way_round(posted: MailStage) -> None:
    await posted.give_address("ada", "ada@mail.example")
    browser = posted.browser()
    await ask(browser, "Ada")
    sign_in = (await posted.link(2)).rpartition("/")[2]
    await posted.post("flo", "/me/mail", {"address": "flo@mail.example"})
    confirm = (await posted.link(3)).rpartition("/")[2]

    assert (await browser.post(f"/g/riverside/mail/{sign_in}")).status_code == 404
    assert (await browser.post(f"{ASK}/{confirm}")).status_code == 404
    assert posted.begun == []


async def test_over_tls_no_other_host_can_set_the_cookie(posted: MailStage) -> None:
    posted.app.state.door.house.post.origin = "https://bank.example"

    answer = await ask(posted.browser(), "Ada")

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-timebank-mail=")
    assert {"Secure", "Path=/", "HttpOnly"} <= {part.strip() for part in cookie.split(";")}
