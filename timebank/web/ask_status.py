"""How far an ask is, for whoever asked: received, looked at, yes, on its way, arrived; and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, FieldInvalid, MalformedBody, UnknownDraw
from timebank.ledger.units import MINUTES
from timebank.rules.commands import AnswerDraw, CancelDraw, ChangeDraw, DrawArrived
from timebank.rules.draw_steps import STEPS
from timebank.rules.names import free_text
from timebank.services.draws import Look, list_looks, read_draw
from timebank.services.overview import read_rules
from timebank.web.ask import WORDS_MAX, policy_words, read_asked
from timebank.web.forms import NOT_A_FORM, Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.rooms import ASK, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.words import amounts_of, category_in_words, told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.commands import Command
    from timebank.rules.state import Draw, Pot
    from timebank.services.draws import DrawView
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

DONE, NOW, LATER = "done", "now", "later"

_TITLES: Final[Mapping[str, str]] = {
    "asked": N_("We have your ask"),
    "looked_at": N_("Your ask is being looked at"),
    "promised": N_("Yes. It is on its way to you."),
    "handed_over": N_("It was handed over. Has it arrived?"),
    "arrived": N_("It has arrived"),
    "released": N_("It went back to the pot"),
    "not_now": N_("Not now"),
    "expired": N_("Its time is over"),
    "cancelled": N_("You took it back"),
}
#: Who does what on the way, by what they do in the group and never by name.
_BY_WHOM: Final[Mapping[str, str]] = {
    "looked_at": N_("A steward does this; for their own ask it is another one."),
    "promised": N_("The stewards say it, by the rules of the pot."),
    "money": N_("A treasurer hands it over, and writes it down."),
    "time": N_("A neighbour gives the time, and logs it for this ask."),
    "not_now": N_("A steward said so."),
    "expired": N_("The rules say so: too much time went by."),
    "cancelled": N_("You said so. Nothing is held against you."),
}
_WAITS: Final[Mapping[str, str]] = {
    "yes": N_("A steward looks at it next."),
    "window": N_("The stewards said yes. For a while any of them may still object."),
    "objection": N_("A steward objected. You can ask for less, or talk to them."),
    "queue": N_("The stewards said yes. It waits until there is enough in the pot."),
}
#: Nothing more comes of these; asking again is as good as asking first.
_OVER: Final = frozenset({"not_now", "expired", "cancelled", "released"})
_LOOKS: Final[Mapping[str, str]] = {
    "who": N_("%(name)s looked who asked, on %(day)s"),
    "payout": N_("%(name)s looked how to reach you and where the money should go, on %(day)s"),
    "link": N_("%(name)s made a new link to this page, on %(day)s"),
}


class Step(NamedTuple):
    """One step on the way; ``mood`` is done, now or later."""

    mark: str
    mood: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class AskStatusPage:
    """How far an ask is.

    Attributes:
        amount: What was asked, in words.
        can_ask_again: Whether it is over without having arrived; ``ask_href`` is where another ask begins.
        about: Kind and day.
        reason, question, answer: What a steward said, asked, and what was said to it.
        can_answer, can_change, can_arrive, can_cancel: What the reader can do now.
        looks: Who looked at what is personal.
        keep: Whether the address is the only key.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    amount: str
    about: str
    waits: str
    steps: tuple[Step, ...]
    reason: str
    question: str
    answer: str
    action: str
    keys: tuple[str, str, str, str]
    can_answer: bool
    can_change: bool
    can_arrive: bool
    can_cancel: bool
    can_ask_again: bool
    ask_href: str
    faults: tuple[tuple[str, str], ...]
    text: Answer
    other: Answer
    words_max: int
    looks: tuple[str, ...]
    keep: bool


@route("/g/{slug:str}/asks/{draw_id:uuid}", http_method=_READ, include_in_schema=False)
async def ask_status(
    request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]
) -> ASGIApp:
    """Show how far an ask of the reader is."""
    return await _page(await inside(request, slug), draw_id)


