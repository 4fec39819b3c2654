"""``timebank doctor``: whether this machine, this home and this database can be relied upon."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
from collections.abc import Iterator
from typing import Final

from timebank.cli.database import open_database
from timebank.config import APP_ROLE, OperatorError, Settings
from timebank.store import postgres_binaries
from timebank.store.embedded import Cluster
from timebank.store.health import Finding, look
from timebank.store.roles import role_sql

NAME: Final = "doctor"
HELP: Final = "look at the programs, the home, the disk and the database, and say what is not well"

_FREE_BYTES_MIN: Final = 500_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--roles", action="store_true", help="print the SQL that an outside server needs, and do nothing else"
    )
    parser.add_argument(
        "--seizure",
        action="store_true",
        help="print what a seizure of this machine would reveal, and do nothing else",
    )


def run(args: argparse.Namespace) -> int:
    """Print one line per thing; the exit code is 1 if any of them is not well."""
    settings: Settings = args.settings
    if args.roles:
        print(role_sql(_database_name(settings), passwords=True), end="")
        return 0
    if args.seizure:
        # Imported late: everything else does without it.
        from timebank.store.exposure import tell

        print(tell(), end="")
        return 0
    well = True
    for finding in _findings(settings):
        well = well and finding.well
        print(f"{'well' if finding.well else 'NOT WELL':<8}  {finding.what}: {finding.says}", flush=True)
    return 0 if well else 1


def _database_name(settings: Settings) -> str:
    return "timebank" if settings.embedded else str(settings.dsn(APP_ROLE)["database"])


def _findings(settings: Settings) -> Iterator[Finding]:
    yield _user()
    yield _home(settings)
    yield _disk(settings)
    yield _mail(settings)
    if settings.embedded:
        programs = _programs(settings)
        yield programs
        if not programs.well:
            return
        if not Cluster(settings.home).data.exists():
            yield Finding("database", True, "there is none yet; the first start of the server makes it")
            return
    yield from _database(settings)


def _user() -> Finding:
    if os.geteuid() == 0:
        return Finding("user", False, "this is root, which nothing should run as")
    return Finding("user", True, f"number {os.geteuid()}, not root")


def _home(settings: Settings) -> Finding:
    what, home = "home", settings.home_name or str(settings.home)
    if not settings.home.exists():
        return Finding(what, True, f"{home} is not there yet; the first start of the server makes it")
    if not os.access(settings.home, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            what, False, f"{home} cannot be written; make it this user's, or name another with --data"
        )
    if settings.home.stat().st_mode & 0o007:
        return Finding(what, False, f"{home} is open to everyone on this machine; chmod 700 closes it")
    return Finding(what, True, f"{home} is ours alone")


def _disk(settings: Settings) -> Finding:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= _FREE_BYTES_MIN, f"{free / 1e9:.1f} GB free where the home is")


def _mail(settings: Settings) -> Finding:
    if settings.smtp is None:
        return Finding("mail", True, "none is sent, and nothing that needs it is offered")
    # Imported late: the overview of commands needs none of it.
    from timebank.services.smtp import try_out

    where = f"{settings.smtp.host} port {settings.smtp.port}"
    if trouble := try_out(settings.smtp, settings.mail_from):
        return Finding("mail", False, f"{where} takes none from us: {trouble}; look at TIMEBANK_SMTP_URL")
    return Finding("mail", True, f"{where} lets us in; what it does with mail, only a mail can tell")


def _programs(settings: Settings) -> Finding:
    cluster = Cluster(settings.home, pg_bin=settings.pg_bin)
    try:
        binaries = cluster.binaries
    except OperatorError as error:
        return Finding("PostgreSQL", False, f"{error} ({postgres_binaries.describe_platform()})")
    return Finding("PostgreSQL", True, f"version {binaries.major} in {binaries.directory}")


def _database(settings: Settings) -> Iterator[Finding]:
    try:
        with open_database(settings) as dsn:
            yield from asyncio.run(look(dsn))
    except OperatorError as error:
        yield Finding("database", False, str(error))
