"""``timebank restore``: put a backup into a home that has no database, whole or not at all."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from timebank.cli.brought import BACKUP, bring, clear, found
from timebank.cli.database import Dsn, open_database
from timebank.cli.keys import bring_back
from timebank.cli.new_keys import ask_paper
from timebank.cli.progress import Bar
from timebank.config import OperatorError
from timebank.services.log_sources import is_address
from timebank.store.embedded import Cluster

if TYPE_CHECKING:
    from uuid import UUID

    from timebank.config import Settings
    from timebank.services.house import House
    from timebank.services.restore import Settled
    from timebank.store.backup_folders import About
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.keys import KeyStore

NAME: Final = "restore"
HELP: Final = "put a backup into a home that has no database yet: whole or not at all, and safe to repeat"

#: Where the database is made; it is moved to its place once everything about it is right.
WORKSHOP: Final = "restoring"


class _Head(NamedTuple):
    """Where a book goes on; ``epoch`` is 0 where it goes on in the one that it had."""

    group_id: UUID
    size: int
    note: str
    epoch: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="what `timebank backup` made")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="what `timebank keys export` made")
    parser.add_argument(
        "--old-keys", action="store_true", help="take --keys though they are older than 30 days"
    )
    parser.add_argument(
        "--erased", type=Path, metavar="FILE", help="newest list of the erased (erased.txt beside FOLDER)"
    )
    parser.add_argument(
        "--log", metavar="WHERE", help="public log that somebody kept: a file, a folder or an address"
    )
    parser.add_argument(
        "--without-keys", action="store_true", help="go on though some people's keys are missing for good"
    )
    parser.add_argument(
        "--settle", action="store_true", help="no FOLDER: the database was put back by other means"
    )


def prepare(words: Sequence[str], args: argparse.Namespace) -> list[str]:
    """Bring everything to where the server's user can read it."""
    log = [] if is_address(args.log or "") else ["log"]
    return bring(words, args, BACKUP, "keys", "erased", *log)


def run(args: argparse.Namespace) -> int:
    """Restore, and say what is there now."""
    try:
        return _run(args.settings, args)
    finally:
        clear(args.settings)


def _run(settings: Settings, args: argparse.Namespace) -> int:
    if bool(args.folder) == args.settle:
        raise OperatorError("Name the folder of a backup, or say --settle.")
    for name in (BACKUP, "keys", "erased"):
        setattr(args, name, found(settings, getattr(args, name)))
    if args.log is not None and not is_address(str(args.log)):
        args.log = str(found(settings, Path(args.log)))
    if args.settle:
        return _settle_only(settings, args)
    if not settings.embedded:
        raise OperatorError(
            "This is for a database of our own. Put the outside one back with its own tools (docs/operating.md),"
            " then run: timebank restore --settle"
        )
    home = Cluster(settings.home, pg_bin=settings.pg_bin, name=settings.home_name)
    inner = Cluster(settings.home / WORKSHOP, pg_bin=settings.pg_bin, name=settings.home_name)
    with home.held():
        if home.data.exists():
            return _finish(settings, home, inner)
        about = _check_folder(args.folder)
        inner.take_away()
        with inner:
            tell = asyncio.run(_restore(settings, inner, args, about))
        # From here on it is done: what is left is tidying, which the next start of the server also does.
        inner.data.rename(home.data)
        _onto_the_disk(settings.home)
        tell()
        shutil.rmtree(inner.home)
    print("Done. Start the server: timebank serve")
    return 0


def _finish(settings: Settings, home: Cluster, inner: Cluster) -> int:
    """Tidy up after a restore that was interrupted at its very end.

    Raises:
        OperatorError: There is a database, and no restore put it there just now.
    """
    if not inner.home.exists() or inner.data.exists():
        raise OperatorError(
            f"{settings.home_name} has a database already, and nothing is ever written over one; name an empty"
            " directory with --data."
        )
    shutil.rmtree(inner.home)
    _onto_the_disk(home.home)
    print("Done. Start the server: timebank serve")
    return 0


def _check_folder(folder: Path) -> About:
    from timebank.store.backup_folders import read_folder

    bar = Bar("restore")
    about = read_folder(
        Path(os.path.abspath(folder)), show=lambda done, total: bar.show("reading", done, total)
    )
    bar.close()
    return about


async def _restore(
    settings: Settings, inner: Cluster, args: argparse.Namespace, about: About
) -> Callable[[], None]:
    """Make the database beside its place; return what brings the files beside it along, once it is in its place."""
    from timebank.store.backup_folders import DATABASE
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.dumps import load
    from timebank.store.keys import KeyStore
    from timebank.store.migrate import make_roles, upgrade

    with KeyStore(settings.home) as keys:
        _take_keys(settings, args, keys)
        beside = Checkpoints(keys, settings.home)
        bar = Bar("restore")
        await make_roles(inner.dsn)
        await load(inner.binaries, inner.dsn, args.folder / DATABASE, tables=about.tables, show=bar.show)
        bar.close()
        await upgrade(inner.dsn, embedded=True)
        heads = await _settle(inner.home, inner.dsn, keys, beside, args)

    def tell() -> None:
        for head in heads:
            _keep(beside, head)

    return tell


