"""An entry about money: its receipt, and the way to take it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.errors import N_, UnknownPage
from timebank.ledger.entries import EntryKind
from timebank.ledger.units import MINUTES
from timebank.rules.commands import CorrectEntry, ReturnMoney, UndoDrawEntry
from timebank.rules.previews import undo_line
from timebank.rules.publication import OPEN
from timebank.services.treasury import read_money
from timebank.web.forms import Answer, field_text, field_whole
from timebank.web.inside import Inside, inside, received
from timebank.web.money_in import ENTRIES, IN
from timebank.web.money_pages import (
    WORDS_MAX,
    Desk,
    Option,
    Row,
    draw_words,
    open_desk_of,
    proof_words,
    read_sum,
    read_words,
    refusal_in_words,
    wait_for_proof,
)
from timebank.web.rooms import MONEY, PAY, Way, ways
from timebank.web.sending import new_key, send
from timebank.web.sight import (
    Sight,
    published_from,
    published_gift,
    published_with_its_pot,
    seen_lines,
    sight_line,
)
from timebank.web.words import amounts_of, kind_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from litestar.handlers import HTTPRouteHandler

    from timebank.services.treasury import MoneyEntry
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

#: Who may take money back.
_UNDO_DUTIES: Final = ("treasurer", "steward")
#: Undone through the ask that they belong to.
_OF_DRAW: Final = frozenset({EntryKind.HAND_OVER, EntryKind.HAND_OVER_UNDONE, EntryKind.MONEY_RETURNED})
#: What takes something back is not taken back itself.
_NOT_UNDONE: Final = frozenset({EntryKind.CORRECTION, EntryKind.HAND_OVER_UNDONE, EntryKind.MONEY_RETURNED})
#: Which question a refusal is about.
_FIELD_OF: Final = {"account_closed": "held", "below_floor": "held", "unknown_held_place": "held"}
#: The same of what came back.
_BACK_FIELD_OF: Final = {"account_closed": "back-held", "unknown_held_place": "back-held"}


@dataclass(frozen=True, slots=True)
class EntryPage:
    """An entry about money, to keep and to take back.

    Attributes:
        title: What became of it; ``sentence`` is the entry in a line.
        rows: What it says.
        receipt: Code by which it can be shown to be in the book.
        links: (address, words) of the entries that belong to it.
        undo: Where the form that takes it back goes; empty where it cannot be.
        places: Where the money can be by now, for the undo.
        reason: What is said about it, and what is wrong with that.
        sight, few: What the public, and what those with a duty will see of the undo; None where it cannot be.
        proof: What is said about the fresh proof that it takes.
        give_back: Where the form for a part that came back goes; empty where nothing can.
        back: How much of it came back; ``back_places`` where it is now, ``back_words`` what everybody will see.
        faults: (field, why it was not taken back just now); mostly none.
        more: (address, words): where to go on.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    title: str
    sentence: str
    rows: tuple[Row, ...]
    receipt: str
    links: tuple[tuple[str, str], ...]
    undo: str
    undo_hint: str
    key: str
    places: tuple[Option, ...]
    held_fault: str
    reason: Answer
    sight: Sight | None
    few: str
    proof: str
    give_back: str
    key_back: str
    back: Answer
    back_places: tuple[Option, ...]
    back_held_fault: str
    back_words: str
    faults: tuple[tuple[str, str], ...]
    more: tuple[tuple[str, str], ...]


@route("/g/{slug:str}/money/entries/{entry_id:uuid}", http_method=_READ, include_in_schema=False)
async def entry_page(
    request: Request[Any, Any, Any], slug: FromPath[str], entry_id: FromPath[UUID]
) -> ASGIApp:
    """Show an entry about money, and the way to take it back."""
    here = await inside(request, slug)
    if waiting := wait_for_proof(here, f"{ENTRIES}/{entry_id}"):
        return waiting
    return await _entry_page(here, entry_id)


@post("/g/{slug:str}/money/entries/{entry_id:uuid}/undo", include_in_schema=False)
async def undo_entry(
    request: Request[Any, Any, Any], slug: FromPath[str], entry_id: FromPath[UUID]
) -> ASGIApp:
    """Take an entry back by a second one: nothing is rubbed out."""
    here, fields = await received(request, slug)
    here.actor.require_role(*_UNDO_DUTIES)
    entry = await read_money(here.door.house, here.actor, entry_id)
    reason, fault = read_words(fields, "reason", here.chosen)
    if fault:
        return await _entry_page(here, entry_id, fields, {"reason": fault}, status=422)
    held = field_text(fields, "held")
    command: CorrectEntry | UndoDrawEntry = CorrectEntry(entry_id, reason, held=held)
    if entry.draw_id is not None:
        here.actor.require_fresh()
        command = UndoDrawEntry(entry.draw_id, entry_id, held, reason)
    sent = await send(here, fields, command)
    if sent.is_refused:
        field = _FIELD_OF.get(sent.code, "undo")
        told = refusal_in_words(sent, entry.unit, here.chosen)
        return await _entry_page(here, entry_id, fields, {field: told}, status=sent.status)
    return here.go(f"{ENTRIES}/{sent.body['entry']}")


