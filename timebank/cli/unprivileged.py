"""Giving up root before any work is done, also where root's code is out of everyone else's reach."""

from __future__ import annotations

import compileall
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NoReturn

import timebank
from timebank.config import OperatorError, Settings, frontend_dir, migrations_dir
from timebank.store import postgres_binaries, service_user
from timebank.store.postgres_binaries import CODE_HOME, link_or_copy, open_tree
from timebank.store.service_user import ServiceUser

_BOOT: Final = """\
import json, pathlib, sys
told = json.loads(sys.argv[1])
sys.path.extend(told["path"])
from timebank.cli import main
sys.exit(main(told["words"], home=(pathlib.Path(told["home"]), told["name"])))
"""
_KEPT: Final = 3
_NOT_NEEDED: Final = ("ensurepip", "idlelib", "site-packages", "test", "tkinter", "turtledemo")


def drop_root(settings: Settings, words: Sequence[str]) -> Settings:
    """Become the service user if this is root, and return the settings as they are for that user.

    Python goes on importing modules and reading data files for as long as it runs. So where the
    program lies below a private directory, such as a checkout in /root, a copy that root keeps
    is run instead, by a new process image; then this function does not return.

    Raises:
        OperatorError: Nobody less powerful could do the work; the sentence says why.
    """
    if os.geteuid() != 0:
        return settings
    user = service_user.find_or_make()
    service_user.hand_over_home(settings.home, user)
    home = service_user.reachable_home(settings.home, user, mount_point=CODE_HOME / "home")
    settings = dataclasses.replace(settings, home=home, pg_bin=_postgres(settings, user))
    if all(_reaches(user, path) for path in _what_is_needed()):
        service_user.become(user, home)
        return settings
    return _run_copy(settings, user, words)


def _postgres(settings: Settings, user: ServiceUser) -> Path | None:
    if not settings.embedded:
        return settings.pg_bin
    version = settings.home / "postgres" / "PG_VERSION"
    major = int(version.read_text(encoding="ascii")) if version.exists() else None
    found = postgres_binaries.find(settings.pg_bin, major=major)
    return postgres_binaries.reachable(found, user).directory


def _reaches(user: ServiceUser, path: Path) -> bool:
    return user.may("-r", path) and (not path.is_dir() or user.may("-x", path))


def _what_is_needed() -> Iterable[Path]:
    yield Path(os.__file__)
    yield Path(timebank.__file__)
    yield from (frontend_dir(), migrations_dir())
    yield from _import_path()


def _import_path() -> list[Path]:
    """Return where modules come from besides the standard library and the checkout, in order."""
    standard = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    standard |= {os.path.join(path, "lib-dynload") for path in standard}
    # Installed, the package lies among the others; in a checkout, beside what is not code.
    own = None if _is_installed() else _package().parent
    entries = dict.fromkeys(os.path.abspath(entry) for entry in sys.path if os.path.isdir(entry or "."))
    return [Path(entry) for entry in entries if entry not in standard and Path(entry) != own]


def _is_installed() -> bool:
    return frontend_dir().is_relative_to(_package())


def _package() -> Path:
    return Path(timebank.__file__).absolute().parent


# ---------------------------------------------------------------- the copy that root keeps


def _run_copy(settings: Settings, user: ServiceUser, words: Sequence[str]) -> NoReturn:
    CODE_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.chmod(CODE_HOME, 0o755)  # noqa: S103 - programs that everyone may read
    with _one_start_at_a_time():
        python, variables = _python(user)
        path = [_our_code(), *(p if _reaches(user, p) else _tree("site", p) for p in _import_path())]
    told = {
        "path": [str(p) for p in path],
        "words": list(words),
        "home": str(settings.home),
        "name": settings.home_name,
    }
    environment = {**os.environ, **variables}
    if settings.pg_bin:
        environment["TIMEBANK_PG_BIN"] = str(settings.pg_bin)
    service_user.become(user, settings.home)
    environment.update({name: os.environ[name] for name in ("HOME", "USER", "LOGNAME")})
    sys.stdout.flush()
    os.execve(python, [str(python), "-I", "-S", "-c", _BOOT, json.dumps(told)], environment)  # noqa: S606 - fixed words


