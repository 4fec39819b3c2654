"""Canaries in every private field of many members: none is in anything that is not theirs to see.

Looked through: every public page and download, what errors say, the log of the server, the log of a database that
writes down every statement with its values, ``pg_stat_statements``, mail, all that another member can see, and files:
journals, archives, the log and checkpoints beside the keys, backups. There are no metrics.
``TIMEBANK_TEST_CANARIES=50`` lets fifty members live.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import logging
import os
import re
import subprocess
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.api.test_matrix import live_routes
from tests.cast import SLUG, Stage, a_group, be_durable_enough, running
from tests.conftest import pg_bin
from tests.database import Dsn, connected, run
from tests.mail_sink import Sink, mail_sink
from tests.services.test_post import SENDER, until
from tests.worker import in_process
from timebank.app import build_app
from timebank.config import Settings
from timebank.rules.set_up import MINUTES, NewPot
from timebank.services.archive import write_archive
from timebank.services.backup import make_backup
from timebank.services.close import close_period
from timebank.services.export import FORMATS
from timebank.services.groups import create_group
from timebank.services.house import House, open_house
from timebank.services.log_archive import write_log
from timebank.services.logs import Discreet
from timebank.services.mail import confirm_address
from timebank.services.members import NewMember, add_members
from timebank.services.tokens import make_token
from timebank.store.backup_folders import DATABASE
from timebank.store.embedded import Cluster
from timebank.store.migrate import SUPERUSER, upgrade
from timebank.store.postgres_binaries import find

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("TIMEBANK_TEST_CANARIES", "8"))
STEM = "qzvx"
ORIGIN = "http://localhost"
#: What a route with an id in it is asked with: nothing of anybody's.
NOBODY = "3f0b6c6e-4f0e-4c8e-9d0a-2b7f3a1c5d42"

_fresh = itertools.count(1)


def canary(what: str) -> str:
    """Return a word that is nowhere else in the world, and says what it was written as."""
    return f"{STEM}{next(_fresh)}{what}"


def what_of(word: str) -> str:
    """Return what a canary was written as."""
    return re.sub(rf"^{STEM}\d+", "", word)


@pytest.fixture(scope="module")
def telling_cluster(scratch: Path) -> Iterator[Cluster]:
    """A PostgreSQL that writes down all that it is told, and counts statements."""
    place = Path(tempfile.mkdtemp(prefix="c", dir=scratch))
    place.chmod(0o755)
    with Cluster(place / "pg", durable=False, pg_bin=pg_bin()) as first:
        asyncio.run(_say_everything(first.dsn))
    with Cluster(place / "pg", durable=False, pg_bin=pg_bin()) as cluster:
        yield cluster


async def _say_everything(dsn: Any) -> None:
    for setting in (
        "shared_preload_libraries = 'pg_stat_statements'",
        "log_statement = 'all'",
        "log_parameter_max_length = -1",
    ):
        await run(dsn, SUPERUSER, f"ALTER SYSTEM SET {setting}")


@dataclass(slots=True)
class Scene:
    """A group in which people wrote canaries wherever something is private.

    Attributes:
        stage: Sends requests as somebody by name; ``eve`` is the one who looks at others.
        mail: What was mailed.
        log: Every line of the server's log.
        private: By member, every canary of theirs.
    """

    app: Any
    stage: Stage
    dsn: Dsn
    home: Path
    mail: Sink
    log: list[str]
    private: dict[str, set[str]] = field(default_factory=dict)

    def new(self, name: str, what: str) -> str:
        """Make a canary of somebody's."""
        word = canary(what)
        self.private.setdefault(name, set()).add(word)
        return word

    @property
    def all(self) -> set[str]:
        """Every canary there is."""
        return set().union(*self.private.values())


