"""``timebank import``: bring a group's past in from spreadsheets and other systems' exports, all or nothing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from timebank.cli.brought import reworded
from timebank.cli.database import Dsn, open_database
from timebank.cli.progress import Bar
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.services.archive_import import NewAddress
    from timebank.services.house import House
    from timebank.services.import_report import ImportOptions, Report, Source

NAME: Final = "import"
HELP: Final = "bring a group's past in from spreadsheets, all or nothing; safe to repeat"

_LAYOUTS: Final = (
    "hours", "money", "openings", "people", "timeoverflow-members", "timeoverflow-transfers", "komunitin",
    "mutual-credit", "open-collective", "exchanges",
)  # fmt: skip
_HANDED_ON: Final = "fd:"
_SHOWN_MAX: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="CSV, XLSX or ODS, what belongs together; or one archive"
    )
    parser.add_argument(
        "--group", required=True, metavar="SLUG", help="address of the group; an archive can make it"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what is wrong and what would come of it; write nothing"
    )
    parser.add_argument(
        "--people",
        choices=("members", "outsiders"),
        default="members",
        help="what becomes of names that nobody in the group has: they join, or stay outside and are not kept",
    )
    parser.add_argument(
        "--categories",
        choices=("refuse", "add"),
        default="refuse",
        help="what becomes of categories that the group does not have",
    )
    parser.add_argument("--began", type=_day, metavar="DATE", help="let the book begin on this earlier day")
    parser.add_argument("--layout", choices=_LAYOUTS, default="", help="what the files are (recognised)")
    parser.add_argument(
        "--days", choices=("iso", "dmy", "mdy"), help="order of day, month and year (only 2025-12-31)"
    )
    parser.add_argument("--decimal", choices=("point", "comma"), help="decimal sign, where it is not plain")
    parser.add_argument(
        "--nearest-minute", action="store_true", help="round time that is no whole number of minutes"
    )
    parser.add_argument("--on", type=_day, metavar="DATE", help="the day of lines in files that have none")
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        type=_column,
        metavar="OURS=THEIRS",
        help="which header is which column, such as giver=Ayudante; remembered for this header",
    )
    parser.add_argument("--sheet", default="", metavar="NAME", help="sheet of a workbook (the first)")
    parser.add_argument(
        "--move",
        action="store_true",
        help="an archive does not become a copy but goes on here, with its log; the old server must stop",
    )
    parser.add_argument(
        "--key",
        default="",
        metavar="FILE",
        help="for --move: what `timebank log-keys` wrote on the old server, or the recovery key from paper",
    )
    parser.add_argument("--undo", type=UUID, metavar="ID", help="take an earlier import back, as a whole")


def prepare(words: Sequence[str], args: argparse.Namespace) -> list[str]:
    """Open the files while this may still be root, and return words that name the open files instead.

    Raises:
        OperatorError: One cannot be opened.
    """
    named = [*args.files, *([args.key] if args.key else [])]
    replaced = {name: f"{_HANDED_ON}{_opened(name)}:{Path(name).name}" for name in named}
    args.files = [replaced[name] for name in args.files]
    args.key = replaced.get(args.key, "")
    paths = {Path(name): handed for name, handed in replaced.items()}
    return [reworded(word, paths) for word in words]


def run(args: argparse.Namespace) -> int:
    """Import, and say what came of it; 0 when it is done or there was nothing to do, 1 when lines need mending."""
    if bool(args.files) == bool(args.undo):
        raise OperatorError("Name files to import, or an import to --undo.")
    if bool(args.key) != args.move or (args.move and args.dry_run):
        raise OperatorError("A group moves with --move and --key FILE, and not with --dry-run.")
    with open_database(args.settings) as dsn:
        if args.undo:
            return asyncio.run(_undo(args.settings, dsn, args.group, args.undo))
        with _sources(args.files) as sources:
            return asyncio.run(_import(args.settings, dsn, args, sources))


async def _import(settings: Settings, dsn: Dsn, args: argparse.Namespace, sources: list[Source]) -> int:
    from timebank.services.archive_import import import_archive
    from timebank.services.house import open_house
    from timebank.services.imports import HasFaults, import_files
    from timebank.services.jobs import JobCancelled, step_back
    from timebank.store.migrate import upgrade

    step_back(0)
    await upgrade(dsn, embedded=settings.embedded)
    bar = Bar(args.group)
    async with open_house(settings.home, dsn) as house:
        archive = _is_archive(sources)
        doing: dict[str, Any] = {
            "clock": lambda: datetime.now(UTC),
            "dry_run": args.dry_run,
            "show": bar.show,
            "step_back": step_back if settings.embedded else lambda _pid: None,
        }
        try:
            if args.move:
                return await _move(house, args, sources[0] if archive else None, bar)
            if archive:
                where = await _place(house, settings, args.group)
                report, import_id = await import_archive(house, where, sources[0], **doing)
            else:
                group_id = await house.database.group_id(args.group)
                report, import_id = await import_files(house, group_id, sources, _options(args), **doing)
        except HasFaults as refused:
            bar.close()
            _tell(refused.report)
            print(refused.message % refused.params, file=sys.stderr)
            return 1
        except JobCancelled:
            raise OperatorError("The import was cancelled; nothing was written.") from None
        finally:
            bar.close()
    _tell(report)
    if report.fault_count:
        print("Nothing was written.")
        return 1
    if args.dry_run:
        print("Nothing is wrong. This was a dry run: nothing was written.")
    elif import_id is None:
        print("Every line is in the book already: nothing was written.")
    elif archive:
        print(f"Imported. To compare: timebank export --group {args.group} --format archive > FILE")
    else:
        print(f"Imported. To take it back: timebank import --group {args.group} --undo {import_id}")
    return 0


async def _move(house: House, args: argparse.Namespace, source: Source | None, bar: Bar) -> int:
    """Let a group go on here, as the very same book."""
    from timebank.services.archive_moves import move_group
    from timebank.store.log_key_files import NoKeysError, read_introducer

    if source is None:
        raise OperatorError("Only an archive of a whole group can move.")
    with _sources([args.key]) as (key,):
        text = key.file.read(10_000).decode("utf-8", errors="replace")
    try:
        introducer = read_introducer(text)
    except NoKeysError as error:
        raise OperatorError(f"{key.name}: {error}") from None
    report, _ = await move_group(
        house, args.group, source, introducer, clock=lambda: datetime.now(UTC), show=bar.show
    )
    bar.close()
    _tell(report)
    print(
        f"Moved. The next close of {args.group} tells everybody who follows its log of the new keys."
        " The old server must not close a period any more. To compare: timebank verify"
    )
    return 0


def _is_archive(sources: Sequence[Source]) -> bool:
    from timebank.formats.archive import is_archive

    found = [source.name for source in sources if is_archive(source.file)]
    if found and len(sources) > 1:
        raise OperatorError(f"{found[0]} is an archive of a whole group; import it alone.")
    return bool(found)


async def _place(house: House, settings: Settings, slug: str) -> UUID | NewAddress:
    """Return the group at an address, or what makes a new one there of an archive."""
    from timebank.cli.serve import host_name
    from timebank.errors import UnknownGroup
    from timebank.services.archive_import import NewAddress

    try:
        return await house.database.group_id(slug)
    except UnknownGroup:
        host = settings.origin.partition("://")[2] or f"{host_name(settings.host)}:{settings.port}"
        return NewAddress(slug, f"{host}/g/{slug}")


async def _undo(settings: Settings, dsn: Dsn, slug: str, import_id: UUID) -> int:
    from timebank.services.house import open_house
    from timebank.services.imports import undo_import
    from timebank.services.jobs import doing, step_back
    from timebank.store.migrate import upgrade

    await upgrade(dsn, embedded=settings.embedded)
    bar = Bar(slug)
    async with open_house(settings.home, dsn) as house:
        group_id = await house.database.group_id(slug)
        try:
            async with doing(
                house,
                group_id,
                clock=lambda: datetime.now(UTC),
                kind="undo",
                about_id=import_id,
                show=bar.show,
                step_back=step_back if settings.embedded else lambda _pid: None,
            ) as teller:
                count = await undo_import(house, group_id, import_id, teller)
        finally:
            bar.close()
    print(f"Taken back: {count:,} entries, each by its mirror. Who joined with them stays.")
    return 0


def _options(args: argparse.Namespace) -> ImportOptions:
    from timebank.services.import_report import ImportOptions

    decimal: Final = {"point": ".", "comma": ","}
    return ImportOptions(
        people=args.people,
        categories=args.categories,
        began=args.began,
        layout=args.layout,
        days=args.days,
        decimal=decimal.get(args.decimal),  # type: ignore[arg-type]
        nearest=args.nearest_minute,
        on=args.on,
        columns=dict(args.column),
        sheet=args.sheet,
    )


# ---------------------------------------------------------------- files


def _opened(name: str) -> int:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise OperatorError(f"{name} cannot be opened: {error.strerror}.") from error
    # The program may become another process image on the way to giving up root.
    os.set_inheritable(descriptor, True)
    return descriptor


@contextlib.contextmanager
def _sources(names: Sequence[str]) -> Iterator[list[Source]]:
    from timebank.services.import_report import Source

    with contextlib.ExitStack() as stack:
        sources = []
        for name in names:
            if name.startswith(_HANDED_ON):
                _, descriptor, shown = name.split(":", 2)
                file = stack.enter_context(os.fdopen(int(descriptor), "rb"))
            else:
                shown = Path(name).name
                file = stack.enter_context(os.fdopen(_opened(name), "rb"))
            if not file.seekable():
                raise OperatorError(f"{shown} must be a file that can be read twice, not a pipe.")
            sources.append(Source(shown, file))
        yield sources


# ---------------------------------------------------------------- what is said


def _tell(report: Report) -> None:
    """Print what was found, faults first in the order of the files."""
    for file in report.files:
        print(f"{file.name}: {file.lines:,} lines, read as {file.layout}.")
        for why, count in file.passed:
            print(f"  {count:,} lines passed over: {why}")
        for message, params in file.remarks:
            print(f"  {message % params if params else message}")
    if report.fault_count:
        _tell_faults(report)
        return
    for total in report.totals:
        print(f"  {total.what}: {_amount(total.amount, total.unit)} in {total.lines:,} lines")
    if report.already:
        print(f"  {report.already:,} lines are in the book already and are left out.")
    if report.people_new_count:
        names = ", ".join(report.people_new[:10]) + (", ..." if report.people_new_count > 10 else "")
        print(f"  {report.people_new_count:,} people join: {names}")
    if report.outside:
        print(f"  {report.outside:,} names stay outside the group and are not kept.")
    if report.categories_new:
        print(f"  new categories: {', '.join(report.categories_new)}")
    if report.notes_lost:
        print(f"  {report.notes_lost:,} notes of people outside are not kept.")
    if report.first_day:
        print(f"  from {report.first_day} to {report.last_day}; the book begins on {report.began_on}.")


def _tell_faults(report: Report) -> None:
    for fault in report.faults[:_SHOWN_MAX]:
        where = f"{fault.file}, line {fault.line}" if fault.line else fault.file
        column = f", {fault.column}" if fault.column else ""
        value = f" ({fault.value})" if fault.value else ""
        print(f"  {where}{column}: {fault.message % fault.params}{value} [{fault.code}]")
    if report.fault_count > _SHOWN_MAX:
        print(f"  ... and {report.fault_count - _SHOWN_MAX:,} more.")


def _amount(amount: int, unit: str) -> str:
    if unit == "minutes":
        return f"{amount // 60:,} h {amount % 60:02} min"
    from babel.numbers import format_currency, get_currency_precision

    digits = get_currency_precision(unit)
    from decimal import Decimal

    return format_currency(Decimal(amount).scaleb(-digits), unit, locale="en", format="¤¤ #,##0.00")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is no day such as 2025-12-31") from None


def _column(text: str) -> tuple[str, str]:
    ours, sign, theirs = text.partition("=")
    if not sign or not ours:
        raise argparse.ArgumentTypeError(f"{text} is not OURS=THEIRS")
    return ours.strip(), theirs.strip()