@contextlib.contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """Keep others from clearing a copy away between its making and its being held."""
    descriptor = os.open(CODE_HOME / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _python(user: ServiceUser) -> tuple[Path, dict[str, str]]:
    """Return an interpreter that the service user can run, and the variables that it needs."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    program = prefix / "bin" / name
    if _reaches(user, Path(os.__file__)) and user.may("-x", program):
        return program, {}
    library = Path(sysconfig.get_path("stdlib"))
    if not program.exists() or not library.is_relative_to(prefix):
        raise OperatorError(
            f"The user {user.name} cannot run {sys.executable}; start timebank with the system's python3."
        )
    place = CODE_HOME / _name("python", f"{prefix} {sys.version} {program.stat().st_mtime_ns}")
    if not place.exists():
        fresh = _fresh(place)
        (fresh / "bin").mkdir(parents=True)
        link_or_copy(os.path.realpath(program), str(fresh / "bin" / name))
        _copy_tree(library, fresh / library.relative_to(prefix), skip=_NOT_NEEDED)
        for shared in (prefix / "lib").glob("libpython*.so*"):
            shutil.copy2(shared, fresh / "lib" / shared.name)
        _put_in_place(fresh, place)
    _hold(place)
    return place / "bin" / name, {"LD_LIBRARY_PATH": str(place / "lib")}


def _our_code() -> Path:
    """Return a copy of the package with its pages and migrations, as they are right now."""
    parts = {"timebank": _package(), "frontend": frontend_dir(), "migrations": migrations_dir()}
    if _is_installed():
        parts = {"timebank": _package()}
    files = [file for part in parts.values() for file in sorted(part.rglob("*")) if _is_code(file)]
    stamps = "".join(f"{file}:{(s := file.stat()).st_size}:{s.st_mtime_ns}\n" for file in files)
    place = CODE_HOME / _name("app", stamps)
    if not place.exists():
        fresh = _fresh(place)
        for name, part in parts.items():
            _copy_tree(part, fresh / name, skip=("__pycache__",))
        # Who runs it cannot write here, so what is not compiled now would be at every start.
        compileall.compile_dir(fresh / "timebank", quiet=2, stripdir=str(fresh), prependdir=str(place))
        _put_in_place(fresh, place)
    return _hold(place)


def _is_code(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _tree(kind: str, source: Path) -> Path:
    # A package that is added, removed or upgraded changes the list of the directory's names.
    names = "".join(f"{entry.name}:{entry.stat().st_mtime_ns}\n" for entry in sorted(source.iterdir()))
    place = CODE_HOME / _name(kind, f"{source}\n{names}")
    if not place.exists():
        fresh = _fresh(place)
        _copy_tree(source, fresh)
        _put_in_place(fresh, place)
    return _hold(place)


def _name(kind: str, mark: str) -> str:
    return f"{kind}-{hashlib.sha256(mark.encode()).hexdigest()[:12]}"


def _fresh(place: Path) -> Path:
    # Not a copy's name: what a start that was killed left half-made is never taken for one.
    fresh = place.with_name(f".{place.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    return fresh


def _copy_tree(source: Path, target: Path, *, skip: tuple[str, ...] = ()) -> None:
    shutil.copytree(
        source, target, symlinks=True, copy_function=link_or_copy, ignore=shutil.ignore_patterns(*skip)
    )


def _put_in_place(fresh: Path, place: Path) -> None:
    open_tree(fresh)
    fresh.rename(place)


def _hold(place: Path) -> Path:
    """Mark a copy as in use for as long as this process lives, and clear away older ones that are not.

    A server may run for months and still import something for the first time.
    """
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.set_inheritable(descriptor, True)
    os.utime(place)
    kind = place.name.partition("-")[0]
    copies = sorted(CODE_HOME.glob(f"{kind}-*"), key=lambda copy: copy.stat().st_mtime_ns, reverse=True)
    for old in copies[_KEPT:]:
        if _is_free(old):
            shutil.rmtree(old, ignore_errors=True)
    return place


def _is_free(copy: Path) -> bool:
    descriptor = os.open(copy, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