class Lines(logging.Handler):
    """Keeps what the server would have logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(Discreet("%(levelname)s %(name)s: %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def log_lines() -> Iterator[list[str]]:
    """Give what is logged meanwhile, line by line."""
    lines = Lines()
    root, timebank = logging.getLogger(), logging.getLogger("timebank")
    before = timebank.level
    root.addHandler(lines)
    timebank.setLevel(logging.INFO)
    try:
        yield lines.lines
    finally:
        root.removeHandler(lines)
        timebank.setLevel(before)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(telling_cluster: Cluster, scratch: Path) -> AsyncIterator[Scene]:
    home = Path(tempfile.mkdtemp(prefix="h", dir=scratch))
    dsn = telling_cluster.dsn
    await upgrade(dsn, embedded=True)
    await be_durable_enough(dsn)
    await run(dsn, SUPERUSER, "CREATE EXTENSION pg_stat_statements")
    async with open_scene(dsn, home) as made:
        await live(made, MANY)
        yield made


@asynccontextmanager
async def open_scene(dsn: Dsn, home: Path, *, again: Scene | None = None) -> AsyncIterator[Scene]:
    """Open a group with nobody in it but those with duties, and somebody who looks; or one that was open before."""
    async with mail_sink() as sink:
        settings = Settings(home=home, database_urls={}, origin=ORIGIN, smtp=sink.smtp, mail_from=SENDER)
        with pytest.MonkeyPatch.context() as patch, log_lines() as lines:
            patch.setattr("timebank.store.engine.refuse_unsafe", _trust)
            patch.setattr("timebank.services.limits.wait_seconds", lambda *_, **__: 0)
            app = build_app(settings, dsn, worker=in_process)
            async with running(app), open_house(home, dsn, check=False) as house:
                transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
                async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
                    if again is None:
                        yield Scene(app, await _people(house, http), dsn, home, sink, lines)
                    else:
                        stage = Stage(replace(again.stage.cast, house=house), http)
                        yield Scene(app, stage, dsn, home, sink, lines, again.private)


async def _trust(_connection: Any) -> None:
    """These servers forget in a crash, and are quick."""


async def _people(house: House, http: httpx.AsyncClient) -> Stage:
    from tests.cast import Cast

    now = datetime.now(UTC) - timedelta(minutes=1)
    group = a_group(
        time_bank=True, pots=(NewPot("hours", MINUTES), NewPot("money", "EUR")), languages=("en", "es")
    )
    group_id = await create_group(house, group, origin=f"bank.example/g/{SLUG}", now=now)
    cast = Cast(house, group_id, group_id, {}, {})
    people = {"bo": ("steward",), "ed": ("treasurer",), "eve": ()}
    await _join(cast, [NewMember(name.title(), roles) for name, roles in people.items()], list(people), now)
    return Stage(cast, http)


async def _join(cast: Any, newcomers: list[NewMember], names: list[str], now: datetime) -> None:
    joined = await add_members(cast.house, cast.group_id, newcomers, now=now)
    for name, member_id in zip(names, joined, strict=True):
        cast.ids[name] = member_id
        made = await make_token(cast.house, cast.group_id, member_id, ("read", "write"), now=now)
        cast.tokens[name] = made.token


async def live(scene: Scene, many: int) -> None:
    """Let so many people join and write something private in every place that there is for it."""
    stage, cast = scene.stage, scene.stage.cast
    names = [f"p{number}" for number in range(many)]
    now = datetime.now(UTC)
    await _join(cast, [NewMember(scene.new(name, "name")) for name in names], names, now)
    await _do(stage, "bo", "/settings", {"joining": "request"})
    terms = {"who": "anyone", "approvals": [{"above": 0, "count": 1}], "two_people": False}
    await _do(stage, "bo", "/policies/money", {"terms": terms})
    day = (now - timedelta(days=1)).date().isoformat()
    euros = {"pot": "money", "amount": 1_000_000, "currency": "EUR", "held": "bank", "effective_on": day}
    await _do(stage, "ed", "/money", {**euros, "reference": scene.new("ed", "bank")})
    for number, name in enumerate(names):
        await _one_life(scene, name, names[number - 1], day)
    key = (await stage.get(None, "/joining")).json()["key"]
    asks = {"nickname": scene.new("stranger", "asks"), "words": scene.new("stranger", "words")}
    assert (await stage.post(None, "/join-requests", asks, key=key)).status_code == 201
    link = (await stage.get(None, "/asks")).json()["secret"]
    ask = {"pot": "money", "amount": 500, "currency": "EUR", "category": "repairs"}
    words = {"contact": scene.new("stranger", "contact"), "payout": scene.new("stranger", "payout")}
    assert (await stage.post(None, f"/asks/{link}", {**ask, **words}, key=None)).status_code == 201
    # An import, with a name and a word that nobody else has.
    past = f"date,giver,receiver,hours,category,note\n{day},{scene.new('past', 'giver')},,1:30,cooking,{scene.new('past', 'note')}\n"
    sent = await stage.send(
        "bo", "POST", "/imports", content=past.encode(), headers={"Content-Type": "text/csv"}
    )
    assert sent.status_code == 202, sent.text
    await scene.app.state.workshop.idle()
    await close_period(cast.house, cast.group_id, now=now + timedelta(days=2))


async def _one_life(scene: Scene, name: str, other: str, day: str) -> None:
    stage, cast = scene.stage, scene.stage.cast
    hours = {"minutes": 30, "effective_on": day, "category": "cooking", "note": scene.new(name, "note")}
    await _do(stage, name, "/hours", hours)
    got = await _do(
        stage, name, "/hours", {**hours, "receiver": str(cast.ids[other]), "note": scene.new(name, "for")}
    )
    asked = await _do(
        stage,
        other,
        f"/hours/{got['id']}/question",
        {"minutes": 20, "reason": scene.new(other, "why")},
    )
    assert asked
    ask = {"pot": "money", "amount": 700, "currency": "EUR", "category": "repairs"}
    words = {"contact": scene.new(name, "contact"), "payout": scene.new(name, "payout")}
    draw = (await _do(stage, name, "/draws", {**ask, **words}))["id"]
    await _do(stage, "bo", f"/draws/{draw}/question", {"text": scene.new(name, "question")})
    await _do(stage, name, f"/draws/{draw}/answer", {"text": scene.new(name, "answer")})
    await _do(stage, "bo", f"/draws/{draw}/approve", {})
    assert (await stage.get("ed", f"/draws/{draw}/payout")).json()["payout"] == words["payout"]
    await _do(stage, "ed", f"/draws/{draw}/hand-over", {"held": "bank"})
    address = f"{scene.new(name, 'mail')}@mail.example"
    await _do(stage, name, "/me/mail", {"address": address})
    count = len(scene.mail.messages)
    await until(lambda: any(address in str(each["To"]) for each in scene.mail.messages))
    letter = next(each for each in scene.mail.messages[: count + 1] if address in str(each["To"]))
    secret = next(word for word in letter.get_content().split() if f"/g/{SLUG}/" in word).rpartition("/")[2]
    await confirm_address(cast.house, cast.group_id, secret, now=datetime.now(UTC))


async def _do(stage: Stage, name: str, path: str, body: Any) -> dict[str, Any]:
    answer = await stage.post(name, path, body)
    assert answer.status_code < 400, (path, answer.text)
    said: dict[str, Any] = answer.json()
    return said


def found_in(text: str, words: set[str]) -> set[str]:
    """Return which canaries are in a text, plain or as PostgreSQL writes bytes."""
    if STEM not in text and STEM.encode().hex() not in text:
        return set()
    plain = set(re.findall(rf"{STEM}\d+[a-z]+", text.lower()))
    return {word for word in words if word in plain or word.encode().hex() in text}


def addresses(scene: Scene, *, of: str) -> list[str]:
    """Return every address that answers GET, with what cannot be anybody's in its places."""
    found = []
    for method, path in sorted(live_routes(scene.app)):
        if method == "GET":
            path = path.replace("{slug}", SLUG).replace("{pot}", "money")
            found.append(re.sub(r"\{\w+\}", NOBODY, path))
    return [path for path in found if of in path]


