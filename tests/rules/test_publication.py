"""What becomes public of an entry, and what never does."""

from __future__ import annotations

from datetime import date, timedelta
from typing import get_type_hints

import pytest

from timebank.ledger.entries import EntryKind, Transfer
from timebank.rules.publication import (
    NO_LINE,
    Change,
    PotAccount,
    PotTotals,
    PublicAccounts,
    PublicFlow,
    PublicLine,
    Shares,
    Week,
    add_line,
    first_period_end,
    gather_weeks,
    place_name,
    public_facet,
    shares_of,
)

ADA, OUTSIDE = 101, 102
HOURS, HOURS_PROMISED, HOURS_SHARED = 1, 2, 3
MONEY, MONEY_PROMISED, MONEY_SHARED = 11, 12, 13
CUSTODY, CASH, OPENING, ADJUSTMENT = 21, 22, 23, 24
ACCOUNTS = PublicAccounts(
    pots={
        HOURS: PotAccount("hours", "available"),
        HOURS_PROMISED: PotAccount("hours", "promised"),
        HOURS_SHARED: PotAccount("hours", "shared"),
        MONEY: PotAccount("money", "available"),
        MONEY_PROMISED: PotAccount("money", "promised"),
        MONEY_SHARED: PotAccount("money", "shared"),
    },
    givers=frozenset({ADA, OUTSIDE}),
)
DAY = date(2026, 9, 27)


def minutes(debit: int, credit: int, amount: int) -> Transfer:
    return Transfer("minutes", debit, credit, amount)


def euros(debit: int, credit: int, amount: int) -> Transfer:
    return Transfer("EUR", debit, credit, amount)


def facet(kind: str, *transfers: Transfer) -> PublicLine:
    return public_facet(
        preset="open", kind=kind, category="errands", effective_on=DAY, transfers=transfers, accounts=ACCOUNTS
    )


# Each kind of entry: its transfers, what the public sees, what was given and drawn.
POSTINGS = [
    ("help_given", [minutes(ADA, HOURS, 90)], [Change("hours", "minutes", 90, 0)], {"hours": Shares(90, 0)}),
    (
        "help_answered",
        [minutes(ADA, HOURS, 90), minutes(HOURS, HOURS_SHARED, 90)],
        [Change("hours", "minutes", 90, 0), Change("hours", "minutes", -90, 0)],
        {"hours": Shares(90, 90)},
    ),
    ("help_exchanged", [minutes(ADA, 201, 90)], [], {}),
    (
        "money_in",
        [euros(OUTSIDE, MONEY, 500), euros(CASH, CUSTODY, 500)],
        [Change("money", "EUR", 500, 0)],
        {"money": Shares(500, 0)},
    ),
    ("promise", [euros(MONEY, MONEY_PROMISED, 300)], [Change("money", "EUR", -300, 300)], {}),
    ("release", [euros(MONEY_PROMISED, MONEY, 300)], [Change("money", "EUR", 300, -300)], {}),
    (
        "fulfil",
        [
            minutes(ADA, HOURS, 150),
            minutes(HOURS_PROMISED, HOURS_SHARED, 120),
            minutes(HOURS, HOURS_SHARED, 30),
        ],
        [
            Change("hours", "minutes", 150, 0),
            Change("hours", "minutes", 0, -120),
            Change("hours", "minutes", -30, 0),
        ],
        {"hours": Shares(150, 150)},
    ),
    (
        "hand_over",
        [euros(MONEY_PROMISED, MONEY_SHARED, 300), euros(CUSTODY, CASH, 300)],
        [Change("money", "EUR", 0, -300)],
        {"money": Shares(0, 300)},
    ),
    (
        "hand_over_undone",
        [
            euros(MONEY_SHARED, MONEY_PROMISED, 300),
            euros(CASH, CUSTODY, 300),
            euros(MONEY_PROMISED, MONEY, 300),
        ],
        [Change("money", "EUR", 0, 300), Change("money", "EUR", 300, -300)],
        {"money": Shares(0, -300)},
    ),
    (
        "fulfil_undone",
        [minutes(HOURS_SHARED, HOURS_PROMISED, 120), minutes(HOURS, ADA, 120)],
        [Change("hours", "minutes", 0, 120), Change("hours", "minutes", -120, 0)],
        {"hours": Shares(-120, -120)},
    ),
    (
        "money_returned",
        [euros(MONEY_SHARED, MONEY, 50), euros(CASH, CUSTODY, 50)],
        [Change("money", "EUR", 50, 0)],
        {"money": Shares(0, -50)},
    ),
    (
        "money_out",
        [euros(MONEY, OUTSIDE, 70), euros(CUSTODY, CASH, 70)],
        [Change("money", "EUR", -70, 0)],
        {},
    ),
    ("held_move", [euros(CASH, 25, 70)], [], {}),
    (
        "pot_move",
        [minutes(HOURS, MONEY, 70)],
        [Change("hours", "minutes", -70, 0), Change("money", "minutes", 70, 0)],
        {},
    ),
    (
        "counted_missing",
        [euros(MONEY, ADJUSTMENT, 5), euros(CUSTODY, CASH, 5)],
        [Change("money", "EUR", -5, 0)],
        {},
    ),
    (
        "counted_found",
        [euros(ADJUSTMENT, MONEY, 5), euros(CASH, CUSTODY, 5)],
        [Change("money", "EUR", 5, 0)],
        {},
    ),
    (
        "opening",
        [euros(OPENING, MONEY, 5), euros(CASH, CUSTODY, 5)],
        [Change("money", "EUR", 5, 0)],
        {},
    ),
]


