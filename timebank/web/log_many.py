"""Logging help of others, many rows at once, by keyboard: plain fields, one form, and nothing that was right is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp
from markupsafe import Markup

from timebank.errors import N_, KeyReused, Refusal
from timebank.ledger.units import MINUTES
from timebank.rules.commands import LogHours
from timebank.rules.written import read_amount
from timebank.services.member_acts import find_each_by_name
from timebank.services.overview import today_of
from timebank.web.forms import Answer, field_text, is_live, is_look
from timebank.web.inside import Inside, inside, received
from timebank.web.log import LONG_AGO, LONG_MINUTES, Choice
from timebank.web.log_reading import Help, is_possible, may_log_for_others, read_past_day, read_time
from timebank.web.log_sight import LINES_SHOWN, both_sights, few_before, sentence, sight_of_many
from timebank.web.private import go_to
from timebank.web.rooms import LOG, LOG_MANY, Way, ways
from timebank.web.sending import SENT_BEFORE, new_key, send_many
from timebank.web.sight import Sight
from timebank.web.sign_in import duty_location
from timebank.web.words import category_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar.handlers import HTTPRouteHandler

    from timebank.i18n import Language
    from timebank.rules.state import SetUp
    from timebank.web.private import PrivatePage

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]

ROWS: Final = 10
ROWS_MAX: Final = 60
FORM_MAX: Final = 64 * 1024
_COLUMNS: Final = ("day", "giver", "receiver", "time", "kind")
_FIELDS_MAX: Final = ROWS_MAX * len(_COLUMNS) + 10
# Which column a refusal of the rules is about.
_COLUMN_OF: Final = {
    "unknown_member": "giver",
    "same_account_twice": "receiver",
    "not_your_entry": "giver",
    "no_time_bank": "receiver",
    "date_in_future": "day",
    "date_before_begin": "day",
    "unknown_category": "kind",
    "amount_out_of_range": "time",
}


class Written(NamedTuple):
    """One row as it was written; an empty day or kind is that of the row above."""

    day: str = ""
    giver: str = ""
    receiver: str = ""
    time: str = ""
    kind: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing: a day and a kind alone are no help."""
        return not (self.giver or self.receiver or self.time)


class Understood(NamedTuple):
    """One row as it was read.

    Attributes:
        command: What is written for it.
        words: What happened, in one sentence.
        unusual: Whether it is so much, or so long ago, that it is looked at once more.
    """

    command: LogHours
    words: Markup
    unusual: bool


class Row(NamedTuple):
    """One row of the page; ``kinds`` begins with the one above."""

    number: str
    day: Answer
    giver: Answer
    receiver: Answer
    time: Answer
    kind_fault: str
    kinds: tuple[Choice, ...]
    understood: Markup | str
    unusual: bool


@dataclass(frozen=True, slots=True)
class ManyPage:
    """The grid.

    Attributes:
        faults: (field, what to do about it), row by row.
        count: Rows that are shown.
        sizes: Ways to other numbers of rows.
        looked: Whether what is unusual was shown, so that it can be written now.
        sight, few: What others will see: of the first rows, where ``told``, else of any row.
        notice: What became of what was sent before; ``notice_href`` is where it stands.
    """

    name: str
    href: str
    ways: tuple[Way, ...]
    action: str
    key: str
    faults: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    count: int
    sizes: tuple[Way, ...]
    ready: int
    looked: bool
    unusual: bool
    notice: str
    notice_href: str
    time_hint: str
    sight: Sight
    few: tuple[str, ...]
    told: bool


