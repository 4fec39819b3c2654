"""The key store: every secret that opens something, in one file outside the database and its backups.

Losing the database must not give away who people are, and erasing a person must reach into
backups that nobody can edit. Both follow from one rule: what is personal is sealed with a key
per member, and that key is only here. Whoever destroys the key has erased the person everywhere.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self
from uuid import UUID

from timebank.store.day_keys import DayKeys
from timebank.store.private_files import give_to_owner_of_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

KEY_BYTES = 32

#: The list of the erased once more as text, without any secret: to be copied wherever backups are.
ERASED = "erased.txt"

#: A key that another process destroyed is forgotten here within this many seconds.
_RECHECK_SECONDS = 1.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS host (
    name       TEXT NOT NULL PRIMARY KEY,
    secret     BLOB NOT NULL CHECK (length(secret) = 32)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS group_keys (
    group_id   BLOB NOT NULL CHECK (length(group_id) = 16),
    purpose    TEXT NOT NULL CHECK (purpose IN ('index', 'live')),
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (group_id, purpose)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_keys (
    group_id   BLOB NOT NULL CHECK (length(group_id) = 16),
    purpose    TEXT NOT NULL CHECK (purpose IN ('log', 'recovery')),
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (group_id, purpose)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS former_keys (
    group_id   BLOB NOT NULL CHECK (length(group_id) = 16),
    purpose    TEXT NOT NULL CHECK (purpose IN ('log', 'live')),
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (group_id, purpose)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS member_keys (
    group_id   BLOB NOT NULL CHECK (length(group_id) = 16),
    member_id  BLOB NOT NULL CHECK (length(member_id) = 16),
    secret     BLOB NOT NULL CHECK (length(secret) = 32),
    PRIMARY KEY (group_id, member_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erased (
    group_id   BLOB NOT NULL CHECK (length(group_id) = 16),
    member_id  BLOB NOT NULL CHECK (length(member_id) = 16),
    erased_at  TEXT NOT NULL,
    PRIMARY KEY (group_id, member_id)
) WITHOUT ROWID;
"""


class KeyErasedError(Exception):
    """The key was destroyed on purpose; nothing and nobody can make it again."""


class Erased(NamedTuple):
    """One line of the list of the erased.

    Attributes:
        group_id: The group that the person was in.
        member_id: The random id that they had there.
        erased_at: When the key was destroyed, UTC.
    """

    group_id: UUID
    member_id: UUID
    erased_at: datetime


