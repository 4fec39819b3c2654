"""What the pages of treasurers share: questions, a second look before anything is written, and how places are called."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from babel.numbers import get_currency_precision

from timebank.errors import (
    N_,
    AmountOutOfRange,
    BelowFloor,
    FieldInvalid,
    MoreThanHanded,
    MoreThanPromised,
    NumberAmbiguous,
    Refusal,
    messages,
)
from timebank.ledger.units import MINUTES
from timebank.rules.names import free_text
from timebank.rules.written import read_amount, read_minutes
from timebank.services.overview import today_of
from timebank.services.treasury import LOOKERS, list_held
from timebank.web.ask import pot_label
from timebank.web.forms import Answer, field_text, field_whole
from timebank.web.private import go_to
from timebank.web.rooms import MONEY, Way, ways
from timebank.web.sending import new_key
from timebank.web.sign_in import duty_location
from timebank.web.words import amounts_of, place_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from timebank.i18n import Language
    from timebank.rules.state import Pot, SetUp
    from timebank.store.treasury import ListedPlace
    from timebank.web.inside import Inside
    from timebank.web.private import PrivatePage
    from timebank.web.sending import Sent
    from timebank.web.sight import Sight

WORDS_MAX: Final = 500
#: A note of so many signs of four bytes, each written as three.
FORM_MAX: Final = 32 * 1024
#: Which question a refusal of the rules is about, on any of these pages.
_FIELD_OF: Final = {
    "account_closed": "held",
    "amount_out_of_range": "amount",
    "below_floor": "amount",
    "date_before_begin": "day",
    "date_in_future": "day",
    "unknown_held_place": "held",
    "unknown_member": "giver",
    "unknown_pot": "pot",
}
#: Refusals that say how much there is and how much was asked for.
_OF_SUMS: Final = {each.code for each in (BelowFloor, MoreThanHanded, MoreThanPromised)}


class Option(NamedTuple):
    """One of several answers; ``hint`` says more about it."""

    value: str
    label: str
    chosen: bool
    hint: str = ""


class Question(NamedTuple):
    """One question of a form.

    Attributes:
        kind: How it is answered; a ``tick`` has its label beside it.
        options: For a choice.
        most: Latest day that can be chosen.
        sealed: Whether it is for few eyes, so that it stays in the browser until a button is pressed.
    """

    id: str
    kind: Literal["amount", "text", "words", "day", "choice", "tick"]
    label: str
    hint: str
    answer: Answer
    options: tuple[Option, ...] = ()
    optional: bool = False
    most: str = ""
    sealed: bool = False


class Row(NamedTuple):
    """A line of what is looked at once more; ``hint`` says how it was read."""

    term: str
    said: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class MoneyFormPage:
    """A form about money.

    Attributes:
        title: Its heading; ``lede`` says what it is for.
        faults: (field, what to do about it) in the order of the form.
        more: Address and words of what helps with a fault; mostly empty.
        sight, few: What the public, and what those with a duty will see.
        told: Whether that is of what stands in the form, and not of every form.
        looks: Whether there is a second look, which shows ahead of it what stands in the form.
        proof: What is said about the fresh proof that the button takes; empty where none is missing.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    back: str
    title: str
    lede: str
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    more: tuple[str, str]
    questions: tuple[Question, ...]
    sight: Sight
    few: tuple[str, ...]
    told: bool
    looks: bool
    button: str
    proof: str
    slip: CountSlip | None = None