@route("/g/{slug:str}/log/many", http_method=_READ, include_in_schema=False)
async def many_page(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show empty rows."""
    here = await inside(request, slug)
    if "steward" in here.visitor.duties_wait and not may_log_for_others(here):
        return go_to(duty_location(here, LOG_MANY))
    _allowed(here)
    said = request.query_params.get("rows", "")
    count = min(int(said), ROWS_MAX) if said.isascii() and said.isdigit() and len(said) < 4 else ROWS
    return await _page(here, *await _rules(here), [Written() for _ in range(max(count, 1))])


@post("/g/{slug:str}/log/many", include_in_schema=False)
async def log_many(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Write all rows down, once they are all understood; or show how they are read, and what is wrong with which."""
    here, fields = await received(request, slug, size_max=FORM_MAX, fields_max=_FIELDS_MAX)
    _allowed(here)
    rules, today = await _rules(here)
    written, wish = _written(fields), field_text(fields, "do")
    read, faults = await _read(here, rules, today, written, live=is_live(fields))
    if wish != "write" or is_look(fields):
        more = [Written() for _ in range(ROWS)] if wish == "more" or not written[-1].is_empty else []
        rows = [*written, *more][:ROWS_MAX]
        return await _page(here, rules, today, rows, read, faults, status=422 if faults else 200, looked=True)
    if not read and not faults:
        faults = {"giver-0": here.chosen.say(N_("Write at least one row"))}
    looked = field_text(fields, "looked") == "yes"
    if faults or (not looked and any(row.unusual for row in read.values())):
        return await _page(
            here, rules, today, written, read, faults, status=422 if faults else 200, looked=True
        )
    return await _write(here, rules, today, written, read, fields)


LOG_MANY_PAGES: Final[list[HTTPRouteHandler]] = [many_page, log_many]


def _allowed(here: Inside) -> None:
    """Refuse whoever logs for nobody but themselves.

    Raises:
        NeedsRole
    """
    if not may_log_for_others(here):
        here.actor.require_role("steward")


async def _rules(here: Inside) -> tuple[SetUp, date]:
    return await today_of(here.door.house, here.actor.group_id, now=here.door.clock())


async def _write(
    here: Inside,
    rules: SetUp,
    today: date,
    written: Sequence[Written],
    read: Mapping[int, Understood],
    fields: Mapping[str, list[str]],
) -> PrivatePage:
    try:
        outcomes = await send_many(here, fields, [row.command for row in read.values()])
    except KeyReused:
        faults = {"form": here.chosen.say(SENT_BEFORE)}
        return await _page(here, rules, today, written, read, faults, status=422)
    result = f"{LOG_MANY}/{field_text(fields, 'key')}"
    refused = {number: sent for number, sent in zip(read, outcomes, strict=True) if sent.is_refused}
    if not refused:
        return here.go(result)
    # What was taken is in the book; only what was not stands here again.
    left = [_whole(written, number) for number in refused]
    faults = {
        f"{_COLUMN_OF.get(sent.code, 'giver')}-{place}": sent.sentence
        for place, sent in enumerate(refused.values())
    }
    done = len(outcomes) - len(refused)
    notice = (
        here.chosen.say_many(
            "%(count)s row is in the book. These are not:",
            "%(count)s rows are in the book. These are not:",
            done,
        )
        if done
        else ""
    )
    return await _page(
        here,
        rules,
        today,
        left,
        {},
        faults,
        status=422,
        notice=notice,
        notice_href=here.path(result) if done else "",
    )


# ---------------------------------------------------------------- reading


def _written(fields: Mapping[str, list[str]]) -> list[Written]:
    said = field_text(fields, "rows")
    count = min(int(said), ROWS_MAX) if said.isascii() and said.isdigit() and len(said) < 4 else ROWS
    return [
        Written(*(field_text(fields, f"{column}-{number}").strip() for column in _COLUMNS))
        for number in range(max(count, 1))
    ]


def _whole(written: Sequence[Written], number: int) -> Written:
    """Return a row with the day and the kind that it has from the rows above."""
    row = written[number]
    day = written[_origin(written, number, "day")].day
    return row._replace(day=day, kind=written[_origin(written, number, "kind")].kind)


def _origin(written: Sequence[Written], number: int, column: str) -> int:
    """Return the row that an answer is from: this one, one above, or the first one that should have said it."""
    if column not in {"day", "kind"}:
        return number
    said = [at for at in range(number + 1) if getattr(written[at], column)]
    return (
        said[-1] if said else next(at for at in range(number + 1) if at == number or not written[at].is_empty)
    )


async def _read(
    here: Inside, rules: SetUp, today: date, written: Sequence[Written], *, live: bool = False
) -> tuple[dict[int, Understood], dict[str, str]]:
    """Return the rows that say something, as they are read, and everything that is wrong with the others by field."""
    say = here.chosen.say
    names = [name for row in written for name in (row.giver, row.receiver) if name]
    found = await find_each_by_name(here.door.house, here.actor, names, now=here.door.clock(), quiet=live)
    people = dict(zip(names, found, strict=True))
    read, faults = dict[int, Understood](), dict[str, str]()
    for number in range(len(written)):
        row = _whole(written, number)
        if row.is_empty:
            continue
        wrong = dict[str, str]()
        day, wrong["day"] = _day(row.day, rules, today, here.chosen)
        giver, receiver = people.get(row.giver), people.get(row.receiver)
        if not row.giver:
            wrong["giver"] = say(N_("Write who gave the help"))
        elif giver is None:
            wrong["giver"] = say(N_("Look at it again: nobody here has exactly this name or code"))
        if row.receiver and receiver is None:
            wrong["receiver"] = say(N_("Look at it again: nobody here has exactly this name or code"))
        elif receiver is not None and receiver == giver:
            wrong["receiver"] = say(N_("Write the name of the other one: this is the same person"))
        elif not row.receiver and MINUTES not in rules.first_pots:
            wrong["receiver"] = say(N_("Write who it was with"))
        minutes, wrong["time"] = (
            read_time(row.time, rules, here.chosen)
            if row.time
            else (None, say(N_("Write how long it was, for example 1:30")))
        )
        if row.kind not in rules.categories:
            wrong["kind"] = say(N_("Choose a kind of help"))
        wrong = {column: wrong[column] for column in _COLUMNS if wrong.get(column)}
        # What a row has from above is wrong there, once.
        faults |= {f"{column}-{_origin(written, number, column)}": fault for column, fault in wrong.items()}
        if not wrong and giver and day and minutes:
            read[number] = _understood(here, rules, today, giver, receiver, day, minutes, row.kind)
    if not is_possible(rules):
        faults["form"] = say(N_("This group keeps no hours: there is nowhere to write help down"))
    return read, faults


def _day(written: str, rules: SetUp, today: date, chosen: Language) -> tuple[date | None, str]:
    """Return a day; nothing is today, and a lone number is that day of the month which was last."""
    if not written:
        return today, ""
    try:
        number = read_amount(written, digits=0) if len(written) <= 2 else 0
    except Refusal:
        number = 0
    if 1 <= number <= 31:
        last = next(
            (day for day in (today - timedelta(days=ago) for ago in range(62)) if day.day == number),
            today,
        )
        written = last.isoformat()
    day, fault = read_past_day(written, rules, today, chosen)
    if day is None and fault == chosen.say(N_("Choose a day")):
        fault = chosen.say(N_("Write a day such as 2026-03-01, or the number of a day that was"))
    return day, fault


def _understood(
    here: Inside,
    rules: SetUp,
    today: date,
    giver: tuple[UUID, str],
    receiver: tuple[UUID, str] | None,
    day: date,
    minutes: int,
    kind: str,
) -> Understood:
    chosen = here.chosen
    command = LogHours(
        giver=giver[0],
        receiver=receiver[0] if receiver else None,
        draw=None,
        minutes=minutes,
        effective_on=day,
        category=kind,
        exchange=rules.time_bank and receiver is not None,
    )
    words = Markup(" · ").join(
        (
            sentence(receiver[1] if receiver else "", giver[1], chosen, gave=True),
            chosen.hours(minutes),
            chosen.weekday(day),
            category_in_words(kind, chosen),
        )
    )
    return Understood(command, words, minutes > LONG_MINUTES or day < today - LONG_AGO)


# ---------------------------------------------------------------- the page


async def _page(
    here: Inside,
    rules: SetUp,
    today: date,
    written: Sequence[Written],
    read: Mapping[int, Understood] | None = None,
    faults: Mapping[str, str] | None = None,
    *,
    status: int = 200,
    looked: bool = False,
    notice: str = "",
    notice_href: str = "",
) -> PrivatePage:
    chosen, read, faults = here.chosen, read or {}, faults or {}
    helps = [_help(row.command) for row in read.values()]
    few = few_before(rules, chosen)[:2]
    if read:
        few = (*(row.words for row in [*read.values()][:LINES_SHOWN]), *few[1:])
    kinds = sorted(rules.categories, key=lambda kind: category_in_words(kind, chosen))
    page = ManyPage(
        name=here.group.name,
        href=here.href,
        ways=ways(here, LOG),
        action=here.path(LOG_MANY),
        key=new_key(),
        faults=tuple(_told(field, fault, chosen) for field, fault in faults.items()),
        rows=tuple(
            _row(number, row, read.get(number), faults, kinds, chosen) for number, row in enumerate(written)
        ),
        count=len(written),
        sizes=tuple(
            Way(
                f"{here.path(LOG_MANY)}{'&' if here.query else '?'}rows={size}",
                chosen.number(size),
                size == len(written),
            )
            for size in (ROWS, 30, ROWS_MAX)
        ),
        ready=len(read),
        looked=looked,
        unusual=any(row.unusual for row in read.values()),
        notice=notice,
        notice_href=notice_href,
        time_hint=chosen.say(N_("For example 1:30, 1h30, 90m or 1.5.")),
        sight=sight_of_many(here, rules, today, helps)
        if helps
        else both_sights(here, rules, today, kinds[0]),
        few=few,
        told=bool(helps),
    )
    return here.page("log_many.html", page, status=status, with_script=True)


def _help(said: LogHours) -> Help:
    return Help(True, said.receiver, "", said.effective_on, said.category, "", said.minutes)


def _told(field: str, fault: str, chosen: Language) -> tuple[str, str]:
    """Return a fault as it stands above the form, with the row that it is in."""
    _, _, number = field.rpartition("-")
    if not number.isdigit():
        return field, fault
    return field, chosen.say(
        N_("Row %(number)s: %(fault)s"), number=chosen.number(int(number) + 1), fault=fault
    )


def _row(
    number: int,
    row: Written,
    understood: Understood | None,
    faults: Mapping[str, str],
    kinds: Sequence[str],
    chosen: Language,
) -> Row:
    def answer(column: str) -> Answer:
        return Answer(getattr(row, column), faults.get(f"{column}-{number}", ""))

    first = chosen.say(N_("Choose")) if number == 0 else chosen.say(N_("as above"))
    return Row(
        number=chosen.number(number + 1),
        day=answer("day"),
        giver=answer("giver"),
        receiver=answer("receiver"),
        time=answer("time"),
        kind_fault=faults.get(f"kind-{number}", ""),
        kinds=(
            Choice("", first, not row.kind),
            *(Choice(kind, category_in_words(kind, chosen), kind == row.kind) for kind in kinds),
        ),
        understood=understood.words if understood else "",
        unusual=bool(understood and understood.unusual),
    )
