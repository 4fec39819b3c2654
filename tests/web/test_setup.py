"""The set-up link: one group comes out of it, however often it is pressed; an example beside it."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from tests.cast import be_durable_enough, running
from tests.database import Dsn
from timebank.app import build_app
from timebank.config import Settings
from timebank.errors import FieldInvalid
from timebank.rules.names import EMPTY, NOT_A_CODE, TOO_LONG
from timebank.rules.set_up import NOT_KNOWN, TOO_SHORT
from timebank.services.members import find_member
from timebank.services.setup import (
    CATEGORIES,
    FirstGroup,
    SetUpLink,
    check_first_group,
    currency_of,
    group_with_defaults,
    set_up_group,
    slug_from,
    two_people_above,
)
from timebank.store.settings import find_settings

TOKEN = "a-secret-of-a-link-0123456789abc"
LINK = f"/setup/{TOKEN}"
FORM = {
    "name": "Peña Ñandú",
    "slug": "",
    "time_zone": "Europe/Madrid",
    "currency": "eur",
    "languages": "es en",
    "nickname": "Ada",
}
FIRST = FirstGroup("Riverside", "riverside", "Europe/Madrid", "EUR", ("en",), "Ada")

Open = Callable[[], AbstractAsyncContextManager[tuple[Litestar, httpx.AsyncClient]]]


async def _trust_this_server(_connection: object) -> None:
    """Stand in for the guard that refuses servers without fsync, as test servers are."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "setup.key").write_text(TOKEN + "\n", encoding="ascii")
    return tmp_path


@pytest_asyncio.fixture(loop_scope="session")
async def opened(fresh_dsn: Dsn, home: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Starts an application on one database and home; again and again, as restarts do."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", _trust_this_server)
    await be_durable_enough(fresh_dsn)

    @asynccontextmanager
    async def start() -> AsyncIterator[tuple[Litestar, httpx.AsyncClient]]:
        app = build_app(Settings(home=home, database_urls={}, home_name="/srv/pot"), fresh_dsn)
        async with running(app):
            app.state.set_up.example.days = 30
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
                yield app, http

    return start


@pytest_asyncio.fixture(loop_scope="session")
async def http(opened: Open) -> AsyncIterator[httpx.AsyncClient]:
    async with opened() as (_, http):
        yield http


def fault(answer: httpx.Response, field: str) -> str:
    found = re.search(f'id="{field}-fault">(.*?)</p>', answer.text)
    return unescape(found[1]) if found else ""


