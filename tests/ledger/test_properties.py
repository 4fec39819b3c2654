"""Whatever is drafted, in whatever order: accepted or refused, the book keeps every promise it makes."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.notation import NOW, POTS, Stage
from timebank.errors import Refusal
from timebank.ledger.entries import DECISIONS, Entry
from timebank.ledger.units import is_money

HOURS = ["pot", "garden"]
MONEY = ["food", "rent"]
DRAWS = ["d0", "d1", "d2", "d3"]

OPENING = """
    money ada.eur food cash 250
    money bo.eur rent bank 100
    promise food 100 d0
    promise rent 60 d1
    promise pot 100 d2
    promise pot 60 d3
"""

n = st.sampled_from(["1", "15", "60", "100"])
hours, money = st.sampled_from(HOURS), st.sampled_from(MONEY)
place = st.sampled_from(["cash", "bank"])
givers = st.sampled_from(["ada", "bo", "outside"])
draw = st.sampled_from(DRAWS)
label = st.sampled_from(["l0", "l1", "l2", "l3", "l4"])
where = st.sampled_from(["", " cash=bank", " bank=cash"])


def said(*parts: object) -> st.SearchStrategy[str]:
    """Return lines made of words and of strategies that give words."""
    return st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts)).map(
        " ".join
    )


acts = st.one_of(
    said("give", givers, hours, n),
    said("answer", givers, hours, n),
    said("exchange ada.x bo.x", n),
    said("money ada.eur", money, place, n),
    said("money ada.eur", money, place, n),
    said("promise", hours | money, n, draw),
    said("release", hours | money, n, draw),
    said("fulfil", givers, hours, n, draw, st.sampled_from(["", "beyond"])),
    said("hand", money, place, n, draw),
    said("return", money, place, n, draw),
    said("out", money, place, n),
    said("carry cash bank", n),
    said("carry bank cash", n),
    said("move food rent", n),
    said("move rent food", n),
    said("move pot garden", n),
    said("missing", money, place, n),
    said("found", money, place, n),
    said("open pot", hours, n),
    said("open money", money, place, n),
    said("open gave ada.x", n),
)
steps = st.one_of(
    st.tuples(st.just("act"), label, acts),
    st.tuples(st.just("act"), label, acts),
    st.tuples(st.just("undo"), label, where),
    st.tuples(st.just("correct"), label, where),
    st.tuples(st.just("correct and"), label, acts),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=5, max_size=40), st.sampled_from([None, 0, -60]))
def test_any_drafts_in_any_order_leave_a_sound_book(
    story: list[tuple[str, str, str]], hours_floor: int | None
):
    stage = Stage()
    stage.names["garden"].floor = hours_floor
    stage.play(OPENING)
    for step, name, rest in story:
        text = line_of(stage, step, name, rest)
        if text is None:
            continue
        before, seq = stage.everything(), stage.books.seq
        floors = {a.account_id: a.balance for a in stage.accounts.values()}

        answer = stage.post(" ".join(text.split()))

        if isinstance(answer, Refusal):
            assert stage.everything() == before
        else:
            assert isinstance(answer, tuple)
            assert stage.books.seq == seq + len(answer)
            no_decision_went_below_a_floor(stage, answer, floors)
        nothing_is_lost(stage)

    assert stage.findings() == []


def line_of(stage: Stage, step: str, name: str, rest: str) -> str | None:
    """Return a line that makes sense at least, or None."""
    if step == "act":
        return f"{name}: {rest}"
    known = stage.labels.get(name)
    if known is None:
        return None
    if step == "undo":
        return (
            f"undo {name}{rest}"
            if known.draft.kind in ("hand_over", "fulfil") and takes(stage, name)
            else None
        )
    held = {stage.number("cash"), stage.number("bank")}
    if step == "correct and":
        return f"correct {name} + {rest}"
    sides = {side for t in known.draft.transfers for side in (t.debit, t.credit)}
    # Both places of a carrying cannot become the same one.
    return f"correct {name}{rest if len(sides & held) < 2 else ''}"


def takes(stage: Stage, name: str) -> bool:
    """Say whether a fulfilment took anything out of a promise."""
    return any(stage.accounts[t.debit].kind == "promised" for t in stage.labels[name].draft.transfers)


def no_decision_went_below_a_floor(stage: Stage, entries: tuple[Entry, ...], before: dict[int, int]) -> None:
    for entry in entries:
        if entry.draft.kind not in DECISIONS:
            continue
        for transfer in entry.draft.transfers:
            account = stage.accounts[transfer.debit]
            if account.floor is not None and account.kind != "held":
                assert account.balance >= min(account.floor, before[account.account_id])
            if entry.draft.kind == "hand_over" and account.kind == "promised":
                assert stage.accounts[account.pot_account].net + account.net >= 0


def nothing_is_lost(stage: Stage) -> None:
    balances = {name: account.balance for name, account in stage.names.items()}
    for unit in ("minutes", "EUR", "GBP"):
        accounts = [account for account in stage.names.values() if account.unit == unit]
        assert sum(a.debits for a in accounts) == sum(a.credits for a in accounts)
    backed = sum(balances[pot] + balances[f"{pot}.promised"] for pot, unit in POTS.items() if is_money(unit))
    assert balances["cash"] + balances["bank"] == backed == balances["custody"]
    assert min(balances["cash"], balances["bank"]) >= 0
    assert min(balances[f"{pot}.promised"] for pot in POTS) >= 0
    for account in stage.names.values():
        assert 0 <= account.reversal_debits <= account.debits
        assert 0 <= account.reversal_credits <= account.credits


@settings(deadline=None)
@given(st.lists(st.integers(-3_600_000_000, 3_600_000_000), max_size=30))
def test_however_the_clock_jumps_moments_only_grow(offsets: list[int]):
    stage = Stage()
    moments = [stage.books.next_record(NOW + timedelta(microseconds=offset))[1] for offset in offsets]

    assert moments == sorted(set(moments))
    assert all(moment > NOW for moment in moments)
