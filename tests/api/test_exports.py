"""What people take away over HTTP: the book for those who check it, their own rows, all that is held of them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.authenticator import Device
from tests.cast import Stage
from tests.services.auditors import hledger_complaint
from timebank.formats.formulas import undefused
from timebank.services import cards, passkeys
from timebank.services.members import grant_role
from timebank.services.sessions import Sessions
from timebank.services.tokens import make_token

NOTE = '=HYPERLINK("https://bad.example";"Ada, 20 €")\r\nsecond line'
CANARY = "canary-of-flo"


async def some_life(stage: Stage, today: str) -> None:
    """Ada gives, receives, asks and corrects; Flo leaves a canary wherever she can write."""
    ids = stage.cast.ids
    hours = {"effective_on": today, "category": "cooking"}
    answers = [
        await stage.post("ada", "/hours", {**hours, "minutes": 90, "note": NOTE}),
        await stage.post("ada", "/hours", {**hours, "minutes": 30, "receiver": str(ids["flo"])}),
        await stage.post(
            "flo", "/hours", {**hours, "minutes": 60, "receiver": str(ids["ada"]), "note": CANARY}
        ),
        await stage.post("flo", "/hours", {**hours, "minutes": 7, "note": CANARY}),
        await stage.post("ed", "/money", _money(today, 9_000, reference="bank line of the treasurer")),
        await stage.post("ed", "/money", _money(today, 705, giver=str(ids["ada"]))),
        await stage.post("flo", "/draws", {**_ask(100), "contact": CANARY, "payout": CANARY}),
    ]
    wrong = (await stage.post("ada", "/hours", {**hours, "minutes": 500})).json()["entry"]
    answers.append(
        await stage.post("ada", f"/entries/{wrong}/correct", {"reason": "+typo", "instead": {"minutes": 50}})
    )
    asked = await stage.post("ada", "/draws", {**_ask(1_234), "contact": "@ada", "payout": "-iban"})
    draw = asked.json()["id"]
    answers += [
        await stage.post("bo", f"/draws/{draw}/approve", {}),
        await stage.post("ed", f"/draws/{draw}/hand-over", {"held": "bank"}),
    ]
    assert {answer.status_code for answer in answers} <= {200, 201}, [a.text for a in answers]


def _money(today: str, amount: int, **more: Any) -> dict[str, Any]:
    return {
        "pot": "money",
        "amount": amount,
        "currency": "EUR",
        "held": "bank",
        "effective_on": today,
        **more,
    }


def _ask(amount: int) -> dict[str, Any]:
    return {"pot": "money", "amount": amount, "currency": "EUR", "category": "repairs"}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


# ---------------------------------------------------------------- journals


@pytest.mark.parametrize(
    ("file_format", "suffix"), [("hledger", "journal"), ("beancount", "beancount"), ("csv", "csv")]
)
async def test_those_who_look_after_the_book_get_it_as_a_file(
    stage: Stage, today: str, file_format: str, suffix: str
) -> None:
    await some_life(stage, today)

    answer = await stage.get("bo", "/exports/journal", params={"format": file_format})

    assert answer.status_code == 200
    kind = "text/csv; charset=utf-8; header=present" if file_format == "csv" else "text/plain; charset=utf-8"
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    name = answer.headers["content-disposition"]
    assert name.startswith('attachment; filename="riverside-through-record-')
    assert name.endswith(f'.{suffix}"')
    if file_format != "csv":
        assert answer.text.rstrip().endswith("moved")
    if file_format == "hledger":
        assert hledger_complaint(answer.text) == ""


async def test_nobody_else_gets_the_book(stage: Stage, today: str) -> None:
    await some_life(stage, today)
    house = stage.cast.house
    seeing = await make_token(
        house, stage.cast.group_id, stage.cast.ids["ada"], ("read", "seq"), now=_moment()
    )
    blind = await make_token(house, stage.cast.group_id, stage.cast.ids["bo"], ("write",), now=_moment())
    stage.cast.tokens |= {"ada with seq": seeing.token, "bo without read": blind.token}

    said = {}
    for name in (None, "ada", "ada with seq", "bo without read", "cy"):
        answer = await stage.get(name, "/exports/journal")
        said[name] = (answer.status_code, answer.json()["code"])

    assert said == {
        None: (401, "not_signed_in"),
        "ada": (403, "needs_role"),
        "ada with seq": (403, "needs_role"),
        "bo without read": (403, "needs_scope"),
        "cy": (401, "not_signed_in"),
    }
    assert (await stage.get("bo", "/exports/journal", slug="hillside")).status_code == 401
    assert (await stage.get("bo", "/exports/journal", slug="nowhere")).status_code == 404
    for name in ("ed", "di"):
        assert (await stage.get(name, "/exports/journal")).status_code == 200
    await grant_role(house, stage.cast.group_id, stage.cast.ids["ada"], "auditor", now=_moment())
    assert (await stage.get("ada", "/exports/journal")).status_code == 200


async def test_an_export_is_asked_for_properly(stage: Stage) -> None:
    for params, field in (
        ({"format": "ledger"}, "format"),
        ({"format": ""}, "format"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "20260201"}, "from"),
        ({"to": "2026-W01-1"}, "to"),
        ({"to": "٢٠٢٦-٠١-٠١"}, "to"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "to"),
        ({"period": "0"}, "period"),
        ({"period": "-1"}, "period"),
        ({"period": "9" * 30}, "period"),
        ({"period": "x"}, "period"),
    ):
        answer = await stage.get("bo", "/exports/journal", params=params)
        assert (answer.status_code, answer.json()["params"]["field"]) == (422, field), params
    for params in ({"from": "0001-01-01"}, {"to": "9999-12-31"}, {"from": "9999-12-31"}):
        assert (await stage.get("bo", "/exports/journal", params=params)).status_code == 200, params


# ---------------------------------------------------------------- a statement as a sheet


async def test_a_sheet_has_all_own_rows_and_the_totals_of_the_statement(stage: Stage, today: str) -> None:
    await some_life(stage, today)
    statement = (await stage.get("ada", "/me/statement")).json()

    answer = await stage.get("ada", "/me/statement.csv")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"].startswith('attachment; filename="riverside-statement-2')
    assert answer.content.startswith(b"\xef\xbb\xbfdate,what,kind,hours,amount,currency,")
    lines = answer.content.split(b"\r\n")
    assert lines[-1] == b""
    rows = rows_of(answer.content.decode("utf-8-sig"))
    body = [row for row in rows if row["date"] != "total"]
    assert [(row["what"], row["hours"] or row["amount"], row["state"]) for row in body] == [
        ("given", "1:30", "recorded"),
        ("given", "0:30", "recorded"),
        ("received", "1:00", "logged"),
        ("given", "7.05", "recorded"),
        ("given", "8:20", "corrected"),
        ("taken_back", "8:20", "recorded"),
        ("given", "0:50", "recorded"),
        ("asked", "12.34", "handed_over"),
    ]
    assert len(body) == len(statement["lines"])
    totals = {
        (row["what"], row["currency"]): row["hours"] or row["amount"] for row in rows if row not in body
    }
    assert totals == {
        ("given", ""): "2:50",
        ("given", "EUR"): "7.05",
        ("received", ""): "1:00",
        ("all", ""): "",
    }
    assert statement["totals"] == [{"unit": "minutes", "given": 170}, {"unit": "EUR", "given": 705}]
    notes = [row["note"] for row in rows if row["date"] == "total"]
    assert [note.partition(";")[0] for note in notes] == ["lines=3", "lines=1", "lines=1", "lines=8"]
    assert all("; cut=2" in note and "+00:00" in note for note in notes)
    assert "seq" not in answer.text
    assert CANARY not in answer.text
    assert "-" not in "".join(row["hours"] + row["amount"] for row in rows)


async def test_formulas_are_defused_and_come_back_unchanged(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    answer = await stage.get("ada", "/me/statement.csv")

    row = rows_of(answer.content.decode("utf-8-sig"))[0]
    assert row["note"].startswith("'=HYPERLINK")
    assert undefused(row["note"]) == NOTE.replace("\r\n", "\n")
    assert not [
        cell
        for row in rows_of(answer.content.decode("utf-8-sig"))
        for cell in row.values()
        if cell.startswith(("=", "+", "-", "@", "\t"))
    ]


async def test_a_sheet_of_some_days_adds_up_to_those_days(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    for params in ({"to": "2026-01-01"}, {"from": "9999-01-01"}):
        rows = rows_of((await stage.get("ada", "/me/statement.csv", params=params)).text)
        assert [row["hours"] or row["amount"] for row in rows] == ["0:00", "0.00", "0:00", ""]
    rows = rows_of((await stage.get("ada", "/me/statement.csv", params={"from": today, "to": today})).text)
    assert len(rows) == 12
    answer = await stage.get("ada", "/me/statement.csv", params={"from": today, "to": "2026-01-01"})
    assert (answer.status_code, answer.json()["params"]["field"]) == (422, "to")


async def test_pages_make_no_difference_to_a_sheet(
    stage: Stage, today: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_life(stage, today)
    whole = (await stage.get("ada", "/me/statement.csv")).text
    monkeypatch.setattr("timebank.services.statement._WHOLE_PAGE", 2)
    monkeypatch.setattr("timebank.formats.statement_csv._LINES_A_CHUNK", 3)

    paged = (await stage.get("ada", "/me/statement.csv")).text

    assert [line.partition("; cut=")[0] for line in paged.splitlines()] == [
        line.partition("; cut=")[0] for line in whole.splitlines()
    ]
    monkeypatch.setattr("timebank.services.own_data.LINES_MAX", 7)
    for path in ("/me/statement.csv", "/me/data"):
        answer = await stage.get("ada", path)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


# ---------------------------------------------------------------- everything held of oneself


async def test_own_data_has_everything_of_oneself_and_nobody_elses(stage: Stage, today: str) -> None:
    await some_life(stage, today)
    ids = stage.cast.ids

    answer = await stage.get("ada", "/me/data")

    assert answer.status_code == 200
    data = answer.json()
    assert data["format"] == "timebank member data, format 1"
    assert (data["group"], data["group_name"]) == ("riverside", "Riverside")
    assert (data["member"], data["nickname"], data["state"]) == (str(ids["ada"]), "Ada", "active")
    assert data["duties"] == []
    actor = await stage.cast.actor("ada")
    assert {(one["number"], one["unit"], one["given"]) for one in data["accounts"]} == {
        (actor.accounts["minutes"], "minutes", 170),
        (actor.accounts["EUR"], "EUR", 705),
    }
    statement = (await stage.get("ada", "/me/statement")).json()
    assert data["totals"] == statement["totals"]
    assert data["lines"] == [line for line in statement["lines"] if line["what"] != "asked"]
    assert [(ask["amount"], ask["contact"], ask["payout"], ask["handed_over"]) for ask in data["asks"]] == [
        (1_234, "@ada", "-iban", 1_234)
    ]
    assert [hand["asked"] for hand in data["hands"]] == [True]
    assert {words["text"] for words in data["words"]} >= {
        NOTE.replace("\r\n", "\n"),
        "+typo",
        "@ada",
        "-iban",
    }
    assert len(data["tokens"]) == 1
    assert stage.cast.tokens["ada"] not in answer.text
    assert CANARY not in answer.text
    assert "bank line of the treasurer" not in answer.text
    for name in ("flo", "bo", "di", "ed"):
        assert str(ids[name]) not in answer.text
        other = await stage.cast.actor(name)
        assert not [number for number in other.accounts.values() if str(number) in answer.text]
    assert "seq" not in json.dumps([data["lines"], data["asks"], data["hands"]])


async def test_duties_and_what_one_decided_are_ones_own_data_too(stage: Stage, today: str) -> None:
    await some_life(stage, today)

    bo = (await stage.get("bo", "/me/data")).json()
    ed = (await stage.get("ed", "/me/data")).json()

    assert [duty["role"] for duty in bo["duties"]] == ["steward"]
    assert [(hand["approved"], hand["asked"], hand["paid"]) for hand in bo["hands"]] == [(True, False, False)]
    assert [(hand["approved"], hand["asked"], hand["paid"]) for hand in ed["hands"]] == [(False, False, True)]
    assert "@ada" not in str(bo) + str(ed)
    assert [words["text"] for words in ed["words"]] == ["bank line of the treasurer"]


async def test_own_data_has_the_ways_in_without_what_opens_them(stage: Stage) -> None:
    cast, now = stage.cast, _moment()
    ada, flo = cast.ids["ada"], cast.ids["flo"]
    used = await cards.make_card(cast.house, cast.group_id, ada, made_by=None, now=now)
    session = await cards.sign_in(cast.house, cast.group_id, used.code, key="k" * 32, now=now)
    kept = await cards.make_card(cast.house, cast.group_id, ada, made_by=None, now=now + timedelta(seconds=1))
    await cards.make_card(cast.house, cast.group_id, flo, made_by=None, now=now)
    signed_in = await Sessions(cast.house, clock=_moment).find(cast.group_id, session.secret)
    place = passkeys.Place("localhost", "http://localhost", "Riverside")
    offered = await passkeys.offer_add(cast.house, signed_in, place, now=now)
    device = Device()
    await passkeys.add_passkey(
        cast.house, signed_in, session.secret, device.create(offered), place, name="Mine", now=now
    )

    answer = await stage.get("ada", "/me/data")

    data = answer.json()
    assert [card["id"] for card in data["cards"]] == [str(kept.card_id), str(used.card_id)]
    assert ["used_at" in card for card in data["cards"]] == [False, True]
    assert [(one["way"], one["id"]) for one in data["sessions"]] == [("card", str(session.session_id))]
    assert [passkey["name"] for passkey in data["passkeys"]] == ["Mine"]
    assert data["app_since"] is None
    for secret in (used.code, kept.code, session.secret):
        assert secret not in answer.text
        assert secret.replace("-", "") not in answer.text
    assert (await stage.get("flo", "/me/data")).json()["passkeys"] == []


async def test_only_oneself_gets_ones_own_data(stage: Stage) -> None:
    for path in ("/me/data", "/me/statement.csv"):
        assert (await stage.get(None, path)).status_code == 401
        assert (await stage.get("cy", path)).status_code == 401
        blind = await make_token(
            stage.cast.house, stage.cast.group_id, stage.cast.ids["ada"], ("write",), now=_moment()
        )
        stage.cast.tokens["ada without read"] = blind.token
        answer = await stage.get("ada without read", path)
        assert (answer.status_code, answer.json()["code"]) == (403, "needs_scope")


async def test_exports_are_described(stage: Stage) -> None:
    document = (await stage.http.get("/api/openapi.json")).json()
    group = "/api/v1/groups/{slug}"

    journal = document["paths"][f"{group}/exports/journal"]["get"]
    assert list(journal["responses"]["200"]["content"]) == ["text/plain", "text/csv"]
    assert {field["name"] for field in journal["parameters"]} == {"slug", "format", "from", "to", "period"}
    sheet = document["paths"][f"{group}/me/statement.csv"]["get"]
    assert list(sheet["responses"]["200"]["content"]) == ["text/csv"]
    data = document["paths"][f"{group}/me/data"]["get"]
    assert data["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/OwnDataOut")


def _moment() -> datetime:
    return datetime.now(UTC)
