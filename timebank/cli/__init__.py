"""The ``timebank`` command: one file per sub-command, one sentence per refusal.

A command is a module with ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(args) -> int``.
It finds what the operator decided in ``args.settings``. ``prepare(words, args) -> words``, where it
has one, is called before root is given up and may open what only root can. ``NEEDS_HOME = False`` marks one that
neither reads nor writes the home, so that it needs no ``--data`` and stays who it is as root; ``works_outside(args)``,
where it has one, says that it is so for these arguments.

Exit codes: 0 done; 1 refused, or a check failed; 2 the command line, a setting or what they name cannot be read.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import keyword
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from timebank import __version__
from timebank.config import BadSetting, OperatorError, load
from timebank.errors import Refusal

DONE: Final = 0
REFUSED: Final = 1
USAGE: Final = 2

COMMANDS: Final = (
    "serve",
    "demo",
    "import",
    "export",
    "close",
    "verify",
    "witness",
    "audit",
    "member",
    "token",
    "card",
    "recover",
    "backup",
    "restore",
    "keys",
    "recovery-key",
    "log-keys",
    "new-keys",
    "doctor",
    "bench",
)
DEFAULT: Final = "serve"


class Command(Protocol):
    """What the module of a command has."""

    NAME: str
    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Describe the command's own arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and return an exit code."""


def main(argv: Sequence[str] | None = None, *, home: tuple[Path, str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: Words after the program's name; the process's own when None.
        home: Path and name of the home as root made it ready for this process; wins over everything.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help", "--version"}):
        words.insert(0, DEFAULT)
    args = _parser(words).parse_args(words)
    try:
        args.settings = load(data=home[0] if home else args.data)
        if home:
            args.settings = dataclasses.replace(args.settings, home_name=home[1])
        return _run(args.command, args, words)
    except BadSetting as error:
        return _say(error, USAGE)
    except OperatorError as error:
        return _say(error, REFUSED)
    except Refusal as refusal:
        return _say(refusal.message % refusal.params, REFUSED)
    except KeyboardInterrupt:
        return _say("stopped.", REFUSED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to say to them.
        sys.stderr.close()
        return REFUSED


def _run(command: Command, args: argparse.Namespace, words: Sequence[str]) -> int:
    if _needs_home(command) and not _works_outside(command, args):
        if os.geteuid() == 0 and hasattr(command, "prepare"):
            words = command.prepare(words, args)
        # Imported late: most of it is only ever needed by root.
        from timebank.cli.unprivileged import drop_root

        args.settings = drop_root(args.settings, words)
    return command.run(args)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="timebank",
        description="The open book for a common pot of hours and of money.",
        epilog="Without a command: serve. Exit codes: 0 done, 1 refused or a check failed, 2 usage.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"timebank {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    # Loading every command takes its time; only the overview needs them all.
    for name in [words[0]] if words[0] in COMMANDS else COMMANDS:
        _add(commands, name)
    return parser


def _add(commands: Any, name: str) -> None:
    command = _load(name)
    parser = commands.add_parser(
        command.NAME, help=command.HELP, description=command.HELP.capitalize() + ".", allow_abbrev=False
    )
    parser.set_defaults(command=command, data=None)
    if _needs_home(command):
        parser.add_argument(
            "--data", type=Path, metavar="DIR", help="directory of the database and keys (TIMEBANK_HOME)"
        )
    command.add_arguments(parser)


def _load(name: str) -> Command:
    # A module cannot have the name of a keyword, nor a hyphen in it.
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return cast("Command", importlib.import_module(f"timebank.cli.{module}"))


def _needs_home(command: Command) -> bool:
    return getattr(command, "NEEDS_HOME", True)


def _works_outside(command: Command, args: argparse.Namespace) -> bool:
    asked: Callable[[argparse.Namespace], bool] = getattr(command, "works_outside", lambda _args: False)
    return asked(args)


def _say(what: object, code: int) -> int:
    print(f"timebank: {what}", file=sys.stderr, flush=True)
    return code