class KeyStore:
    """Keys of members, of groups and of the host, in ``<home>/keys/keys.sqlite``.

    One object serves a whole process, from any thread; several processes may use the same file.
    Reading a key that was read before costs a dictionary look-up. Making and destroying keys waits
    for the disk: from a coroutine use ``await asyncio.to_thread(keys.create_member_keys, ...)``.
    """

    def __init__(self, home: Path, *, cache_size: int = 20_000) -> None:
        """Open the key store of a home directory, and make it if it is not there.

        Args:
            home: Data directory; ``keys`` below it is made with mode 0700, the file with 0600.
            cache_size: How many members' keys are kept in memory.

        Raises:
            PermissionError: If others may read the directory or the file.
        """
        self.home = home
        self.path = home / "keys" / "keys.sqlite"
        self.erased_path = home / "keys" / ERASED
        self.days = DayKeys(home)
        self._cache_size = cache_size
        self._lock = threading.RLock()
        self._cache: OrderedDict[tuple[UUID, UUID], bytes] = OrderedDict()
        self._group_cache: dict[tuple[UUID, str], bytes] = {}
        self._host_cache: dict[str, bytes] = {}
        self._looked_at = 0.0
        self._db = _open(self.path)
        self._version = self._data_version()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget every key and close the file; calling it again does nothing."""
        with self._lock:
            self._forget()
            self._db.close()

    # ------------------------------------------------------------ members

    def create_member_keys(self, group_id: UUID, member_ids: Sequence[UUID]) -> None:
        """Make a key for each new member; whoever has one already keeps it.

        Raises:
            KeyErasedError: If one of them was erased; nothing is made then.
        """
        with self._lock, _writing(self._db):
            for member_id in member_ids:
                names = (group_id.bytes, member_id.bytes)
                if self._db.execute(
                    "SELECT 1 FROM erased WHERE group_id = ? AND member_id = ?", names
                ).fetchone():
                    raise KeyErasedError(str(member_id))
                self._db.execute(
                    "INSERT OR IGNORE INTO member_keys (group_id, member_id, secret) VALUES (?, ?, ?)",
                    (*names, secrets.token_bytes(KEY_BYTES)),
                )

    def find_member_key(self, group_id: UUID, member_id: UUID) -> bytes | None:
        """Return the 32 bytes that open what is sealed for a member, or None if they were erased."""
        with self._lock:
            self._forget_what_changed()
            key = self._cache.get((group_id, member_id))
            if key is not None:
                self._cache.move_to_end((group_id, member_id))
                return key
            row = self._db.execute(
                "SELECT secret FROM member_keys WHERE group_id = ? AND member_id = ?",
                (group_id.bytes, member_id.bytes),
            ).fetchone()
            if row is None:
                return None
            self._remember(group_id, member_id, bytes(row[0]))
            return bytes(row[0])

    def erase_members(self, group_id: UUID, member_ids: Sequence[UUID], *, now: datetime) -> None:
        """Destroy keys for good and remember whose they were; doing it again changes nothing.

        The key is overwritten where it lies and in what the file keeps to undo a half-done write.
        Copies made before (backups of this very file) are the host's to delete after 30 days.
        """
        with self._lock:
            with _writing(self._db):
                for member_id in member_ids:
                    names = (group_id.bytes, member_id.bytes)
                    self._db.execute(
                        "UPDATE member_keys SET secret = zeroblob(32) WHERE group_id = ? AND member_id = ?",
                        names,
                    )
                    self._db.execute("DELETE FROM member_keys WHERE group_id = ? AND member_id = ?", names)
                    self._db.execute(
                        "INSERT OR IGNORE INTO erased (group_id, member_id, erased_at) VALUES (?, ?, ?)",
                        (*names, now.astimezone(UTC).isoformat()),
                    )
                    self._cache.pop((group_id, member_id), None)
            self._scrub_journal()
            self._write_erased()

    def erase_listed(self, lines: Sequence[Erased]) -> None:
        """Destroy the keys of everybody on a list, such as one kept beside a backup, and remember them."""
        known = {(line.group_id, line.member_id) for line in self.list_erased()}
        for line in lines:
            if (line.group_id, line.member_id) not in known:
                self.erase_members(line.group_id, [line.member_id], now=line.erased_at)

    def list_erased(self) -> list[Erased]:
        """Return everybody who was erased on this host, oldest first; a restore replays this list."""
        with self._lock:
            rows = self._db.execute(
                "SELECT group_id, member_id, erased_at FROM erased ORDER BY erased_at, group_id, member_id"
            ).fetchall()
        return [Erased(UUID(bytes=g), UUID(bytes=m), datetime.fromisoformat(at)) for g, m, at in rows]

    # ------------------------------------------------------------ copies

    def read_all(self) -> dict[str, list[tuple[bytes | str, ...]]]:
        """Return every row of every table, secrets among them, as of one moment; for a copy that is sealed."""
        with self._lock, _writing(self._db):
            names = [
                row[0]
                for row in self._db.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
                )
            ]
            return {name: self._db.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}

    def merge(self, tables: Mapping[str, Sequence[Sequence[bytes | str]]]) -> None:
        """Take in what another copy of this store has and this one has not; the erased of both stay erased.

        Raises:
            LookupError: The copy has a table that this program does not know.
        """
        with self._lock:
            known = self.read_all()
            if unknown := tables.keys() - known.keys():
                raise LookupError(f"unknown tables in a copy of keys: {sorted(unknown)}")
            with _writing(self._db):
                for name, rows in tables.items():
                    for row in rows:
                        marks = ", ".join("?" * len(row))
                        self._db.execute(f'INSERT OR IGNORE INTO "{name}" VALUES ({marks})', tuple(row))
                for name in ("UPDATE member_keys SET secret = zeroblob(32)", "DELETE FROM member_keys"):
                    self._db.execute(
                        f"{name} WHERE EXISTS (SELECT 1 FROM erased AS e WHERE e.group_id = member_keys.group_id"
                        " AND e.member_id = member_keys.member_id)"
                    )
            self._forget()
            self._scrub_journal()
            self._write_erased()

    # ------------------------------------------------------------ groups and the host

    def create_group_keys(self, group_id: UUID) -> None:
        """Make a new group's keys: one that blinds nicknames, one that signs its live book."""
        with self._lock, _writing(self._db):
            for purpose in ("index", "live"):
                self._db.execute(
                    "INSERT OR IGNORE INTO group_keys (group_id, purpose, secret) VALUES (?, ?, ?)",
                    (group_id.bytes, purpose, secrets.token_bytes(KEY_BYTES)),
                )

    def index_key(self, group_id: UUID) -> bytes:
        """Return the HMAC key under which a group's nicknames can be looked up, but not read.

        Raises:
            LookupError: If this store never made keys for the group: the wrong file was restored.
        """
        return self._group_key(group_id, "index")

    def live_key(self, group_id: UUID) -> bytes:
        """Return the 32-byte Ed25519 seed that signs checkpoints of the group's live book.

        Raises:
            LookupError: If this store never made keys for the group: the wrong file was restored.
        """
        return self._group_key(group_id, "live")

    def create_log_keys(self, group_id: UUID) -> None:
        """Make the key that signs a group's public log, and its recovery key; whoever has them keeps them."""
        with self._lock, _writing(self._db):
            if self._db.execute(
                "SELECT 1 FROM log_keys WHERE group_id = ? AND purpose = 'log'", (group_id.bytes,)
            ).fetchone():
                return
            for purpose in ("log", "recovery"):
                self._db.execute(
                    "INSERT INTO log_keys (group_id, purpose, secret) VALUES (?, ?, ?)",
                    (group_id.bytes, purpose, secrets.token_bytes(KEY_BYTES)),
                )

    def move_log_keys(self, group_id: UUID, recovery: bytes | None) -> None:
        """Make a new key for the log of a group that came from elsewhere.

        Args:
            recovery: The recovery key, if it is not on paper yet; no other one is made.
        """
        made = [("log", secrets.token_bytes(KEY_BYTES))]
        made += [] if recovery is None else [("recovery", recovery)]
        with self._lock, _writing(self._db):
            for purpose, secret in made:
                self._db.execute(
                    "INSERT INTO log_keys (group_id, purpose, secret) VALUES (?, ?, ?)",
                    (group_id.bytes, purpose, secret),
                )

    def change_log_keys(self, group_id: UUID, log: bytes, live: bytes) -> None:
        """Sign with other keys from now on; those before stay aside until the change is finished or taken back.

        A group that has none of its own any more gets them; its nicknames get a fresh index key.

        Args:
            log, live: Seeds of 32 bytes.
        """
        name = group_id.bytes
        with self._lock, _writing(self._db):
            for purpose, table, secret in (("log", "log_keys", log), ("live", "group_keys", live)):
                self._db.execute(
                    f"INSERT OR REPLACE INTO former_keys SELECT * FROM {table} WHERE group_id = ? AND purpose = ?",
                    (name, purpose),
                )
                self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (name, purpose, secret))
            self._db.execute(
                "INSERT OR IGNORE INTO group_keys VALUES (?, 'index', ?)",
                (name, secrets.token_bytes(KEY_BYTES)),
            )
            self._group_cache.clear()

    def has_former_keys(self, group_id: UUID) -> bool:
        """Return whether a change of a group's keys is neither finished nor taken back."""
        with self._lock:
            found = self._db.execute("SELECT 1 FROM former_keys WHERE group_id = ?", (group_id.bytes,))
            return found.fetchone() is not None

    def take_back_former_keys(self, group_id: UUID) -> None:
        """Sign with the keys of before again."""
        with self._lock:
            with _writing(self._db):
                for purpose, table in (("log", "log_keys"), ("live", "group_keys")):
                    self._db.execute(
                        f"INSERT OR REPLACE INTO {table} SELECT * FROM former_keys WHERE group_id = ? AND purpose = ?",
                        (group_id.bytes, purpose),
                    )
            self.forget_former_keys(group_id)

    def forget_former_keys(self, group_id: UUID) -> None:
        """Destroy the keys that were changed; doing it again changes nothing."""
        with self._lock:
            with _writing(self._db):
                for statement in ("UPDATE former_keys SET secret = zeroblob(32)", "DELETE FROM former_keys"):
                    self._db.execute(f"{statement} WHERE group_id = ?", (group_id.bytes,))
                self._group_cache.clear()
            self._scrub_journal()

    def log_key(self, group_id: UUID) -> bytes:
        """Return the 32-byte Ed25519 seed that signs checkpoints of the group's public log.

        Raises:
            LookupError: If this store never made keys for the log: the wrong file was restored.
        """
        return self._group_key(group_id, "log", "log_keys")

    def recovery_key(self, group_id: UUID) -> bytes | None:
        """Return the seed of the recovery key while it waits to be put on paper, or None once it was taken."""
        try:
            return self._group_key(group_id, "recovery", "log_keys")
        except LookupError:
            return None

    def forget_recovery_key(self, group_id: UUID) -> None:
        """Destroy the recovery key here; from now on it is on paper only. Doing it again changes nothing."""
        names = (group_id.bytes,)
        with self._lock:
            with _writing(self._db):
                for statement in ("UPDATE log_keys SET secret = zeroblob(32)", "DELETE FROM log_keys"):
                    self._db.execute(f"{statement} WHERE group_id = ? AND purpose = 'recovery'", names)
                self._group_cache.pop((group_id, "recovery"), None)
            self._scrub_journal()

    def derive(self, purpose: str, *parts: bytes) -> bytes:
        """Return 32 bytes that only this host can compute, the same for the same arguments.

        Secrets in answers (status links, invitations) are made this way, so that a retry can
        give the same answer although nothing secret was stored with it.
        """
        code = hmac.new(self._host_secret("derive"), purpose.encode() + b"\0", sha256)
        for part in parts:
            code.update(len(part).to_bytes(4, "big") + part)
        return code.digest()

    # ------------------------------------------------------------ inside

    def _write_erased(self) -> None:
        """Write the list beside the store anew; under the lock, so that it never goes back."""
        with _writing(self._db):
            rows = self._db.execute(
                "SELECT group_id, member_id, erased_at FROM erased ORDER BY erased_at, group_id, member_id"
            ).fetchall()
            lines = [f"{UUID(bytes=group)} {UUID(bytes=member)} {at}\n" for group, member, at in rows]
            write_whole(self.erased_path, "".join(lines))

    def _group_key(self, group_id: UUID, purpose: str, table: str = "group_keys") -> bytes:
        with self._lock:
            self._forget_what_changed()
            key = self._group_cache.get((group_id, purpose))
            if key is not None:
                return key
            row = self._db.execute(
                f"SELECT secret FROM {table} WHERE group_id = ? AND purpose = ?",
                (group_id.bytes, purpose),
            ).fetchone()
            if row is None:
                raise LookupError(f"no {purpose} key for group {group_id}")
            self._group_cache[group_id, purpose] = key = bytes(row[0])
            return key

    def _host_secret(self, name: str) -> bytes:
        with self._lock:
            key = self._host_cache.get(name)
            if key is not None:
                return key
            with _writing(self._db):
                self._db.execute(
                    "INSERT OR IGNORE INTO host (name, secret) VALUES (?, ?)",
                    (name, secrets.token_bytes(KEY_BYTES)),
                )
                row = self._db.execute("SELECT secret FROM host WHERE name = ?", (name,)).fetchone()
            self._host_cache[name] = key = bytes(row[0])
            return key

    def _remember(self, group_id: UUID, member_id: UUID, key: bytes) -> None:
        self._cache[group_id, member_id] = key
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def _forget_what_changed(self) -> None:
        """Empty the cache if another process wrote to the file; looked at once a second at most."""
        at = time.monotonic()
        if at - self._looked_at < _RECHECK_SECONDS:
            return
        version = self._data_version()
        if version != self._version:
            self._forget()
        self._version = version
        self._looked_at = at

    def _forget(self) -> None:
        self._cache.clear()
        self._group_cache.clear()
        self._host_cache.clear()

    def _data_version(self) -> int:
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _scrub_journal(self) -> None:
        """Overwrite the rollback journal: it holds the pages as they were, destroyed keys among them.

        Under the exclusive lock and before any change the journal means nothing to SQLite, so
        its bytes are ours. ``journal_mode=PERSIST`` keeps the file, so that it is these very
        blocks of the disk that are overwritten and not fresh ones beside them.
        """
        journal = self.path.with_name(self.path.name + "-journal")
        self._db.execute("BEGIN EXCLUSIVE")
        try:
            if not journal.exists():
                return
            with journal.open("r+b", buffering=0) as file:
                file.write(bytes(journal.stat().st_size))
                os.fsync(file.fileno())
        finally:
            self._db.execute("ROLLBACK")