class CountSlip(NamedTuple):
    """A sheet to count by, for paper: how much each coin and note is, as people write it."""

    unit: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MoneyCheckPage:
    """What a form says, once more in words, before it is written.

    Attributes:
        lede: Why it is looked at; ``notice`` what changed meanwhile, mostly empty.
        carried: (name, value) of what goes along.
        button: What the one button does.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    lede: str
    notice: str
    action: str
    key: str
    carried: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    sight: Sight
    few: tuple[str, ...]
    button: str
    proof: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What every page about money begins with: the rules, the day, and the places with what is in them."""

    rules: SetUp
    today: date
    places: tuple[ListedPlace, ...]

    @property
    def open_places(self) -> tuple[ListedPlace, ...]:
        """Places that are in use."""
        return tuple(place for place in self.places if not place.closed)

    @property
    def money_pots(self) -> tuple[Pot, ...]:
        """Pots that keep money, in order."""
        return tuple(pot for pot in self.rules.pots.values() if pot.unit != MINUTES)

    @property
    def units(self) -> tuple[str, ...]:
        """Currencies that pots keep, in order."""
        return tuple(dict.fromkeys(pot.unit for pot in self.money_pots))

    def place(self, code: str) -> ListedPlace | None:
        """Return a place by its code."""
        return next((place for place in self.places if place.code == code), None)

    def label(self, place: ListedPlace, chosen: Language) -> str:
        """Return what a place is called: by kind, by number and currency where there are several."""
        same = [each for each in self.places if (each.kind, each.unit) == (place.kind, place.unit)]
        label = place_in_words(place.kind, place.number, alone=len(same) == 1, language=chosen)
        return chosen.listed((label, chosen.currency_name(place.unit))) if len(self.units) > 1 else label

    def short_name(self, place: ListedPlace) -> str:
        """Return what a group itself calls a place, where that tells more than its label; else nothing."""
        return place.code if sum(each.kind == place.kind for each in self.places) > 1 else ""

    def label_of(self, code: str, chosen: Language) -> str:
        """Return what a place with this code is called; empty for none."""
        place = self.place(code)
        return "" if place is None else self.label(place, chosen)

    def place_options(
        self, pressed: str, chosen: Language, *, without: str = "", unit: str = ""
    ) -> tuple[Option, ...]:
        """Return the places in use as answers."""
        return tuple(
            Option(place.code, self.label(place, chosen), place.code == pressed, self.short_name(place))
            for place in self.open_places
            if place.code != without and unit in {"", place.unit}
        )

    def pot_name(self, pot: Pot, chosen: Language) -> str:
        """Return what a pot is called."""
        if pot.unit == MINUTES and sum(each.unit == MINUTES for each in self.rules.pots.values()) == 1:
            return chosen.say(N_("Hours"))
        return pot_label(pot, list(self.rules.pots.values()), chosen)

    def pot_options(self, pots: Sequence[Pot], pressed: str, chosen: Language) -> tuple[Option, ...]:
        """Return pots as answers; the only one is chosen."""
        return tuple(
            Option(pot.code, self.pot_name(pot, chosen), pot.code == pressed or len(pots) == 1, pot.code)
            for pot in pots
        )


async def open_desk_of(here: Inside) -> Desk:
    """Return what a page about money begins with.

    Raises:
        NeedsRole: They have no duty with money.
    """
    here.actor.require_role(*LOOKERS)
    rules, today = await today_of(here.door.house, here.actor.group_id, now=here.door.clock())
    return Desk(rules, today, tuple(await list_held(here.door.house, here.actor)))


def wait_for_proof(here: Inside, below: str) -> PrivatePage | None:
    """Return the way to the proof that a duty with money waits for; None if none waits."""
    waits = frozenset(LOOKERS).intersection(here.visitor.duties_wait)
    if waits and here.actor.roles.isdisjoint(LOOKERS):
        return go_to(duty_location(here, below))
    return None


def proof_words(here: Inside) -> str:
    """Return what is said beside a button that takes a fresh proof; empty while the last one is fresh."""
    if here.actor.fresh:
        return ""
    return here.chosen.say(
        N_(
            "You are asked once more who you are, with your passkey or a code. What you wrote is kept meanwhile."
        )
    )


# ---------------------------------------------------------------- pages


def amount_question(
    label: str, hint: str, written: str, faults: Mapping[str, str], chosen: Language
) -> Question:
    """Return the question for how much; label and hint are not translated yet."""
    answer = Answer(written, faults.get("amount", ""))
    return Question("amount", "amount", chosen.say(label), chosen.say(hint), answer)


def day_question(
    label: str, hint: str, written: str, faults: Mapping[str, str], desk: Desk, chosen: Language
) -> Question:
    """Return the question for a day that is not to come; label and hint are not translated yet."""
    answer = Answer(written, faults.get("day", ""))
    most = desk.today.isoformat()
    return Question("day", "day", chosen.say(label), chosen.say(hint), answer, most=most)


