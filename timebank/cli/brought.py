"""What root names on the command line, brought to where the server's user can read it before root is given up."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from timebank.config import OperatorError
from timebank.store import service_user
from timebank.store.keys import ERASED
from timebank.store.log_files import LOGS

if TYPE_CHECKING:
    from timebank.config import Settings

INCOMING: Final = "incoming"

#: Argument with a folder of a backup: what lies beside that belongs to it.
BACKUP: Final = "folder"

#: A home may have another path once root is given up, so what lies in it is named from there.
_IN_HOME: Final = "home:"


def bring(words: Sequence[str], args: argparse.Namespace, *names: str) -> list[str]:
    """Bring files and folders into the home, and return words that name them there; only root needs this.

    Args:
        names: Which of the arguments are paths. They are changed, too.

    Raises:
        OperatorError: One cannot be read or copied.
    """
    home, user = args.settings.home, service_user.find_or_make()
    service_user.hand_over_home(home, user)
    clear(args.settings)
    replaced: dict[Path, str] = {}
    for name in names:
        path = getattr(args, name)
        if path is None:
            continue
        try:
            inside = _brought(Path(os.path.abspath(path)), home, name)
        except OSError as error:
            raise OperatorError(
                f"{path} cannot be brought into {home}: {error.strerror or error}."
            ) from error
        replaced[Path(path)] = f"{_IN_HOME}{inside}"
        setattr(args, name, Path(replaced[Path(path)]))
        for each in (home / inside.parts[0], *(home / inside.parts[0]).rglob("*")):
            os.chown(each, user.uid, user.gid, follow_symlinks=False)
    return [reworded(word, replaced) for word in words]


def reworded(word: str, replaced: Mapping[Path, str]) -> str:
    """Return a word with its path replaced, also as ``--name=path`` or with a slash at its end."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{replaced[Path(value)]}" if value and Path(value) in replaced else word


def found(settings: Settings, path: Path | None) -> Path | None:
    """Return where something is that was named on the command line."""
    if path is None:
        return None
    if str(path).startswith(_IN_HOME):
        return settings.home / str(path).removeprefix(_IN_HOME)
    return Path(os.path.abspath(path))


def clear(settings: Settings) -> None:
    """Take away what was brought."""
    shutil.rmtree(settings.home / INCOMING, ignore_errors=True)


def _brought(path: Path, home: Path, name: str) -> Path:
    """Return a path below the home; what is there already is not copied.

    Args:
        name: Of the argument: each has a place of its own, for two may be called alike.
    """
    if path.is_relative_to(home):
        return path.relative_to(home)
    target = home / INCOMING / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    target.mkdir(mode=0o700)
    if path.is_dir():
        shutil.copytree(path, target / path.name)
    else:
        shutil.copy2(path, target / path.name)
    if name == BACKUP:
        beside = path.parent / ERASED
        if beside.exists():
            shutil.copy2(beside, target / ERASED)
        if (path.parent / LOGS).is_dir():
            shutil.copytree(path.parent / LOGS, target / LOGS)
    return Path(INCOMING) / name / path.name