@post("/g/{slug:str}/money/entries/{entry_id:uuid}/return", include_in_schema=False)
async def came_back(
    request: Request[Any, Any, Any], slug: FromPath[str], entry_id: FromPath[UUID]
) -> ASGIApp:
    """Write down that a part of what was handed over came back into the pot."""
    here, fields = await received(request, slug)
    here.actor.require_role("treasurer")
    entry = await read_money(here.door.house, here.actor, entry_id)
    if entry.draw_id is None or entry.kind != EntryKind.HAND_OVER:
        raise UnknownPage
    amount, fault = read_sum(field_text(fields, "back"), entry.unit, here.chosen)
    faults = {"back": fault} if fault else {}
    held = field_text(fields, "held")
    if not held:
        faults["back-held"] = here.chosen.say(N_("Choose where the money is now"))
    if faults:
        return await _entry_page(here, entry_id, fields, faults, status=422)
    sent = await send(here, fields, ReturnMoney(entry.draw_id, held, amount, unit=entry.unit))
    if sent.is_refused:
        told = refusal_in_words(sent, entry.unit, here.chosen)
        field = _BACK_FIELD_OF.get(sent.code, "back")
        return await _entry_page(here, entry_id, fields, {field: told}, status=sent.status)
    return here.go(f"{ENTRIES}/{sent.body['entry']}")


MONEY_ENTRY_PAGES: Final[list[HTTPRouteHandler]] = [entry_page, undo_entry, came_back]


# ---------------------------------------------------------------- the page


async def _entry_page(
    here: Inside,
    entry_id: UUID,
    fields: Mapping[str, list[str]] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> PrivatePage:
    chosen, written, wrong = here.chosen, fields or {}, faults or {}
    desk = await open_desk_of(here)
    entry = await read_money(here.door.house, here.actor, entry_id)
    amounts = amounts_of(entry.unit, chosen)
    is_gone = entry.corrected_by is not None
    title = chosen.say(N_("It is in the book"))
    if is_gone:
        title = chosen.say(N_("It is taken back"))
    elif entry.corrects is not None:
        title = chosen.say(N_("It is taken back: a second line says so"))
    can_undo = not is_gone and entry.kind not in _NOT_UNDONE and not here.actor.roles.isdisjoint(_UNDO_DUTIES)
    kind = kind_in_words(entry.kind, amounts.unit, chosen)
    places = _places_for_undo(here, desk, entry, field_text(written, "held"))
    can_return = not is_gone and entry.kind == EntryKind.HAND_OVER and "treasurer" in here.actor.roles
    page = EntryPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, MONEY),
        title=title,
        sentence=f"{kind}: {amounts.words(entry.amount)}",
        rows=_rows(here, desk, entry),
        receipt=entry.receipt,
        links=_links(here, entry),
        undo=here.path(f"{ENTRIES}/{entry_id}/undo") if can_undo else "",
        undo_hint=_undo_hint(here, entry),
        key=new_key(),
        places=places,
        held_fault=wrong.get("held", ""),
        reason=Answer(field_whole(written, "reason")[: 2 * WORDS_MAX], wrong.get("reason", "")),
        sight=_sight(here, desk, entry) if can_undo else None,
        few=chosen.say(
            N_("That it is taken back, and when. What you write about it is for treasurers alone.")
        ),
        proof=proof_words(here) if entry.kind in _OF_DRAW else "",
        give_back=here.path(f"{ENTRIES}/{entry_id}/return") if can_return else "",
        key_back=new_key(),
        back=Answer(field_text(written, "back"), wrong.get("back", "")),
        back_places=desk.place_options(field_text(written, "held") or entry.out_of, chosen, unit=entry.unit),
        back_held_fault=wrong.get("back-held", ""),
        back_words=published_with_its_pot(desk.today, desk.today, chosen, here.group),
        faults=tuple((_place_of(field, places, can_undo=can_undo), told) for field, told in wrong.items()),
        more=_more(here, entry),
    )
    return here.page("money_entry.html", page, status=status)


