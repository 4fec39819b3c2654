"""Which refusal is named when several apply: the first in the documented order; and none leaves a trace."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.ledger.notation import BEGAN_ON, NOW, TODAY, Stage, uuid
from timebank import errors
from timebank.ledger.books import WITH
from timebank.ledger.entries import Draft, EntryKind, Replayed, Transfer
from timebank.ledger.units import AMOUNT_MAX, TOTAL_MAX


@pytest.fixture
def stage() -> Stage:
    """Ada gave an hour to the pot and 100 to food; 60 of it are promised, 10 handed over; one entry was corrected."""
    stage = Stage()
    stage.play("""
        good: give ada pot 60
        money: money ada.eur food cash 100
        promise: promise food 60 d1
        hand: hand food cash 10 d1
        wrong: give bo pot 30
        correction: correct wrong
    """)
    stage.names["bo"].closed = True
    stage.names["garden"].debits = TOTAL_MAX - 5
    stage.names["garden"].credits = TOTAL_MAX - 5
    return stage


def wrongs(stage: Stage) -> list[tuple[str, dict[str, object], errors.Refusal]]:
    """Return the order of precedence: for each reason the fields that cause it, and what is answered."""
    n = stage.number

    def legs(*transfers: tuple[object, int, int, object]) -> dict[str, object]:
        return {"transfers": tuple(Transfer(*t) for t in transfers)}  # type: ignore[arg-type]

    def corrects(label: str, kind: EntryKind = EntryKind.CORRECTION) -> dict[str, object]:
        return {"reverses": stage.labels[label].draft.entry_id, "kind": kind, "reversal_legs": 1}

    future, past = TODAY + timedelta(days=1), BEGAN_ON - timedelta(days=1)
    return [
        ("id", {"entry_id": stage.labels["good"].draft.entry_id}, errors.EntryIdReused()),
        ("malformed", legs(("minutes", n("ada"), n("pot"), True)), errors.MalformedAmount()),
        (
            "range",
            legs(("minutes", n("ada"), n("pot"), AMOUNT_MAX + 1)),
            errors.AmountOutOfRange(amount=AMOUNT_MAX + 1, amount_max=AMOUNT_MAX),
        ),
        ("same", legs(("minutes", n("ada"), n("ada"), 1)), errors.SameAccountTwice()),
        ("unknown", legs(("minutes", n("ada"), 7, 1)), errors.UnknownAccount()),
        # The first transfer would be the one that a correction takes back; the second never is.
        (
            "closed",
            legs(("minutes", n("ada"), n("pot"), 1), ("minutes", n("bo"), n("pot"), 1)),
            errors.AccountClosed(),
        ),
        (
            "unit",
            legs(("minutes", n("ada"), n("food"), 1)),
            errors.UnitMismatch(unit="minutes", account_unit="EUR"),
        ),
        (
            "future",
            {"effective_on": future},
            errors.DateInFuture(effective_on="2026-03-02", today="2026-03-01"),
        ),
        (
            "past",
            {"effective_on": past},
            errors.DateBeforeBegin(effective_on="2025-12-31", began_on="2026-01-01"),
        ),
        ("no entry", {**corrects("good"), "reverses": uuid(10**6)}, errors.UnknownEntry()),
        ("of correction", corrects("correction"), errors.CorrectionOfCorrection()),
        ("twice", corrects("wrong"), errors.AlreadyCorrected()),
        ("of draw", corrects("hand"), errors.EntryBelongsToDraw()),
        ("no mirror", corrects("good"), errors.NotAMirror()),
        ("overflow", legs(("minutes", n("ada"), n("garden"), 6)), errors.Overflow()),
        (
            "floor",
            {
                **legs(("EUR", n("food"), n("food.promised"), 50)),
                "kind": EntryKind.PROMISE,
            },
            errors.BelowFloor(account="pot", available=40, asked=50),
        ),
    ]


def draft_with(stage: Stage, fields: dict[str, object]) -> Draft:
    """Return a draft that is all right but for these fields."""
    fine = (Transfer("minutes", stage.number("ada"), stage.number("pot"), 1),)
    return stage.make(EntryKind.HELP_GIVEN, fine)._replace(**fields)  # type: ignore[arg-type]


def test_each_reason_alone_is_the_one_that_is_named(stage: Stage):
    for name, fields, refusal in wrongs(stage):
        before = stage.everything()

        answer = stage.books.post([draft_with(stage, fields)], NOW)

        assert answer == refusal, name
        assert stage.everything() == before, name


def test_of_any_two_reasons_the_earlier_one_is_named(stage: Stage):
    table = wrongs(stage)
    for place, (first, fields, refusal) in enumerate(table):
        for second, more, _ in table[place + 1 :]:
            merged = {**more, **fields}
            if "transfers" in fields and "transfers" in more:
                # Both wrong transfers in one entry, the later reason standing first.
                merged["transfers"] = (*more["transfers"], *fields["transfers"])  # type: ignore[misc]
            before = stage.everything()

            answer = stage.books.post([draft_with(stage, merged)], NOW)

            if first == "no mirror" and second in ("overflow", "floor"):
                assert answer == refusal
            assert isinstance(answer, type(refusal)), (first, second, answer)
            assert stage.everything() == before, (first, second)


def test_a_wrong_later_draft_refuses_the_whole_chain(stage: Stage):
    for name, fields, refusal in wrongs(stage)[1:]:
        before = stage.everything()
        fine, wrong = draft_with(stage, {}), draft_with(stage, fields)

        assert stage.books.post([fine, wrong], NOW) == refusal, name
        assert stage.books.post([wrong, fine], NOW) == refusal, name
        assert stage.everything() == before, name


@pytest.mark.parametrize("amount", [1.0, "1", None, True, 1e3])
def test_an_amount_is_a_whole_number_and_nothing_that_looks_like_one(stage: Stage, amount: object):
    transfers = (Transfer("minutes", stage.number("ada"), stage.number("pot"), amount),)  # type: ignore[arg-type]

    answer = stage.books.post([draft_with(stage, {"transfers": transfers})], NOW)

    assert answer == errors.MalformedAmount()


@pytest.mark.parametrize("amount", [0, -1, AMOUNT_MAX + 1, -(10**30)])
def test_an_amount_is_between_one_and_a_million_millions(stage: Stage, amount: int):
    transfers = (Transfer("minutes", stage.number("ada"), stage.number("pot"), amount),)

    answer = stage.books.post([draft_with(stage, {"transfers": transfers})], NOW)

    assert answer == errors.AmountOutOfRange(amount=amount, amount_max=AMOUNT_MAX)


def test_the_largest_amount_and_the_first_and_the_last_day_are_fine(stage: Stage):
    transfers = (Transfer("minutes", stage.number("ada"), stage.number("pot"), AMOUNT_MAX),)
    for day in (BEGAN_ON, TODAY):
        fields = {"transfers": transfers, "effective_on": day}
        assert isinstance(stage.books.post([draft_with(stage, fields)], NOW), tuple)


def test_a_turnover_may_reach_the_largest_sum_exactly(stage: Stage):
    transfers = (Transfer("minutes", stage.number("ada"), stage.number("garden"), 5),)

    assert isinstance(stage.books.post([draft_with(stage, {"transfers": transfers})], NOW), tuple)
    assert stage.names["garden"].credits == TOTAL_MAX


# ---------------------------------------------------------------- the same again


def test_the_same_entry_again_is_answered_with_what_is_in_the_book(stage: Stage):
    # Even if it would be refused by now: a retry tells what happened, not what would happen.
    posted = stage.labels["promise"]
    stage.play("promise food 40 d2")
    before = stage.everything()

    answer = stage.books.post([posted.draft], NOW)

    assert isinstance(answer, Replayed)
    assert [(entry.seq, entry.draft) for entry in answer.entries] == [(posted.seq, posted.draft)]
    assert stage.everything() == before


@pytest.mark.parametrize(
    "change",
    [{"category": "garden"}, {"actor": 3}, {"effective_on": BEGAN_ON}, {"links": (("hours", "x"),)}],
)
def test_the_same_id_with_other_content_is_refused(stage: Stage, change: dict[str, object]):
    draft = stage.labels["good"].draft._replace(**change)  # type: ignore[arg-type]

    assert stage.books.post([draft], NOW) == errors.EntryIdReused()


def test_a_chain_is_answered_again_only_as_a_whole(stage: Stage):
    one, two = draft_with(stage, {}), draft_with(stage, {})
    accepted = stage.books.post([one, two], NOW)
    assert isinstance(accepted, tuple)

    again = stage.books.post([one, two], NOW)

    assert isinstance(again, Replayed)
    assert [entry.seq for entry in again.entries] == [entry.seq for entry in accepted]
    assert stage.books.post([one, draft_with(stage, {})], NOW) == errors.EntryIdReused()
    assert stage.books.post([two, one], NOW) == errors.EntryIdReused()


def test_one_id_stands_only_once_in_a_chain(stage: Stage):
    draft = draft_with(stage, {})

    assert stage.books.post([draft, draft], NOW) == errors.EntryIdReused()


# ---------------------------------------------------------------- corrections


def test_an_entry_is_corrected_once_only_within_one_batch_too():
    stage = Stage()
    stage.play("""
        g: give ada pot 60
        correct g          | nothing
        correct g          | ! already_corrected
    """)


def test_an_entry_is_corrected_once_only_within_one_chain_too():
    stage = Stage()
    stage.play("""
        g: give ada pot 60
        correct g + correct g | ! already_corrected
        correct g             | nothing
    """)


def test_a_refused_correction_leaves_the_entry_correctable():
    stage = Stage()
    stage.play("""
        m: money ada.eur food cash 100
        carry cash bank 100
        correct m             | ! below_floor account=held available=0 asked=100
        correct m cash=bank   | nothing
    """)


def test_a_correction_is_not_corrected_but_the_entry_that_came_with_it_is():
    stage = Stage()
    stage.play("""
        g: give ada pot 60
        c: correct g + r: give ada pot 45 | ada -45  pot 45
        correct c                         | ! correction_of_correction
        correct r                         | nothing
    """)


def test_entries_of_a_draw_are_corrected_through_the_draw():
    stage = Stage()
    stage.play("""
        money ada.eur food cash 100
        p: promise food 50 d1
        h: hand food cash 50 d1
        promise pot 30 d2
        f: fulfil bo pot 30 d2
        correct p             | ! entry_belongs_to_draw
        correct h             | ! entry_belongs_to_draw
        correct f             | ! entry_belongs_to_draw
        undo h
        undo f
        undo h                | ! already_corrected
        undo f                | ! already_corrected
    """)


def test_a_slip_of_somebody_whose_account_is_closed_is_taken_back_and_nothing_else_is_written():
    stage = Stage()
    stage.play("""
        g: give ada pot 60
        m: money ada.eur food cash 100
    """)
    stage.names["ada"].closed = stage.names["ada.eur"].closed = True

    stage.play("""
        give ada pot 5                       | ! account_closed
        correct g + give ada pot 45          | ! account_closed
        correct g + give bo pot 45           | ada.eur -100  bo -45  pot 45  food 100  custody 100  cash 100
        correct m                            | bo -45  pot 45
        correct m                            | ! already_corrected
    """)
    assert stage.findings() == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"reverses": None, "kind": EntryKind.HELP_GIVEN}, errors.AccountClosed()),
        ({"reversal_legs": 0}, errors.AccountClosed()),
        ({"reverses": uuid(10**6)}, errors.AccountClosed()),
        ({"transfers": "twice"}, errors.AccountClosed()),
        ({"transfers": "smaller"}, errors.NotAMirror()),
        ({"effective_on": TODAY + timedelta(days=1)}, errors.DateInFuture),
        ({}, None),
    ],
    ids=[
        *("no original", "no transfer that takes back", "another original", "one transfer more"),
        *("another amount", "tomorrow", "the mirror"),
    ],
)
def test_only_a_true_mirror_moves_a_closed_account(change, refusal):
    stage = Stage()
    stage.play("g: give ada pot 60")
    draft, _ = stage.draft(["correct", "g"])
    assert draft is not None
    stage.names["ada"].closed = True
    one = draft.transfers[0]
    transfers = {"twice": (one, one), "smaller": (one._replace(amount=59),)}
    change = {
        name: transfers.get(value, value) if name == "transfers" else value for name, value in change.items()
    }
    before = stage.everything()

    answer = stage.books.post([draft._replace(**change)], NOW)

    if refusal is None:
        assert isinstance(answer, tuple)
        assert stage.names["ada"].net == 0
    else:
        assert answer == refusal if isinstance(refusal, errors.Refusal) else isinstance(answer, refusal)
        assert stage.everything() == before


def test_a_slip_is_not_taken_back_from_another_place_that_is_closed():
    stage = Stage()
    stage.play("""
        m: money ada.eur food cash 100
        money ada.eur food bank 100
    """)
    stage.names["bank"].closed = stage.names["cash"].closed = True

    stage.play("""
        correct m cash=bank | ! account_closed
        correct m           | ada.eur -100  food 100  custody 100  bank 100
    """)


def test_what_a_draws_own_correction_gives_back_stays_out_of_a_closed_pot():
    stage = Stage()
    stage.play("""
        money ada.eur food cash 100
        promise food 50 d1
        h: hand food cash 50 d1
        close d1
    """)
    stage.names["food"].closed = True
    before = stage.everything()

    stage.refused("undo h")

    assert stage.everything() == before


MIRRORS = {
    "another amount": lambda t, n: t._replace(amount=t.amount - 1),
    "another giver": lambda t, n: t._replace(credit=n("cy")) if t.credit == n("ada.eur") else t,
    "the same way again": lambda t, n: t._replace(debit=t.credit, credit=t.debit),
    "a place of another unit": lambda t, n: t._replace(credit=n("tin")) if t.credit == n("cash") else t,
    "a pot in the place of the cash box": lambda t, n: (
        t._replace(credit=n("rent")) if t.credit == n("cash") else t
    ),
    "another pot": lambda t, n: t._replace(debit=n("rent")) if t.debit == n("food") else t,
}


@pytest.mark.parametrize("change", MIRRORS.values(), ids=MIRRORS)
def test_a_correction_takes_back_exactly_what_was_done(change):
    stage = Stage()
    stage.play("m: money ada.eur food cash 100")
    stage.play("money bo.eur rent cash 100")
    draft, _ = stage.draft(["correct", "m"])
    assert draft is not None
    wrong = draft._replace(transfers=tuple(change(t, stage.number) for t in draft.transfers))

    answer = stage.books.post([wrong], NOW)

    assert isinstance(answer, errors.NotAMirror | errors.UnitMismatch)
    assert isinstance(
        stage.books.post([draft._replace(transfers=draft.transfers[::-1])], NOW), errors.NotAMirror
    )
    assert isinstance(stage.books.post([draft._replace(reversal_legs=1)], NOW), errors.NotAMirror)
    assert isinstance(stage.books.post([draft._replace(kind=EntryKind.MONEY_OUT)], NOW), errors.NotAMirror)
    assert isinstance(stage.books.post([draft], NOW), tuple)


def test_what_is_undone_through_a_draw_is_of_that_draw_and_released_only_into_its_own_pot():
    stage = Stage()
    stage.play("""
        money ada.eur food cash 100
        promise food 50 d1
        h: hand food cash 50 d1
        close d1
    """)
    draft, _ = stage.draft(["undo", "h"])
    assert draft is not None
    *back, release = draft.transfers
    others = [
        draft._replace(draw_id=uuid(1)),
        draft._replace(kind=EntryKind.FULFIL_UNDONE),
        draft._replace(transfers=(*back, release._replace(credit=stage.number("rent")))),
        draft._replace(transfers=(*back, release._replace(amount=release.amount - 1))),
    ]

    for other in others:
        assert stage.books.post([other], NOW) == errors.NotAMirror()
    assert isinstance(stage.books.post([draft], NOW), tuple)


def test_the_place_of_a_wrong_entry_need_not_be_in_memory_to_name_another():
    stage = Stage()
    stage.play("""
        m: money ada.eur food cash 100
        carry cash bank 100
    """)
    del stage.accounts[stage.number("cash")]

    assert isinstance(stage.post("correct m cash=bank"), tuple)


# ---------------------------------------------------------------- order and moments


def test_numbers_and_moments_only_grow_even_when_the_clock_goes_back():
    stage = Stage()
    first = stage.books.post([draft_with(stage, {})], NOW)
    number, moment = stage.books.next_record(NOW - timedelta(hours=1))
    second = stage.books.post([draft_with(stage, {}), draft_with(stage, {})], NOW - timedelta(hours=1))

    assert isinstance(first, tuple)
    assert isinstance(second, tuple)
    assert [first[0].seq, number, second[0].seq, second[1].seq] == [1, 2, 3, 4]
    moments = [first[0].recorded_at, moment, second[0].recorded_at, second[1].recorded_at]
    assert [(at - NOW) / timedelta(microseconds=1) for at in moments] == [1, 2, 3, 4]


def test_further_drafts_of_a_chain_name_the_first():
    stage = Stage()
    stage.play("g: give ada pot 60")

    mirror, right = stage.happen("correct g + give ada pot 45")

    assert mirror.draft.links == ()
    assert right.draft.links == ((WITH, str(mirror.draft.entry_id)),)


def test_a_draft_that_would_part_pots_from_places_is_our_own_mistake():
    stage = Stage()
    for transfers in (
        (Transfer("EUR", stage.number("ada.eur"), stage.number("food"), 1),),
        (Transfer("EUR", stage.number("cash"), stage.number("ada.eur"), 1),),
    ):
        with pytest.raises(AssertionError):
            stage.books.post([stage.make(EntryKind.MONEY_IN, transfers)], NOW)
