"""One group twice, in the database and in memory; how a deed is said to either, and what they have to agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from tests.properties import reference as ref
from tests.properties import reference_draws as draws
from tests.properties import reference_hours as hours
from tests.properties import reference_money as money
from tests.properties.reference_rules import Terms
from tests.properties.stand import BEGAN_ON, ROLES, ZONE, Group, Stand
from timebank.rules import commands as real
from timebank.rules.people import Actor

NOBODY: Final = uuid4()
UNITS: Final = {"hours": "minutes", "money": "EUR", "quick": "EUR"}
#: Gil has no device, so that silence of his is no yes.
PEOPLE: Final = {**ROLES, "gil": ()}
WITHOUT_DEVICE: Final = frozenset({"gil"})
HOUSEHOLDS: Final = {"ada": "home", "flo": "home"}

DEEDS: Final[Mapping[type, Any]] = {
    hours.Log: hours.log,
    hours.Confirm: hours.confirm,
    hours.Question: hours.question,
    hours.Settle: hours.settle,
    hours.Withdraw: hours.withdraw,
    money.Give: money.give,
    money.Move: money.move,
    money.Count: money.count,
    money.Out: money.out,
    money.PotMove: money.pot_move,
    money.Opening: money.opening,
    money.Sign: money.sign,
    money.Unsign: money.unsign,
    money.Correct: money.correct,
    draws.Ask: draws.ask,
    draws.Approve: draws.approve,
    draws.Decline: draws.decline,
    draws.Object: draws.object_to,
    draws.AskBack: draws.ask_back,
    draws.Answer: draws.answer,
    draws.StepAside: draws.step_aside,
    draws.Cancel: draws.cancel,
    draws.Change: draws.change,
    draws.HandOver: draws.hand_over,
    draws.Undo: draws.undo,
    draws.Return: draws.returned,
    draws.Release: draws.release,
    draws.Arrived: draws.arrived,
}

#: Every table that a refusal must leave as it was; answers remember refusals, and that is their work.
TABLES: Final = (
    "timebank.records", "timebank.entries", "timebank.transfers", "timebank.accounts", "timebank.account_days",
    "timebank.book_heads", "timebank.hours", "timebank.hours_waiting", "timebank.hours_questions",
    "timebank.held_places", "timebank.money_references", "timebank.proposals", "timebank.draws",
    "timebank.draw_hands", "timebank.policies", "people.notes", "people.member_roles", "people.members",
)  # fmt: skip
TRACE: Final = " UNION ALL ".join(
    f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} AS t"
    for table in TABLES
)
_ACCOUNTS: Final = (
    "SELECT account_id, debits, credits, reversal_debits, reversal_credits FROM timebank.accounts"
)
_DAYS: Final = """
    SELECT account_id, effective_on, debits, credits, reversal_debits, reversal_credits FROM timebank.account_days
"""
_DRAWS: Final = """
    SELECT draw_id, state, amount_asked, amount_agreed, amount_promised, amount_handed, amount_released,
           agreed_at, queued_at, promised_on, due_at, policy_version
      FROM timebank.draws
"""
_HANDS: Final = """
    SELECT draw_id, member_id, asked, theirs, approved, paid, stepped_aside, objected FROM timebank.draw_hands
"""
_HOURS: Final = "SELECT hours_id, state, minutes, seq IS NOT NULL, draw_id FROM timebank.hours"
_PROPOSALS: Final = "SELECT proposal_id, state FROM timebank.proposals"
_PROMISED: Final = """
    SELECT p.code, a.credits - a.debits,
           coalesce((SELECT sum(d.amount_promised - d.amount_handed - d.amount_released)
                       FROM timebank.draws AS d
                      WHERE d.pot_id = p.pot_id AND d.state = 'promised'), 0)::bigint
      FROM timebank.pots AS p
      JOIN timebank.accounts AS a ON a.account_id = p.promised_account
