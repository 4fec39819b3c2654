"""``timebank keys``: what of the keys leaves the key store on purpose."""

from __future__ import annotations

import argparse
from typing import Final

from timebank.cli.log_keys import add_actions

NAME: Final = "keys"
HELP: Final = "the recovery key of a group's public log, once; its other keys, for a move"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_actions(parser.add_subparsers(metavar="recovery|log", required=True))


def run(args: argparse.Namespace) -> int:
    """Do it."""
    args.act(args, args.settings)
    return 0
