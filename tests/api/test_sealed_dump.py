"""A full dump of a lively group, without the key store, tells no word that anybody wrote about a person.

Every column that can hold words is looked at, whoever adds one: either a canary lies sealed in it here,
or it stands below with the reason why nothing personal gets there.
"""

from __future__ import annotations

import base64
import io
import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tests.api.principals import World, open_world
from tests.api.samples_of_people import _Browser, invitation, key_to_join, recovery_of_kit
from tests.authenticator import Device
from tests.database import Dsn, Server, connected, copied
from tests.services.test_post import until
from timebank.services import mail_links, totp
from timebank.services.asks import make_form
from timebank.services.close import close_period
from timebank.store.migrate import SUPERUSER

pytestmark = pytest.mark.database

#: One with a letter that Unicode writes in two ways, one that also an address can have.
WORDS: Final = ("qürzelx", "qzurzelx")

#: Kinds of column that cannot hold a word.
NUMBERS: Final = {"uuid", "bigint", "integer", "smallint", "boolean", "date", "timestamp with time zone"}

_HASH: Final = "a hash, or a blind index under a key that is not in the database"
_STATE: Final = "one of a few words of the program"
_GROUP: Final = "what a group calls its own things, and shows to everybody"
_PUBLIC: Final = "published: made by the one function that has no person to give"

#: Columns in which no canary lies sealed, and why nothing personal gets there.
OPEN: Final = {
    "people.ask_links.code_index": _HASH,
    "people.ask_links.contact_index": _HASH,
    "people.ask_links.link_hash": _HASH,
    "people.ask_notes.salt": "random",
    "people.ask_notes.what": _STATE,
    "people.cards.code_hash": _HASH,
    "people.cards.used_key": _HASH,
    "people.draw_looks.what": _STATE,
    "people.duty_proposals.roles": _STATE,
    "people.duty_proposals.state": _STATE,
    "people.import_papers.what": _STATE,
    "people.invitations.roles": _STATE,
    "people.invitations.secret_hash": _HASH,
    "people.join_requests.secret_hash": _HASH,
    "people.join_requests.state": _STATE,
    "people.looks.what": _STATE,
    "people.mail.address_index": _HASH,
    "people.mail_asks.address_index": _HASH,
    "people.mail_asks.browser_hash": _HASH,
    "people.mail_asks.language": _STATE,
    "people.mail_asks.nickname_index": _HASH,
    "people.mail_links.bound_to": _HASH,
    "people.mail_links.link_hash": _HASH,
    "people.mail_links.what": _STATE,
    "people.member_roles.role": _STATE,
    "people.members.code_index": _HASH,
    "people.members.nickname_index": _HASH,
    "people.members.state": _STATE,
    "people.notes.salt": "random",
    "people.notes.what": _STATE,
    "people.outbox.state": _STATE,
    "people.passkeys.credential_index": _HASH,
    "people.recoveries.state": _STATE,
    "people.sessions.session_hash": _HASH,
    "people.sessions.way": _STATE,
    "people.spent_challenges.challenge_hash": _HASH,
    "people.stand_ins.consent": _STATE,
    "people.stand_ins.scopes": _STATE,
    "people.tokens.scopes": _STATE,
    "people.tokens.token_hash": _HASH,
    "people.tries.try_key": _HASH,
    "timebank.accounts.kind": _STATE,
    "timebank.accounts.unit": _STATE,
    "timebank.alembic_version.version_num": "which migration ran last",
    "timebank.answers.body": "ids, amounts and codes: what an answer says again under the same key",
    "timebank.answers.request_hash": _HASH,
    "timebank.auditor_keys.key": "a public key",
    "timebank.auditor_keys.name": "what a key is called in public, as its owner chose",
    "timebank.book_heads.checkpoint": "signed numbers and hashes",
    "timebank.book_heads.frontier": _HASH,
    "timebank.draws.category": _GROUP,
    "timebank.draws.state": _STATE,
    "timebank.draws.warnings": _STATE,
    "timebank.entries.category": _GROUP,
    "timebank.entries.kind": _STATE,
    "timebank.entries.source": _STATE,
    "timebank.groups.book_id": "random",
    "timebank.groups.categories": _GROUP,
    "timebank.groups.categories_retired": _GROUP,
    "timebank.groups.joining": _STATE,
    "timebank.groups.languages": _STATE,
    "timebank.groups.name": _GROUP,
    "timebank.groups.next_time_zone": _STATE,
    "timebank.groups.origin": _GROUP,
    "timebank.groups.preset": _STATE,
    "timebank.groups.slug": _GROUP,
    "timebank.groups.time_zone": _STATE,
    "timebank.groups.witnesses": "public keys of witnesses",
    "timebank.groups.words": _STATE,
    "timebank.held_places.code": "small letters and digits by which a group calls a place of its own, as with pots",
    "timebank.held_places.kind": _STATE,
    "timebank.held_places.unit": _STATE,
    "timebank.hours.category": _GROUP,
    "timebank.hours.state": _STATE,
    "timebank.hours_questions.state": _STATE,
    "timebank.import_columns.columns": "places of columns in a header",
    "timebank.import_columns.header_hash": _HASH,
    "timebank.import_columns.layout": _STATE,
    "timebank.imports.options": "how files are read; what they and their columns are called is in a box",
    "timebank.imports.state": _STATE,
    "timebank.imports.summary": "numbers of lines and sums",
    "timebank.jobs.kind": _STATE,
    "timebank.jobs.phase": _STATE,
    "timebank.jobs.refusal": "the code of a refusal and its numbers",
    "timebank.jobs.runner": _STATE,
    "timebank.jobs.state": _STATE,
    "timebank.money_references.reference_index": _HASH,
    "timebank.policies.terms": _GROUP,
    "timebank.pots.code": _GROUP,
    "timebank.pots.unit": _STATE,
    "timebank.proposals.body": "codes, amounts and days; why is a sealed note",
    "timebank.proposals.kind": _STATE,
    "timebank.proposals.state": _STATE,
    "timebank.publishing.preset": _STATE,
    "timebank.records.commitment": _HASH,
    "timebank.records.kind": _STATE,
    "timebank.records.record": "numbers, codes and hashes of what was said",
    "timebank.records.salt": "random",
    "timebank.settings_history.after": _GROUP,
    "timebank.settings_history.before": _GROUP,
    "timebank.waiting.preset": _STATE,
}
#: Tables in which this life leaves nothing, and what would be there.
EMPTY: Final = {
    "timebank.auditor_keys": "public keys with which auditors cosign, and whose each is by a random id",
    "timebank.published_cosignatures": "what a witness signed",
    "timebank.published_nodes": "hashes over 256 published leaves each",
    "timebank.waiting": "numbers of records that too few people stand behind; nothing waits in an open group",
}
#: Boxes of what nobody wrote.
SEALED: Final = {
    "people.members.accounts_box": "numbers of accounts",
    "people.members.code_box": "a random code",
    "people.totps.box": "the secret of an app",
}
#: Everything in these is published.
PUBLISHED: Final = "timebank.published_"


