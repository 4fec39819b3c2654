"""Copies of the whole database by PostgreSQL's own programs, and what such a copy is of."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncpg

from timebank.config import OperatorError
from timebank.store.embedded import end_with_parent
from timebank.store.migrate import SUPERUSER
from timebank.store.roles import BACKUP

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from timebank.store.engine import Dsn, Raw
    from timebank.store.postgres_binaries import Binaries

#: Told which table is copied, how many were, and how many there are.
Show = Callable[[str, int, int], None]

_TABLE: Final = re.compile(r'(?:dumping contents of table|processing data for table) "([^"]+)"')
_NO_SPACE: Final = re.compile(r"No space left|Disk quota exceeded|could not write")


class HeadOfGroup(NamedTuple):
    """How far a group's book was when it was copied; ``checkpoint`` is the signed note."""

    group_id: UUID
    slug: str
    seq: int
    epoch: int
    checkpoint: str


class Copied(NamedTuple):
    """What a copy is of.

    Attributes:
        snapshot: Name of the moment, for pg_dump; it ends with the connection.
        tables: How many tables are copied.
        size: Bytes of the database on its disk; a copy is never larger.
    """

    snapshot: str
    server: int
    schema: str
    tables: int
    size: int
    heads: list[HeadOfGroup]


@asynccontextmanager
async def moment(dsn: Dsn) -> AsyncIterator[Copied]:
    """Hold one moment of the whole database, as the role that reads everything and can change nothing."""
    connection = await asyncpg.connect(**dsn(BACKUP))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield await _look(connection)
    finally:
        await connection.close()


async def _look(connection: Raw) -> Copied:
    row = await connection.fetchrow("""
        SELECT pg_export_snapshot() AS snapshot, current_setting('server_version_num')::integer / 10000 AS server,
               (SELECT version_num FROM timebank.alembic_version) AS schema,
               (SELECT count(*) FROM pg_tables WHERE schemaname IN ('timebank', 'people')) AS tables,
               pg_database_size(current_database()) AS size
    """)
    heads = await connection.fetch("""
        SELECT g.group_id, g.slug, h.seq, h.epoch, h.checkpoint
          FROM timebank.groups AS g
          JOIN timebank.book_heads AS h ON h.group_id = g.group_id
      ORDER BY g.slug COLLATE "C"
    """)
    return Copied(**dict(row), heads=[HeadOfGroup(*head) for head in heads])


async def dump(binaries: Binaries, dsn: Dsn, copied: Copied, target: Path, *, show: Show) -> None:
    """Write a moment of the database into a file, in PostgreSQL's own compressed format.

    Raises:
        OperatorError: It could not be written, for want of space or otherwise.
    """
    words, environment = _connection(dsn(BACKUP))
    await _run(
        [
            str(binaries.pg_dump),
            *words,
            "--format=custom",
            "--verbose",
            f"--snapshot={copied.snapshot}",
            f"--file={target}",
        ],
        environment,
        total=copied.tables,
        show=show,
    )


async def load(binaries: Binaries, dsn: Dsn, source: Path, *, tables: int, show: Show) -> None:
    """Bring a copy into an empty database of our own server, in one transaction.

    Raises:
        OperatorError: It is not whole, or this version of PostgreSQL cannot read it.
    """
    words, environment = _connection(dsn(SUPERUSER))
    options = ["--exit-on-error", "--single-transaction", "--verbose"]
    await _run(
        [str(binaries.pg_restore), *words, *options, str(source)], environment, total=tables, show=show
    )


def _connection(arguments: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return words and variables that connect; a password is never among the words, which anybody can list."""
    if "dsn" not in arguments:
        words = [f"--host={arguments['host']}", f"--port={arguments['port']}"]
        return [*words, f"--username={arguments['user']}", f"--dbname={arguments['database']}"], {}
    parts = urlsplit(arguments["dsn"])
    login, _, where = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    url = parts._replace(netloc=f"{user}@{where}").geturl()
    return [f"--dbname={url}"], {"PGPASSWORD": unquote(password)} if password else {}


async def _run(words: list[str], environment: dict[str, str], *, total: int, show: Show) -> None:
    process = await asyncio.create_subprocess_exec(
        *words,
        "--no-password",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", **environment},
        start_new_session=True,
        # What is half copied is of no use to anybody once we are gone.
        preexec_fn=end_with_parent(os.getpid()),
    )
    assert process.stderr is not None
    said: list[str] = []
    done = 0
    try:
        async for line in process.stderr:
            text = line.decode("utf-8", "replace").strip()
            if found := _TABLE.search(text):
                show(found[1], done, total)
                done += 1
            elif "error" in text or "could not" in text or "FATAL" in text:
                said.append(text)
        code = await process.wait()
    except BaseException:
        process.terminate()
        await process.wait()
        raise
    if code:
        words_said = " / ".join(said[:3]) or f"it ended with {code}"
        if _NO_SPACE.search(words_said):
            raise OperatorError("There is not enough room on the disk; free some space and try again.")
        raise OperatorError(f"{os.path.basename(words[0])} failed: {words_said}")