"""
#: All of it in one answer, since it is asked after every step.
_ALL: Final = "SELECT " + ", ".join(
    f"(SELECT coalesce(array_agg(x), '{{}}') FROM ({query}) AS x)"
    for query in (_ACCOUNTS, _DAYS, _DRAWS, _HANDS, _HOURS, _PROPOSALS, _PROMISED, TRACE)
)


class Side:
    """One group: what the second ledger says of it, and which of its numbers is which id.

    Attributes:
        actors: Who is who in the database, as far as nobody's duties changed since they were looked up.
    """

    def __init__(self, group: Group, terms: Mapping[str, Mapping[str, Any]], *, now: datetime) -> None:
        self.group = group
        self.book = ref.Book(
            {name: set(roles) for name, roles in PEOPLE.items()},
            {
                code: ref.Pot(unit, None if unit == "minutes" else 0, [Terms(terms[code])])
                for code, unit in UNITS.items()
            },
            {"cash-box", "bank"},
            began=BEGAN_ON,
            now=now,
            zone=ZONE,
            without_device=set(WITHOUT_DEVICE),
            households=HOUSEHOLDS,
        )
        self.ids: dict[int, UUID] = {}
        self.names = {number: _word(*name) for name, number in group.accounts.items()}
        self.people = {actor.member_id: name for name, actor in group.people.items()}
        self.actors: dict[str, Actor] = {}
        self.trace: Any = None
        self.trace_of = -1

    def learn(self, said: ref.Said, body: Mapping[str, Any]) -> None:
        """Remember the ids of what came to be."""
        for name, number in said.made.items():
            found = UUID(body[name])
            assert self.ids.setdefault(number, found) == found
            if number in self.book.draws:
                self.book.draws[number].tie = str(found)

    def real(self, c: Any) -> real.Command:
        """Say a deed to the write door."""
        return _REAL[type(c)](self, c)

    def id(self, number: int | None) -> UUID:
        return self.ids.get(number or 0, NOBODY)

    def member(self, name: str | None) -> UUID | None:
        if name is None:
            return None
        return self.group.people[name].member_id if name in self.group.people else NOBODY

    # ------------------------------------------------------------ what has to agree

    async def agrees(self, stand: Stand) -> None:
        """Fail unless database and memory say the same, and the figures fit together."""
        async with stand.house.database.write_door(self.group.group_id) as connection:
            ((accounts, days, asks, hands, logged, proposals, promised, trace),) = await connection.fetch(
                _ALL
            )
            await connection.execute("ROLLBACK")
        self._accounts_agree(accounts, days)
        self._draws_agree(asks, hands)
        self._rest_agrees(logged, proposals)
        for code, account, open_draws in promised:
            assert account == open_draws, (code, account, open_draws)
        if self.trace_of == self.book.changes:
            left = [table for table, _ in set(trace) ^ set(self.trace)]
            assert not left, ("a refusal left something behind", left)
        self.trace, self.trace_of = trace, self.book.changes

    def _accounts_agree(self, accounts: Sequence[Any], days: Sequence[Any]) -> None:
        book = self.book
        found = {self.names[number]: list(sums) for number, *sums in accounts}
        assert found == {name: book.accounts.get(name, [0, 0, 0, 0]) for name in found}
        assert book.accounts.keys() <= found.keys()
        dated = {(self.names[number], day): list(sums) for number, day, *sums in days}
        assert dated == book.days
        net: Counter[str] = Counter()
        held = 0
        for name, (debits, credits_, _, _) in found.items():
            kind, _, whose = name.partition(" ")
            unit = UNITS[whose] if kind in {"pot", "promised", "shared"} else _unit(name)
            net[unit] += credits_ - debits
            held += (credits_ - debits) * (kind in {"pot", "promised", "held"} and unit == "EUR")
        assert not any(net.values()), net
        assert held == 0, "what is held is not what pots have and have promised"

    def _draws_agree(self, asks: Sequence[Any], hands: Sequence[Any]) -> None:
        book = self.book
        found = {draw_id: tuple(rest) for draw_id, *rest in asks}
        expected = {
            self.ids[n]: (
                d.state, d.asked, d.agreed, d.promised, d.handed, d.released, d.agreed_at, d.queued_at,
                d.promised_on, d.due_at, d.terms.version,
            )
            for n, d in book.draws.items()
        }  # fmt: skip
        assert found == expected, _differences(found, expected)
        assert all(d.left == 0 for d in book.draws.values() if d.state != "promised")
        parts = {(draw, self.people[who]): tuple(part) for draw, who, *part in hands if any(part)}
        wanted = {
            (self.ids[n], who): (h.asked, h.theirs, h.approved, h.paid, h.aside, h.objected)
            for n, draw in book.draws.items()
            for who, h in draw.hands.items()
            if h != ref.Hand()
        }
        assert parts == wanted, _differences(parts, wanted)

    def _rest_agrees(self, logged: Sequence[Any], proposals: Sequence[Any]) -> None:
        book = self.book
        found = {hours_id: tuple(rest) for hours_id, *rest in logged}
        expected = {
            self.ids[n]: (h.state, h.minutes, h.posted, None if h.draw is None else self.ids[h.draw])
            for n, h in book.hours.items()
        }
        assert found == expected, _differences(found, expected)
        states = dict(proposals)
        wanted = {self.ids[n]: p.state for n, p in book.proposals.items()}
        assert states == wanted, _differences(states, wanted)


def _differences(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> list[Any]:
    keys = found.keys() | expected.keys()
    return [(found.get(key), expected.get(key)) for key in keys if found.get(key) != expected.get(key)]


def _word(kind: str, unit: str, whose: str) -> str:
    if kind in {"pot", "promised", "shared", "held", "exchange"}:
        return f"{kind} {whose}"
    return f"member {whose} {unit}" if kind == "member" else f"{kind} {unit}"


def _unit(name: str) -> str:
    if name.startswith("held "):
        return "EUR"
    return "minutes" if name.startswith("exchange ") else name.rpartition(" ")[2]


# ---------------------------------------------------------------- the same, said to the write door


def _correction(side: Side, c: money.Correct) -> real.CorrectEntry:
    amount, day, category = c.instead or (None, None, None)
    right = None if c.instead is None else real.Instead(amount, day, category)
    return real.CorrectEntry(side.id(c.entry), "it was wrong" if c.entry % 2 else "", right, c.held)


def _log(side: Side, c: hours.Log) -> real.LogHours:
    draw = None if c.draw is None else side.id(c.draw)
    giver, receiver = side.member(c.giver), side.member(c.receiver)
    return real.LogHours(giver, receiver, draw, c.minutes, c.day, c.category, exchange=c.exchange)


def _ask(side: Side, c: draws.Ask) -> real.AskDraw:
    return real.AskDraw(
        c.pot,
        c.amount,
        c.unit,
        c.category,
        c.needed_by,
        contact="by the door",
        on_behalf_of=side.member(c.behalf),
    )


def _opening(side: Side, c: money.Opening) -> real.ProposeOpening:
    return real.ProposeOpening(c.pot, c.amount, c.unit, c.held, side.member(c.member), c.received, c.day)


_REAL: Final[Mapping[type, Any]] = {
    hours.Log: _log,
    hours.Confirm: lambda s, c: real.ConfirmHours(s.id(c.hours)),
    hours.Question: lambda s, c: real.QuestionHours(s.id(c.hours), c.minutes, "it was less"),
    hours.Settle: lambda s, c: real.SettleHours(s.id(c.hours), c.minutes),
    hours.Withdraw: lambda s, c: real.WithdrawHours(s.id(c.hours)),
    money.Give: lambda s, c: real.GiveMoney(c.pot, c.amount, "EUR", c.held, s.member(c.giver), c.day),
    money.Move: lambda _, c: real.MoveHeld(c.source, c.target, c.amount, "EUR", c.day),
    money.Count: lambda _, c: real.CountHeld(c.held, c.counted, "EUR", c.pot, "counted twice"),
    money.Out: lambda _, c: real.ProposeOut(c.pot, c.amount, "EUR", c.held, c.category, c.day),
    money.PotMove: lambda _, c: real.ProposePotMove(c.source, c.target, c.amount, c.unit, c.day),
    money.Opening: _opening,
    money.Sign: lambda s, c: real.SignProposal(s.id(c.proposal)),
    money.Unsign: lambda s, c: real.WithdrawProposal(s.id(c.proposal)),
    money.Correct: _correction,
    draws.Ask: _ask,
    draws.Approve: lambda s, c: real.ApproveDraw(s.id(c.draw), c.amount),
    draws.Decline: lambda s, c: real.DeclineDraw(s.id(c.draw), "not this month"),
    draws.Object: lambda s, c: real.ObjectDraw(s.id(c.draw), "let us talk", c.withdraw),
    draws.AskBack: lambda s, c: real.QuestionDraw(s.id(c.draw), "what for?"),
    draws.Answer: lambda s, c: real.AnswerDraw(s.id(c.draw), "for the roof"),
    draws.StepAside: lambda s, c: real.StepAside(s.id(c.draw)),
    draws.Cancel: lambda s, c: real.CancelDraw(s.id(c.draw)),
    draws.Change: lambda s, c: real.ChangeDraw(s.id(c.draw), c.amount),
    draws.HandOver: lambda s, c: real.HandOver(s.id(c.draw), c.held, c.amount, c.day, receipt=c.receipt),
    draws.Undo: lambda s, c: real.UndoDrawEntry(s.id(c.draw), s.id(c.entry), c.held, "a slip"),
    draws.Return: lambda s, c: real.ReturnMoney(s.id(c.draw), c.held, c.amount, c.day),
    draws.Release: lambda s, c: real.ReleaseDraw(s.id(c.draw), c.amount),
    draws.Arrived: lambda s, c: real.DrawArrived(s.id(c.draw)),
}