def in_zip(file: io.BytesIO) -> str:
    """Return everything that is in an archive, and what its files are called."""
    with zipfile.ZipFile(file) as archive:
        return "\n".join(
            name + "\n" + archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
        )


def everything(answer: httpx.Response) -> str:
    return f"{answer.headers}\n{answer.text}"


async def test_somebody_who_may_does_find_every_canary(scene: Scene) -> None:
    """The control: what is looked for below is really there."""
    for name, words in scene.private.items():
        if name.startswith("p") and name != "past":
            data = (await scene.stage.get(name, "/me/data")).text
            own = {word for word in words if not word.endswith("question")}
            assert own - found_in(data, words) == set(), name
    names = found_in((await scene.stage.get("bo", "/members?limit=200")).text, scene.all)
    assert len(names) == MANY


async def test_nothing_private_is_public(scene: Scene) -> None:
    looked = 0
    for path in addresses(scene, of="/"):
        answer = await scene.stage.http.get(path)
        assert found_in(everything(answer), scene.all) == set(), path
        looked += answer.status_code == 200
    assert looked > 10


async def test_no_error_says_what_somebody_else_wrote(scene: Scene) -> None:
    stage = scene.stage
    wrong: list[Any] = [{}, {"nickname": "x" * 300}, [], "text", {"minutes": "many", "note": 7}]
    for method, path in sorted(live_routes(scene.app)):
        if method == "POST" and path.startswith("/api/v1/groups/{slug}/"):
            below = re.sub(r"\{\w+\}", NOBODY, path.removeprefix("/api/v1/groups/{slug}"))
            for body in wrong:
                for name in (None, "eve"):
                    answer = await stage.post(name, below, body)
                    assert found_in(everything(answer), scene.all) == set(), (path, body)


async def test_another_member_sees_nothing_of_it(scene: Scene) -> None:
    looked = 0
    for path in addresses(scene, of=f"/api/v1/groups/{SLUG}"):
        answer = await scene.stage.http.get(
            path, headers={"Authorization": f"Bearer {scene.stage.cast.tokens['eve']}"}
        )
        assert found_in(everything(answer), scene.all) == set(), path
        looked += answer.status_code == 200
    assert looked > 10
    # By somebody's exact id, too.
    for name in scene.private:
        if name in scene.stage.cast.ids:
            for path in ("statement", "data"):
                answer = await scene.stage.get("eve", f"/members/{scene.stage.cast.ids[name]}/{path}")
                assert found_in(everything(answer), scene.all) == set(), path


