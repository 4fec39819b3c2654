"""Places where money is: counting one against the book, and opening new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, UnknownPage
from timebank.ledger.entries import EntryKind
from timebank.rules.commands import CountHeld, OpenPlace
from timebank.rules.previews import money_line
from timebank.rules.publication import OPEN
from timebank.rules.set_up import HELD_KINDS
from timebank.web.forms import Answer, field_text
from timebank.web.inside import Inside, inside, received
from timebank.web.money_pages import (
    FORM_MAX,
    CountSlip,
    Desk,
    Option,
    Question,
    Row,
    amount_question,
    difference_in_words,
    field_of,
    money_check,
    money_form,
    open_desk_of,
    read_sum,
    read_words,
    refusal_in_words,
    wait_for_proof,
)
from timebank.web.private import go_to
from timebank.web.rooms import MONEY
from timebank.web.second import SECOND
from timebank.web.sending import send
from timebank.web.sight import Sight, published_with_its_pot, seen_lines, sight_line
from timebank.web.words import PLACES, amounts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.rules.state import Pot
    from timebank.store.treasury import ListedPlace
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
PLACES_AT: Final = f"{MONEY}/places"
#: Not below the places: groups name them as they like.
NEW: Final = f"{MONEY}/new-place"

#: Coins and notes to count by, in cents; other currencies have empty lines.
_PIECES: Final[Mapping[str, tuple[int, ...]]] = {
    "EUR": (5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1),
    "GBP": (5000, 2000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1),
    "USD": (10000, 5000, 2000, 1000, 500, 100, 50, 25, 10, 5, 1),
}
_LINES: Final = 12


class Counting(NamedTuple):
    """What stands in the form of a count; ``book`` is what the book said when it was looked at."""

    amount: str = ""
    pot: str = ""
    reason: str = ""
    book: str = ""


# ---------------------------------------------------------------- counting


@route("/g/{slug:str}/money/places/{held:str}", http_method=_READ, include_in_schema=False)
async def count_page(request: Request[Any, Any, Any], slug: FromPath[str], held: FromPath[str]) -> ASGIApp:
    """Show the form of a count, and on paper a slip to count by."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, f"{PLACES_AT}/{held}"):
        return waiting
    here.actor.require_role("treasurer", "steward")
    desk = await open_desk_of(here)
    return _count_form(here, desk, _place(desk, held), Counting(), {})


@post("/g/{slug:str}/money/places/{held:str}", include_in_schema=False)
async def count(request: Request[Any, Any, Any], slug: FromPath[str], held: FromPath[str]) -> ASGIApp:
    """Hold what was counted against the book, and write it down once that was looked at."""
    here, fields = await received(request, slug, size_max=FORM_MAX)
    here.actor.require_role("treasurer", "steward")
    desk = await open_desk_of(here)
    place, chosen = _place(desk, held), here.chosen
    counting = Counting(*(field_text(fields, name).strip() for name in Counting._fields))
    if "change" in fields:
        return _count_form(here, desk, place, counting, {})
    faults = dict[str, str]()
    counted, fault = read_sum(counting.amount, place.unit, chosen, nothing=True)
    if fault:
        faults["amount"] = fault
    pot = _bearer(desk, place, counting.pot)
    if pot is None:
        faults["pot"] = chosen.say(N_("Choose the pot that bears a difference"))
    reason, fault = read_words(fields, "reason", chosen)
    if fault:
        faults["reason"] = fault
    if faults or pot is None:
        return _count_form(here, desk, place, counting, faults, status=422)
    is_stale = "checked" in fields and counting.book != str(place.amount)
    if "checked" not in fields or is_stale:
        return _count_check(here, desk, place, counting, counted, pot, reason, fields, is_stale=is_stale)
    sent = await send(here, fields, CountHeld(held, counted, place.unit, pot.code, reason))
    if sent.is_refused:
        field = field_of(sent.code, Counting._fields)
        told = refusal_in_words(sent, place.unit, chosen)
        return _count_form(here, desk, place, counting, {field: told}, status=sent.status)
    if sent.body["state"] == "right":
        return go_to(here.path(MONEY) + ("&" if here.query else "?") + "said=right")
    return here.go(f"{SECOND}/{sent.body['proposal']}")


def _place(desk: Desk, held: str) -> ListedPlace:
    place = desk.place(held)
    if place is None:
        raise UnknownPage
    return place


def _bearer(desk: Desk, place: ListedPlace, code: str) -> Pot | None:
    pots = _pots_of(desk, place.unit)
    if not code and len(pots) == 1:
        return pots[0]
    return next((pot for pot in pots if pot.code == code), None)


