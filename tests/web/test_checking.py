"""*Check this book*: how it is done, the program for it, and witnesses whose word is taken and shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cast import SLUG, Cast, cast, house, running, trust_this_server
from timebank.app import build_app
from timebank.config import Settings
from timebank.ledger.cosignatures import COSIGNATURE, cosign
from timebank.ledger.notes import seal_of, signature_line, verifier_key
from timebank.ledger.public_log import ClosingLeaf, read_leaf
from timebank.services.close import close_period
from timebank.services.members import grant_role, revoke_role
from timebank.services.new_keys import introduce_keys
from timebank.services.verify import verify_group
from timebank.store.auditors import KeyRow, insert_key
from timebank.store.public_log import find_last_leaf

__all__ = ["cast", "house"]

NAME = "witness.example/ada"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG = f"/g/{SLUG}/log"


@pytest_asyncio.fixture(loop_scope="session")
async def http(
    cast: Cast,
    fresh_dsn: Callable[[str], dict[str, object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    """An application that was told of one witness."""
    monkeypatch.setattr("timebank.store.engine.refuse_unsafe", trust_this_server)
    settings = Settings(
        home=tmp_path,
        database_urls={},
        origin="https://bank.example",
        witnesses=(verifier_key(NAME, PUBLIC, COSIGNATURE),),
    )
    app = build_app(settings, fresh_dsn)
    async with running(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


def line(note: str, *, at: datetime, secret: Ed25519PrivateKey = SECRET, name: str = NAME) -> str:
    text = note.split("\n\n")[0] + "\n"
    public = secret.public_key().public_bytes_raw()
    return signature_line(cosign(text, name, public, secret.sign, at=int(at.timestamp())))


async def test_the_page_says_how_and_needs_nobody(http: httpx.AsyncClient) -> None:
    page = await http.get(f"/g/{SLUG}/check")

    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert page.headers["cache-control"] == "no-cache"
    note = (await http.get(f"{LOG}/checkpoint")).text
    assert note.split("\n")[2] in page.text, "the root of the newest checkpoint"
    assert f"bank.example/g/{SLUG}+" in page.text, "the key that signed it"
    assert f"timebank verify https://bank.example/g/{SLUG} --keep {SLUG}.txt" in page.text
    assert "Nobody has witnessed this book yet" in page.text
    assert "The first seal is there with the first page." in page.text
    assert (await http.get("/g/nobody/check")).status_code == 404


async def test_the_page_has_the_seal_to_compare_by_eye_and_the_command_that_finds_its_page(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    await close_period(cast.house, cast.group_id, now=datetime.now(UTC) + timedelta(days=1))

    page = await http.get(f"/g/{SLUG}/check")

    seal = seal_of((await http.get(f"{LOG}/checkpoint")).text)
    assert f'<code dir="ltr">{seal}</code>' in page.text
    assert f'python3 check_book.py https://bank.example/g/{SLUG} --seal "{seal}"' in page.text
    assert seal in (await http.get(f"/g/{SLUG}/periods/1")).text


async def test_the_program_is_a_file_to_keep(http: httpx.AsyncClient) -> None:
    answer = await http.get("/check_book.py")

    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="check_book.py"'
    assert answer.text.startswith("#!/usr/bin/env python3")
    compile(answer.text, "check_book.py", "exec")


async def test_a_known_witness_is_taken_at_its_word_and_shown(http: httpx.AsyncClient) -> None:
    note = (await http.get(f"{LOG}/checkpoint")).text
    then = datetime.now(UTC) - timedelta(days=3)
    own, stranger = line(note, at=then), line(note, at=then, secret=OTHER, name="witness.example/cy")

    for _ in range(2):
        taken = await http.post(f"{LOG}/cosignatures", content=note + stranger + own)
        assert (taken.status_code, taken.content) == (204, b"")

    assert (await http.get(f"{LOG}/cosignatures")).text == own
    assert (await http.get(f"{LOG}/checkpoint")).text == note, "the checkpoint itself is frozen"
    page = (await http.get(f"/g/{SLUG}/check")).text
    assert NAME in page
    assert "witness.example/cy" not in page
    assert "Nobody has witnessed" not in page


async def test_whatever_else_is_refused_and_leaves_no_trace(http: httpx.AsyncClient, cast: Cast) -> None:
    note = (await http.get(f"{LOG}/checkpoint")).text
    now = datetime.now(UTC)
    own = line(note, at=now)
    wrong = line(note, at=now)[:-6] + "AAA=\n"
    for body, status in (
        (b"", 400),
        (b"hello", 400),
        (note.encode(), 403),
        ((note + line(note, at=now, secret=OTHER, name="witness.example/cy")).encode(), 403),
        ((note + line(note, at=now, secret=OTHER)).encode(), 403),
        ((note + wrong).encode(), 400),
        ((note + line(note, at=now + timedelta(days=1))).encode(), 400),
        ((note.replace("\n1\n", "\n2\n") + own).encode(), 409),
        (b"x" * 70_000, 413),
    ):
        answer = await http.post(f"{LOG}/cosignatures", content=body)
        assert answer.status_code == status, (body[:200], answer.text)
    assert (await http.post("/g/nobody/log/cosignatures", content=note + own)).status_code == 404
    assert (await http.get(f"{LOG}/cosignatures")).text == ""

    # After a close the witness has to look again.
    await close_period(cast.house, cast.group_id, now=now + timedelta(days=1))
    assert f'href="/g/{SLUG}/check"' in (await http.get(f"/g/{SLUG}")).text
    late = await http.post(f"{LOG}/cosignatures", content=note + own)
    assert late.status_code == 409


async def test_a_new_key_is_told_with_the_close_that_it_signs_and_not_before(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    now = datetime.now(UTC)
    before = (await http.get(f"/g/{SLUG}/check")).text
    made = await introduce_keys(cast.house, cast.group_id, reason="rotation", now=now)
    assert (await http.get(f"/g/{SLUG}/check")).text == before, "nothing public moves between closes"

    await close_period(cast.house, cast.group_id, now=now + timedelta(days=1))

    after = (await http.get(f"/g/{SLUG}/check")).text
    assert made.log in after
    assert made.log not in before
    assert "the log got a new key. The key before introduced it." in after


async def test_a_group_that_chose_its_witnesses_has_those_and_not_its_hosts(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    note = (await http.get(f"{LOG}/checkpoint")).text
    now = datetime.now(UTC)
    own, other = line(note, at=now), line(note, at=now, secret=OTHER, name="witness.example/cy")
    theirs = verifier_key("witness.example/cy", OTHER.public_key().public_bytes_raw(), COSIGNATURE)
    settings = f"/api/v1/groups/{SLUG}/settings"

    async def choose(name: str, keys: list[str]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {cast.tokens[name]}", "Idempotency-Key": uuid4().hex}
        return await http.post(settings, json={"witnesses": keys}, headers=headers)

    assert (await choose("ada", [theirs])).json()["code"] == "needs_role"
    again = verifier_key("witness.example/di", OTHER.public_key().public_bytes_raw(), COSIGNATURE)
    for keys in (["no key"], [theirs, theirs], [theirs, again]):
        assert (await choose("bo", keys)).json()["params"]["field"] == "witnesses"
    assert (await choose("bo", [theirs])).json()["changed"] == ["witnesses"]

    assert (await http.post(f"{LOG}/cosignatures", content=note + own)).status_code == 403
    assert (await http.post(f"{LOG}/cosignatures", content=note + other)).status_code == 204
    said = (await http.get(f"/api/v1/groups/{SLUG}/checks")).json()
    assert [(one["name"], one["said"], one["size"], one["until"]) for one in said["cosigned"]] == [
        ("witness.example/cy", "witnessed", 1, None)
    ]
    read = {"Authorization": f"Bearer {cast.tokens['ada']}"}
    assert (await http.get(settings, headers=read)).json()["witnesses"] == [theirs]
    changes = (await http.get(f"{settings}/history", headers=read)).json()["changes"]
    assert changes[0]["after"] == {"witnesses": [theirs]}

    # Whoever chooses none again leaves it to the host.
    assert (await choose("bo", [])).status_code == 200
    assert (await http.post(f"{LOG}/cosignatures", content=note + own)).status_code == 204


async def test_what_an_auditor_signs_is_shown_as_that_and_the_next_closing_names_the_key(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    then = datetime.now(UTC)
    await grant_role(cast.house, cast.group_id, cast.ids["flo"], "auditor", now=then)
    key = verifier_key("auditor.example/flo", OTHER.public_key().public_bytes_raw(), COSIGNATURE)

    async def post(name: str, path: str, body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {cast.tokens[name]}", "Idempotency-Key": uuid4().hex}
        return await http.post(f"/api/v1/groups/{SLUG}/audit/{path}", json=body, headers=headers)

    assert (await post("flo", "key", {"key": "no key"})).json()["params"]["field"] == "key"
    assert (await post("flo", "key", {"key": key})).status_code == 201
    assert (await post("flo", "key", {"key": key})).json()["code"] == "already_done"
    await close_period(cast.house, cast.group_id, now=then + timedelta(days=1))
    note = (await http.get(f"{LOG}/checkpoint")).text
    own = line(note, at=then, secret=OTHER, name="auditor.example/flo")
    assert (await http.post(f"{LOG}/cosignatures", content=note + own)).status_code == 204

    page = (await http.get(f"/g/{SLUG}/check")).text
    assert "auditor.example/flo opened every record until" in page
    assert "Nobody has witnessed this book yet" in page
    (said,) = (await http.get(f"/api/v1/groups/{SLUG}/checks")).json()["cosigned"]
    assert (said["name"], said["said"]) == ("auditor.example/flo", "audited")
    async with cast.house.database.public_read(cast.group_id) as tx:
        closing = read_leaf(await find_last_leaf(tx, cast.group_id, said["size"]))
    assert isinstance(closing, ClosingLeaf)
    assert closing.auditors == (key,)
    assert said["until"] == closing.last_day.isoformat()
    assert (await verify_group(cast.house, cast.group_id)).findings == ()

    # Without the duty, or withdrawn, it counts for nothing new; what was said stays.
    await revoke_role(cast.house, cast.group_id, cast.ids["flo"], "auditor", now=then)
    assert (await http.post(f"{LOG}/cosignatures", content=note + own)).status_code == 403
    await grant_role(cast.house, cast.group_id, cast.ids["flo"], "auditor", now=datetime.now(UTC))
    assert (await post("flo", "key/withdraw", {})).json() == {"name": "auditor.example/flo", "key": key}
    assert (await post("flo", "key/withdraw", {})).status_code == 404
    assert (await http.post(f"{LOG}/cosignatures", content=note + own)).status_code == 403
    assert "auditor.example/flo opened every record until" in (await http.get(f"/g/{SLUG}/check")).text


async def test_nobody_has_the_name_or_the_key_of_somebody_else_whose_word_counts(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    now = datetime.now(UTC)
    third = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
    by_host, other, own = (one.public_key().public_bytes_raw() for one in (SECRET, OTHER, third))
    for name in ("flo", "ada"):
        await grant_role(cast.house, cast.group_id, cast.ids[name], "auditor", now=now)

    async def post(name: str, path: str, body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {cast.tokens[name]}", "Idempotency-Key": uuid4().hex}
        return await http.post(f"/api/v1/groups/{SLUG}/{path}", json=body, headers=headers)

    async def refused(name: str, key: str) -> str:
        said = (await post(name, "audit/key", {"key": key})).json()
        assert (said["code"], said["params"]["field"]) == ("field_invalid", "key")
        return str(said["params"]["why"])

    async def choose(key: str) -> dict[str, Any]:
        return dict((await post("bo", "settings", {"witnesses": [key]})).json())

    def key(name: str, public: bytes) -> str:
        return verifier_key(name, public, COSIGNATURE)

    name_taken, key_taken = "somebody else has a key of this name", "this key is taken already"
    # The host's witnesses, the group's, and other auditors, in their names and in their keys.
    assert await refused("flo", key(NAME, own)) == name_taken
    assert await refused("flo", key("auditor.example/flo", by_host)) == key_taken
    assert (await choose(key("witness.example/cy", other)))["changed"] == ["witnesses"]
    assert await refused("flo", key("witness.example/cy", own)) == name_taken
    assert await refused("flo", key("auditor.example/flo", other)) == key_taken
    flos = key("auditor.example/flo", own)
    assert (await post("flo", "audit/key", {"key": flos})).status_code == 201
    assert await refused("ada", key("auditor.example/flo", bytes(range(32)))) == name_taken
    assert await refused("ada", key("auditor.example/ada", own)) == key_taken

    # No steward makes a witness of an auditor either, not even of one whose key counts no more.
    assert (await post("flo", "audit/key/withdraw", {})).status_code == 200
    for taken in (flos, key("auditor.example/flo", other), key("witness.example/di", own)):
        assert (await choose(taken))["params"]["field"] == "witnesses"
    assert (await post("flo", "audit/key", {"key": flos})).status_code == 201


async def test_whom_the_host_was_told_of_later_counts_as_a_witness_and_as_no_auditor(
    http: httpx.AsyncClient, cast: Cast
) -> None:
    now = datetime.now(UTC)
    for name in ("flo", "ada"):
        await grant_role(cast.house, cast.group_id, cast.ids[name], "auditor", now=now)
    keys = {"flo": verifier_key("auditor.example/flo", PUBLIC, COSIGNATURE)}
    keys["ada"] = verifier_key(NAME, OTHER.public_key().public_bytes_raw(), COSIGNATURE)
    async with cast.house.database.tx(cast.group_id) as tx:
        for name, key in keys.items():
            row = KeyRow(key.split("+")[0], key, cast.ids[name], None)
            await insert_key(tx, cast.group_id, row, now=now)
    note = (await http.get(f"{LOG}/checkpoint")).text
    by_witness = line(note, at=now)
    renamed = line(note, at=now, name="auditor.example/flo")
    of_its_name = line(note, at=now, secret=OTHER)

    for other in (renamed, of_its_name):
        assert (await http.post(f"{LOG}/cosignatures", content=note + other)).status_code == 403
    assert (
        await http.post(f"{LOG}/cosignatures", content=note + by_witness + of_its_name)
    ).status_code == 204

    (said,) = (await http.get(f"/api/v1/groups/{SLUG}/checks")).json()["cosigned"]
    assert (said["name"], said["said"]) == (NAME, "witnessed")