@post("/g/{slug:str}/asks/{draw_id:uuid}", include_in_schema=False)
async def ask_step(request: Request[Any, Any, Any], slug: FromPath[str], draw_id: FromPath[UUID]) -> ASGIApp:
    """Say that it arrived, that it is not needed any more, or answer a question."""
    here, fields = await received(request, slug)
    try:
        view = await _own(here, draw_id)
        command = step_of(fields, draw_id, view.pot, here.chosen)
    except StepFault as wrong:
        return await _page(here, draw_id, (wrong.field, wrong.advice), fields, status=422)
    sent = await send(here, fields, command)
    if sent.is_refused:
        fault = (
            "amount" if isinstance(command, ChangeDraw) else "you",
            step_words(sent, view.pot, here.chosen),
        )
        return await _page(here, draw_id, fault, fields, status=sent.status)
    return here.go(f"/asks/{draw_id}")


ASK_STATUS_PAGES: Final[list[HTTPRouteHandler]] = [ask_status, ask_step]


class StepFault(Exception):
    """Something in a step is to be written again: which field, and what to do about it."""

    def __init__(self, field: str, advice: str) -> None:
        super().__init__(field)
        self.field = field
        self.advice = advice


def step_of(fields: Mapping[str, list[str]], draw_id: UUID, pot: Pot, chosen: Language) -> Command:
    """Return what a form wants done with an ask.

    Raises:
        StepFault: An answer says nothing, or what cannot be shown; an amount is none.
        MalformedBody: No button of ours was pressed.
    """
    match field_text(fields, "act"):
        case "arrived":
            return DrawArrived(draw_id)
        case "cancel":
            return CancelDraw(draw_id)
        case "change":
            amount, fault = read_asked(field_text(fields, "amount").strip(), pot, chosen)
            if fault:
                raise StepFault("amount", fault)
            return ChangeDraw(draw_id, amount, pot.unit)
        case "answer":
            try:
                text = free_text(field_text(fields, "text"), field="text", length_max=WORDS_MAX)
            except FieldInvalid:
                text = ""
            if not text:
                raise StepFault("text", chosen.say(N_("Write an answer")))
            return AnswerDraw(draw_id, text)
    raise MalformedBody(why=NOT_A_FORM)


def step_words(sent: Sent, pot: Pot, chosen: Language) -> str:
    """Return why a step was not taken."""
    if sent.code == "policy_refuses":
        return policy_words(sent.body, amounts_of(pot.unit, chosen))
    return sent.sentence


async def _own(here: Inside, draw_id: UUID) -> DrawView:
    """Return an ask of the reader.

    Raises:
        UnknownDraw: It is somebody else's, whatever the reader's duties, or nobody's.
    """
    view = await read_draw(here.door.house, here.actor, draw_id, now=here.door.clock())
    if not view.mine:
        raise UnknownDraw
    return view


async def _page(
    here: Inside,
    draw_id: UUID,
    fault: tuple[str, str] | None = None,
    fields: Mapping[str, list[str]] | None = None,
    *,
    status: int = 200,
) -> PrivatePage:
    view = await _own(here, draw_id)
    looks = await list_looks(here.door.house, here.actor, draw_id)
    zone = ZoneInfo((await read_rules(here.door.house, here.actor.group_id)).time_zone)
    page = status_page(
        view.draw,
        view.pot,
        waits_for=view.waits_for,
        said=view.said or {},
        looks=looks,
        zone=zone,
        chosen=here.chosen,
        name=here.group.name,
        href=here.href,
        rooms=ways(here, ""),
        action=here.path(f"/asks/{draw_id}"),
        ask_href=here.path(ASK),
        keys=(new_key(), new_key(), new_key(), new_key()),
        fault=fault,
        written=(field_text(fields or {}, "text"), field_text(fields or {}, "amount")),
        by_link=False,
    )
    return here.page("ask_status.html", page, status=status)