class Spy:
    """The cipher, with a note of everything that was sealed."""

    sealed: Final[dict[bytes, bytes]] = {}

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    def encrypt(self, nonce: bytes, text: bytes, place: bytes) -> bytes:
        """Seal, and remember what."""
        sealed = self._cipher.encrypt(nonce, text, place)
        self.sealed[nonce + sealed] = text
        return sealed

    def decrypt(self, nonce: bytes, sealed: bytes, place: bytes) -> bytes:
        """Open."""
        return self._cipher.decrypt(nonce, sealed, place)


@pytest_asyncio.fixture(loop_scope="session")
async def dumped(
    cluster: Server,
    database_template: str,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[World, Dsn]]:
    """Two groups that write canaries, and their database."""
    monkeypatch.setattr("timebank.store.boxes.ChaCha20Poly1305", Spy)
    async with (
        copied(cluster, database_template) as dsn,
        open_world(dsn, tmp_path_factory.mktemp("home")) as world,
    ):
        await a_life(world, monkeypatch)
        yield world, dsn
    Spy.sealed.clear()


def w(what: str) -> str:
    """Return words that are about somebody."""
    return " ".join((what, *WORDS))


# ---------------------------------------------------------------- a life full of canaries


async def a_life(world: World, patch: pytest.MonkeyPatch) -> None:
    """Fill every field in which somebody says something about somebody."""
    await _people(world)
    await _ways_in(world)
    await _hours(world)
    await _money(world)
    await _draws(world)
    await _without_account(world)
    await _imports(world)
    await _refused(world)
    await _mail(world, patch)
    closed = await close_period(
        world.house, world.stage.cast.group_id, now=datetime.now(UTC) + timedelta(days=9)
    )
    assert closed is not None


