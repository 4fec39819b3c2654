"""Bodies that should never be sent: each is refused in words, and none leaves a trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

from tests.cast import Stage

HOURS = '{"minutes":30,"effective_on":"2026-03-01","category":"cooking"%s}'


def with_more(more: str) -> bytes:
    return (HOURS % more).encode()


TORTURE: list[tuple[str, bytes, int, str]] = [
    ("nothing at all", b"", 400, "malformed_body"),
    ("not JSON", b"minutes=30", 400, "malformed_body"),
    ("cut off", b'{"minutes":30', 400, "malformed_body"),
    ("something after it", with_more("") + b"x", 400, "malformed_body"),
    ("two of them", with_more("") * 2, 400, "malformed_body"),
    ("a byte order mark", b"\xef\xbb\xbf" + with_more(""), 400, "malformed_body"),
    ("UTF-16", with_more("").decode().encode("utf-16"), 400, "malformed_body"),
    ("Latin-1", HOURS.encode() % ',"note":"caf\xe9"'.encode("latin-1"), 400, "malformed_body"),
    ("an encoded surrogate", HOURS.encode() % b',"note":"\xed\xa0\x80"', 400, "malformed_body"),
    ("a lone surrogate", with_more(',"note":"\\ud800"'), 400, "malformed_body"),
    ("a lone low surrogate", with_more(',"note":"\\udc00 and more"'), 400, "malformed_body"),
    ("NaN", b'{"minutes":NaN}', 400, "malformed_body"),
    ("Infinity", b'{"minutes":Infinity}', 400, "malformed_body"),
    ("a comment", b"/* */" + with_more(""), 400, "malformed_body"),
    ("single quotes", b"{'minutes':30}", 400, "malformed_body"),
    ("a comma too many", with_more(","), 400, "malformed_body"),
    ("a list", b"[" + with_more("") + b"]", 400, "malformed_body"),
    ("a number", b"30", 400, "malformed_body"),
    ("null", b"null", 400, "malformed_body"),
    ("a field twice", with_more(',"minutes":31'), 400, "malformed_body"),
    ("a field twice, once in disguise", with_more(',"min\\u0075tes":31'), 400, "malformed_body"),
    ("an unknown field", with_more(',"minute":30'), 422, "field_invalid"),
    ("an unknown field, very deep", with_more(',"x":' + "[" * 20_000), 422, "field_invalid"),
    ("a note, very deep", with_more(',"note":' + "[" * 20_000 + "]" * 20_000), 422, "field_invalid"),
    ("a field of a prototype", with_more(',"__proto__":{}'), 422, "field_invalid"),
    ("a missing field", b'{"minutes":30,"category":"cooking"}', 422, "field_invalid"),
    (
        "minutes as text",
        b'{"minutes":"30","effective_on":"2026-03-01","category":"cooking"}',
        422,
        "malformed_amount",
    ),
    (
        "half a minute",
        b'{"minutes":0.5,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "malformed_amount",
    ),
    (
        "30.0 minutes",
        b'{"minutes":30.0,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "malformed_amount",
    ),
    (
        "1e3 minutes",
        b'{"minutes":1e3,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "malformed_amount",
    ),
    (
        "true minutes",
        b'{"minutes":true,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "malformed_amount",
    ),
    (
        "no minutes",
        b'{"minutes":null,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "field_invalid",
    ),
    (
        "zero minutes",
        b'{"minutes":0,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "minus one minute",
        b'{"minutes":-1,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "10^12 + 1",
        b'{"minutes":1000000000001,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "2^63",
        b'{"minutes":9223372036854775808,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "2^64",
        b'{"minutes":18446744073709551616,"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "a hundred digits",
        b'{"minutes":' + b"9" * 100 + b',"effective_on":"2026-03-01","category":"cooking"}',
        422,
        "amount_out_of_range",
    ),
    (
        "ten thousand digits",
        b'{"minutes":' + b"9" * 10_000 + b',"effective_on":"2026-03-01","category":"cooking"}',
        0,
        "",
    ),
    ("no such day", with_more("").replace(b"03-01", b"02-30"), 422, "field_invalid"),
    ("a moment for a day", with_more("").replace(b"03-01", b"03-01T00:00:00Z"), 422, "field_invalid"),
    ("a day as a number", with_more("").replace(b'"2026-03-01"', b"20260301"), 422, "field_invalid"),
    ("the year nought", with_more("").replace(b"2026", b"0000"), 422, "field_invalid"),
    ("the year 9999", with_more("").replace(b"2026", b"9999"), 422, "date_in_future"),
    ("before the book", with_more("").replace(b"2026", b"2025"), 422, "date_before_begin"),
    ("a giver that is no id", with_more(',"giver":"ada"'), 422, "field_invalid"),
    ("a giver that is nobody", with_more(',"giver":"00000000-0000-0000-0000-000000000000"'), 0, ""),
    ("SQL", with_more("").replace(b"cooking", b"'; DROP TABLE records; --"), 422, "unknown_category"),
    ("a zero byte", with_more("").replace(b"cooking", b"cook\\u0000ing"), 422, "unknown_category"),
    ("a long category", with_more("").replace(b"cooking", b"c" * 41), 422, "field_invalid"),
    ("a long note", with_more(',"note":"%s"' % ("x" * 2001)), 422, "field_invalid"),
    ("a note with a zero byte", with_more(',"note":"\\u0000"'), 422, "field_invalid"),
    ("a note that is a number", with_more(',"note":1'), 422, "field_invalid"),
    ("no such pot", with_more(',"pot":"gold"'), 422, "unknown_pot"),
    ("too large", with_more(',"note":"%s"' % ("x" * 70_000)), 413, "too_large"),
]


def a_problem(answer: Any, what: str) -> dict[str, Any]:
    """Check that an answer is problem details in every respect, and return them."""
    assert answer.headers["content-type"] == "application/problem+json", what
    assert answer.headers["cache-control"] == "no-store", what
    assert answer.headers["x-content-type-options"] == "nosniff", what
    problem: dict[str, Any] = answer.json()
    errors = problem.keys() & {"errors"}
    assert problem.keys() == {"type", "title", "status", "detail", "code", "retryable", "params"} | errors, (
        what
    )
    for error in problem.get("errors", ()):
        assert error.keys() == {"field", "code", "detail", "params"}, what
    assert problem["status"] == answer.status_code, what
    assert problem["type"] == f"/problems/{problem['code']}", what
    assert "%(" not in problem["detail"], what
    return problem


async def test_no_body_is_strange_enough_to_get_through(stage: Stage) -> None:
    for what, body, status, code in TORTURE:
        answer = await stage.send(
            "ada", "POST", "/hours", content=body, headers={"Content-Type": "application/json"}
        )

        problem = a_problem(answer, what)
        assert 400 <= answer.status_code < 500, what
        if status:
            assert (answer.status_code, problem["code"]) == (status, code), (what, problem)

    statement = (await stage.get("ada", "/me/statement")).json()
    assert statement["lines"] == []
    fine = await stage.send(
        "ada",
        "POST",
        "/hours",
        content=with_more(""),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert fine.status_code == 201


async def test_optional_fields_may_be_null_and_text_may_be_of_any_language(stage: Stage, today: str) -> None:
    note = 'عملت معها 👩\u200d👩\u200d👧\r\n"two lines" \\ \u2066x\u2069'
    answer = await stage.post(
        "ada",
        "/hours",
        {
            "minutes": 30,
            "effective_on": today,
            "category": "cooking",
            "note": note,
            "giver": None,
            "receiver": None,
            "draw": None,
        },
    )

    assert answer.status_code == 201
    line = (await stage.get("ada", "/me/statement")).json()["lines"][0]
    assert line["note"] == note.replace("\r\n", "\n")


async def test_a_body_must_say_that_it_is_json(stage: Stage, today: str) -> None:
    body = with_more("")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = await stage.send("ada", "POST", "/hours", content=body, headers=headers)
        assert a_problem(answer, kind)["code"] == "unsupported_media_type"
        assert answer.status_code == 415


async def test_a_body_is_not_read_further_than_allowed(stage: Stage) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(10_000):
            sent += 1
            yield b"x" * 1024

    answer = await stage.send(
        "ada", "POST", "/hours", content=endless(), headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, a_problem(answer, "endless")["code"]) == (413, "too_large")
    assert sent < 200


async def test_a_batch_may_be_large_but_not_endless(stage: Stage, today: str) -> None:
    item = {"minutes": 1, "effective_on": today, "category": "cooking"}

    nothing = await stage.post("ada", "/hours/batch", {"items": []})
    many = await stage.post("ada", "/hours/batch", {"items": [item] * 5000})
    too_many = await stage.post("ada", "/hours/batch", {"items": [item] * 5001})
    too_large = await stage.post("ada", "/hours/batch", {"items": [{**item, "note": "x" * 2000}] * 1100})
    one_is_broken = await stage.post("ada", "/hours/batch", {"items": [item, {**item, "minutes": 1.5}]})
    doubled = await stage.send(
        "ada",
        "POST",
        "/hours/batch",
        content=b'{"items":[%s]}' % with_more(',"minutes":1'),
        headers={"Content-Type": "application/json"},
    )

    assert (nothing.status_code, nothing.json()) == (200, {"outcomes": []})
    assert {outcome["status"] for outcome in many.json()["outcomes"]} == {201}
    assert len({outcome["id"] for outcome in many.json()["outcomes"]}) == 5000
    assert (too_many.status_code, too_many.json()["code"]) == (413, "too_large")
    assert (too_large.status_code, too_large.json()["code"]) == (413, "too_large")
    assert (one_is_broken.status_code, one_is_broken.json()["code"]) == (422, "malformed_amount")
    assert (doubled.status_code, doubled.json()["code"]) == (400, "malformed_body")
    totals = (await stage.get("ada", "/me/statement")).json()["totals"]
    assert totals[0] == {"unit": "minutes", "given": 5000}


async def test_a_quantity_is_said_in_one_way_and_in_the_unit_of_the_pot(stage: Stage, today: str) -> None:
    ask = {"pot": "money", "category": "repairs"}
    for said, code in (
        ({}, "field_invalid"),
        ({"minutes": 5, "amount": 5, "currency": "EUR"}, "field_invalid"),
        ({"amount": 5}, "field_invalid"),
        ({"currency": "EUR"}, "field_invalid"),
        ({"minutes": 5}, "unknown_pot"),
        ({"amount": 5, "currency": "USD"}, "unknown_pot"),
        ({"amount": 5, "currency": "EURO"}, "field_invalid"),
    ):
        answer = await stage.post("flo", "/draws", {**ask, **said})
        assert (answer.status_code, answer.json()["code"]) == (422, code), said

    money = {"pot": "money", "amount": 9000, "currency": "EUR", "held": "bank", "effective_on": today}
    entry = (await stage.post("ed", "/money", money)).json()["entry"]
    draw = (await stage.post("flo", "/draws", {**ask, "amount": 500, "currency": "EUR"})).json()["id"]
    for path, name, body in (
        (f"/draws/{draw}/approve", "bo", {"minutes": 500}),
        (f"/draws/{draw}/approve", "bo", {"amount": 500, "currency": "USD"}),
        (f"/entries/{entry}/correct", "ed", {"reason": "x", "instead": {"amount": 1, "currency": "USD"}}),
    ):
        answer = await stage.post(name, path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unit_mismatch"), path
    assert (await stage.post("bo", f"/draws/{draw}/approve", None, headers={})).status_code == 200
    wrong = await stage.post(
        "ed", f"/draws/{draw}/hand-over", {"held": "bank", "amount": 500, "currency": "USD"}
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unit_mismatch")
    right = await stage.post(
        "ed", f"/draws/{draw}/hand-over", {"held": "bank", "amount": 500, "currency": "EUR"}
    )
    assert right.status_code == 200


async def test_refusals_speak_the_language_of_whoever_asks(stage: Stage) -> None:
    for wanted, starts in (("es-MX,en;q=0.5", ""), ("xx", "Please"), ("", "Please")):
        answer = await stage.get(None, "/live", headers={"Accept-Language": wanted})
        detail = a_problem(answer, wanted)["detail"]
        assert detail.startswith(starts)
    json.dumps(detail)


async def test_tomorrow_is_refused_in_the_groups_own_time_zone(stage: Stage, today: str) -> None:
    for days in (1, 400):
        day = date.fromisoformat(today) + timedelta(days=days)

        answer = await stage.post(
            "ada", "/hours", {"minutes": 1, "effective_on": day.isoformat(), "category": "cooking"}
        )

        assert (answer.status_code, answer.json()["code"]) == (422, "date_in_future")


def faults(answer: Any) -> list[tuple[str, str]]:
    return [(error["field"], error["code"]) for error in a_problem(answer, "faults")["errors"]]


async def test_all_bad_fields_of_a_body_are_said_at_once(stage: Stage) -> None:
    body = {"minutes": 1.5, "effective_on": "tomorrow", "giver": "ada", "note": 1, "color": "red"}

    answer = await stage.post("ada", "/hours", body)

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed_amount")
    assert faults(answer) == [
        ("minutes", "malformed_amount"),
        ("effective_on", "field_invalid"),
        ("giver", "field_invalid"),
        ("note", "field_invalid"),
        ("color", "field_invalid"),
        ("category", "field_invalid"),
    ]
    assert "effective_on" in answer.json()["errors"][1]["detail"]


async def test_bad_fields_are_named_by_their_path_also_where_only_the_rules_of_text_are_broken(
    stage: Stage, today: str
) -> None:
    good = {"minutes": 30, "effective_on": today, "category": "cooking"}
    items = [good, {**good, "minutes": "1:75"}, {**good, "minutes": -1.0, "draw": 7}, {"minutes": 1}]
    wrong_shape = await stage.post("ada", "/hours/batch", {"items": items})
    wrong_words = await stage.post(
        "ada",
        "/hours/batch",
        {"items": [good, {**good, "minutes": 2**53, "note": "\u0000"}, {**good, "note": "\u0007"}]},
    )
    ask = {
        "pot": "hours",
        "category": "company",
        "minutes": 5,
        "amount": 5,
        "contact": "\u0000",
        "payout": "\u0001",
    }
    wrong_ask = await stage.post("ada", "/draws", ask)
    money = {"pot": "money", "amount": 2**60, "currency": "EUR", "held": "bank", "effective_on": today}
    wrong_money = await stage.post("ed", "/money", {**money, "reference": "\u0000"})
    instead = {"amount": 1, "effective_on": today}
    wrong_correction = await stage.post(
        "ada", f"/entries/{stage.cast.group_id}/correct", {"reason": "\u0000", "instead": instead}
    )

    assert faults(wrong_shape) == [
        ("items[1].minutes", "malformed_amount"),
        ("items[2].minutes", "malformed_amount"),
        ("items[2].draw", "field_invalid"),
        ("items[3].effective_on", "field_invalid"),
        ("items[3].category", "field_invalid"),
    ]
    assert faults(wrong_words) == [
        ("items[1].minutes", "amount_out_of_range"),
        ("items[1].note", "field_invalid"),
        ("items[2].note", "field_invalid"),
    ]
    assert [field for field, _ in faults(wrong_ask)] == ["minutes", "contact", "payout"]
    assert [field for field, _ in faults(wrong_money)] == ["amount", "reference"]
    assert [field for field, _ in faults(wrong_correction)] == ["reason", "instead.currency"]


async def test_one_bad_field_is_said_as_one_and_a_thousand_as_a_hundred(stage: Stage, today: str) -> None:
    one = await stage.post("ada", "/hours", {"minutes": "1e3", "effective_on": today, "category": "cooking"})
    many = await stage.post("ada", "/hours/batch", {"items": [{}] * 1000})
    strange = await stage.post("ada", "/hours", {"x" * 5000: 1, "a\nb": 2})
    no_object = await stage.post("ada", "/hours", [1, 2])

    assert faults(one) == [("minutes", "malformed_amount")]
    assert len(faults(many)) == 100
    assert [field for field, _ in faults(strange)] == ["?", "?", "effective_on", "category"]
    assert "errors" not in no_object.json()