def _pots_of(desk: Desk, unit: str) -> list[Pot]:
    return [pot for pot in desk.money_pots if pot.unit == unit]


def _count_form(
    here: Inside,
    desk: Desk,
    place: ListedPlace,
    counting: Counting,
    faults: Mapping[str, str],
    *,
    status: int = 200,
) -> PrivatePage:
    chosen, amounts, pots = here.chosen, amounts_of(place.unit, here.chosen), _pots_of(desk, place.unit)
    label = desk.label(place, chosen)
    questions = [
        amount_question(
            N_("How much is there?"),
            N_("Count it, or read it off the statement of the bank. 0 if it is empty."),
            counting.amount,
            faults,
            chosen,
        ),
        Question(
            "reason",
            "words",
            chosen.say(N_("A note")),
            chosen.say(N_("What may explain a difference. Those with a duty can read it.")),
            Answer(counting.reason, faults.get("reason", "")),
            optional=True,
        ),
    ]
    if len(pots) > 1:
        questions.insert(
            1,
            Question(
                "pot",
                "choice",
                chosen.say(N_("Which pot bears a difference?")),
                chosen.say(N_("What is missing is taken from it, what is found is added to it.")),
                Answer("", faults.get("pot", "")),
                desk.pot_options(pots, counting.pot, chosen),
            ),
        )
    kinds = (EntryKind.COUNTED_MISSING, EntryKind.COUNTED_FOUND)
    return money_form(
        here,
        title=chosen.say(N_("Count: %(place)s"), place=label),
        lede=chosen.say(
            N_("The book says %(amount)s. A difference is shown, and takes a second signature."),
            amount=amounts.words(place.amount),
        ),
        below=f"{PLACES_AT}/{place.code}",
        questions=questions,
        faults=faults,
        sight=_count_sight(here, desk, pots[0], kinds, 1, known=False),
        few=(
            chosen.say(N_("What was counted, what the book said, and your note.")),
            chosen.say(N_("Whoever signs sees your name.")),
        ),
        button=chosen.say(N_("Hold it against the book")),
        slip=_slip(here, place),
        status=status,
    )


def _slip(here: Inside, place: ListedPlace) -> CountSlip | None:
    if place.kind != "cash":
        return None
    chosen, amounts = here.chosen, amounts_of(place.unit, here.chosen)
    shown = tuple(amounts.words(piece) for piece in _PIECES.get(place.unit, ())) or ("",) * _LINES
    return CountSlip(chosen.currency_name(place.unit), shown)


def _count_check(
    here: Inside,
    desk: Desk,
    place: ListedPlace,
    counting: Counting,
    counted: int,
    pot: Pot,
    reason: str,
    fields: Mapping[str, list[str]],
    *,
    is_stale: bool,
) -> PrivatePage:
    chosen, amounts = here.chosen, amounts_of(place.unit, here.chosen)
    difference = abs(counted - place.amount)
    rows = [
        Row(chosen.say(N_("Where")), desk.label(place, chosen)),
        Row(chosen.say(N_("You counted")), amounts.words(counted)),
        Row(chosen.say(N_("The book says")), amounts.words(place.amount)),
        Row(
            chosen.say(N_("The difference")),
            difference_in_words(counted, place.amount, place.unit, chosen)
            if difference
            else chosen.say(N_("None: it is right.")),
        ),
    ]
    few = [chosen.say(N_("What was counted, what the book said, and your note."))]
    kind = EntryKind.COUNTED_MISSING if counted < place.amount else EntryKind.COUNTED_FOUND
    if difference:
        rows.append(Row(chosen.say(N_("Which pot bears it")), desk.pot_name(pot, chosen)))
        few.append(
            chosen.say(
                N_(
                    "Nothing moves before somebody else signs it. That one sees your name, and what you counted."
                )
            )
        )
    if reason:
        rows.append(Row(chosen.say(N_("Your note")), reason))
    sight = _count_sight(here, desk, pot, (kind,), difference)
    if not difference:
        sight = Sight("", (), (chosen.say(N_("Nothing: no pot changes.")),))
    return money_check(
        here,
        fields,
        title=chosen.say(N_("It is right")) if not difference else chosen.say(N_("There is a difference")),
        lede=chosen.say(N_("Nothing is written yet.")),
        below=f"{PLACES_AT}/{place.code}",
        carried=counting._replace(book=str(place.amount))._asdict(),
        rows=rows,
        sight=sight,
        few=few,
        button=chosen.say(N_("Write this count down")),
        notice=chosen.say(
            N_(
                "Meanwhile somebody else wrote something down, and the book says another figure. Look at it once more."
            )
        )
        if is_stale
        else "",
    )