async def _people(world: World) -> None:
    rosa = (await world.do("di", "/members", {"nickname": w("entered")}))["id"]
    await world.do("di", f"/members/{rosa}/rename", {"nickname": w("renamed")})
    secret = (await invitation(world))["secret"]
    key = (await world.stage.get(None, f"/invitations/{secret}")).json()["key"]
    joined = await world.stage.post(None, f"/invitations/{secret}", {"nickname": w("joined")}, key=key)
    assert joined.status_code == 201
    body = {"nickname": w("asking"), "words": w("let me in")}
    asked = await world.stage.post(None, "/join-requests", body, key=await key_to_join(world))
    assert asked.status_code == 201
    await world.do("bo", "/settings", {"confirm_days": 9, "name": "Riverbank"})
    await recovery_of_kit(world)
    looked = await world.stage.get("bo", "/members")
    assert looked.status_code == 200


async def _ways_in(world: World) -> None:
    browser = await _Browser.of(world, "ada")
    offered = await browser.send("POST", "/me/passkeys/options")
    made = {"name": w("phone"), "passkey": Device().create(offered)}
    assert await browser.send("POST", "/me/passkeys", made)
    browser = await _Browser.of(world, "flo")
    offered = await browser.send("POST", "/me/totp/offer")
    code = totp.code_at(base64.b32decode(offered["secret"]), datetime.now(UTC))
    assert await browser.send("POST", "/me/totp", {"nonce": offered["nonce"], "code": code})
    card = await world.stage.send("di", "POST", f"/members/{world.stage.cast.ids['flo']}/cards")
    assert card.status_code == 200
    used = await world.stage.send("di", "POST", f"/members/{world.stage.cast.ids['flo']}/cards")
    signed = await world.stage.post(None, "/sign-in", {"card": used.json()["card"]})
    assert signed.status_code == 200


async def _hours(world: World) -> None:
    ids = world.stage.cast.ids
    body = {"minutes": 30, "effective_on": world.today, "category": "cooking", "note": w("note")}
    logged = await world.do("ada", "/hours", body)
    await world.do("bo", f"/entries/{logged['entry']}/correct", {"reason": w("why it was wrong")})
    body |= {"receiver": str(ids["ada"]), "mode": "exchange"}
    for settled in (True, False):
        waiting = (await world.do("flo", "/hours", body))["id"]
        await world.do("ada", f"/hours/{waiting}/question", {"minutes": 20, "reason": w("not quite")})
        if settled:
            await world.do("bo", f"/hours/{waiting}/settle", {"minutes": 25, "reason": w("as said")})
    shares = [{"giver": str(ids[who]), "weight": 1} for who in ("ada", "flo")]
    body |= {"givers": shares}
    await world.do(
        "bo", "/hours/shares", {name: body[name] for name in body if name not in {"receiver", "mode"}}
    )


async def _money(world: World) -> None:
    euros = {"amount": 100, "currency": "EUR"}
    day = {"effective_on": world.today}
    given = {"pot": "money", "held": "bank", "giver": str(world.stage.cast.ids["ada"]), **euros, **day}
    await world.do("ed", "/money", {**given, "reference": w("reference")})
    await world.do("ed", "/money/out", {"pot": "money", "held": "bank", **euros, "reason": w("fee")})
    await world.do("ed", "/pots/moves", {"from": "money", "to": "spare", **euros, "reason": w("moved")})
    await world.do("bo", "/openings", {"pot": "hours", "minutes": 60, "reason": w("brought along")})
    await world.do("ed", "/held", {"held": "tin", "kind": "cash", "currency": "EUR"})
    counted = {"amount": 5, "currency": "EUR", "pot": "money", "reason": w("found")}
    count = (await world.do("ed", "/held/tin/counts", counted))["proposal"]
    await world.do("bo", f"/held/tin/counts/{count}/sign", {})


async def _draws(world: World) -> None:
    ask = {"pot": "money", "amount": 100, "currency": "EUR", "category": "repairs"}
    ask |= {"contact": w("contact"), "payout": w("payout")}
    first, second, third = [(await world.do("ada", "/draws", ask))["id"] for _ in range(3)]
    await world.do("di", f"/draws/{first}/question", {"text": w("question")})
    await world.do("ada", f"/draws/{first}/answer", {"text": w("answer")})
    await world.do("di", f"/draws/{second}/decline", {"reason": w("not now")})
    await world.do("di", f"/draws/{third}/approve", {})
    paid = await world.do("kit", f"/draws/{third}/hand-over", {"held": "bank"})
    undone = {"entry": paid["entry"], "held": "bank", "reason": w("undone")}
    await world.do("kit", f"/draws/{third}/undo", undone)
    fourth = (await world.do("ada", "/draws", {**ask, "pot": "spare"}))["id"]
    await world.do("di", f"/draws/{fourth}/approve", {})
    await world.do("bo", f"/draws/{fourth}/object", {"reason": w("objection")})
    await world.do("bo", f"/draws/{first}/who", {})