def heading(answer: httpx.Response) -> str:
    found = re.search("<h1>(.*?)</h1>", answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


# ---------------------------------------------------------------- what can be chosen besides


async def test_rounding_silence_and_words_are_chosen_at_set_up_or_begin_as_usual(opened: Open) -> None:
    chosen = {**FORM, "languages": ["ar", "en"], "rounding": "15-up", "confirm_days": "١٤", "words": "kitty"}
    async with opened() as (app, http):
        wrong = await http.post(LINK, data={**chosen, "rounding": "7", "confirm_days": "0", "words": "bank"})
        assert wrong.status_code == 422
        assert all(fault(wrong, field) for field in ("rounding", "confirm_days", "words"))
        ticked = re.findall(r'name="languages" value="(\w+)" checked', wrong.text)
        assert ticked == ["ar", "en"], "in the order in which they were chosen"

        assert (await http.post(LINK, data=chosen)).status_code == 200
        open_page = await http.get("/g/pena-nandu", headers={"accept-language": "tlh"})

        database = app.state.door.house.database
        async with database.read(await database.group_id("pena-nandu")) as tx:
            settings, _ = await find_settings(tx, await database.group_id("pena-nandu"))
    assert (settings.rounding_minutes, settings.rounding_up) == (15, True)
    assert (settings.confirm_days, settings.words) == (14, "kitty")
    assert '<html lang="ar" dir="rtl">' in open_page.text, "the group's first language is its own"
    usual = group_with_defaults(FIRST, now=datetime.now(UTC))
    assert (usual.rounding_minutes, usual.confirm_days, usual.words) == (1, 7, "pot")


# ---------------------------------------------------------------- plain calls


def test_an_address_is_made_from_a_name() -> None:
    assert slug_from("Millbank Lane Neighbours") == "millbank-lane-neighbours"
    assert slug_from("  Peña Ñandú & Søn's 2nd! ") == "pena-nandu-s-ns-2nd"
    assert slug_from("Straße 7") == "strasse-7"
    assert slug_from("موقع") == ""
    assert slug_from("!") == ""
    assert len(slug_from("a " * 200)) <= 63


def test_every_fault_of_a_form_is_found_at_once() -> None:
    wanted = FirstGroup("", "Not Good", "Mars/Olympus", "EURO", ("xx",), "x" * 41)

    kept, faults = check_first_group(wanted, languages_known=("en", "es"))

    assert kept == wanted
    assert faults == {
        "name": FieldInvalid(field="name", why=EMPTY),
        "slug": FieldInvalid(field="slug", why=NOT_A_CODE),
        "time_zone": FieldInvalid(field="time_zone", why=NOT_KNOWN),
        "currency": FieldInvalid(field="currency", why=NOT_KNOWN),
        "languages": FieldInvalid(field="languages", why=NOT_KNOWN),
        "nickname": FieldInvalid(field="nickname", why=TOO_LONG),
    }


def test_an_address_of_one_letter_is_too_short_and_a_name_of_one_letter_gives_none() -> None:
    _, short = check_first_group(dataclasses.replace(FIRST, slug="a"), languages_known=("en",))
    _, none = check_first_group(dataclasses.replace(FIRST, name="A", slug=""), languages_known=("en",))

    assert short == {"slug": FieldInvalid(field="slug", why=TOO_SHORT)}
    assert none == {"slug": FieldInvalid(field="slug", why=EMPTY)}


def test_a_nameless_group_hears_of_its_name_and_not_of_the_address_that_follows_from_it() -> None:
    _, faults = check_first_group(dataclasses.replace(FIRST, name=" ", slug=""), languages_known=("en",))

    assert list(faults) == ["name"]


def test_a_group_without_a_currency_keeps_hours_only() -> None:
    group = group_with_defaults(dataclasses.replace(FIRST, currency=""), now=datetime.now(UTC))

    assert [pot.code for pot in group.pots] == ["hours"]
    assert group.held_places == ()
    assert group.currencies == ()


def test_a_group_begins_with_two_pots_two_places_and_today_where_it_is() -> None:
    late = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)

    group = group_with_defaults(FIRST, now=late)

    assert [pot.code for pot in group.pots] == ["hours", "money"]
    assert [pot.terms.approvals for pot in group.pots] == [((0, 0), (120, 1)), ((0, 1), (3000, 2))]
    assert [place.code for place in group.held_places] == ["cash-1", "bank-1"]
    assert group.began_on.isoformat() == "2026-03-02"
    assert group.categories == CATEGORIES
    assert (group.preset, group.gifts_wait) == ("careful", False)


async def test_what_everybody_may_see_is_chosen_at_set_up(opened: Open) -> None:
    chosen = {**FORM, "preset": "sheltered", "gifts_wait": "yes"}
    async with opened() as (_, http):
        shown = await http.get(LINK)
        wrong = await http.post(LINK, data={**chosen, "preset": "secret"})
        made = await http.post(LINK, data=chosen)
        told = (await http.get("/api/v1/groups/pena-nandu")).json()

    assert 'value="careful" checked' in shown.text
    assert wrong.status_code == 422
    assert fault(wrong, "preset")
    assert made.status_code == 200
    assert (told["preset"], told["people"], told["gifts_wait"]) == ("sheltered", 5, True)


