"""``timebank demo``: the same server with a believable group in it, and a file that says what is where."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from timebank.cli.database import Dsn, open_database
from timebank.cli.serve import add_arguments as add_serve_arguments
from timebank.cli.serve import run_server, stoppable, with_arguments
from timebank.config import OperatorError

if TYPE_CHECKING:
    from timebank.config import Settings
    from timebank.services.example import Example
    from timebank.services.house import House

NAME: Final = "demo"
HELP: Final = "run the server with an example group of two years, and write DIR/demo.json"

FILE: Final = "demo.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_serve_arguments(parser)
    parser.add_argument(
        "--days", type=int, default=730, metavar="N", help="how long a history to tell, 30 or more (730)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve the example group; the first start tells its story, a later one brings it up to today."""
    settings = with_arguments(args.settings, args)
    with stoppable(), open_database(settings, alone=True) as dsn:

        async def prepare(address: str) -> None:
            await prepare_demo(settings, dsn, address, days=max(30, args.days))

        run_server(settings, dsn, prepare=prepare)
    return 0


async def prepare_demo(settings: Settings, dsn: Dsn, address: str, *, days: int) -> None:
    """Make the example group unless it is there, close what is due, and write ``demo.json``."""
    from timebank.services.close import close_period
    from timebank.services.example import TIME_ZONE, find_example
    from timebank.services.house import open_house

    now = datetime.now(UTC)
    today = now.astimezone(ZoneInfo(TIME_ZONE)).date()
    path = settings.home / FILE
    async with open_house(settings.home, dsn) as house:
        found = await find_example(house)
        if found.whole and path.exists():
            facts = json.loads(path.read_text(encoding="utf-8"))
            await close_period(house, await house.database.group_id(found.slug), now=now)
        elif found.whole:
            # Only the story knows what it expects; without the file it cannot be asked any more.
            raise OperatorError(
                f"{path} is missing. Use another --data, or run `serve` to go on without the file."
            )
        else:
            facts = await _tell(house, address, now, days)
        cards = await _cards(house, facts["slug"])
    _write(path, {**facts, "base_url": address, "today": today.isoformat()})
    _show_cards(address, facts["slug"], cards)


async def _tell(house: House, address: str, now: datetime, days: int) -> dict[str, Any]:
    from timebank.services.example import make_example

    example = await make_example(
        house, host=address.partition("://")[2], now=now, progress=_show_progress, days=days
    )
    print(file=sys.stderr)
    return await _facts(house, example)


async def _facts(house: House, example: Example) -> dict[str, Any]:
    from timebank.services.example import CATEGORIES
    from timebank.services.tokens import make_token

    now = datetime.now(UTC)
    tokens = {}
    for part, member_id in example.cast.items():
        group_id = example.other_group_id if part == "stranger" else example.group_id
        made = await make_token(house, group_id, member_id, ("read", "write"), now=now)
        tokens[part] = made.token
    return {
        "slug": example.slug,
        "other_slug": example.other_slug,
        "categories": list(CATEGORIES),
        "cast": {part: str(member_id) for part, member_id in example.cast.items()},
        "tokens": tokens,
        "expected": {
            "accounts": example.totals,
            "given": example.given,
            "drawn": example.drawn,
            "entries": example.entries,
        },
    }


async def _cards(house: House, slug: str) -> dict[str, str]:
    """Make a card for one person of each kind; they are used up by signing in, so every start makes new ones."""
    from timebank.services.cards import make_card
    from timebank.services.members import find_member
    from timebank.services.setup import EXAMPLE_PEOPLE

    now, made = datetime.now(UTC), {}
    group_id = await house.database.group_id(slug)
    for part, nickname in EXAMPLE_PEOPLE.items():
        member = await find_member(house, group_id, now=now, nickname=nickname)
        card = await make_card(house, group_id, member.member_id, made_by=None, now=now)
        made[f"{nickname}, {part}"] = card.code
    return made


def _show_cards(address: str, slug: str, cards: dict[str, str]) -> None:
    print(f"Cards that sign in once each at {address}/g/{slug}/sign-in", file=sys.stderr)
    for who, code in cards.items():
        print(f"  {code}  {who}", file=sys.stderr)
    print(flush=True, file=sys.stderr)


async def _show_progress(told: int, days: int, doing: str) -> None:
    if sys.stderr.isatty():
        width = 30 * told // days
        print(f"\r{doing} {'█' * width}{'·' * (30 - width)} day {told} of {days}", end="", file=sys.stderr)
    elif told % 70 == 0 or told == days:
        print(f"{doing}: day {told} of {days}", file=sys.stderr, flush=True)


def _write(path: Path, facts: dict[str, Any]) -> None:
    """Write the file whole or not at all; it holds tokens, so nobody else may read it."""
    side = path.with_suffix(".new")
    with open(os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=2, ensure_ascii=False)
        file.write("\n")
    side.replace(path)