async def _without_account(world: World) -> None:
    secret = make_form(world.house.keys, world.stage.cast.group_id)
    ask = {"pot": "money", "amount": 70, "currency": "EUR", "category": "repairs"}
    ask |= {"contact": w("telephone"), "payout": w("account")}
    made = await world.stage.post(None, f"/asks/{secret}", ask, key=None)
    draw = made.json()["id"]
    await world.do("di", f"/draws/{draw}/question", {"text": w("of whom")})
    key = (await world.stage.get(None, f"/asks/{secret}")).json()["key"]
    answer = await world.stage.post(None, f"/asks/{secret}/answer", {"text": w("of me")}, key=key)
    assert answer.status_code == 200
    await world.do("di", f"/draws/{draw}/approve", {"not_own": True})
    await world.do("bo", f"/draws/{draw}/link", {})


async def _imports(world: World) -> None:
    header = f"date,{w('who gave')},receiver,hours,category,note"
    line = f"2026-02-%02d,{w('from the past')},,%s,cooking,{w('soup')}"
    named = f"?column=giver%3D{quote(w('who gave'))}"
    good = "\n".join((header, line % (1, "1:30"), "")).encode()
    other = "\n".join((header, line % (2, "2:30"), "")).encode()
    bad = "\n".join((header, line % (3, w("a while")), f"2026-02-04,Ada,,1:00,{w('kind')},", "")).encode()
    files = {}
    for what, content in (("posted", good), ("waits", other), ("bad", bad)):
        await world.app.state.workshop.idle()
        answer = await world.stage.send(
            "bo",
            "POST",
            f"/imports{named}&name={quote(w(what))}.csv",
            content=content,
            headers={"Content-Type": "text/csv"},
        )
        assert answer.status_code == 202, answer.text
        await world.app.state.workshop.idle()
        files[what] = answer.json()["id"]
        if what == "posted":
            await world.do("bo", f"/imports/{files[what]}/post", None)
            await world.app.state.workshop.idle()
    for what, expected in (("posted", "posted"), ("waits", "checked")):
        report = (await world.stage.get("bo", f"/imports/{files[what]}")).json()
        assert report["state"] == expected, report


async def _refused(world: World) -> None:
    """What is refused is kept, too, to be said again under the same key."""
    hours = {"minutes": 30, "effective_on": world.today, "category": "cooking"}
    for name, path, body in (
        ("di", "/members", {"nickname": w("renamed")}),
        ("di", "/members", {"nickname": w("x" * 80)}),
        ("ada", "/hours", {**hours, "note": w("n" * 5000)}),
        ("bo", "/settings", {"name": w("n" * 500)}),
        ("ada", "/hours", {**hours, "category": w("no such kind")}),
        ("ada", "/draws", {"pot": w("no such pot"), "minutes": 30, "category": "company"}),
    ):
        answer = await world.stage.post(name, path, body)
        assert answer.status_code >= 400, answer.text


async def _mail(world: World, patch: pytest.MonkeyPatch) -> None:
    """Mail that waits, an address, and somebody who waits for a link."""
    world.sink.refuse["MAIL"] = "450 later"
    before = world.sink.conversations
    await world.do("ada", "/me/mail", {"address": f"ada.{WORDS[1]}@mail.example"})
    await until(lambda: world.sink.conversations > before)

    async def nobody_looks(*_: Any, **__: Any) -> None:
        """Leave those who ask where they are."""

    patch.setattr(mail_links, "answer_asks", nobody_looks)
    answer = await world.http.post("/g/riverside/sign-in/mail", data={"who": w("who")})
    assert answer.status_code == 200


# ---------------------------------------------------------------- looking for them