def read_erased(path: Path) -> list[Erased]:
    """Return the lines of a list of the erased; empty when there is no such file.

    Raises:
        ValueError: It is no such list.
    """
    if not path.exists():
        return []
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return [Erased(UUID(group), UUID(member), datetime.fromisoformat(at)) for group, member, at in lines]


def write_whole(path: Path, text: str) -> None:
    """Write a text for the owner's eyes under its name, whole or not at all, and onto the disk."""
    side = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    give_to_owner_of_home(path.parent, side)
    side.replace(path)


@contextlib.contextmanager
def _writing(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: committed at the end, rolled back if anything is raised."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _open(path: Path) -> sqlite3.Connection:
    _make_private(path)
    db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    # A rollback journal and not WAL: a write-ahead log keeps copies of pages, keys among them,
    # in a file that only SQLite may touch; this journal can be overwritten (_scrub_journal).
    for pragma in ("journal_mode=PERSIST", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    db.executescript(_SCHEMA)
    return db


def _make_private(path: Path) -> None:
    """Make directory and file for the owner's eyes only, or refuse if others can look already."""
    folder = path.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never opened if it is there: closing any descriptor of an SQLite file would drop the
    # locks that this process holds on it through another connection (POSIX).
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    else:
        give_to_owner_of_home(folder, path)
    for place in (folder, path):
        if place.stat().st_mode & 0o077:
            raise PermissionError(f"{place} can be read by others; run: chmod go= {place}")
