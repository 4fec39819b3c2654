"""The import pages: a preview before anything is written, a way out of every state, and no way in for others."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from sqlalchemy import text

from tests.cast import OTHER_SLUG, SLUG, Cast, cast, house, running, trust_this_server
from tests.database import Dsn
from tests.worker import in_process
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import sessions
from timebank.services.imports import UPLOAD_MAX
from timebank.services.members import revoke_role, set_state

__all__ = ["cast", "house"]

FORM = f"/g/{SLUG}/import"
COOKIE = f"timebank-{SLUG}"
HOURS = b"date,giver,receiver,hours,category,note\n2026-02-01,Ada,,1:30,cooking,soup\n2026-01-15,Greta,Ada,90m,,\n"
BROKEN = (
    b"date,giver,receiver,hours,category\n2026-02-01,Ada,,1:75,cooking\n2026-02-30,<b>Ada</b>,,1,dancing\n"
)
FOREIGN = b"Dia,Quien ayuda,A quien,Tiempo\n03/02/2026,Ada,,1:30\n"


@pytest.fixture
def now() -> list[datetime]:
    """The moment of the application's clock; a test may move it."""
    return [datetime.now(UTC)]


@pytest.fixture
def app(
    cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: list[datetime]
) -> Litestar:
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    settings = Settings(home=tmp_path, database_urls={})
    return build_app(settings, fresh_dsn, clock=lambda: now[0], worker=in_process)


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.fixture
def finished(app: Litestar) -> Callable[[], Any]:
    return lambda: app.state.workshop.idle()


def heading(answer: httpx.Response) -> str:
    found = re.search("<h1>(.*?)</h1>", answer.text, re.DOTALL)
    assert found is not None, answer.text
    return unescape(found[1]).strip()


def fault(answer: httpx.Response, field: str) -> str:
    found = re.search(f'id="{field}-fault">(.*?)</p>', answer.text)
    return unescape(found[1]) if found else ""


def key(answer: httpx.Response) -> str:
    found = re.search('name="key" value="([0-9a-f]{32})"', answer.text)
    assert found is not None
    return found[1]


#: What forms of whoever is signed in carry, by their session.
_csrf: dict[str, str] = {}


async def enter(http: httpx.AsyncClient, cast: Cast, name: str, *, at: datetime | None = None) -> str:
    """Sign somebody in with this browser, with all their duties; return what their forms carry."""
    group_id = cast.group_of(name)
    made = await sessions.begin(
        cast.house, group_id, cast.ids[name], way="passkey", strong=True, now=at or datetime.now(UTC)
    )
    http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")
    _csrf[made.secret] = sessions.csrf_of(cast.house.keys, group_id, made.session_id)
    return _csrf[made.secret]


def csrf(http: httpx.AsyncClient) -> str:
    return _csrf[http.cookies[COOKIE]]


async def send(
    http: httpx.AsyncClient, cast: Cast, name: str, *files: bytes, **fields: str
) -> httpx.Response:
    sent = {"csrf": await enter(http, cast, name), "key": "0" * 32, **fields}
    return await http.post(
        FORM,
        data=sent,
        files=[("files", (f"past-{n}.csv", data, "text/csv")) for n, data in enumerate(files)],
    )


async def handed_in(
    http: httpx.AsyncClient, cast: Cast, finished: Any, data: bytes = HOURS, **fields: str
) -> str:
    """The secret address of files that were looked at."""
    answer = await send(http, cast, "bo", data, **fields)
    assert answer.status_code == 303, answer.text
    await finished()
    return answer.headers["location"]


async def press(http: httpx.AsyncClient, link: str, act: str, finished: Any, **fields: str) -> httpx.Response:
    answer = await http.post(f"{link}/{act}", data={"csrf": csrf(http), **fields})
    assert (answer.status_code, answer.headers["location"]) == (303, link), answer.text
    await finished()
    return await http.get(link)


async def count(cast: Cast, table: str) -> int:
    async with cast.house.database.read(cast.group_id) as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


# ---------------------------------------------------------------- the form


