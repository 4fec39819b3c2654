"""The public figures as JSON, read from what was published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.cast import SLUG, Stage, cast, house, stage, today
from timebank.services.close import close_period

__all__ = ["cast", "house", "stage", "today"]

PATHS = ["", "/balances", "/flows", "/flows?by=kind&unit=EUR", "/entries", "/policies/hours"]


async def test_a_group_without_a_close_has_no_figures(stage: Stage):
    answer = await stage.get(None, "/balances")

    said = answer.json()
    # The log begins with its group: one leaf that names it, and no figure.
    assert said.pop("checkpoint").startswith("bank.example/g/riverside\n1\n")
    assert said == {"period": None, "pots": [], "held": []}
    assert (await stage.get(None, "/entries")).json() == {"period": None, "entries": [], "next": None}
    assert (await stage.get(None, "/flows")).json() == {"period": None, "flows": [], "next": None}


async def test_figures_after_a_close(stage: Stage, today: str):
    body = {"minutes": 90, "effective_on": today, "category": "cooking"}
    assert (await stage.post("ada", "/hours", body)).status_code == 201
    await close_period(stage.cast.house, stage.cast.group_id, now=datetime.now(UTC) + timedelta(days=1))

    balances = (await stage.get(None, "/balances")).json()
    entries = (await stage.get(None, "/entries")).json()
    flows = (await stage.get(None, "/flows", params={"by": "kind", "unit": "minutes"})).json()

    assert balances["pots"][0] == {
        "pot": "hours",
        "unit": "minutes",
        "available": 90,
        "promised": 0,
        "given": 90,
        "drawn": 0,
        "came_in": 90,
        "went_out": 0,
    }
    assert balances["held"][0]["amount"] == 0
    (entry,) = entries["entries"]
    assert entry["changes"] == [{"pot": "hours", "unit": "minutes", "available": 90}]
    assert set(entry) == {"id", "period", "kind", "category", "day", "arrived_late", "changes"}
    (flow,) = flows["flows"]
    assert (flow["kind"], flow["came_in"], flow["went_out"]) == ("help_given", 90, 0)
    assert (await stage.http.get(f"/g/{SLUG}")).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_answers_are_cacheable_and_need_nobody(stage: Stage, path: str):
    answer = await stage.get(None, path)

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "public, max-age=60"
    again = await stage.get(None, path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await stage.send(None, "HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == answer.headers["etag"]
    assert head.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/entries?after=x", "after"),
        ("/entries?after=1.x", "after"),
        ("/entries?limit=0", "limit"),
        ("/entries?limit=501", "limit"),
        ("/flows?by=person", "by"),
        ("/flows?unit=USD", "unit"),
        ("/flows?before=-1", "before"),
        ("/flows?limit=1e3", "limit"),
    ],
)
async def test_what_cannot_be_read_is_refused(stage: Stage, path: str, field: str):
    answer = await stage.get(None, path)

    assert answer.status_code == 422
    assert answer.json()["code"] == "field_invalid"
    assert answer.json()["params"]["field"] == field


@pytest.mark.parametrize("path", ["/policies/nope", "/nope"])
async def test_what_is_not_there_is_404(stage: Stage, path: str):
    assert (await stage.get(None, path)).status_code == 404
    assert (await stage.get(None, path, slug="nobody")).status_code == 404


async def test_the_api_is_described(stage: Stage):
    document = msgspec.json.decode((await stage.http.get("/api/openapi.json")).content)

    for path in ("", "/balances", "/flows", "/entries", "/policies/{pot}"):
        assert "get" in document["paths"][f"/api/v1/groups/{{slug}}{path}"], path
