"""Imports over the API: looked at before they are written, whoever asks how often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from sqlalchemy import text

from tests.cast import OTHER_SLUG, Cast, Stage, running, trust_this_server
from tests.database import Dsn
from tests.worker import in_process
from timebank.app import build_app
from timebank.config import Settings
from timebank.services import jobs
from timebank.services.imports import UPLOAD_MAX
from timebank.services.tokens import make_token

HOURS = b"date,giver,receiver,hours,category,note\n2026-02-01,Ada,,1:30,cooking,soup\n2026-01-15,Greta,Ada,90m,,\n"
MONEY = b"date,direction,person,amount,currency,held\n2026-02-01,in,Ada,5.00,EUR,bank\n"
BROKEN = b"date,giver,receiver,hours,category\n2026-02-01,Ada,,1:75,cooking\n2026-02-30,Ada,,1,dancing\n"


@pytest.fixture
def app(cast: Cast, fresh_dsn: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Litestar:
    """An application whose worker is in the same process."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    return build_app(Settings(home=tmp_path, database_urls={}), fresh_dsn, worker=in_process)


@pytest_asyncio.fixture(loop_scope="session")
async def stage(cast: Cast, app: Litestar) -> AsyncIterator[Stage]:
    async with running(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            yield Stage(cast, http)


@pytest.fixture
def finished(app: Litestar) -> Callable[[], Any]:
    """Waits until all that was asked for is done."""
    return lambda: app.state.workshop.idle()


async def hand_in(
    stage: Stage, name: str | None = "bo", data: bytes = HOURS, query: str = "", **more: Any
) -> httpx.Response:
    headers = {"content-type": "text/csv", **more.pop("headers", {})}
    return await stage.send(name, "POST", f"/imports{query}", content=data, headers=headers, **more)


async def look(stage: Stage, import_id: str, name: str = "bo", **more: Any) -> dict[str, Any]:
    answer = await stage.get(name, f"/imports/{import_id}", **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def count(stage: Stage, table: str) -> int:
    async with stage.cast.house.database.read(stage.cast.group_id) as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


# ---------------------------------------------------------------- the way through


async def test_a_past_is_handed_in_looked_at_written_and_taken_back(stage: Stage, finished: Any) -> None:
    answer = await hand_in(stage, query="?name=past.csv")
    import_id = answer.json()["id"]
    assert answer.status_code == 202
    assert answer.headers["cache-control"] == "no-store"

    await finished()
    found = await look(stage, import_id)
    assert (found["state"], found["work"]) == (
        "checked",
        {"kind": "check", "state": "done"}
        | {k: found["work"][k] for k in ("done", "total") if k in found["work"]},
    )
    report = found["report"]
    assert [(f["name"], f["layout"], f["lines"]) for f in report["files"]] == [("past.csv", "hours", 2)]
    assert report["totals"] == [{"what": "given", "unit": "minutes", "amount": 180, "lines": 2}]
    assert (report["people_new"], report["people_known"]) == (["Greta"], 1)
    assert (report["new"], report["already"], report["faults"], report["fault_count"]) == (2, 0, [], 0)
    assert (report["first_day"], report["last_day"]) == ("2026-01-15", "2026-02-01")
    assert report["headers"][0]["columns"]["giver"] == "giver"
    assert await count(stage, "timebank.entries") == 0

    assert (await stage.post("bo", f"/imports/{import_id}/post", None)).status_code == 202
    await finished()
    posted = await look(stage, import_id)
    assert (posted["state"], posted["new"], posted.get("report")) == ("posted", 2, None)
    assert await count(stage, "timebank.entries") == 2

    assert (await stage.post("bo", f"/imports/{import_id}/undo", None)).status_code == 202
    await finished()
    assert (await look(stage, import_id))["state"] == "undone"
    assert await count(stage, "timebank.entries") == 4


async def test_faults_come_with_their_place_and_a_sentence_in_the_readers_language(
    stage: Stage, finished: Any
) -> None:
    import_id = (await hand_in(stage, data=BROKEN)).json()["id"]
    await finished()

    english = (await look(stage, import_id))["report"]
    spanish = (await look(stage, import_id, headers={"accept-language": "es"}))["report"]

    assert [(f["line"], f["column"], f["code"], f["value"]) for f in english["faults"]] == [
        (2, "hours", english["faults"][0]["code"], "1:75"),
        (3, "date", english["faults"][1]["code"], "2026-02-30"),
    ]
    assert english["fault_count"] == 2
    assert all(f["detail"] and "%(" not in f["detail"] for f in english["faults"] + spanish["faults"])
    answer = await stage.post("bo", f"/imports/{import_id}/post", None)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_open")
    assert await count(stage, "timebank.entries") == 0


async def test_several_files_come_as_a_form_with_their_options(stage: Stage, finished: Any) -> None:
    people = b"nickname\nGreta\n"
    lines = b"date;giver;receiver;hours;category\n01.02.2026;Ada;;1,5;dancing\n"

    answer = await stage.send(
        "bo",
        "POST",
        "/imports",
        data={"days": "dmy", "decimal": "comma", "categories": "add", "began": "2025-12-01"},
        files=[("file", ("people.csv", people, "text/csv")), ("file", ("hours.csv", lines, "text/csv"))],
    )
    await finished()

    assert answer.status_code == 202, answer.text
    report = (await look(stage, answer.json()["id"]))["report"]
    assert report["faults"] == []
    assert [f["name"] for f in report["files"]] == ["people.csv", "hours.csv"]
    assert (report["categories_new"], report["people_new"]) == (["dancing"], ["Greta"])
    assert report["began_on"] == "2025-12-01"
    assert report["totals"][0]["amount"] == 90


async def test_a_column_can_be_named(stage: Stage, finished: Any) -> None:
    data = b"Fecha,Ayudante,Quien,hours\n2026-02-01,Ada,,1:30\n"

    answer = await hand_in(
        stage, data=data, query="?column=date%3DFecha&column=giver%3DAyudante&column=receiver%3DQuien"
    )
    await finished()

    report = (await look(stage, answer.json()["id"]))["report"]
    assert report["faults"] == []
    assert report["totals"][0]["amount"] == 90


# ---------------------------------------------------------------- once


async def test_the_same_key_finds_the_same_import_and_other_files_are_refused(
    stage: Stage, finished: Any
) -> None:
    first = await hand_in(stage, key="spring")
    await finished()
    again = await hand_in(stage, key="spring")
    other = await hand_in(stage, data=HOURS + b"2026-03-01,Ada,,1,,\n", key="spring")
    other_option = await hand_in(stage, query="?people=outsiders", key="spring")
    somebody_else = await hand_in(stage, "di", key="spring")

    assert first.json()["id"] == again.json()["id"] != somebody_else.json()["id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    for refused in (other, other_option):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await hand_in(stage, key=None)).json()["code"] == "idempotency_key_missing"


async def test_asking_again_for_what_is_done_changes_nothing(stage: Stage, finished: Any) -> None:
    import_id = (await hand_in(stage)).json()["id"]
    await finished()
    for _ in range(2):
        assert (await stage.post("bo", f"/imports/{import_id}/post", None)).status_code == 202
        await finished()
    assert await count(stage, "timebank.entries") == 2
    for _ in range(2):
        assert (await stage.post("bo", f"/imports/{import_id}/undo", None)).status_code == 202
        await finished()
    assert await count(stage, "timebank.entries") == 4
    again = await stage.post("bo", f"/imports/{import_id}/post", None)
    assert (again.status_code, again.json()["code"]) == (409, "job_not_open")


async def test_one_at_a_time(stage: Stage, app: Litestar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.state.workshop, "wake", lambda: None)
    first = await hand_in(stage)
    second = await hand_in(stage, "ed", MONEY)

    assert (first.status_code, first.json()["work"]) == (202, {"kind": "check", "state": "waiting"})
    assert (second.status_code, second.json()["code"], second.json()["retryable"]) == (
        409,
        "job_running",
        True,
    )


async def test_whoever_looks_starts_what_was_lost(stage: Stage, app: Litestar, finished: Any) -> None:
    wake = app.state.workshop.wake
    app.state.workshop.wake = lambda: None
    import_id = (await hand_in(stage)).json()["id"]
    app.state.workshop.wake = wake

    assert (await look(stage, import_id))["work"]["state"] == "waiting"
    await finished()

    assert (await look(stage, import_id))["state"] == "checked"


# ---------------------------------------------------------------- letting go


async def test_an_import_that_is_not_wanted_is_gone_with_its_files(stage: Stage, finished: Any) -> None:
    import_id = (await hand_in(stage)).json()["id"]
    await finished()

    for _ in range(2):
        answer = await stage.post("bo", f"/imports/{import_id}/cancel", None)
        assert (answer.status_code, answer.json()["state"]) == (202, "dropped")

    assert await count(stage, "people.import_papers") == 0
    refused = await stage.post("bo", f"/imports/{import_id}/post", None)
    assert refused.json()["code"] == "job_not_open"


async def test_what_is_posted_is_not_dropped(stage: Stage, finished: Any) -> None:
    import_id = (await hand_in(stage)).json()["id"]
    await finished()
    await stage.post("bo", f"/imports/{import_id}/post", None)
    await finished()

    answer = await stage.post("bo", f"/imports/{import_id}/cancel", None)

    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_open")
    assert (await look(stage, import_id))["state"] == "posted"


async def test_taking_back_can_be_stopped_and_the_import_stays(
    stage: Stage, app: Litestar, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = (await hand_in(stage)).json()["id"]
    await finished()
    await stage.post("bo", f"/imports/{import_id}/post", None)
    await finished()
    monkeypatch.setattr(app.state.workshop, "wake", lambda: None)
    await stage.post("bo", f"/imports/{import_id}/undo", None)

    answer = await stage.post("bo", f"/imports/{import_id}/cancel", None)

    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["work"]["state"]) == ("posted", "cancelled")


# ---------------------------------------------------------------- who, and how much


async def test_every_role_at_every_door(stage: Stage, finished: Any) -> None:
    import_id = (await hand_in(stage)).json()["id"]
    await finished()
    doors = [("POST", "/imports", HOURS), ("GET", "/imports", None), ("GET", f"/imports/{import_id}", None)]
    doors += [("POST", f"/imports/{import_id}/{what}", None) for what in ("post", "undo", "cancel")]
    before = await count(stage, "timebank.imports"), await count(stage, "timebank.jobs")

    for method, path, content in doors:
        for name, status in (("ada", 403), ("cy", 401), (None, 401)):
            answer = await stage.send(
                name, method, path, content=content, headers={"content-type": "text/csv"}
            )
            assert answer.status_code == status, (name, method, path, answer.text)
        other = await stage.send(
            "cy", method, path, content=content, headers={"content-type": "text/csv"}, slug=OTHER_SLUG
        )
        assert other.status_code in ({404} if import_id in path else {200, 202}), (path, other.text)

    assert (await count(stage, "timebank.imports"), await count(stage, "timebank.jobs")) == before


async def test_a_token_that_may_only_read_hands_nothing_in(stage: Stage) -> None:
    cast = stage.cast
    made = await make_token(cast.house, cast.group_id, cast.ids["bo"], ("read",), now=datetime.now(UTC))
    cast.tokens["reader"] = made.token

    answer = await hand_in(stage, "reader")

    assert (answer.status_code, answer.json()["code"]) == (403, "needs_scope")
    assert (await stage.get("reader", "/imports")).json() == {"imports": []}


async def test_hours_are_a_stewards_and_money_is_a_treasurers(stage: Stage, finished: Any) -> None:
    for name, data, role in (("ed", HOURS, "steward"), ("bo", MONEY, "treasurer")):
        import_id = (await hand_in(stage, name, data)).json()["id"]
        await finished()
        found = await look(stage, import_id, name)
        assert (found["state"], found["work"]["state"], found["work"]["refusal"]) == (
            "new",
            "refused",
            "needs_role",
        ), role
    import_id = (await hand_in(stage, "ed", MONEY)).json()["id"]
    await finished()
    assert (await look(stage, import_id, "ed"))["state"] == "checked"


async def test_names_are_seen_by_who_handed_them_in_only(stage: Stage, finished: Any) -> None:
    import_id = (await hand_in(stage, query="?name=Gretas-list.csv")).json()["id"]
    await finished()

    own, of_another = await look(stage, import_id), await look(stage, import_id, "di")
    listed = await stage.get("di", "/imports")

    assert own["report"]["people_new"] == ["Greta"]
    assert "report" not in of_another
    assert (of_another["new"], of_another["faults"]) == (2, 0)
    assert "Greta" not in listed.text
    assert [each["id"] for each in listed.json()["imports"]] == [import_id]
    refused = await stage.post("di", f"/imports/{import_id}/post", None)
    assert refused.json()["code"] == "job_not_open"


async def test_what_is_too_large_is_refused_at_once_and_never_read(stage: Stage) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 2**20
            yield b"x" * 2**20

    not_allowed = await stage.send(
        "ada", "POST", "/imports", content=endless(), headers={"content-type": "text/csv"}
    )
    assert (not_allowed.status_code, taken) == (403, 0)
    announced = await hand_in(stage, data=b"x", headers={"content-length": str(UPLOAD_MAX + 1)})
    unannounced = await stage.send(
        "bo", "POST", "/imports", content=endless(), headers={"content-type": "text/csv"}
    )

    for answer in (announced, unannounced):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.json()["params"]["limit"] == UPLOAD_MAX
    assert taken <= UPLOAD_MAX + 2 * 2**20
    assert await count(stage, "timebank.imports") == 0


async def test_a_form_is_held_to_the_same_size(stage: Stage) -> None:
    large = b"x" * (UPLOAD_MAX // 2 + 1)

    answer = await stage.send(
        "bo", "POST", "/imports", files=[("file", ("a.csv", large)), ("file", ("b.csv", large))]
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?people=everybody", "people"),
        ("?day=dmy", "day"),
        ("?days=dmy&days=mdy", "days"),
        ("?began=yesterday", "began"),
        ("?column=helper%3DAda", "column"),
        ("?column=giver", "column"),
        ("?layout=unknown", "layout"),
    ],
)
async def test_an_option_that_could_not_be_meant_is_refused_by_its_name(
    stage: Stage, query: str, field: str
) -> None:
    answer = await hand_in(stage, query=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid")
    assert answer.json()["params"]["field"] == field
    assert await count(stage, "timebank.imports") == 0


async def test_no_file_and_what_is_no_file_are_refused(stage: Stage) -> None:
    nothing = await hand_in(stage, data=b"")
    json = await stage.post("bo", "/imports", {"date": "2026-01-01"})
    no_files = await stage.send("bo", "POST", "/imports", files=[("other", (None, b"1"))])
    broken = await hand_in(
        stage, data=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    no_boundary = await hand_in(stage, headers={"content-type": "multipart/form-data"})
    many = await stage.send("bo", "POST", "/imports", files=[("file", (f"{n}.csv", b"x")) for n in range(6)])

    assert (nothing.status_code, nothing.json()["code"]) == (422, "field_invalid")
    assert (json.status_code, json.json()["code"]) == (400, "malformed_body")
    assert (no_files.status_code, no_files.json()["params"]["field"]) == (422, "other")
    assert (broken.status_code, no_boundary.status_code) == (400, 400)
    assert (many.status_code, many.json()["params"]["field"]) == (422, "files")


async def test_others_are_told_for_how_long_they_wait(
    stage: Stage, app: Litestar, finished: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the book is locked by an import, a 503 says when to come again, and the page of the import, too."""
    import_id = (await hand_in(stage)).json()["id"]
    await finished()
    monkeypatch.setattr(app.state.workshop, "wake", lambda: None)
    await stage.post("bo", f"/imports/{import_id}/post", None)
    cast = stage.cast
    until = datetime.now(UTC) + timedelta(seconds=90)
    async with cast.house.database.dial(cast.group_id) as line:
        assert await jobs.store.take_lock(line, cast.group_id)
        await line.execute(
            "UPDATE timebank.jobs SET state = 'running', locked_until = $1 WHERE kind = 'post'", until
        )
        await line.execute("BEGIN")
        await line.execute("SELECT 1 FROM timebank.book_heads FOR UPDATE")
        body = {"minutes": 30, "effective_on": "2026-02-01", "category": "cooking"}
        monkeypatch.setattr("timebank.store.book._LOCK", "SET LOCAL lock_timeout = '50ms'; " + _lock())

        answer = await stage.post("ada", "/hours", body)

        assert (answer.status_code, answer.json()["code"]) == (503, "import_under_way")
        assert 80 <= int(answer.headers["retry-after"]) <= 91
        assert 80 <= (await look(stage, import_id))["work"]["locked_seconds"] <= 91


def _lock() -> str:
    from timebank.store import book

    return book._LOCK


async def test_the_description_says_how_files_come_and_what_can_be_said_of_them(stage: Stage) -> None:
    paths = (await stage.http.get("/api/openapi.json")).json()["paths"]
    group = "/api/v1/groups/{slug}/imports"

    take_in = paths[group]["post"]
    assert set(take_in["requestBody"]["content"]) >= {"text/csv", "multipart/form-data"}
    assert {"Idempotency-Key", "slug", "days", "column"} <= {each["name"] for each in take_in["parameters"]}
    assert "413" in take_in["responses"]
    for path in (group, *(f"{group}/{{import_id}}/{act}" for act in ("post", "undo", "cancel"))):
        schema = paths[path]["post"]["responses"]["202"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/WholeImportOut"}


async def test_all_options_that_cannot_be_are_said_at_once(stage: Stage) -> None:
    answer = await hand_in(stage, query="?days=xyz&colour=red&began=soon&layout=hours&layout=hours")

    assert (answer.status_code, answer.json()["code"]) == (422, "field_invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["days", "colour", "began", "layout"]
