"""When a record may be published: tables of cases, and a slow oracle that counts people from the truth."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timebank.ledger.entries import EntryKind, Transfer
from timebank.ledger.public_log import OTHER
from timebank.rules.publication import PotAccount, PublicAccounts, Sum, changes_of
from timebank.rules.readiness import (
    ANYBODY,
    LONG_STOP_DAYS,
    PEOPLE_LEAST,
    Candidate,
    Outcome,
    Side,
    Touch,
    Way,
    decide,
    next_close_on,
    period_end,
    pots_of,
    shows_places,
    side_totals,
    sums_of,
    touches_of,
    way_on,
)

OUTSIDE, OPENING, ADJUSTMENT, CUSTODY, CASH, BANK = 900, 901, 902, 903, 904, 905
GIVERS = range(101, 120)
ACCOUNTS = PublicAccounts(
    pots={
        number + at: PotAccount(pot, part)
        for number, pot in ((10, "hours"), (20, "money"), (30, "second"))
        for at, part in enumerate(("available", "promised", "shared"))
    },
    givers=frozenset({*GIVERS, OUTSIDE}),
)
UNITS = {"hours": "minutes", "money": "EUR", "second": "EUR"}
BY_UNIT = {"minutes": frozenset({"hours"}), "EUR": frozenset({"money", "second"})}
BASE = {"hours": 10, "money": 20, "second": 30}
SUNDAY = date(2026, 3, 8)
CAREFUL, SHELTERED = Way.of("careful"), Way.of("sheltered")


def legs(kind: str, pot: str, amount: int, giver: int = GIVERS[0]) -> list[Transfer]:
    available, promised, shared = BASE[pot], BASE[pot] + 1, BASE[pot] + 2
    pairs = {
        "help_given": [(giver, available)],
        "money_in": [(giver, available), (CASH, CUSTODY)],
        "help_answered": [(giver, available), (available, shared)],
        "promise": [(available, promised)],
        "release": [(promised, available)],
        "hand_over": [(promised, shared), (CUSTODY, CASH)],
        "money_returned": [(shared, available), (CASH, CUSTODY)],
        "fulfil": [(giver, available), (promised, shared)],
        "fulfil_undone": [(available, giver), (shared, promised)],
        "money_out": [(available, OUTSIDE), (CUSTODY, CASH)],
        "opening": [(OPENING, available)],
        "counted_missing": [(available, ADJUSTMENT), (CUSTODY, CASH)],
        "held_move": [(BANK, CASH)],
    }[kind]
    return [Transfer(UNITS[pot], debit, credit, amount) for debit, credit in pairs]


class Week:
    """Entries that are not published yet, written down as a test tells them."""

    def __init__(self, way: Way = CAREFUL, **before: Sum) -> None:
        self.way, self.before = way, before
        self.candidates: list[Candidate] = []

    def add(
        self,
        kind: str,
        pot: str,
        amount: int,
        *,
        giver: int = GIVERS[0],
        by: object = None,
        undoes: str = "",
        on: date = SUNDAY,
    ) -> int:
        transfers = legs(undoes or kind, pot, amount, giver)
        if undoes:
            transfers = [Transfer(unit, credit, debit, size) for unit, debit, credit, size in transfers]
        return self.post(kind, transfers, by=by, undoes=undoes, on=on)

    def post(
        self, kind: str, transfers: list[Transfer], *, by: object = None, undoes: str = "", on: date = SUNDAY
    ) -> int:
        seq = len(self.candidates) + 1
        self.candidates.append(
            Candidate(
                seq=seq,
                kind=kind,
                recorded_on=on,
                changes=tuple(change for leg in transfers for change in changes_of(leg, ACCOUNTS)),
                touches=touches_of(kind, transfers, ACCOUNTS, undoes=undoes, drawn_by=by),  # type: ignore[arg-type]
                pots=pots_of(transfers, ACCOUNTS, BY_UNIT),
            )
        )
        return seq

    def decide(self, last_day: date = SUNDAY) -> Outcome:
        days = 7 if self.way.preset == "careful" else 31
        return decide(
            self.candidates,
            self.way,
            before=self.before,
            next_day=last_day + timedelta(days=days + 1),
        )

    def published(self) -> set[int]:
        return set(self.decide().kinds)


# ---------------------------------------------------------------- what touches what

DRAWN, GIVEN = Side("hours", "minutes", "out"), Side("hours", "minutes", "in")
PAID, GOT = Side("money", "EUR", "out"), Side("money", "EUR", "in")


@pytest.mark.parametrize(
    ("kind", "pot", "touches"),
    [
        ("help_given", "hours", {Touch(GIVEN, 101, 60)}),
        ("help_answered", "hours", {Touch(GIVEN, 101, 60), Touch(DRAWN, "flo", -60)}),
        ("fulfil", "hours", {Touch(GIVEN, 101, 60), Touch(DRAWN, "flo", -60)}),
        ("fulfil_undone", "hours", {Touch(GIVEN, 101, -60), Touch(DRAWN, "flo", 60)}),
        ("promise", "money", {Touch(PAID, "flo", 0)}),
        ("release", "money", {Touch(PAID, "flo", 0)}),
        ("hand_over", "money", {Touch(PAID, "flo", -60)}),
        ("money_returned", "money", {Touch(PAID, "flo", 60)}),
        ("money_in", "money", {Touch(GOT, 101, 60)}),
        # A fee or a surplus is drawn by nobody: it never helps a side to be ready.
        ("money_out", "money", {Touch(PAID, None, -60)}),
        ("opening", "money", set()),
        ("counted_missing", "money", set()),
        ("held_move", "money", set()),
    ],
)
def test_each_kind_touches_its_sides_for_its_person(kind, pot, touches):
    transfers = legs(kind, pot, 60)

    assert set(touches_of(kind, transfers, ACCOUNTS, drawn_by="flo")) == touches

    mirror = [Transfer(unit, credit, debit, amount) for unit, debit, credit, amount in transfers]
    undone = touches_of("correction", mirror, ACCOUNTS, undoes=kind, drawn_by="flo")
    assert set(undone) == {touch._replace(total=-touch.total) for touch in touches}


def test_a_move_between_pots_touches_nobody_and_waits_for_both():
    transfers = [Transfer("EUR", 20, 30, 70)]

    assert touches_of("pot_move", transfers, ACCOUNTS) == ()
    assert pots_of(transfers, ACCOUNTS, BY_UNIT) == {"money", "second"}


def test_held_money_that_moves_waits_for_every_pot_of_its_unit():
    assert pots_of(legs("held_move", "money", 5), ACCOUNTS, BY_UNIT) == {"money", "second"}
    assert pots_of([Transfer("minutes", 201, 202, 5)], ACCOUNTS, BY_UNIT) == frozenset()


# ---------------------------------------------------------------- cases


def test_two_people_wait_and_three_are_published():
    week = Week()
    week.add("promise", "money", 10, by="flo")
    week.add("hand_over", "money", 10, by="flo")
    week.add("promise", "money", 20, by="gus")

    assert week.published() == set()

    week.add("promise", "money", 30, by="hal")
    assert week.published() == {1, 2, 3, 4}


def test_everybody_without_an_account_is_one_person():
    week = Week()
    for amount in (10, 20, 30):
        week.add("promise", "money", amount, by=ANYBODY)
    week.add("promise", "money", 5, by="flo")

    assert week.published() == set()

    week.add("promise", "money", 5, by="gus")
    assert len(week.published()) == 5


def test_a_gift_of_money_does_not_wait_unless_the_group_chose_so():
    week = Week()
    week.add("money_in", "money", 500)

    assert week.published() == {1}

    week.way = Way.of("careful", gifts_wait=True)
    assert week.published() == set()


def test_hours_given_wait_for_three_givers():
    week = Week()
    week.add("help_given", "hours", 60, giver=101)
    week.add("help_given", "hours", 60, giver=102)

    assert week.published() == set()

    week.add("help_given", "hours", 60, giver=103)
    assert week.published() == {1, 2, 3}


def test_what_touches_two_sides_waits_for_both_and_takes_its_people_along():
    week = Week()
    week.add("help_given", "hours", 60, giver=101)
    week.add("help_given", "hours", 60, giver=102)
    # The third giver is one of an ask that waits: without it two are left, and all wait.
    week.add("fulfil", "hours", 60, giver=103, by="flo")

    assert week.published() == set()

    week.add("help_given", "hours", 60, giver=104)
    assert week.published() == {1, 2, 4}


def test_what_is_about_a_pot_alone_waits_while_anything_of_the_pot_waits():
    week = Week()
    week.add("opening", "money", 100)
    week.post("pot_move", [Transfer("EUR", 20, 30, 7)])
    week.add("counted_missing", "second", 1)
    week.add("held_move", "money", 5)

    assert week.published() == {1, 2, 3, 4}

    week.add("promise", "money", 5, by="flo")
    assert week.published() == {3}


def test_more_people_can_be_asked_for_never_fewer():
    assert Way.of("careful", people=2).people == PEOPLE_LEAST["careful"] == 3
    assert Way.of("careful", people=7).people == 7
    assert Way.of("open", people=7).people == 0
    assert Way.of("sheltered", people=3) == Way("sheltered", 5, True)


def test_under_open_nothing_waits():
    week = Week(Way.of("open"))
    week.add("promise", "money", 5, by="flo")
    week.add("fulfil", "hours", 60, by="flo")

    assert week.decide().kinds == {1: "promise", 2: "fulfil"}


def test_a_kind_with_too_few_people_behind_it_is_not_named():
    week = Week()
    for person in ("flo", "gus", "hal"):
        week.add("promise", "money", 10, by=person)
    week.add("hand_over", "money", 10, by="flo")

    # One hand-over alone would be one person's: more is taken along until three stand behind it.
    assert set(week.decide().kinds.values()) == {OTHER}

    for person in ("gus", "hal"):
        week.add("hand_over", "money", 10, by=person)
    assert set(week.decide().kinds.values()) == {"promise", "hand_over"}


def test_under_sheltered_only_who_is_behind_a_total_counts():
    week = Week(SHELTERED, money=Sum(1000, 0))
    for person in "abcd":
        week.add("promise", "money", 10, by=person)
    week.add("promise", "money", 10, by="e")
    week.add("hand_over", "money", 10, by="e")

    # Five people were promised something, but what went out is one person's.
    assert week.published() == {1, 2, 3, 4, 5}

    for person in "abcd":
        week.add("hand_over", "money", 10, by=person)
    assert len(week.published()) == 10


def test_under_sheltered_whoever_gave_everything_back_does_not_count():
    week = Week(SHELTERED, money=Sum(1000, 0))
    for person in "abcde":
        week.add("hand_over", "money", 10, by=person)
    week.add("money_returned", "money", 10, by="e")

    assert week.published() == set()


def test_a_pot_never_seems_short_because_gifts_wait():
    week = Week(Way.of("careful", gifts_wait=True), money=Sum(0, 0))
    week.add("money_in", "money", 500)
    for person in ("flo", "gus", "hal"):
        week.add("promise", "money", 10, by=person)

    assert week.published() == set()

    week.before = {"money": Sum(30, 0)}
    assert week.published() == {2, 3, 4}


def test_a_pot_that_is_short_is_shown_short():
    week = Week(money=Sum(10, 0))
    week.add("counted_missing", "money", 50)

    assert week.published() == {1}


# ---------------------------------------------------------------- the long stop


@pytest.mark.parametrize(("way", "days"), [(CAREFUL, 91), (SHELTERED, 182)])
def test_nothing_waits_longer_than_the_long_stop(way, days):
    week = Week(way, money=Sum(1000, 0))
    week.add("hand_over", "money", 10, by="flo", on=SUNDAY)
    week.add("hand_over", "money", 5, by="gus", on=SUNDAY + timedelta(days=60))
    step = 7 if way is CAREFUL else 31
    assert LONG_STOP_DAYS[way.preset] == days

    # The next close would still be in time.
    assert week.decide(SUNDAY + timedelta(days=days - step - 1)).stopped == frozenset()

    late = week.decide(SUNDAY + timedelta(days=days - step))
    assert late.kinds == {}
    assert late.stopped == {1, 2}
    assert late.totals == {"money": Sum(0, -15)}


def test_the_long_stop_of_one_pot_leaves_others_waiting():
    week = Week()
    week.add("promise", "money", 10, by="flo", on=SUNDAY - timedelta(days=90))
    week.add("promise", "second", 10, by="flo")

    assert week.decide().stopped == {1}


# ---------------------------------------------------------------- periods


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("open", date(2026, 3, 4), date(2026, 3, 4)),
        ("careful", date(2026, 3, 2), SUNDAY),
        ("careful", SUNDAY, SUNDAY),
        ("careful", date(2026, 3, 5), SUNDAY),
        ("sheltered", date(2026, 2, 10), date(2026, 2, 28)),
        ("sheltered", date(2028, 2, 29), date(2028, 2, 29)),
        ("sheltered", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_period_ends_with_its_day_its_week_or_its_month(preset, first, last):
    assert period_end(preset, first) == last


@pytest.mark.parametrize(
    ("preset", "day"),
    [("open", date(2026, 3, 10)), ("careful", date(2026, 3, 16)), ("sheltered", date(2026, 4, 1))],
)
def test_a_period_is_closed_on_the_day_after_it(preset, day):
    assert next_close_on(preset, SUNDAY) == day


OPEN, BEGIN = Way.of("open"), date.min
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("ways", "shown"),
    [
        ([(BEGIN, OPEN)], True),
        ([(BEGIN, CAREFUL)], False),
        # What waits from before a change could be told from what the places hold.
        ([(BEGIN, CAREFUL), (SUNDAY, OPEN)], False),
        ([(BEGIN, CAREFUL), (SUNDAY - 182 * DAY, OPEN)], False),
        ([(BEGIN, CAREFUL), (SUNDAY - 183 * DAY, OPEN)], True),
        # What is still to come changes nothing yet.
        ([(BEGIN, OPEN), (SUNDAY + DAY, CAREFUL)], True),
        ([(BEGIN, OPEN), (SUNDAY, CAREFUL)], False),
    ],
)
def test_places_are_shown_once_nothing_can_wait_any_more(ways, shown):
    assert shows_places(ways, SUNDAY) == shown


def test_a_period_is_published_in_the_way_that_began_last():
    ways = [(BEGIN, OPEN), (SUNDAY, CAREFUL)]

    assert way_on(ways, SUNDAY - DAY) == OPEN
    assert way_on(ways, SUNDAY) == way_on(ways, SUNDAY + 90 * DAY) == CAREFUL


# ---------------------------------------------------------------- a slow oracle

KINDS = st.sampled_from(
    [
        ("help_given", "hours"),
        ("help_answered", "hours"),
        ("promise", "hours"),
        ("fulfil", "hours"),
        ("fulfil_undone", "hours"),
        ("release", "hours"),
        ("money_in", "money"),
        ("promise", "money"),
        ("hand_over", "money"),
        ("money_returned", "money"),
        ("money_out", "money"),
        ("opening", "money"),
        ("counted_missing", "second"),
        ("money_in", "second"),
        ("promise", "second"),
    ]
)
ENTRIES = st.lists(
    st.tuples(KINDS, st.integers(1, 9), st.sampled_from(GIVERS[:5]), st.sampled_from([*"abcdef", ANYBODY])),
    max_size=24,
)
WAYS = st.sampled_from([CAREFUL, SHELTERED, Way.of("careful", gifts_wait=True), Way.of("careful", people=4)])


def people_behind(told, going, way):
    """Return by cell of what is published who stands behind it, told from the truth alone."""
    cells = defaultdict(lambda: defaultdict(int))
    for seq, (kind, pot, amount, giver, asker) in told.items():
        if seq not in going:
            continue
        name = going[seq] if way.preset == "careful" else ""
        gave = {"help_given": 1, "help_answered": 1, "fulfil": 1, "money_in": 1, "fulfil_undone": -1}
        drew = {
            "help_answered": 1,
            "fulfil": 1,
            "hand_over": 1,
            "fulfil_undone": -1,
            "money_returned": -1,
            "promise": 0,
            "release": 0,
        }
        if kind in gave and (pot == "hours" or way.gifts_wait):
            cells[pot, "in", name][giver] += gave[kind] * amount
        if kind in drew:
            cells[pot, "out", name][asker] += drew[kind] * amount
    if way.preset == "sheltered":
        return {cell: {who for who, net in behind.items() if net} for cell, behind in cells.items()}
    return {cell: set(behind) for cell, behind in cells.items()}


@given(ENTRIES, WAYS)
def test_no_published_cell_rests_on_too_few_people(entries, way):
    week, told = Week(way, money=Sum(500, 100), second=Sum(500, 100), hours=Sum(0, 100)), {}
    for (kind, pot), amount, giver, asker in entries:
        told[week.add(kind, pot, amount, giver=giver, by=asker)] = (kind, pot, amount, giver, asker)

    outcome = week.decide()

    for cell, people in people_behind(told, outcome.kinds, way).items():
        assert not people or len(people) >= way.people, (cell, people)
    # Balances move by what is published and nothing else, and so rest on the same people.
    assert not outcome.stopped
    for side, total in side_totals([c for c in week.candidates if c.seq in outcome.kinds]).items():
        if total and way.preset == "sheltered":
            assert people_behind(told, outcome.kinds, way)[side.pot, side.side, ""] or any(
                told[seq][0] == "money_out" for seq in outcome.kinds
            )


@given(ENTRIES, WAYS)
def test_what_waits_would_leave_a_side_with_too_few_people(entries, way):
    """Nothing waits without a reason: no more of it could go out, however it is put together."""
    week = Week(way, money=Sum(500, 100), second=Sum(500, 100), hours=Sum(0, 100))
    for (kind, pot), amount, giver, asker in entries[:8]:
        week.add(kind, pot, amount, giver=giver, by=asker)
    going = week.published()
    waiting = [c for c in week.candidates if c.seq not in going and c.touches]

    for more in range(1, 1 << len(waiting)):
        extra = {c.seq for at, c in enumerate(waiting) if more >> at & 1}
        trial = [c for c in week.candidates if c.seq in going | extra]
        assert _has_too_few(trial, way) or _shows_short(trial, week), (going, extra)


def _has_too_few(candidates, way):
    behind = defaultdict(lambda: defaultdict(int))
    for candidate in candidates:
        for (pot, unit, side), person, total in candidate.touches:
            bound = side == "out" or unit == "minutes" or way.gifts_wait
            if bound and (total or way.preset != "sheltered"):
                behind[pot, side][person] += total
    for people in behind.values():
        real = {p for p, net in people.items() if p is not None and (net or way.preset != "sheltered")}
        if len(real) < way.people:
            return True
    return False


def _shows_short(candidates, week):
    return any(
        week.before[pot].promised + change.promised < 0
        or (pot != "hours" and week.before[pot].available + change.available < 0)
        or (pot != "hours" and sum(week.before[pot]) + sum(change) < 0)
        for pot, change in sums_of(candidates).items()
    )


def test_every_kind_is_in_the_tables_here():
    told = {"hand_over_undone", "pot_move", "counted_found", "help_exchanged", "correction"}

    assert {kind for kind in EntryKind if kind not in told} == {
        "help_given",
        "money_in",
        "help_answered",
        "promise",
        "release",
        "hand_over",
        "money_returned",
        "fulfil",
        "fulfil_undone",
        "money_out",
        "opening",
        "counted_missing",
        "held_move",
    }