async def test_another_member_sees_nothing_of_it_on_pages(scene: Scene) -> None:
    from tests.web.member import signed_in

    eve = await signed_in(scene.stage, "eve")
    looked = 0
    for path in addresses(scene, of=f"/g/{SLUG}"):
        answer = await eve.get(path.removeprefix(f"/g/{SLUG}"))
        assert found_in(everything(answer), scene.all) == set(), path
        looked += answer.status_code == 200
    assert looked > 5


async def test_no_subject_names_anybody_and_no_letter_anybody_else(scene: Scene) -> None:
    assert len(scene.mail.messages) >= MANY
    for letter in scene.mail.messages:
        whole = letter.as_string()
        theirs = {word for word in scene.all if word in str(letter["To"])}
        subject = "\n".join(str(value) for head, value in letter.items() if head.lower() != "to")
        assert found_in(subject, scene.all) == set()
        owner = next(name for name, words in scene.private.items() if theirs & words)
        assert found_in(whole, scene.all) <= scene.private[owner]


async def test_no_log_has_it_not_even_when_something_breaks(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = scene.new("eve", "broken")
    await run(
        scene.dsn, SUPERUSER, "ALTER TABLE people.notes ADD CONSTRAINT never CHECK (what <> 'note') NOT VALID"
    )
    try:
        hours = {"minutes": 5, "effective_on": "2026-01-02", "category": "cooking", "note": word}
        answer = await scene.stage.post("eve", "/hours", hours)
    finally:
        await run(scene.dsn, SUPERUSER, "ALTER TABLE people.notes DROP CONSTRAINT never")
    assert answer.status_code >= 500

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"cannot say {word}")

    monkeypatch.setattr("timebank.api.looks.list_seen", fail)
    assert (await scene.stage.get("eve", "/me/looks")).status_code == 500
    log = "\n".join(scene.log)
    assert "RuntimeError" in log
    assert found_in(log, scene.all) == set(), [line for line in log.splitlines() if STEM in line]


async def test_the_database_is_never_told_it_in_clear(scene: Scene, telling_cluster: Cluster) -> None:
    said = telling_cluster.log.read_text(encoding="utf-8", errors="replace")
    assert said.count("INSERT INTO people.notes") > 0, "it did write down what it was told"
    assert found_in(said, scene.all) == set()
    async with connected(scene.dsn, SUPERUSER) as connection:
        rows = await connection.fetch("SELECT query FROM pg_stat_statements")
    assert len(rows) > 50
    assert found_in("\n".join(row["query"] for row in rows), scene.all) == set()


async def test_no_file_that_leaves_the_house_has_more_than_nicknames(scene: Scene, tmp_path: Path) -> None:
    house, group_id = scene.stage.cast.house, scene.stage.cast.group_id
    for form in FORMATS:
        journal = await scene.stage.get("bo", f"/exports/journal?format={form}")
        assert journal.status_code == 200
        assert len(journal.content) > 1000
        assert found_in(everything(journal), scene.all) == set(), form
    log = io.BytesIO()
    await write_log(house.database, SLUG, log, show=lambda *_: None)
    assert found_in(in_zip(log), scene.all) == set()
    # What lies beside the keys, which a host copies and witnesses read.
    beside = [
        path for name in ("checkpoints", "logs") for path in (scene.home / name).rglob("*") if path.is_file()
    ]
    assert len(beside) >= 3
    for path in beside:
        assert found_in(path.read_bytes().decode("latin-1"), scene.all) == set(), path

    # The host's archive names people as the group calls them; of what they wrote it has nothing.
    archive = io.BytesIO()
    await write_archive(house, group_id, archive, now=datetime.now(UTC), show=lambda *_: None)
    named = found_in(in_zip(archive), scene.all)
    assert {what_of(word) for word in named} <= {"name", "giver"}
    assert len(named) >= MANY


async def test_no_part_of_a_backup_has_it(scene: Scene, tmp_path: Path) -> None:
    programs = find(pg_bin())
    folder = await make_backup(
        scene.dsn, programs, scene.stage.cast.house.keys, tmp_path, now=datetime.now(UTC), days=30,
        show=lambda *_: None,
    )  # fmt: skip
    for path in (*folder.iterdir(), tmp_path / "erased.txt"):
        assert found_in(path.read_bytes().decode("latin-1"), scene.all) == set(), path
    told = await asyncio.to_thread(
        subprocess.run, [programs.pg_restore, "-f", "-", folder / DATABASE], capture_output=True, check=True
    )
    assert b"people.notes" in told.stdout
    assert found_in(told.stdout.decode("utf-8", "replace"), scene.all) == set()