def status_page(
    draw: Draw,
    pot: Pot,
    *,
    waits_for: str,
    said: Mapping[str, str],
    looks: list[Look],
    zone: ZoneInfo,
    chosen: Language,
    name: str,
    href: str,
    rooms: tuple[Way, ...],
    action: str,
    ask_href: str,
    keys: tuple[str, str, str, str],
    fault: tuple[str, str] | None,
    written: tuple[str, str],
    by_link: bool,
) -> AskStatusPage:
    """Return the page of an ask as whoever asked sees it."""
    amounts = amounts_of(pot.unit, chosen)
    asked_on = draw.asked_at.astimezone(zone).date()
    about = [category_in_words(draw.category, chosen)]
    if draw.needed_by is not None:
        about.append(chosen.say(N_("by %(day)s"), day=chosen.weekday(draw.needed_by)))
    can = STEPS[draw.state]
    return AskStatusPage(
        name=name,
        href=href,
        ways=rooms,
        title=chosen.say(_TITLES[draw.state]),
        amount=amounts.words(draw.asked),
        about=" · ".join(about),
        waits=_waits(draw, waits_for, zone, chosen),
        steps=_steps(draw, pot, chosen.weekday(asked_on), chosen),
        reason=said.get("reason", ""),
        question=said.get("question", ""),
        answer=said.get("answer", ""),
        action=action,
        keys=keys,
        can_answer="answer" in can and bool(said.get("question")),
        can_change="change" in can,
        can_arrive="arrive" in can,
        can_cancel="cancel" in can,
        can_ask_again=draw.state in _OVER,
        ask_href=ask_href,
        faults=(fault,) if fault else (),
        text=Answer(written[0], fault[1] if fault and fault[0] == "text" else ""),
        other=Answer(written[1], fault[1] if fault and fault[0] == "amount" else ""),
        words_max=WORDS_MAX,
        looks=tuple(_look(look, zone, chosen) for look in looks),
        keep=by_link,
    )


def _waits(draw: Draw, waits_for: str, zone: ZoneInfo, chosen: Language) -> str:
    if not waits_for:
        return ""
    said = chosen.say(_WAITS[waits_for])
    if waits_for != "window" or draw.due_at is None:
        return said
    until = chosen.say(
        N_("If nobody does, it is promised on %(day)s."),
        day=chosen.weekday(draw.due_at.astimezone(zone).date()),
    )
    return f"{said} {until}"


def _look(look: Look, zone: ZoneInfo, chosen: Language) -> str:
    return told(
        chosen,
        _LOOKS.get(look.what, _LOOKS["who"]),
        {"name": look.nickname or chosen.say(N_("Somebody who has left"))},
        day=chosen.weekday(look.looked_at.astimezone(zone).date()),
    )


def _steps(draw: Draw, pot: Pot, asked_on: str, chosen: Language) -> tuple[Step, ...]:
    """Return the way of an ask: what is done is solid, where it is now hatched, what is to come hollow."""
    say, amounts = chosen.say, amounts_of(pot.unit, chosen)
    received = Step("solid", DONE, say(N_("Received")), asked_on)
    ended = {"not_now": N_("Not now"), "expired": N_("Its time is over"), "cancelled": N_("Taken back")}
    if draw.state in ended and not draw.handed:
        return (received, Step("solid", NOW, say(ended[draw.state]), say(_BY_WHOM[draw.state])))
    if draw.state == "released":
        return (received, Step("solid", NOW, say(N_("Given back to the pot")), ""))
    stage = {"asked": 0, "looked_at": 1, "promised": 3, "handed_over": 3, "arrived": 4}.get(draw.state, 4)
    yes = say(N_("Yes, all of it")) if draw.promised in {0, draw.asked} else say(N_("Yes, to a part"))
    promised = (
        say(N_("%(amount)s, promised to you"), amount=amounts.words(draw.promised)) if draw.promised else ""
    )
    on_its_way = say(N_("On its way"))
    handed = ""
    if draw.handed:
        handed = say(N_("%(amount)s handed over"), amount=amounts.words(draw.handed))
    elif draw.promised and pot.unit == MINUTES:
        handed = say(N_("Somebody gives the time, and logs it for this ask."))
    else:
        handed = say(_BY_WHOM["time" if pot.unit == MINUTES else "money"])
    named = (
        (say(N_("Looked at")), say(_BY_WHOM["looked_at"])),
        (
            (yes, promised)
            if draw.promised
            else (say(N_("Yes, a part, or not now and why")), say(_BY_WHOM["promised"]))
        ),
        (on_its_way, handed),
        (say(N_("Arrived")), "" if draw.state == "arrived" else say(N_("when you say so"))),
    )
    steps = [received]
    for place, (title, text) in enumerate(named, 1):
        mood = DONE if place < stage or draw.state == "arrived" else NOW if place == stage else LATER
        mark = {DONE: "solid", NOW: "hatched", LATER: "hollow"}[mood]
        steps.append(Step(mark, mood, title, text))
    return tuple(steps)