def money_form(
    here: Inside,
    *,
    title: str,
    lede: str,
    below: str,
    questions: Sequence[Question],
    faults: Mapping[str, str],
    sight: Sight,
    few: Sequence[str],
    button: str,
    more: tuple[str, str] = ("", ""),
    needs_proof: bool = False,
    slip: CountSlip | None = None,
    told: bool = False,
    looks: bool = True,
    status: int = 200,
) -> PrivatePage:
    """Return a form; ``below`` is its address in the group."""
    order = ("form", *(question.id for question in questions))
    page = MoneyFormPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        back=here.path(MONEY),
        title=title,
        lede=lede,
        action=here.path(below),
        key=new_key(),
        faults=tuple((field, faults[field]) for field in order if field in faults),
        more=more,
        questions=tuple(questions),
        sight=sight,
        few=tuple(few),
        told=told,
        looks=looks,
        button=button,
        proof=proof_words(here) if needs_proof else "",
        slip=slip,
    )
    return here.page("money_form.html", page, status=status, with_script=looks)


def money_check(
    here: Inside,
    fields: Mapping[str, list[str]],
    *,
    title: str,
    lede: str,
    below: str,
    carried: Mapping[str, str],
    rows: Sequence[Row],
    sight: Sight,
    few: Sequence[str],
    button: str,
    notice: str = "",
    needs_proof: bool = False,
) -> PrivatePage:
    """Return the second look at a form; nothing was written under its key yet."""
    page = MoneyCheckPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        title=title,
        lede=lede,
        notice=notice,
        action=here.path(below),
        key=field_text(fields, "key"),
        carried=tuple((name, value) for name, value in carried.items() if value),
        rows=tuple(rows),
        sight=sight,
        few=tuple(few),
        button=button,
        proof=proof_words(here) if needs_proof else "",
    )
    return here.page("money_check.html", page, status=409 if notice else 200)


def field_of(code: str, fields: Sequence[str]) -> str:
    """Return which of some questions a refusal of the rules is about."""
    field = _FIELD_OF.get(code, "form")
    return field if field in fields else "form"


def refusal_in_words(sent: Sent, unit: str, chosen: Language) -> str:
    """Return why something was refused, with its amounts as people write them: the rules speak of cents and minutes."""
    return chosen.refused(messages()[sent.code], sent.body, unit) if sent.code in _OF_SUMS else sent.sentence


def difference_in_words(counted: int, book: int, unit: str, chosen: Language) -> str:
    """Return how far a count is from the book."""
    amounts = amounts_of(unit, chosen)
    if counted < book:
        return chosen.say(N_("%(amount)s is missing"), amount=amounts.words(book - counted))
    return chosen.say(
        N_("%(amount)s is there beyond what the book says"), amount=amounts.words(counted - book)
    )


def draw_words(state: str) -> str:
    """Return what the other side has said of money that was handed over, by the state of the ask."""
    if state == "arrived":
        return N_("whoever asked says that it has arrived")
    if state == "handed_over":
        return N_("whoever asked has not said yet that it has arrived")
    return N_("something of it is still promised") if state == "promised" else N_("it is over")


# ---------------------------------------------------------------- reading


def read_sum(written: str, unit: str, chosen: Language, *, nothing: bool = False) -> tuple[int, str]:
    """Return a written amount of a unit, and what is wrong with it.

    Args:
        nothing: Whether none at all is an amount, too, as it is of what was counted.
    """
    try:
        if unit == MINUTES:
            return read_minutes(written), ""
        return read_amount(written, digits=get_currency_precision(unit), symbols=(unit,)), ""
    except NumberAmbiguous:
        return 0, chosen.say(N_("Write it another way: this could be two numbers. For example 12.50"))
    except AmountOutOfRange:
        if nothing and not any(unicodedata.decimal(sign, 0) for sign in written):
            return 0, ""
        return 0, chosen.say(N_("Write an amount, for example 12.50"))
    except Refusal:
        example = N_("Write the time as hours and minutes, for example 1:30")
        return 0, chosen.say(example if unit == MINUTES else N_("Write an amount, for example 12.50"))


def read_words(fields: Mapping[str, list[str]], name: str, chosen: Language) -> tuple[str, str]:
    """Return a written note, and what is wrong with it."""
    try:
        return free_text(field_whole(fields, name), field=name, length_max=WORDS_MAX), ""
    except FieldInvalid:
        told = N_("Write it again: at most %(count)s characters that can be shown")
        return "", chosen.say(told, count=chosen.number(WORDS_MAX))