@pytest.mark.parametrize(
    ("policy", "hours", "money"),
    [
        ("trust", ((0, 0),), [((0, 1),)]),
        ("consent", ((0, 0), (120, 1)), [((0, 1),)]),
        ("time_bank", ((0, 0), (120, 1)), []),
    ],
)
def test_who_says_yes_is_chosen_at_set_up(policy: str, hours: object, money: list[object]) -> None:
    group = group_with_defaults(dataclasses.replace(FIRST, policy=policy), now=datetime.now(UTC))

    assert group.pots[0].terms.approvals == hours
    assert [pot.terms.approvals for pot in group.pots[1:]] == money
    assert [pot.terms.consent_hours for pot in group.pots[1:]] == (
        [48] if policy == "consent" else [0] * len(money)
    )
    assert group.time_bank == (policy == "time_bank")
    assert bool(group.held_places) == bool(money)


def test_several_currencies_have_a_pot_and_two_places_each() -> None:
    first, faults = check_first_group(
        dataclasses.replace(FIRST, currency="eur, gbp"), languages_known=("en",)
    )
    group = group_with_defaults(first, now=datetime.now(UTC))
    _, many = check_first_group(
        dataclasses.replace(FIRST, currency="EUR GBP USD CHF"), languages_known=("en",)
    )

    assert not faults
    assert [(pot.code, pot.unit) for pot in group.pots[1:]] == [("money", "EUR"), ("money-gbp", "GBP")]
    assert [place.code for place in group.held_places] == ["cash-1", "bank-1", "cash-gbp", "bank-gbp"]
    assert "currency" in many


async def test_the_key_for_paper_and_an_invitation_come_with_the_group(opened: Open) -> None:
    async with opened() as (app, http):
        wrong = await http.post(LINK, data={**FORM, "policy": "king"})
        assert (wrong.status_code, bool(fault(wrong, "policy"))) == (422, True)
        made = await http.post(LINK, data={**FORM, "policy": "consent"})
        again = await http.post(LINK, data=FORM)

        key = re.search(r'dir="ltr">((?:[A-Z2-7]{4} )+[A-Z2-7]{4})<', made.text)
        join = re.search(r"http://localhost:8000(/g/pena-nandu/join/[A-Za-z0-9_-]{32})<", made.text)
        assert key is not None
        assert join is not None
        assert join[0] in again.text, "pressed twice, it is the same invitation"
        joining = await http.get(join[1])
        assert joining.status_code == 200
        assert (await http.post(f"{LINK}x/recovery-key")).status_code == 404
        foreign = await http.post(f"{LINK}/recovery-key", headers={"sec-fetch-site": "cross-site"})
        assert foreign.status_code == 403
        assert key[1] in (await http.post(LINK, data=FORM)).text

        gone = await http.post(f"{LINK}/recovery-key")

        assert gone.status_code == 200
        assert key[1] not in gone.text
        assert join[0] in gone.text
        house = app.state.door.house
        assert house.keys.recovery_key(await house.database.group_id("pena-nandu")) is None
        rules = await http.get("/api/v1/groups/pena-nandu/policies/money")
        assert '"consent_hours":48' in rules.text.replace(" ", "")