async def test_the_form_is_for_one_reader_who_is_signed_in_and_needs_no_script(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    stranger = await http.get(FORM)
    assert (stranger.status_code, stranger.headers["location"].partition("?")[0]) == (
        303,
        f"/g/{SLUG}/sign-in",
    )
    await enter(http, cast, "bo")
    answer = await http.get(FORM)

    assert answer.status_code == 200
    assert heading(answer) == "Bring your past in"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert "set-cookie" not in answer.headers
    assert "<script" not in answer.text
    assert (await http.head(FORM)).status_code == 200
    assert (await http.get("/g/nowhere/import")).status_code == 404
    assert '<html lang="es">' in (await http.get(FORM, params={"lang": "es"})).text


@pytest.mark.parametrize("duties_wait", [False, True])
async def test_who_has_no_duty_here_hands_nothing_in_and_what_was_filled_in_is_there_again(
    http: httpx.AsyncClient, cast: Cast, duties_wait: bool
) -> None:
    name = "bo" if duties_wait else "ada"
    made = await sessions.begin(
        cast.house, cast.group_id, cast.ids[name], way="card", strong=False, now=datetime.now(UTC)
    )
    http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")
    answer = await http.post(
        FORM,
        data={
            "csrf": sessions.csrf_of(cast.house.keys, cast.group_id, made.session_id),
            "key": "0" * 32,
            "people": "outsiders",
            "days": "dmy",
            "decimal": "comma",
            "began": "2025-12-01",
            "sheet": "Hoja 1",
        },
        files=[("files", ("past.csv", HOURS, "text/csv"))],
    )

    assert answer.status_code == 403
    assert fault(answer, "files") == "Hours and people are brought in by a steward, money by a treasurer"
    assert ("Your duties wait" in answer.text) == duties_wait
    for chosen in ('value="outsiders" checked', 'value="dmy" checked', 'value="comma" checked'):
        assert chosen in answer.text
    assert 'value="2025-12-01"' in answer.text
    assert 'value="Hoja 1"' in answer.text
    assert '<details class="more question" open>' in answer.text
    assert key(answer) == "0" * 32
    assert await count(cast, "timebank.imports") == 0


async def test_who_is_not_signed_in_here_hands_nothing_in(http: httpx.AsyncClient, cast: Cast) -> None:
    answer = await send(http, cast, "cy", HOURS)

    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/g/{SLUG}/sign-in?next=")
    forged = await send(http, cast, "bo", HOURS, csrf="x" * 43)
    assert forged.status_code == 403
    assert await count(cast, "timebank.imports") == 0


async def test_no_file_too_many_and_too_large_ones_are_said_beside_the_field(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    sent = {"csrf": await enter(http, cast, "bo")}
    none = await http.post(FORM, data=sent, files=[("files", ("", b""))])
    many = await send(http, cast, "bo", *[HOURS] * 6)
    large = await send(http, cast, "bo", b"x" * (UPLOAD_MAX + 1))
    announced = await http.post(
        FORM,
        content=b"",
        headers={"content-type": "multipart/form-data; boundary=x", "content-length": str(2**30)},
    )
    no_form = await http.post(FORM, data=sent)

    assert (none.status_code, fault(none, "files")) == (422, "Choose a file")
    assert (many.status_code, fault(many, "files")) == (422, "Choose at most 5 files")
    for answer in (large, announced):
        assert (answer.status_code, fault(answer, "files")) == (
            413,
            "Choose smaller files: all together have at most 16 MB",
        )
    assert no_form.status_code == 400
    assert await count(cast, "timebank.imports") == 0


async def test_files_of_a_stranger_are_never_kept_in_memory(
    http: httpx.AsyncClient, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    from timebank.web import imports as page

    receive = page.receive_upload

    async def watch(*args: Any, **more: Any) -> Any:
        upload = await receive(*args, **more)
        kept.extend(len(data) for _, data in upload.files)
        return upload

    monkeypatch.setattr(page, "receive_upload", watch)
    await send(http, cast, "ada", b"x" * 100_000)
    await send(http, cast, "bo", b"x" * 100_000, csrf="forged")
    await send(http, cast, "bo", HOURS)

    assert kept == [0, 0, len(HOURS)]


async def test_a_day_that_is_none_is_said_beside_its_field(http: httpx.AsyncClient, cast: Cast) -> None:
    answer = await send(http, cast, "bo", HOURS, began="soon")

    assert answer.status_code == 422
    assert fault(answer, "began") == "Write a day such as 2026-03-01, or leave this empty"
    assert '<details class="more question" open>' in answer.text


async def test_pressing_twice_is_pressing_once_and_other_files_are_another_import(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    first = await handed_in(http, cast, finished)
    again = await handed_in(http, cast, finished)
    other = await handed_in(http, cast, finished, HOURS + b"2026-03-01,Ada,,1,,\n")

    assert first == again != other
    assert await count(cast, "timebank.imports") == 2


async def test_while_something_long_is_done_the_form_says_so_and_keeps_the_answers(
    http: httpx.AsyncClient, cast: Cast, app: Litestar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.workshop, "wake", lambda: None)
    await send(http, cast, "bo", HOURS)

    answer = await send(http, cast, "di", HOURS, days="mdy")

    assert answer.status_code == 409
    assert fault(answer, "files").startswith("Wait: something long is being done")
    assert 'value="mdy" checked' in answer.text


# ---------------------------------------------------------------- the preview, and what comes of it


async def test_the_preview_says_what_comes_in_and_writing_it_says_what_came(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished)
    preview = await http.get(link)

    assert heading(preview) == "Ready to be written"
    assert preview.headers["cache-control"] == "no-store"
    assert preview.headers["referrer-policy"] == "no-referrer"
    assert preview.headers["x-robots-tag"] == "noindex, nofollow"
    shown = unescape(preview.text)
    for words in (
        "3\u00a0h in 2 lines",
        "1 person",
        "Greta",
        "15 January 2026 to 1 February 2026",
        "Hours of help given",
    ):
        assert words in shown, words
    assert "Write 2 lines into the book" in shown
    assert "http-equiv" not in shown
    assert await count(cast, "timebank.entries") == 0

    posted = await press(http, link, "post", finished)

    assert heading(posted) == "Your past is in the book"
    assert "2 lines were written" in posted.text
    assert "Greta" not in posted.text
    assert await count(cast, "timebank.entries") == 2


async def test_it_is_taken_back_after_a_second_question(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished)
    too_early = await http.get(f"{link}/undo")
    await press(http, link, "post", finished)

    question = await http.get(f"{link}/undo")
    assert heading(question) == "Take this import back?"
    assert await count(cast, "timebank.entries") == 2
    undone = await press(http, link, "undo", finished)

    assert (too_early.status_code, too_early.headers["location"]) == (303, link)
    assert heading(undone) == "The import is taken back"
    assert await count(cast, "timebank.entries") == 4


async def test_faults_are_listed_with_their_place_and_what_was_written_is_shown_safely(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished, BROKEN)
    answer = await http.get(link)

    assert heading(answer) == "The files need mending"
    assert "2 things are wrong." in answer.text
    assert '<bdi class="as-written">1:75</bdi>' in answer.text
    assert "<b>Ada</b>" not in answer.text
    assert "%(" not in answer.text
    refused = await press(http, link, "post", finished)
    assert heading(refused) == "The files need mending"
    assert await count(cast, "timebank.entries") == 0


async def test_of_many_faults_a_hundred_are_listed(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    lines = b"date,giver,receiver,hours\n" + b"2026-02-01,Ada,,1:75\n" * 130
    answer = await http.get(await handed_in(http, cast, finished, lines))

    assert answer.text.count('class="as-written"') == 100
    assert "And 30 more." in answer.text
    assert len(answer.content) < 100_000


async def test_how_files_are_read_is_changed_without_handing_them_in_again(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    data = (
        HOURS.replace(b"2026-02-01", b"01/02/2026")
        .replace(b"2026-01-15", b"15/01/2026")
        .replace(b"cooking", b"dancing")
    )
    link = await handed_in(http, cast, finished, data)
    assert heading(await http.get(link)) == "The files need mending"

    ready = await press(http, link, "options", finished, days="dmy", categories="add", people="members")

    assert heading(ready) == "Ready to be written"
    assert "dancing" in ready.text
    assert 'value="dmy" checked' in ready.text
    await press(http, link, "post", finished)
    assert await count(cast, "timebank.entries") == 2


async def test_lines_before_the_book_bring_their_first_day_along_as_an_answer(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished, HOURS.replace(b"2026-01-15", b"2025-11-30"))
    answer = await http.get(link)

    assert heading(answer) == "The files need mending"
    assert 'name="began" value="2025-11-30"' in answer.text
    ready = await press(http, link, "options", finished, began="2025-11-30")
    assert heading(ready) == "Ready to be written"
    assert "30 November 2025" in ready.text


async def test_their_columns_are_named_from_the_page(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished, FOREIGN, layout="hours", days="dmy")
    answer = await http.get(link)
    assert heading(answer) == "The files need mending"
    assert '<option value="Quien ayuda">' in answer.text

    columns = {"date": "Dia", "giver": "Quien ayuda", "receiver": "A quien", "hours": "Tiempo"}
    ready = await press(
        http,
        link,
        "options",
        finished,
        layout="hours",
        days="dmy",
        **{f"column:0:{ours}": theirs for ours, theirs in columns.items()},
    )

    assert heading(ready) == "Ready to be written"
    assert '<option value="Quien ayuda" selected>' in ready.text
    await press(http, link, "post", finished)
    again = await handed_in(http, cast, finished, FOREIGN.replace(b"1:30", b"2:00"), days="dmy")
    assert heading(await http.get(again)) == "Ready to be written"


async def test_that_a_file_has_no_such_column_is_said_and_never_meant_by_leaving_it(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    data = b"date,giver,hours\n2026-02-01,Ada,1:30\n"
    link = await handed_in(http, cast, finished, data, layout="hours")
    assert heading(await http.get(link)) == "The files need mending"

    left = await press(http, link, "options", finished, layout="hours", **{"column:0:receiver": ""})
    assert heading(left) == "The files need mending"
    said = await press(http, link, "options", finished, layout="hours", **{"column:0:receiver": "="})

    assert heading(said) == "Ready to be written"
    assert '<option value="=" selected>' in said.text


async def test_the_same_files_again_bring_nothing_and_say_so(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    await press(http, await handed_in(http, cast, finished), "post", finished)

    again = await handed_in(http, cast, finished, key="1" * 32)

    answer = await http.get(again)
    assert heading(answer) == "Nothing new is in the files"
    assert "2 lines, which are left out" in answer.text
    assert "Write" not in answer.text


async def test_files_that_are_let_go_are_gone(http: httpx.AsyncClient, cast: Cast, finished: Any) -> None:
    link = await handed_in(http, cast, finished)

    answer = await press(http, link, "drop", finished)

    assert heading(answer) == "The files are gone"
    assert await count(cast, "people.import_papers") == 0
    assert heading(await press(http, link, "post", finished)) == "The files are gone"


async def test_what_was_posted_meanwhile_is_not_let_go(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished)
    await press(http, link, "post", finished)

    assert heading(await press(http, link, "drop", finished)) == "Your past is in the book"


# ---------------------------------------------------------------- while it works


async def test_the_page_says_how_far_it_is_and_reads_itself_again(
    http: httpx.AsyncClient, cast: Cast, app: Litestar, monkeypatch: pytest.MonkeyPatch, now: list[datetime]
) -> None:
    monkeypatch.setattr(app.state.workshop, "wake", lambda: None)
    link = (await send(http, cast, "bo", HOURS)).headers["location"]

    waiting = await http.get(link)
    async with cast.house.database.tx(cast.group_id) as tx:
        await tx.execute(
            text(
                "UPDATE timebank.jobs SET state = 'running', kind = 'post', phase = 'writing', done = 1200,"
                " total = 5000, locked_until = :until"
            ),
            {"until": now[0] + timedelta(seconds=41)},
        )
    writing = await http.get(link)

    assert heading(waiting) == "Your files are being looked at"
    assert "It waits for its turn." in waiting.text
    for answer in (waiting, writing):
        assert '<meta http-equiv="refresh" content="2">' in answer.text
        assert f'action="{link}/stop"' in answer.text
        assert len(answer.content) < 10_000
    assert heading(writing) == "Your past is being written"
    assert "1,200 of 5,000 lines" in writing.text
    assert 'max="5000" value="1200"' in writing.text
    assert "Everybody else who writes in this book waits for about 42 seconds." in unescape(writing.text)


async def test_stopping_leaves_everything_as_it_was(
    http: httpx.AsyncClient, cast: Cast, app: Litestar, finished: Any
) -> None:
    wake = app.state.workshop.wake
    app.state.workshop.wake = lambda: None
    link = (await send(http, cast, "bo", HOURS)).headers["location"]
    stopped = await press(http, link, "stop", finished)
    app.state.workshop.wake = wake

    assert heading(stopped) == "You stopped it"
    assert heading(await press(http, link, "check", finished)) == "Ready to be written"


async def test_why_it_could_not_be_looked_at_is_said_in_words(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    answer = await send(http, cast, "ed", HOURS)
    await finished()

    page = await http.get(answer.headers["location"])

    assert heading(page) == "The files could not be looked at"
    assert "hours and people take a steward, money takes a treasurer" in page.text


async def test_a_lost_worker_is_replaced_when_somebody_looks(
    http: httpx.AsyncClient, cast: Cast, app: Litestar, finished: Any
) -> None:
    wake = app.state.workshop.wake
    app.state.workshop.wake = lambda: None
    link = (await send(http, cast, "bo", HOURS)).headers["location"]
    app.state.workshop.wake = wake

    await http.get(link)
    await finished()

    assert heading(await http.get(link)) == "Ready to be written"


# ---------------------------------------------------------------- the secret address


async def test_another_address_leads_nowhere_whatever_is_wrong_with_it(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished)
    secret = link.rpartition("/")[2]
    wrong = [
        secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        secret[:-4],
        secret + "AAAA",
        "x",
        "%C3%B1",
        "A" * 52,
    ]

    for each in wrong:
        for answer in (
            await http.get(f"{FORM}/{each}"),
            await http.post(f"{FORM}/{each}/post", data={"csrf": csrf(http)}),
            await http.get(f"{FORM}/{each}/undo"),
        ):
            assert (answer.status_code, heading(answer)) == (404, "This address does not work"), each
    assert (await http.post(f"{link}/something")).status_code == 404
    assert (await http.post(f"{link}/post", data={"csrf": "forged"})).status_code == 403
    elsewhere = await sessions.begin(
        cast.house, cast.other_group_id, cast.ids["cy"], way="passkey", strong=True, now=datetime.now(UTC)
    )
    http.cookies.set(f"timebank-{OTHER_SLUG}", elsewhere.secret, domain="localhost.local", path="/")
    foreign = await http.get(f"/g/{OTHER_SLUG}/import/{secret}")
    await enter(http, cast, "di")
    of_another = await http.get(link)
    for answer in (foreign, of_another):
        assert (answer.status_code, heading(answer)) == (404, "This address does not work")
    http.cookies.clear()
    assert (await http.get(link)).status_code == 303
    assert await count(cast, "timebank.entries") == 0


async def test_the_address_has_the_duties_of_who_handed_the_files_in_as_they_are_now(
    http: httpx.AsyncClient, cast: Cast, finished: Any, now: list[datetime]
) -> None:
    link = await handed_in(http, cast, finished)

    await revoke_role(cast.house, cast.group_id, cast.ids["bo"], "steward", now=datetime.now(UTC))
    now[0] = datetime.now(UTC)
    signed_out = await http.get(link)
    await enter(http, cast, "bo")
    without_duty = await http.get(link), await http.post(f"{link}/post", data={"csrf": csrf(http)})
    await set_state(cast.house, cast.group_id, cast.ids["bo"], "left")
    gone = await http.get(link)

    assert [answer.status_code for answer in without_duty] == [403, 403]
    for answer in (signed_out, gone):
        assert answer.headers["location"].startswith(f"/g/{SLUG}/sign-in?next=")
    await finished()
    assert await count(cast, "timebank.entries") == 0


async def test_duties_that_wait_are_proved_first_and_then_it_goes_on(
    http: httpx.AsyncClient, cast: Cast, finished: Any
) -> None:
    link = await handed_in(http, cast, finished)
    made = await sessions.begin(
        cast.house, cast.group_id, cast.ids["bo"], way="card", strong=False, now=datetime.now(UTC)
    )
    http.cookies.set(COOKIE, made.secret, domain="localhost.local", path="/")

    answer = await http.get(link)

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/g/{SLUG}/prove?next={quote(link, safe='')}"


async def test_after_a_week_the_address_says_so_and_does_nothing(
    http: httpx.AsyncClient, cast: Cast, finished: Any, now: list[datetime]
) -> None:
    link = await handed_in(http, cast, finished)
    now[0] += timedelta(days=7)
    await enter(http, cast, "bo", at=now[0])
    assert heading(await http.get(link)) == "Ready to be written"

    now[0] += timedelta(days=1)
    await enter(http, cast, "bo", at=now[0])

    assert heading(await http.get(link)) == "The week is over"
    assert heading(await press(http, link, "post", finished)) == "The week is over"
    assert await count(cast, "timebank.entries") == 0


async def test_a_language_stays_on_the_way(http: httpx.AsyncClient, cast: Cast, finished: Any) -> None:
    answer = await http.post(
        f"{FORM}?lang=es",
        data={"csrf": await enter(http, cast, "bo"), "key": "0" * 32},
        files=[("files", ("a.csv", HOURS, "text/csv"))],
    )
    await finished()

    page = await http.get(answer.headers["location"])

    assert answer.headers["location"].endswith("?lang=es")
    assert '<html lang="es">' in page.text
    assert "/post?lang=es" in page.text