@pytest.mark.parametrize(("kind", "transfers", "changes", "shares"), POSTINGS)
def test_every_kind_of_entry_shows_what_it_did_to_pots(kind, transfers, changes, shares):
    line = facet(kind, *transfers)

    assert line == PublicLine(kind, "errands", DAY, tuple(changes))
    assert shares_of(kind, transfers, ACCOUNTS) == shares


def test_every_kind_of_entry_is_in_the_table_above():
    assert {kind for kind, *_ in POSTINGS} | {"correction"} == set(EntryKind)


@pytest.mark.parametrize(("kind", "transfers", "changes", "shares"), POSTINGS)
def test_a_correction_takes_back_exactly_what_was_shown(kind, transfers, changes, shares):
    mirror = [Transfer(t.unit, t.credit, t.debit, t.amount) for t in transfers]

    line = facet("correction", *mirror)

    assert sorted(line.changes) == sorted(Change(c.pot, c.unit, -c.available, -c.promised) for c in changes)
    if kind in {"help_given", "help_answered", "money_in", "money_out", "opening"}:
        taken_back = {pot: Shares(-s.given, -s.drawn) for pot, s in shares.items()}
        assert shares_of("correction", mirror, ACCOUNTS) == taken_back


def test_no_change_is_nought():
    lines = [facet(kind, *transfers) for kind, transfers, *_ in POSTINGS]

    assert all(change.available or change.promised for line in lines for change in line.changes)


def test_a_public_line_has_no_room_for_a_person():
    assert set(PublicLine._fields) == {"kind", "category", "day", "changes"}
    assert set(Change._fields) == {"pot", "unit", "available", "promised"}
    assert get_type_hints(PublicLine)["day"] == date | None


def test_two_worlds_that_differ_in_who_gave_look_the_same():
    by_ada = facet("help_given", minutes(ADA, HOURS, 90))
    by_somebody_else = facet("help_given", minutes(OUTSIDE, HOURS, 90))

    assert by_ada == by_somebody_else


def test_careful_leaves_out_day_and_category_and_sheltered_everything():
    transfers = [minutes(ADA, HOURS, 90)]

    careful = public_facet(
        preset="careful",
        kind="help_given",
        category="errands",
        effective_on=DAY,
        transfers=transfers,
        accounts=ACCOUNTS,
    )
    sheltered = public_facet(
        preset="sheltered",
        kind="help_given",
        category="errands",
        effective_on=DAY,
        transfers=transfers,
        accounts=ACCOUNTS,
    )

    assert careful == PublicLine("help_given", "", None, (Change("hours", "minutes", 90, 0),))
    assert sheltered == NO_LINE


