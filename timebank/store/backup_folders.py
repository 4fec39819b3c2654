"""Folders with a copy of the database: what is in them, whether it is whole, and when they are old enough to go.

``backup.json`` says what the copy is of, ``SHA256SUMS`` is what ``sha256sum --check`` reads. A folder
has its name only once everything in it is on the disk; before, its name ends with ``.part``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from timebank.config import OperatorError
from timebank.store.keys import ERASED, Erased, KeyStore, read_erased, write_whole

DATABASE: Final = "database.dump"
ABOUT: Final = "backup.json"
SUMS: Final = "SHA256SUMS"

_PREFIX: Final = "timebank-"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_NAME: Final = re.compile(r"timebank-\d{8}T\d{6}Z(\.part)?")
_CHUNK: Final = 1 << 20


class BookCopied(msgspec.Struct, frozen=True, kw_only=True):
    """How far one group's book was; ``checkpoint`` is the signed note of its live book then."""

    group_id: UUID
    slug: str
    records: int
    epoch: int
    checkpoint: str


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a copy is of.

    Attributes:
        v: Version of this format, 1.
        program: Version of timebank that made it.
        schema: Last migration that the database had.
        server: Major version of PostgreSQL.
        tables: How many tables there are.
    """

    v: int
    made_at: datetime
    program: str
    schema: str
    server: int
    tables: int
    books: list[BookCopied]


def new_folder(place: Path, *, now: datetime) -> Path:
    """Make an empty unfinished folder for a copy, in a directory that is made if it is missing.

    Raises:
        OperatorError: It cannot be made.
    """
    folder = place / f"{_PREFIX}{now.astimezone(UTC):{_STAMP}}.part"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise OperatorError(
            f"{place} cannot be written by this user: {error.strerror}; name another directory with --to."
        ) from error
    return folder


def finish(folder: Path, about: About) -> Path:
    """Give a folder its checksums and its final name; return where it is then.

    Raises:
        OperatorError: There is one of that name.
    """
    write_whole(folder / ABOUT, msgspec.json.format(msgspec.json.encode(about)).decode() + "\n")
    lines = [f"{_digest(folder / name)}  {name}\n" for name in (DATABASE, ABOUT)]
    write_whole(folder / SUMS, "".join(lines))
    _to_disk(folder / DATABASE)
    _to_disk(folder)
    final = folder.with_suffix("")
    if final.exists():
        raise OperatorError(f"{final} is there already.")
    folder.rename(final)
    _to_disk(final.parent)
    return final


def write_list_of_erased(keys: KeyStore, place: Path) -> None:
    """Put the list of the erased beside the folders, where it is always the newest and never shrinks."""
    lines = {
        (one.group_id, one.member_id): one for one in [*read_erased(place / ERASED), *keys.list_erased()]
    }
    text = "".join(
        f"{one.group_id} {one.member_id} {one.erased_at.isoformat()}\n"
        for one in sorted(lines.values(), key=lambda one: one[::-1])
    )
    write_whole(place / ERASED, text)


def read_list_of_erased(place: Path) -> list[Erased]:
    """Return the list of the erased that lies beside folders.

    Raises:
        OperatorError: It cannot be read.
    """
    try:
        return read_erased(place / ERASED)
    except (OSError, ValueError) as error:
        raise OperatorError(f"{place / ERASED} is no list of the erased: {error}.") from error


def read_folder(folder: Path, *, show: Callable[[int, int], None] = lambda _done, _total: None) -> About:
    """Check every byte of a folder against its checksums, and return what it is of.

    Raises:
        OperatorError: Something is missing, changed, or of a newer version.
    """
    if folder.suffix == ".part":
        raise OperatorError(f"{folder} was never finished; take another one.")
    try:
        told = dict(line.split("  ", 1)[::-1] for line in (folder / SUMS).read_text().splitlines())
        for name in (ABOUT, DATABASE):
            if told.get(name) != _digest(folder / name, show=show):
                raise OperatorError(f"{folder / name} is not as it was written; take another backup.")
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except (ValueError, msgspec.MsgspecError) as error:
        raise OperatorError(f"{folder} is no backup that this version can read: {error}.") from error
    except OSError as error:
        raise OperatorError(f"{folder} cannot be read: {error.filename}: {error.strerror}.") from error


def take_away_old(place: Path, *, now: datetime, days: int) -> list[Path]:
    """Delete folders that are older than so many days, and unfinished ones of a day ago; return them.

    The newest whole one always stays, however old it is.
    """
    whole = [folder for folder, finished in _folders(place) if finished]
    gone = [
        folder
        for folder, finished in _folders(place)
        if _made_at(folder) < now - timedelta(days=days if finished else 1)
        and folder != max(whole, default=None)
    ]
    for folder in gone:
        shutil.rmtree(folder)
    return gone


def find_newest(place: Path) -> datetime | None:
    """Return when the newest whole copy in a directory was made; None if there is none, or no directory."""
    try:
        return max((_made_at(folder) for folder, finished in _folders(place) if finished), default=None)
    except OSError:
        return None


def _folders(place: Path) -> Iterator[tuple[Path, bool]]:
    for path in sorted(place.iterdir()):
        if (found := _NAME.fullmatch(path.name)) and path.is_dir():
            yield path, found[1] is None


def _made_at(folder: Path) -> datetime:
    stamp = folder.name.removesuffix(".part").removeprefix(_PREFIX)
    return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)


def _digest(path: Path, *, show: Callable[[int, int], None] = lambda _done, _total: None) -> str:
    digest, done, total = sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            show(done, total)
    return digest.hexdigest()


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
