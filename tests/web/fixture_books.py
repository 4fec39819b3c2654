"""Public books in memory, so that pages can be looked at and tested without a database."""

from __future__ import annotations

import random
from base64 import b64encode
from datetime import date, timedelta
from uuid import UUID

from timebank.ledger.units import Unit
from timebank.rules.publication import (
    Change,
    PublicBalance,
    PublicBook,
    PublicFlow,
    PublicGroup,
    PublicPeriod,
    PublicPlace,
    PublicPolicy,
    PublicPot,
    PublishedLine,
)

AS_OF = date(2026, 9, 27)

GROUP = PublicGroup(
    slug="millbank-lane",
    name="Millbank Lane Neighbours",
    languages=("en", "es"),
    preset="open",
    began_on=date(2024, 6, 1),
    first_close_on=date(2024, 6, 2),
    units=(Unit("minutes", "time", 0), Unit("EUR", "money", 2)),
    pots=(PublicPot("hours", "minutes", 1), PublicPot("money", "EUR", 1)),
)
POLICIES = (
    PublicPolicy(
        "hours",
        2,
        date(2026, 6, 1),
        {
            "who": "members",
            "per_request_max": 360,
            "approvals": [{"above": 0, "count": 0}, {"above": 120, "count": 1}],
            "two_people": False,
            "rounding": 15,
        },
    ),
    PublicPolicy(
        "money",
        3,
        date(2026, 8, 2),
        {
            "who": "members",
            "per_request_max": 5000,
            "approvals": [{"above": 0, "count": 1}, {"above": 3000, "count": 2}],
            "two_people": False,
            "rounding": None,
        },
    ),
)
#: A checkpoint as a close leaves it; its signature is not looked at by pages.
NOTE = f"pot.example/g/millbank-lane\n9000\n{b64encode(bytes(range(7, 39))).decode()}\n\n"
EMPTY_BOOK = PublicBook(group=GROUP, policies=POLICIES)


def lively_book(
    *, available: tuple[int, int] = (8790, 98650), days: int = 60, per_day: int = 4
) -> PublicBook:
    """Return a book that closes every day; its figures fold, as published ones do."""
    dice = random.Random(20260927)
    flows: list[PublicFlow] = []
    lines: list[PublishedLine] = []
    for back in range(days - 1, -1, -1):
        day, period = AS_OF - timedelta(days=back), 900 - back
        for pot, unit, step, kinds in (
            ("hours", "minutes", 15, ("help_given", "help_answered", "fulfil", "promise")),
            ("money", "EUR", 500, ("money_in", "hand_over", "promise")),
        ):
            sums: dict[str, list[int]] = {}
            for _ in range(dice.randrange(per_day + 1)):
                kind = dice.choice(kinds)
                amount = dice.randrange(1, 13) * step
                changes = {
                    "help_given": (Change(pot, unit, amount, 0),),
                    "help_answered": (Change(pot, unit, amount, 0), Change(pot, unit, -amount, 0)),
                    "fulfil": (Change(pot, unit, amount, 0), Change(pot, unit, 0, -amount)),
                    "money_in": (Change(pot, unit, amount, 0),),
                    "hand_over": (Change(pot, unit, 0, -amount),),
                    "promise": (Change(pot, unit, -amount, amount),),
                }[kind]
                total = sums.setdefault(kind, [0, 0, 0])
                total[0] += sum(max(0, change.total) for change in changes)
                total[1] += sum(max(0, -change.total) for change in changes)
                total[2] += 1
                if back < 7:
                    late = dice.random() < 0.1
                    category = (
                        dice.choice(("errands", "cooking", "repairs", "Kinderladen")) if unit != "EUR" else ""
                    )
                    lines.append(
                        PublishedLine(
                            line_id=str(UUID(int=dice.getrandbits(128))),
                            period=period,
                            first_day=day,
                            last_day=day,
                            kind=kind,
                            category=category,
                            day=day - timedelta(days=9) if late else day,
                            arrived_late=late,
                            changes=changes,
                        )
                    )
            for kind, (came_in, went_out, count) in sums.items():
                flows.append(PublicFlow(period, day, day, pot, unit, kind, came_in, went_out, count))

    last_week = [flow for flow in flows if flow.period > 893]
    balances = []
    before = []
    for pot, unit, free, promised in (
        ("hours", "minutes", available[0], 1080),
        ("money", "EUR", available[1], 19000),
    ):
        recent = [flow for flow in last_week if flow.pot == pot]
        came_in, went_out = sum(f.came_in for f in recent), sum(f.went_out for f in recent)
        balances.append(PublicBalance(pot, unit, free, promised, 90_000, 80_000, 0, 0))
        before.append(PublicBalance(pot, unit, free, promised, 90_000 - came_in, 80_000 - went_out, 0, 0))
    in_places = max(0, available[1] + 19000)
    cash = min(21230, in_places)
    return PublicBook(
        group=GROUP,
        period=PublicPeriod(900, AS_OF, AS_OF, AS_OF + timedelta(days=2), 9),
        balances=tuple(balances),
        before=tuple(before),
        held=(
            PublicPlace("eur-cash-1", "cash", 1, "EUR", cash),
            PublicPlace("eur-bank-1", "bank", 1, "EUR", in_places - cash),
        ),
        flows=tuple(flows),
        lines=tuple(sorted(lines, key=lambda line: (-line.period, line.line_id))),
        lines_from=AS_OF - timedelta(days=6),
        line_flows=tuple(last_week),
        policies=POLICIES,
        note=NOTE,
    )