@pytest.mark.parametrize("seconds", [600.0, 0.0])
async def test_the_secrets_of_a_new_group_are_forgotten_when_they_are_shown_no_more(
    opened: Open, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr("timebank.services.setup.SHOWN_AGAIN_SECONDS", seconds)
    async with opened() as (app, http):
        made = await http.post(LINK, data=FORM)
        key = re.search(r'dir="ltr">((?:[A-Z2-7]{4} )+[A-Z2-7]{4})<', made.text)
        assert key is not None

        example = await http.get(f"{LINK}/example")
        again = await http.post(LINK, data=FORM)
        held = repr(vars(app.state.set_up))
        gone = await http.post(f"{LINK}/recovery-key")

        assert example.status_code == 200, "whoever set up the group still finds the example"
        shown = seconds > 0
        assert (key[1] in again.text, key[1] in held) == (shown, shown)
        assert [again.status_code, gone.status_code] == ([200, 200] if shown else [404, 404])
    assert key[1] not in repr(vars(app.state.set_up))


def test_the_higher_amount_fits_the_coins_of_a_currency() -> None:
    assert (two_people_above("EUR"), two_people_above("KWD"), two_people_above("JPY")) == (
        3_000,
        30_000,
        3_000,
    )
    assert (currency_of("Europe/Madrid"), currency_of("UTC"), currency_of("nowhere")) == ("EUR", "", "")


def test_a_link_that_was_used_or_never_made_opens_with_nothing(tmp_path: Path) -> None:
    link = SetUpLink(tmp_path)
    assert not link.opens_with("")

    (tmp_path / "setup.key").write_text(TOKEN, encoding="ascii")
    assert link.opens_with(TOKEN)
    assert not link.opens_with(TOKEN[:-1])
    assert not link.opens_with("ñ\udc80")

    (tmp_path / "setup.key").write_text("", encoding="ascii")
    assert not link.opens_with("")
    assert not link.opens_with(TOKEN)


# ---------------------------------------------------------------- the page


async def test_the_page_is_for_one_reader_and_says_so_to_machines(http: httpx.AsyncClient) -> None:
    answer = await http.get(LINK)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "etag" not in answer.headers
    assert "set-cookie" not in answer.headers
    assert '<meta name="robots" content="noindex, nofollow">' in answer.text
    assert "<script" not in answer.text
    assert len(answer.content) < 100_000
    assert 'value="Europe/Madrid"' in answer.text
    assert (await http.head(LINK)).status_code == 200


async def test_a_wrong_link_and_a_used_one_look_the_same(http: httpx.AsyncClient) -> None:
    assert heading(await http.post(LINK, data=FORM)) == "Your group is there"

    wrong, used = await http.get("/setup/wrong"), await http.get(LINK)
    assert (wrong.status_code, used.status_code) == (404, 404)
    assert wrong.text == used.text
    assert heading(wrong) == "This link does not work"
    assert (await http.post("/setup/wrong", data=FORM)).status_code == 404
    assert (await http.post("/setup/wrong/example")).status_code == 404
    assert (await http.post("/setup/wrong/example/tokens")).status_code == 404


async def test_a_group_comes_out_and_its_token_writes_an_hour(http: httpx.AsyncClient, home: Path) -> None:
    answer = await http.post(LINK, data=FORM, headers={"sec-fetch-site": "same-origin"})

    text = unescape(answer.text)
    token = re.search(r"tb_[A-Za-z0-9_-]{43}", text)
    assert answer.status_code == 200
    assert token is not None
    assert "./run member add --data /srv/pot --group pena-nandu --nickname Bo --role steward --token" in text
    assert (home / "setup.key").read_bytes() == b""
    assert (await http.get("/g/pena-nandu")).status_code == 200

    body = re.search(r"-d '(\{.*?\})'", text)
    assert body is not None
    logged = await http.post(
        "/api/v1/groups/pena-nandu/hours",
        content=body[1],
        headers={
            "Authorization": f"Bearer {token[0]}",
            "Content-Type": "application/json",
            "Idempotency-Key": "my-first-hour",
        },
    )
    assert logged.status_code == 201, logged.text


async def test_whoever_presses_twenty_times_gets_one_group_and_one_token(http: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(http.post(LINK, data=FORM) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    other = await http.post(LINK, data={**FORM, "name": "Another", "slug": "another"})
    assert "Peña Ñandú" in other.text
    assert (await http.get("/g/another")).status_code == 404


async def test_two_processes_with_one_link_make_one_group(opened: Open) -> None:
    async with opened() as (_, one), opened() as (_, two):
        answers = await asyncio.gather(
            *(http.post(LINK, data={**FORM, "slug": f"g-{n}"}) for n, http in enumerate((one, two)))
        )

        assert sorted(answer.status_code for answer in answers) == [200, 404]
        assert sorted([(await one.get(f"/g/g-{n}")).status_code for n in range(2)]) == [200, 404]


async def test_after_a_restart_nobody_sees_the_token_again(opened: Open) -> None:
    async with opened() as (_, http):
        assert (await http.post(LINK, data=FORM)).status_code == 200

    async with opened() as (_, http):
        assert (await http.post(LINK, data=FORM)).status_code == 404
        assert (await http.get(f"{LINK}/example")).status_code == 404


async def test_a_crash_before_the_link_was_used_up_leads_on_to_the_same_group(opened: Open) -> None:
    async with opened() as (app, http):
        house, now = app.state.door.house, datetime.now(UTC)
        first = await set_up_group(house, TOKEN, FIRST, host="localhost:8000", now=now)

        answer = await http.post(LINK, data={**FORM, "slug": "elsewhere", "nickname": "Bo"})

        assert answer.status_code == 200
        assert 'href="/g/riverside"' in answer.text
        assert (await http.get("/g/elsewhere")).status_code == 404
        member = await find_member(house, first.group_id, now=now, member_id=first.member_id)
        assert (member.nickname, member.roles) == ("Ada", ("host", "steward", "treasurer"))


async def test_everything_that_is_wrong_is_said_twice_and_what_was_typed_is_kept(
    http: httpx.AsyncClient,
) -> None:
    written = {**FORM, "name": '<b>"x"', "slug": "Not Good", "currency": "EURO", "nickname": ""}

    answer = await http.post(LINK, data=written)

    said = fault(answer, "slug")
    assert answer.status_code == 422
    assert said == "Write the address with small letters a to z, digits and single hyphens"
    assert f'<a href="#slug">{said}</a>' in answer.text
    assert fault(answer, "nickname") == "Write a nickname for yourself"
    assert fault(answer, "name") == ""
    assert "3 answers need another look" in answer.text
    assert "<title>Error: Set up a group" in answer.text
    assert 'value="&lt;b&gt;&#34;x&#34;"' in answer.text
    assert 'value="Not Good"' in answer.text
    assert 'value="EURO"' in answer.text
    assert '<option value="Europe/Madrid" selected>' in answer.text
    assert (await http.get(LINK)).status_code == 200


async def test_questions_with_a_good_answer_are_folded_away_unless_something_is_wrong_there(
    http: httpx.AsyncClient,
) -> None:
    asked = await http.get(LINK)
    elsewhere = await http.post(LINK, data={**FORM, "nickname": "", "confirm_days": "9"})
    there = await http.post(LINK, data={**FORM, "slug": "Not Good"})

    assert '<details class="fold">' in asked.text
    assert '<details class="fold">' in elsewhere.text
    assert 'value="9"' in elsewhere.text, "and what was written there is kept"
    assert '<details class="fold" open>' in there.text


async def test_an_address_that_is_taken_is_refused_and_the_link_stays_good(opened: Open, home: Path) -> None:
    async with opened() as (_, http):
        assert (await http.post(LINK, data=FORM)).status_code == 200
        (home / "setup.key").write_text("another-" + TOKEN, encoding="ascii")
        again = f"/setup/another-{TOKEN}"

        refused = await http.post(again, data=FORM)

        assert refused.status_code == 422
        assert fault(refused, "slug") == "Choose another address: pena-nandu is taken"
        assert 'value="pena-nandu"' in refused.text
        assert (await http.post(again, data={**FORM, "slug": "other"})).status_code == 200


async def test_refusals_speak_the_language_of_whoever_reads(http: httpx.AsyncClient) -> None:
    answer = await http.post(f"{LINK}?lang=es", data={**FORM, "nickname": ""})

    assert fault(answer, "nickname") == "Escribe un apodo para ti"
    assert 'lang="es"' in answer.text
    assert f'action="{LINK}?lang=es"' in answer.text


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])
async def test_a_form_that_another_site_sends_is_refused(
    http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for path in ("", "/example", "/example/tokens"):
        assert (await http.post(LINK + path, data=FORM, headers=headers)).status_code == 403
    assert (await http.get("/g/pena-nandu")).status_code == 404


async def test_an_old_browser_is_known_by_its_origin(http: httpx.AsyncClient) -> None:
    evil = await http.post(LINK, data=FORM, headers={"origin": "http://evil.example"})
    assert evil.status_code == 403

    own = await http.post(LINK, data=FORM, headers={"origin": "http://localhost:8000"})
    assert own.status_code == 200
    silent = await http.post(LINK, data=FORM, headers={"origin": "null"})
    assert silent.status_code == 200


async def test_what_is_no_form_is_refused(http: httpx.AsyncClient) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}

    assert (await http.post(LINK, json=FORM)).status_code == 400
    assert (await http.post(LINK, content=b"name=%ff", headers=form)).status_code == 400
    assert (await http.post(LINK, content=b"&".join([b"a=1"] * 50), headers=form)).status_code == 400
    assert (await http.post(LINK, content=b"name=" + b"x" * 20_000, headers=form)).status_code == 413
    assert (await http.post(LINK, content=b"", headers=form)).status_code == 422


# ---------------------------------------------------------------- the example


async def test_the_example_is_made_beside_the_requests_and_the_link_stays_good(opened: Open) -> None:
    async with opened() as (app, http):
        assert heading(await http.get(f"{LINK}/example")) == "An example to look at"

        started = await asyncio.gather(*(http.post(f"{LINK}/example") for _ in range(3)))
        under_way = await http.get(f"{LINK}/example")

        assert {(answer.status_code, answer.headers["location"]) for answer in started} == {
            (303, f"{LINK}/example")
        }
        assert heading(under_way) == "The example is being made"
        assert '<meta http-equiv="refresh" content="3">' in under_way.text
        assert re.search(r'<progress [^>]*max="30" value="\d+"', under_way.text)
        early = await http.post(f"{LINK}/example/tokens")
        assert early.status_code == 404

        async with asyncio.timeout(60):
            while (await app.state.set_up.example.state()).stage == "telling":  # noqa: ASYNC110 - it has a state, no event
                await asyncio.sleep(0.05)
        ready = await http.get(f"{LINK}/example")
        assert heading(ready) == "The example is ready"
        assert "refresh" not in ready.text
        assert "tb_" not in ready.text
        assert (await http.get("/g/millbank-lane")).status_code == 200

        tokens = re.findall(
            r'class="secret" dir="ltr">(tb_[\w-]{43})<', (await http.post(f"{LINK}/example/tokens")).text
        )
        assert len(set(tokens)) == 3
        mine = await http.get(
            "/api/v1/groups/millbank-lane/me/statement", headers={"Authorization": f"Bearer {tokens[0]}"}
        )
        assert mine.status_code == 200
        assert (await http.get(LINK)).status_code == 200
        assert (await http.post(LINK, data=FORM)).status_code == 200
        # The same person may still look at the example that is linked from there.
        assert (await http.get(f"{LINK}/example")).status_code == 200


async def test_an_example_that_was_interrupted_is_not_shown_as_one(opened: Open) -> None:
    async with opened() as (app, http):
        app.state.set_up.example.days = 700
        await http.post(f"{LINK}/example")
        async with asyncio.timeout(30):
            while (await app.state.set_up.example.state()).told < 7:  # noqa: ASYNC110 - it has a state, no event
                await asyncio.sleep(0.01)

    async with opened() as (app, http):
        page = await http.get(f"{LINK}/example")
        assert heading(page) == "The example was interrupted"
        assert (await http.post(f"{LINK}/example/tokens")).status_code == 404
        app.state.set_up.example.days = 30
        await http.post(f"{LINK}/example")
        async with asyncio.timeout(60):
            while (state := await app.state.set_up.example.state()).stage != "ready":  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        assert state.slug == "millbank-lane-2"
        assert (await http.post(LINK, data=FORM)).status_code == 200


async def test_an_example_that_fails_says_so_and_can_be_begun_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the dice fell off the table")

    monkeypatch.setattr("timebank.services.example.make_example", fail)
    async with opened() as (_, http):
        await http.post(f"{LINK}/example")
        await asyncio.sleep(0.05)

        page = await http.get(f"{LINK}/example")

        assert heading(page) == "The example could not be made"
        assert "Load the example group" in page.text
        assert "dice" not in page.text
        assert "the dice fell off the table" in caplog.text
