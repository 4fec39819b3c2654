"""The description of the API says what the API does, and every answer carries its guards."""

from __future__ import annotations

import json
from typing import Any

from tests.cast import Stage

GUARDS = {
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "x-content-type-options",
}


async def test_the_description_is_openapi_and_names_every_shape(stage: Stage) -> None:
    answer = await stage.http.get("/api/openapi.json")
    document: dict[str, Any] = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert document["openapi"].startswith("3.1")
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named <= set(schemas)
    assert not any("." in name for name in schemas), "two shapes have one name"
    assert "http://" not in text.replace("http://localhost", "")


async def test_there_is_one_description_only(stage: Stage) -> None:
    for path in ("", "/", "/litestar.json", "/openapi.json", "/openapi.yaml", "/nothing"):
        answer = await stage.http.get(f"/api/schema{path}")

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_page"), path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_the_description_has_the_contract(stage: Stage) -> None:
    document = (await stage.http.get("/api/openapi.json")).json()
    group = "/api/v1/groups/{slug}"
    writes = {
        f"{group}/hours": "HoursBody",
        f"{group}/hours/batch": "HoursBatchBody",
        f"{group}/money": "MoneyBody",
        f"{group}/draws": "DrawBody",
        f"{group}/draws/{{draw_id}}/approve": "ApproveBody",
        f"{group}/draws/{{draw_id}}/hand-over": "HandOverBody",
        f"{group}/entries/{{entry_id}}/correct": "CorrectBody",
    }
    for path, shape in writes.items():
        operation = document["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]["schema"]
        assert body == {"$ref": f"#/components/schemas/{shape}"}
        assert document["components"]["schemas"][shape]["additionalProperties"] is False
        parameters = {parameter["name"]: parameter for parameter in operation["parameters"]}
        assert parameters["Idempotency-Key"]["required"] is True
        assert parameters["slug"]["in"] == "path"
        assert operation["security"] == [{"token": []}, {"session": []}]
        assert "application/problem+json" in operation["responses"]["422"]["content"]
    for path in ("/live", "/me/statement"):
        operation = document["paths"][group + path]["get"]
        assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"]
    hours = document["components"]["schemas"]["HoursBody"]
    assert hours["required"] == ["effective_on", "category"]


async def test_every_answer_carries_its_guards(stage: Stage, today: str) -> None:
    hours = {"minutes": 30, "effective_on": today, "category": "cooking"}
    answers = [
        await stage.post("ada", "/hours", hours),
        await stage.post("ada", "/hours", {}),
        await stage.get(None, "/live"),
        await stage.get("ada", "/live"),
        await stage.get("ada", "/draws/x/approve"),
        await stage.send("ada", "DELETE", "/hours"),
        await stage.send("ada", "OPTIONS", "/hours"),
        await stage.http.get("/api/openapi.json"),
        await stage.http.get("/api/nothing"),
        await stage.http.get("/nothing"),
        await stage.http.get("/api/v1/groups/riverside"),
        await stage.http.get("/g/riverside"),
        await stage.http.get("/g/nowhere"),
    ]

    for answer in answers:
        assert set(answer.headers) >= GUARDS, answer.request.url
        assert answer.status_code != 500, answer.request.url
        assert "set-cookie" not in answer.headers
        assert answer.status_code < 400 or answer.headers["cache-control"] == "no-store"


async def test_methods_and_addresses_that_do_not_exist_are_said_so(stage: Stage) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await stage.send("ada", method, "/hours/batch")
        assert (answer.status_code, answer.json()["code"]) == (405, "wrong_method")
        assert "POST" in answer.headers["allow"]
    for path in ("/draws/not-an-id/approve", "/nothing", "/hours/batch/more"):
        answer = await stage.post("ada", path, {})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_page")


async def test_a_fault_of_ours_says_nothing_about_us(stage: Stage, monkeypatch: Any, today: str) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("timebank.services.live.find_frame", broken)

    answer = await stage.get("ada", "/live")

    assert (answer.status_code, answer.json()["code"]) == (500, "server_fault")
    assert "secret" not in answer.text
    assert answer.json()["retryable"] is True