def forms(word: str) -> Iterator[bytes]:
    """Yield every form in which somebody could still read a word."""
    written = {word, word.lower(), word.upper(), word.title(), word.casefold()}
    for text in {unicodedata.normalize(form, each) for form in ("NFC", "NFD") for each in written}:
        for plain in {
            *(text.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")),
            json.dumps(text)[1:-1].encode(),
            quote(text).encode(),
        }:
            yield plain
            yield plain.hex().encode()
            yield plain.hex().upper().encode()
            for skipped in range(3):
                # The first and last letters depend on what stands before and after.
                coded = base64.b64encode(bytes(skipped) + plain)[(skipped * 8 + 5) // 6 : -4]
                yield coded
                yield coded.translate(bytes.maketrans(b"+/", b"-_"))


FORMS: Final = frozenset(form for word in WORDS for form in forms(word))


async def columns_of(connection: Any) -> dict[str, str]:
    """Return the kind of every column of every table that is not the database's own."""
    rows = await connection.fetch("""
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, NULL)
          FROM pg_attribute AS a
          JOIN pg_class AS c ON c.oid = a.attrelid
          JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped
           AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    """)
    return {f"{row[0]}.{row[1]}.{row[2]}": row[3] for row in rows}


async def dump(connection: Any) -> dict[str, bytes]:
    """Return what a dump has of every column: as the server writes it, and what is written there in hex as it is."""
    found = {}
    for column in await columns_of(connection):
        schema, table, name = column.split(".")
        out = io.BytesIO()
        await connection.copy_from_query(f'SELECT "{name}" FROM {schema}."{table}"', output=out)
        text = out.getvalue()
        coded = re.findall(rb"x((?:[0-9a-f]{2})+)", text)
        found[column] = b"\n".join([text, *(bytes.fromhex(each.decode()) for each in coded)])
    return found


async def readable(connection: Any) -> set[str]:
    """Return the columns in which a word of the canaries can be read."""
    return {
        column for column, text in (await dump(connection)).items() if any(form in text for form in FORMS)
    }


async def in_boxes(connection: Any, column: str) -> list[bytes]:
    """Return what was sealed here into a column; nothing if any of it is no box."""
    schema, table, name = column.split(".")
    rows = await connection.fetch(f'SELECT "{name}" FROM {schema}."{table}" WHERE length("{name}") > 0')
    found = [Spy.sealed.get(bytes(row[0])[1:]) for row in rows]
    return [text for text in found if text is not None] if None not in found else []


async def unexplained(connection: Any) -> set[str]:
    """Return what is wrong: columns that can hold words and that nobody explained, or that are explained wrongly."""
    wrong = set()
    kinds = await columns_of(connection)
    for column, kind in kinds.items():
        if kind in NUMBERS or column.startswith(PUBLISHED):
            continue
        boxes = await in_boxes(connection, column) if kind == "bytea" else []
        reached = any(WORDS[1].encode() in text for text in boxes)
        if column in OPEN and boxes:
            wrong.add(f"{column}: it is sealed, so it does not stand among the open ones")
        if column in SEALED and not boxes:
            wrong.add(f"{column}: nothing lies sealed in it, or not all of it is sealed")
        if not reached and column not in OPEN and column not in SEALED:
            wrong.add(
                f"{column}: no canary lies sealed in it, and nobody said why nothing personal gets there"
            )
    return wrong | {f"{column}: it is not there any more" for column in {*OPEN, *SEALED} - set(kinds)}


async def empty_tables(connection: Any) -> set[str]:
    """Return the tables in which nothing is, so that nothing could be found there."""
    tables = {column.rpartition(".")[0] for column in await columns_of(connection)}
    return {
        table
        for table in tables
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM {}.{})".format(*table.split(".")))
    }


async def test_no_word_about_anybody_can_be_read_in_a_dump_without_the_keys(
    dumped: tuple[World, Dsn], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, dsn = dumped
    async with connected(dsn, SUPERUSER) as connection:
        assert await empty_tables(connection) == set(EMPTY)
        assert await readable(connection) == set()
        assert await unexplained(connection) == set()

        # And a new column that nobody thought of is noticed, with words in it or without.
        await connection.execute("ALTER TABLE people.members ADD COLUMN remark text")
        assert {line.partition(":")[0] for line in await unexplained(connection)} == {"people.members.remark"}
        await connection.execute("ALTER TABLE people.members DROP COLUMN remark")

        # And one name that is written as it is, however it is coded, is found.
        for name, code in (("ada", "utf-8"), ("flo", "utf-16-le")):

            def in_clear(*said: Any, code: str = code) -> bytes:
                return str(said[-1]).encode(code)

            monkeypatch.setattr("timebank.store.members.seal_nickname", in_clear)
            await world.do(name, f"/members/{world.stage.cast.ids[name]}/rename", {"nickname": w(code)})
            assert await readable(connection) == {"people.members.nickname_box"}
            assert "people.members.nickname_box" in {
                line.partition(":")[0] for line in await unexplained(connection)
            }