def _take_keys(settings: Settings, args: argparse.Namespace, keys: KeyStore) -> None:
    from timebank.store.backup_folders import read_list_of_erased
    from timebank.store.keys import read_erased
    from timebank.store.log_files import LOGS, copy_newer

    if args.keys is not None:
        bring_back(args.keys, keys, settings.home, old=args.old_keys)
    if args.folder is not None:
        copy_newer(args.folder.parent / LOGS, settings.home / LOGS)
    if args.erased is not None:
        keys.erase_listed(read_erased(args.erased))
    elif args.folder is not None:
        keys.erase_listed(read_list_of_erased(args.folder.parent))


def _settle_only(settings: Settings, args: argparse.Namespace) -> int:
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.keys import KeyStore
    from timebank.store.migrate import upgrade

    async def go(dsn: Dsn) -> None:
        with KeyStore(settings.home) as keys:
            _take_keys(settings, args, keys)
            await upgrade(dsn, embedded=settings.embedded)
            beside = Checkpoints(keys, settings.home)
            scratch = settings.home / WORKSHOP
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(mode=0o700)
            for head in await _settle(scratch, dsn, keys, beside, args):
                _keep(beside, head)
            shutil.rmtree(scratch)

    with open_database(settings, alone=True) as dsn:
        asyncio.run(go(dsn))
    return 0


async def _settle(
    scratch: Path, dsn: Dsn, keys: KeyStore, beside: Checkpoints, args: argparse.Namespace
) -> list[_Head]:
    """Erase again, say where each book goes on, and verify; return the new head of each."""
    from timebank.services.house import House
    from timebank.services.new_keys import make_up_for_lost_keys, must_be_introduced
    from timebank.services.restore import settle
    from timebank.services.take_log import take_log
    from timebank.services.verify import list_books
    from timebank.store.checkpoints import Checkpoints
    from timebank.store.engine import Database
    from timebank.store.groups import find_checkpoint

    database = await Database.open(dsn)
    checkpoints = Checkpoints(keys, scratch)
    house = House(database, keys, checkpoints)
    looking = House(database, keys, beside)
    try:
        if args.log is not None:
            await take_log(house, args.log)
        if args.settle:
            # What is written into this database stays there, so it must be whole before.
            for group_id, slug in (await list_books(house)).items():
                await _verify(looking, group_id, slug)
        for group_id in await list_books(house):
            if args.without_keys:
                await asyncio.to_thread(make_up_for_lost_keys, house, group_id)
        heads = []
        for one in await settle(house, beside, now=datetime.now(UTC)):
            _tell(one)
            strange = await must_be_introduced(house, one.group_id)
            if strange:
                await _introduce(house, one, args)
            if one.without_key and not args.without_keys:
                raise OperatorError(
                    f"The keys of {one.without_key} people of {one.slug} are missing, and nobody can read who they are."
                    " Bring a newer copy with --keys, or say --without-keys if there is none."
                )
            await _verify(house if one.lost or strange else looking, one.group_id, one.slug)
            async with house.database.read(one.group_id) as tx:
                size, note = await find_checkpoint(tx, one.group_id)
            heads.append(_Head(one.group_id, size, note, one.epoch))
        return heads
    finally:
        await checkpoints.close()
        await database.close()


async def _introduce(house: House, one: Settled, args: argparse.Namespace) -> None:
    """Have the recovery key introduce the keys here, where those of the log are lost.

    Raises:
        OperatorError: Nobody said that they are, or it is another key.
    """
    from timebank.services.new_keys import introduce_keys

    if not args.without_keys:
        raise OperatorError(
            f"The key of the public log of {one.slug} is missing. Bring a newer copy with --keys; or, if there is none, have"
            " its recovery key at hand and say --without-keys."
        )
    paper = ask_paper(one.slug)
    await introduce_keys(house, one.group_id, reason="lost", paper=paper, now=datetime.now(UTC))
    print(
        f"{one.slug}: its log is signed with new keys from the next close on, which the recovery key introduces."
    )


def _keep(beside: Checkpoints, head: _Head) -> None:
    beside.keep_epoch(head.group_id, head.epoch)
    beside.replace(head.group_id, head.size, head.note)


def _tell(one: Settled) -> None:
    if one.erased:
        print(f"{one.slug}: {one.erased} people who had been erased since are erased again.")
    if one.epoch:
        lost = "an unknown number of records" if one.lost is None else f"{one.lost:,} records"
        print(
            f"{one.slug}: {lost} that were signed after this backup may be missing. The book says that it was"
            f" restored, and goes on in epoch {one.epoch}; receipts of what is missing are void."
        )
    if one.published_lost:
        print(
            f"{one.slug}: {one.published_lost:,} of them were published. The public log is again as everybody knows it; the"
            " next close takes out what they had moved, as one total, and says so to everybody."
        )


async def _verify(house: House, group_id: UUID, slug: str) -> None:
    """Recompute a book.

    Raises:
        OperatorError: Something in it is wrong; that it is not what was signed here last is none of that.
    """
    from timebank.services.verify import verify_group

    bar = Bar(slug)
    verdict = await verify_group(
        house, group_id, progress=lambda done, total: bar.show("verifying", done, total)
    )
    bar.close()
    # Where this book parts from what was signed here is what the record of the restore tells.
    wrong = [one for one in verdict.findings if one.check != "kept_checkpoint"]
    if wrong:
        where = f"record {wrong[0].seq}" if wrong[0].seq else "the book as a whole"
        raise OperatorError(
            f"The book of {slug} is wrong, first with {where}: {wrong[0].what}. Take another backup; nothing was put"
            " in place of anything."
        )
    print(f"{slug}: the book is whole ({verdict.records:,} records).")


def _onto_the_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
