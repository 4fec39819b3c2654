"""Whoever is erased is nowhere any more: not in the database with all keys that are left, nor in logs, exports and a
backup of before that is put back; and the book is as whole as it was, with the same balances.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from tests.api.test_canaries import Scene, everything, found_in, in_zip, live, open_scene, what_of
from tests.api.test_sealed_dump import columns_of
from tests.cast import SLUG, be_durable_enough
from tests.database import Dsn, Server, connected, copied
from timebank.services.archive import write_archive
from timebank.services.export import FORMATS
from timebank.services.house import House, open_house
from timebank.services.log_archive import write_log
from timebank.services.restore import settle
from timebank.services.verify import verify_group
from timebank.store.migrate import SUPERUSER

pytestmark = pytest.mark.slow


class Spy:
    """The cipher, with a note of what was sealed with which key."""

    sealed: ClassVar[dict[bytes, tuple[bytes, bytes]]] = {}

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = ChaCha20Poly1305(key)

    def encrypt(self, nonce: bytes, text: bytes, place: bytes) -> bytes:
        """Seal, and remember with what."""
        sealed = self._cipher.encrypt(nonce, text, place)
        self.sealed[nonce + sealed] = self._key, text
        return sealed

    def decrypt(self, nonce: bytes, sealed: bytes, place: bytes) -> bytes:
        """Open."""
        return self._cipher.decrypt(nonce, sealed, place)


def bytes_in(folder: Path) -> bytes:
    """Return every byte that lies in a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def readable(dsn: Dsn, keys: Path, words: set[str]) -> set[str]:
    """Return which words somebody reads who has a whole database and every byte of a folder of keys."""
    left = bytes_in(keys)
    found = found_in(left.decode("latin-1"), words)
    async with connected(dsn, SUPERUSER) as connection:
        for column, kind in (await columns_of(connection)).items():
            schema, table, name = column.split(".")
            if kind not in {"bytea", "text", "text[]", "jsonb", "bytea[]"}:
                continue
            for (value,) in await connection.fetch(f'SELECT "{name}" FROM {schema}."{table}"'):
                if isinstance(value, bytes):
                    key, text = Spy.sealed.get(value[1:], (b"", b""))
                    found |= found_in(value.decode("latin-1"), words)
                    if key and key in left:
                        found |= found_in(text.decode("utf-8", "replace"), words)
                elif value is not None:
                    found |= found_in(str(value), words)
    return found


async def balances(house: House, group_id: Any) -> list[tuple[int, int]]:
    async with house.database.write_door(group_id) as connection:
        rows = await connection.fetch("SELECT account_id, credits - debits FROM timebank.accounts ORDER BY 1")
        await connection.execute("ROLLBACK")
        return [tuple(row) for row in rows]


async def is_whole(house: House, group_id: Any) -> None:
    verdict = await verify_group(house, group_id)
    assert verdict.findings == ()
    assert verdict.records > 20


async def files_of(scene: Scene) -> str:
    """Return all that leaves the house: journals, the log and the archive of the group."""
    house, group_id = scene.stage.cast.house, scene.stage.cast.group_id
    told = [everything(await scene.stage.get("bo", f"/exports/journal?format={form}")) for form in FORMATS]
    log, archive = io.BytesIO(), io.BytesIO()
    await write_log(house.database, SLUG, log, show=lambda *_: None)
    await write_archive(house, group_id, archive, now=datetime.now(UTC), show=lambda *_: None)
    return "\n".join((*told, in_zip(log), in_zip(archive)))


async def views_of(scene: Scene) -> str:
    """Return what others see: those with duties, and somebody who was helped by whoever is erased."""
    paths = ("/members?limit=200", "/draws", "/me/statement", "/me/data", "/me/looks", "/hours", "/live")
    return "\n".join(
        [
            everything(await scene.stage.get(name, path))
            for name in ("bo", "ed", "p1", "eve")
            for path in paths
        ]
    )


@pytest.fixture(autouse=True)
def spied(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Know what lies in each box, and with which key it was sealed."""
    monkeypatch.setattr("timebank.store.boxes.ChaCha20Poly1305", Spy)
    yield
    Spy.sealed.clear()


async def test_whoever_is_erased_can_be_read_nowhere_and_the_book_is_as_it_was(
    cluster: Server, database_template: str, tmp_path: Path
) -> None:
    async with copied(cluster, database_template) as dsn:
        await be_durable_enough(dsn)
        async with open_scene(dsn, tmp_path) as scene:
            await live(scene, 3)
        gone, others = scene.private["p0"], scene.private["p1"]
        group_id = scene.stage.cast.group_id
        assert len(gone) > 6
        # The control: before it, everything of everybody can be read.
        assert await readable(dsn, tmp_path / "keys", gone | others) == gone | others

        async with copied(cluster, dsn(SUPERUSER)["database"]) as older:
            await be_durable_enough(older)
            async with open_scene(dsn, tmp_path, again=scene) as now:
                house = now.stage.cast.house
                before = await balances(house, group_id)
                assert found_in(await files_of(now), gone)
                assert found_in(await views_of(now), gone)

                erased = await now.stage.post("p0", f"/members/{now.stage.cast.ids['p0']}/erase", {})
                assert erased.status_code == 200, erased.text

                await is_whole(house, group_id)
                assert await balances(house, group_id) == before
                assert await readable(dsn, tmp_path / "keys", gone | others) == others
                assert found_in(await files_of(now), gone | others) <= others
                assert found_in(await views_of(now), gone | others) <= others
                assert (await now.stage.get("p0", "/me/data")).status_code == 401
                assert found_in("\n".join([*scene.log, *now.log]), gone | others) == set()

            # A backup of before, beside the keys of now: what they wrote does not open. What stewards wrote about their
            # asks does until the backup is settled, since it is sealed with the stewards' keys.
            left = await readable(older, tmp_path / "keys", gone | others) - others
            assert {what_of(word) for word in left} == {"question"}
            async with open_house(tmp_path, older, check=False) as house:
                (settled,) = [
                    one
                    for one in await settle(house, house.checkpoints, now=datetime.now(UTC))
                    if one.group_id == group_id
                ]
                assert settled.erased == 1
                assert await balances(house, group_id) == before
                async with house.database.write_door(group_id) as connection:
                    head = await connection.fetchrow("SELECT seq, checkpoint FROM timebank.book_heads")
                    await connection.execute("ROLLBACK")
                house.checkpoints.replace(group_id, *head)
                await is_whole(house, group_id)
            assert await readable(older, tmp_path / "keys", gone | others) == others
