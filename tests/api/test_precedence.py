"""If several things are wrong with one request, the documented one is said first."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from tests.cast import Stage
from timebank.services.tokens import make_token


async def test_faults_come_out_in_the_documented_order(stage: Stage, today: str) -> None:
    cast = stage.cast
    reading = (
        await make_token(cast.house, cast.group_id, cast.ids["ada"], ("read",), now=datetime.now(UTC))
    ).token
    request: dict[str, Any] = {
        "method": "PUT",
        "slug": "nowhere",
        "headers": {"Content-Type": "text/plain"},
        "content": b'{"minutes":1.5,' + b" " * 70_000,
    }
    good = {"minutes": 30, "effective_on": today, "category": "cooking"}

    async def code() -> str:
        answer = await stage.http.request(
            request["method"],
            f"/api/v1/groups/{request['slug']}/hours",
            headers=request["headers"],
            content=request["content"],
        )
        return str(answer.json().get("code", answer.status_code))

    # Each step mends what was said last; everything behind it is still wrong.
    assert await code() == "wrong_method"
    request["method"] = "POST"
    assert await code() == "unknown_group"
    request["slug"] = "riverside"
    assert await code() == "not_signed_in"
    request["headers"]["Authorization"] = f"Bearer {reading}"
    assert await code() == "needs_scope"
    request["headers"]["Authorization"] = f"Bearer {cast.tokens['ada']}"
    assert await code() == "too_large"
    request["content"] = b'{"minutes":1.5,'
    assert await code() == "unsupported_media_type"
    request["headers"]["Content-Type"] = "application/json"
    assert await code() == "idempotency_key_missing"
    request["headers"]["Idempotency-Key"] = b"caf\xe9"
    assert await code() == "idempotency_key_invalid"
    request["headers"]["Idempotency-Key"] = "k"
    assert await code() == "malformed_amount"
    request["content"] = b'{"minutes":15,'
    assert await code() == "malformed_body"
    request["content"] = json.dumps({**good, "more": 1}).encode()
    assert await code() == "field_invalid"
    request["content"] = json.dumps({**good, "category": "none", "minutes": 0}).encode()
    assert await code() == "unknown_category"
    request["content"] = json.dumps({**good, "minutes": 0, "effective_on": "9999-01-01"}).encode()
    assert await code() == "idempotency_key_reused"
    request["headers"]["Idempotency-Key"] = "l"
    assert await code() == "amount_out_of_range"
    request["headers"]["Idempotency-Key"] = "m"
    request["content"] = json.dumps({**good, "effective_on": "9999-01-01"}).encode()
    assert await code() == "date_in_future"
    request["headers"]["Idempotency-Key"] = "n"
    request["content"] = json.dumps(good).encode()
    assert await code() == "201"