def test_under_careful_what_touches_no_pot_is_no_line():
    line = public_facet(
        preset="careful",
        kind="help_exchanged",
        category="errands",
        effective_on=DAY,
        transfers=[minutes(ADA, 201, 90)],
        accounts=ACCOUNTS,
    )

    assert line == NO_LINE


def test_what_is_no_preset_is_published_by_nobody():
    with pytest.raises(AssertionError):
        public_facet(
            preset="", kind="help_given", category="", effective_on=DAY, transfers=[], accounts=ACCOUNTS
        )


def test_flows_follow_from_the_lines_alone():
    totals = {"hours": PotTotals("minutes"), "money": PotTotals("EUR")}

    for kind, transfers, *_ in POSTINGS:
        if kind != "pot_move":
            add_line(totals, facet(kind, *transfers), shares_of(kind, transfers, ACCOUNTS))

    assert totals["hours"].flows == {
        "help_given": [90, 0, 1],
        "help_answered": [90, 90, 1],
        "fulfil": [150, 150, 1],
        "fulfil_undone": [120, 120, 1],
    }
    assert totals["money"].flows["promise"] == [0, 0, 1]
    assert totals["money"].flows["hand_over"] == [0, 300, 1]
    assert totals["money"].flows["hand_over_undone"] == [300, 0, 1]
    for total in totals.values():
        assert total.available + total.promised == total.came_in - total.went_out


def test_a_group_that_began_long_ago_has_one_first_period():
    assert first_period_end(date(2020, 1, 1), DAY) == DAY
    assert first_period_end(DAY, DAY) == DAY


def test_places_have_no_names_of_their_own():
    assert place_name("cash", 1, "EUR") == "eur-cash-1"


# ---------------------------------------------------------------- weeks


def flow(first: date, days: int, came_in: int, went_out: int = 0) -> PublicFlow:
    return PublicFlow(
        1, first, first + timedelta(days=days - 1), "hours", "minutes", "", came_in, went_out, 1
    )


def test_days_are_gathered_into_weeks_that_end_today():
    days = [flow(DAY - timedelta(days=back), 1, 10, 1) for back in range(14)]

    weeks = gather_weeks(days, as_of=DAY, began_on=date(2020, 1, 1), weeks=2)

    assert weeks == (
        Week(date(2026, 9, 14), date(2026, 9, 20), 70, 7, 1),
        Week(date(2026, 9, 21), date(2026, 9, 27), 70, 7, 1),
    )


def test_a_silent_week_is_there_and_empty():
    weeks = gather_weeks([], as_of=DAY, began_on=date(2026, 9, 10), weeks=8)

    assert [(week.first_day.day, week.last_day.day, week.came_in) for week in weeks] == [
        (10, 13, 0),
        (14, 20, 0),
        (21, 27, 0),
    ]


def test_a_wide_period_stays_one():
    flows = [flow(date(2026, 9, 7), 14, 100), flow(date(2026, 9, 21), 7, 5)]

    weeks = gather_weeks(flows, as_of=DAY, began_on=date(2026, 9, 7), weeks=8)

    assert weeks == (
        Week(date(2026, 9, 7), date(2026, 9, 20), 100, 0, 2),
        Week(date(2026, 9, 21), DAY, 5, 0, 1),
    )


def test_a_wide_period_that_ends_within_a_week_leaves_the_rest_of_it():
    flows = [flow(date(2020, 1, 1), 2457, 100), flow(date(2026, 9, 24), 1, 5)]
    assert flows[0].last_day == date(2026, 9, 22)

    weeks = gather_weeks(flows, as_of=DAY, began_on=date(2020, 1, 1), weeks=8)

    assert [(week.last_day, week.came_in) for week in weeks] == [(date(2026, 9, 22), 100), (DAY, 5)]
    assert weeks[1].first_day == date(2026, 9, 23)