def _count_sight(
    here: Inside, desk: Desk, pot: Pot, kinds: tuple[EntryKind, ...], amount: int, *, known: bool = True
) -> Sight:
    chosen = here.chosen
    lines = []
    for kind in kinds:
        line = money_line(
            desk.rules, kind, pot, preset=here.group.preset, amount=max(1, amount), effective_on=desk.today
        )
        lines.append((line, sight_line(line, amounts_of(pot.unit, chosen), known=known)))
    words = [published_with_its_pot(desk.today, desk.today, chosen, here.group)]
    if not known:
        words.insert(0, chosen.say(N_("Only a difference, once somebody else has signed it.")))
    return Sight(chosen.say(N_("Money")), seen_lines(lines), tuple(words))


# ---------------------------------------------------------------- opening


@route("/g/{slug:str}/money/new-place", http_method=_READ, include_in_schema=False)
async def new_place_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form of a new place."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, NEW):
        return waiting
    here.actor.require_role("treasurer", "steward")
    desk = await open_desk_of(here)
    return _place_form(here, desk, {}, {}) if desk.units else here.go(MONEY)


@post("/g/{slug:str}/money/new-place", include_in_schema=False)
async def open_place(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Open a place."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer", "steward")
    desk, chosen = await open_desk_of(here), here.chosen
    kind, unit = field_text(fields, "kind"), field_text(fields, "unit")
    if not unit and len(desk.units) == 1:
        unit = desk.units[0]
    faults = dict[str, str]()
    if kind not in HELD_KINDS:
        faults["kind"] = chosen.say(N_("Choose what it is"))
    if unit not in desk.units:
        faults["unit"] = chosen.say(N_("Choose which money it keeps"))
    if faults:
        return _place_form(here, desk, fields, faults, status=422)
    here.actor.require_fresh()
    code = field_text(fields, "code").strip() or _free_code(desk, kind)
    sent = await send(here, fields, OpenPlace(code, kind, unit))
    if sent.is_refused:
        field = "code" if sent.code in {"place_taken", "field_invalid"} else "form"
        told = sent.sentence
        if sent.code == "field_invalid":
            told = chosen.say(N_("Write it with small letters a to z, digits and single hyphens"))
        return _place_form(here, desk, fields, {field: told}, status=sent.status)
    return here.go(MONEY)


def _place_form(
    here: Inside, desk: Desk, fields: Mapping[str, list[str]], faults: Mapping[str, str], *, status: int = 200
) -> PrivatePage:
    chosen = here.chosen
    kind, unit = field_text(fields, "kind"), field_text(fields, "unit")
    questions = [
        Question(
            "kind",
            "choice",
            chosen.say(N_("What is it?")),
            "",
            Answer("", faults.get("kind", "")),
            tuple(Option(each, chosen.say(PLACES[each]), each == kind) for each in HELD_KINDS),
        ),
        Question(
            "code",
            "text",
            chosen.say(N_("A short name for yourselves")),
            chosen.say(
                N_(
                    "Small letters, digits and hyphens, and nobody’s name. Leave it empty and we make one. It cannot be changed."
                )
            ),
            Answer(field_text(fields, "code"), faults.get("code", "")),
            optional=True,
        ),
    ]
    if len(desk.units) > 1:
        questions.insert(
            1,
            Question(
                "unit",
                "choice",
                chosen.say(N_("Which money?")),
                "",
                Answer("", faults.get("unit", "")),
                tuple(Option(each, chosen.currency_name(each), each == unit) for each in desk.units),
            ),
        )
    return money_form(
        here,
        title=chosen.say(N_("A new place for money")),
        lede=chosen.say(N_("A second cash box, another account, a platform that takes gifts.")),
        below=NEW,
        questions=questions,
        faults=faults,
        sight=Sight(
            "",
            (),
            (
                chosen.say(
                    N_(
                        "What kind of place it is and its number, from the next close on. Never its short name."
                    )
                    if here.group.preset == OPEN
                    else N_("Nothing: places are not told apart.")
                ),
            ),
        ),
        few=(chosen.say(N_("The place with its short name, and what is in it.")),),
        button=chosen.say(N_("Open this place")),
        needs_proof=True,
        looks=False,
        status=status,
    )


def _free_code(desk: Desk, kind: str) -> str:
    taken = {place.code for place in desk.places}
    number = 1
    while f"{kind}-{number}" in taken:
        number += 1
    return f"{kind}-{number}"


PLACE_PAGES: Final[list[HTTPRouteHandler]] = [
    count_page,
    count,
    new_place_page,
    open_place,
]