def _rows(here: Inside, desk: Desk, entry: MoneyEntry) -> tuple[Row, ...]:
    chosen = here.chosen
    zone = ZoneInfo(desk.rules.time_zone)
    rows = [Row(chosen.say(N_("When")), chosen.day(entry.effective_on))]
    if entry.out_of:
        rows.append(Row(chosen.say(N_("Taken from")), desk.label_of(entry.out_of, chosen)))
    if entry.into:
        rows.append(Row(chosen.say(N_("Where it is")), desk.label_of(entry.into, chosen)))
    if entry.pots and (len(entry.pots) > 1 or len(desk.money_pots) > 1):
        pots = [desk.pot_name(desk.rules.pots[code], chosen) for code in entry.pots]
        rows.append(Row(chosen.say(N_("Which pot")), " · ".join(pots)))
    if entry.kind == EntryKind.MONEY_IN:
        from_whom = (
            N_("somebody of the group") if entry.from_member else N_("somebody outside, or without a name")
        )
        rows.append(Row(chosen.say(N_("Who gave it")), chosen.say(from_whom)))
    if entry.reference:
        rows.append(Row(chosen.say(N_("What they call it")), entry.reference))
    if entry.note:
        rows.append(Row(chosen.say(N_("Note")), entry.note))
    if entry.draw_id is not None:
        short = chosen.say(N_("Ask %(short)s"), short=str(entry.draw_id)[:4].upper())
        rows.append(Row(short, chosen.say(draw_words(entry.draw_state))))
    rows.append(Row(chosen.say(N_("Written")), chosen.day(entry.recorded_at.astimezone(zone).date())))
    return tuple(rows)


def _links(here: Inside, entry: MoneyEntry) -> tuple[tuple[str, str], ...]:
    links = []
    if entry.corrects is not None:
        links.append((here.path(f"{ENTRIES}/{entry.corrects}"), here.chosen.say(N_("What it takes back"))))
    if entry.corrected_by is not None:
        links.append((here.path(f"{ENTRIES}/{entry.corrected_by}"), here.chosen.say(N_("What took it back"))))
    return tuple(links)


def _undo_hint(here: Inside, entry: MoneyEntry) -> str:
    if entry.kind == EntryKind.HAND_OVER:
        return here.chosen.say(
            N_(
                "Undo it if it was not handed over, or came back whole. Then it is promised again, and nothing is rubbed out."
            )
        )
    return here.chosen.say(N_("Undo writes a second line that takes this one back. Nothing is rubbed out."))


def _places_for_undo(here: Inside, desk: Desk, entry: MoneyEntry, pressed: str) -> tuple[Option, ...]:
    """Return where the money can be by now; nothing where there is no choice."""
    if bool(entry.into) == bool(entry.out_of):
        return ()
    found = desk.place_options(pressed or entry.into or entry.out_of, here.chosen, unit=entry.unit)
    return found if len(found) > 1 else ()


def _place_of(field: str, places: tuple[Option, ...], *, can_undo: bool) -> str:
    """Return where on the page a fault is mended: what was not asked, or cannot be any more, stands elsewhere."""
    if field.startswith("back"):
        return field if can_undo else "receipt"
    if not can_undo:
        return "receipt"
    return "undo" if field == "held" and not places else field


def _sight(here: Inside, desk: Desk, entry: MoneyEntry) -> Sight:
    """Return what the public will see once the entry is taken back."""
    chosen, preset = here.chosen, here.group.preset
    if entry.kind == EntryKind.HELD_MOVE and preset != OPEN:
        return Sight("", (), (chosen.say(N_("Nothing: places are not told apart.")),))
    line = undo_line(
        desk.rules,
        entry.kind,
        entry.moved,
        preset=preset,
        category=entry.category,
        effective_on=entry.effective_on,
    )
    published = {EntryKind.MONEY_IN: published_gift, EntryKind.HAND_OVER: published_from}.get(
        EntryKind(entry.kind), published_with_its_pot
    )
    return Sight(
        chosen.say(N_("Hours") if entry.unit == MINUTES else N_("Money")),
        seen_lines([(line, sight_line(line, amounts_of(entry.unit, chosen)))]),
        (published(entry.effective_on, desk.today, chosen, here.group),),
    )


def _more(here: Inside, entry: MoneyEntry) -> tuple[tuple[str, str], ...]:
    say = here.chosen.say
    more = [(here.path(MONEY), say(N_("Back to the money")))]
    if "treasurer" not in here.actor.roles:
        return tuple(more)
    if entry.kind in _OF_DRAW:
        return ((here.path(PAY), say(N_("Hand over more"))), *more)
    return ((here.path(IN), say(N_("Write down more money"))), *more)
