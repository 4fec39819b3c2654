"""The public page as data: every word, figure and drawing in its place, made from what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from itertools import zip_longest
from typing import Final, Literal

from markupsafe import Markup

from timebank.edge.qr import qr_inline
from timebank.errors import N_
from timebank.i18n import Language, offered
from timebank.ledger.notes import seal_of
from timebank.ledger.units import Unit
from timebank.rules.publication import (
    CAREFUL,
    LOST,
    OPEN,
    SHELTERED,
    PublicBook,
    PublicGroup,
    PublicPolicy,
    PublicPot,
    PublishedLine,
    Week,
    gather_weeks,
)
from timebank.web.drawings import Chart, Column, chart
from timebank.web.policy_words import rules_in_words
from timebank.web.pot_view import PotView, pot_figures, pot_view, sums_of
from timebank.web.words import (
    Amounts,
    category_in_words,
    kind_in_words,
    told_in_words,
)

WEEKS_SHOWN: Final = 8
LINES_SHOWN: Final = 40
EMPTY_MARKUP: Final = Markup("")
_MOVES_NOTHING: Final = frozenset({"promise", "release"})

Ink = Literal["hours", "money"]


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """One language that the page can be read in."""

    code: str
    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class FlowRow:
    """One week in figures."""

    days: str
    came_in: str
    went_out: str
    left: str


@dataclass(frozen=True, slots=True)
class FlowView:
    """In and out by week, drawn and as a table that folds to the pot's figure."""

    chart: Chart
    chart_sentence: str
    captions: tuple[str, ...]
    before_day: str
    before: str
    rows: tuple[FlowRow, ...]
    total_name: str
    total: FlowRow
    column_unit: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A published line; ``category`` is the group's own word, ``late`` says that it arrived late."""

    kind: str
    category: str
    late: str
    came_in: str
    went_out: str


@dataclass(frozen=True, slots=True)
class LinesDay:
    """The lines that one close published."""

    name: str
    rows: tuple[LineRow, ...]


@dataclass(frozen=True, slots=True)
class LinesView:
    """The latest lines, folding from an opening figure to the pot's own.

    Attributes:
        more: How many lines are not shown, in words; empty when all are.
        promised, given_back: Promises of these days: they move nothing in or out.
    """

    opening_day: str
    opening: str
    days: tuple[LinesDay, ...]
    more: str
    more_in: str
    more_out: str
    total_name: str
    came_in: str
    went_out: str
    closing_day: str
    closing: str
    available_name: str
    available: str
    promised_part: str
    promised: tuple[str, ...]
    given_back: tuple[str, ...]
    column_unit: str
    is_short: bool


@dataclass(frozen=True, slots=True)
class RulesView:
    """The rules of a pot in force."""

    version: str
    agreed_on: str
    rules: tuple[str, ...]
    href: str


@dataclass(frozen=True, slots=True)
class Leaf:
    """One side of the spread: everything about one pot; figures are None before the first close."""

    key: str
    ink: Ink
    side: Literal["recto", "verso"]
    pot_title: str
    weeks_title: str
    lines_title: str
    rules_title: str
    pot: PotView | None
    flow: FlowView | None
    lines: LinesView | None
    rules: RulesView | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Two leaves side by side; a group may keep no pot on one of them."""

    recto: Leaf | None
    verso: Leaf | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The ways from a page of the past to the pages beside it; a link is empty where there is none."""

    earlier: str
    later: str


@dataclass(frozen=True, slots=True)
class BookPage:
    """The public page of a group, or one of the past.

    Attributes:
        older: Where the lines go on that do not fit on the page.
        rhythm: When figures come, and how many people stand behind them.
        restores: A sentence for each time that the book was put back, as long as its figures show it.
        number: Which page it is; empty before the first.
        seal: The beginning of the log's root at its close, in groups of four letters; empty before the first close.
        address: Of the group's page, as one types it; empty if the host has not said.
        qr: The same as a drawing.
        turn: For a page of the past; None for the newest one.
    """

    slug: str
    name: str
    languages: tuple[LanguageLink, ...]
    as_of: str
    next_page: str
    query: str
    spreads: tuple[Spread, ...]
    older: str
    preset: str
    rhythm: tuple[str, ...]
    restores: tuple[str, ...]
    number: str = ""
    seal: str = ""
    address: str = ""
    qr: Markup = EMPTY_MARKUP
    turn: Turn | None = None


def book_page(book: PublicBook, language: Language, *, explicit: bool, origin: str = "") -> BookPage:
    """Return everything that the public page of a group says.

    Args:
        book: What was published, read at one moment.
        language: Language of the page.
        explicit: Whether the address named the language; links then go on naming it.
        origin: What people type to get to this host; empty if it has not said.
    """
    group, query = book.group, f"?lang={language.code}" if explicit else ""
    units = {unit.code: unit for unit in group.units}
    time = [pot for pot in group.pots if units[pot.unit].kind == "time"]
    rest = [pot for pot in group.pots if units[pot.unit].kind != "time"]
    spreads = [
        Spread(
            recto=_leaf(book, left, units[left.unit], "recto", language, query) if left else None,
            verso=_leaf(book, right, units[right.unit], "verso", language, query) if right else None,
        )
        for left, right in zip_longest(time, rest)
    ]
    if book.period:
        as_of = language.day(book.period.last_day)
        next_page = language.weekday(book.period.next_close_on - timedelta(days=1))
    else:
        as_of, next_page = "", language.weekday(group.first_close_on - timedelta(days=1))
    return BookPage(
        slug=group.slug,
        name=group.name,
        languages=language_links(group, language),
        as_of=as_of,
        next_page=next_page,
        query=query,
        spreads=tuple(_level(spread) for spread in spreads),
        older=f"/g/{group.slug}/lines{query}",
        preset=group.preset,
        rhythm=publishing_in_words(group, language),
        restores=tuple(told_in_words(one, language) for one in book.restores),
        number=language.number(book.period.period) if book.period else "",
        seal=seal_of(book.note),
        address=f"{origin.partition('://')[2]}/g/{group.slug}" if origin else "",
        qr=_drawing_of(f"{origin}/g/{group.slug}") if origin else EMPTY_MARKUP,
    )


#: The public page is asked for again and again, and always with the same address.
_drawing_of: Final = lru_cache(maxsize=64)(qr_inline)


def publishing_in_words(group: PublicGroup, language: Language) -> tuple[str, ...]:
    """Return when this page changes, and what keeps single people out of it; the same whatever waits."""
    say = language.say
    if group.preset == OPEN:
        return (
            say(
                N_(
                    "From then on this page shows the pot, what came in and what went out, as of the end of each day."
                )
            ),
        )
    if group.preset == CAREFUL:
        when = N_(
            "A page is written every week. What was drawn or given shows on it once at least %(people)s different "
            "people stand behind it; else it waits for the others, 13 weeks at most, and then comes out as one total."
        )
    else:
        when = N_(
            "A page is written every month, with totals only. What was drawn or given is part of them once at least "
            "%(people)s different people stand behind it; else it waits for the others, 26 weeks at most."
        )
    protects = language.say_many(
        "This protects against at most %(count)s person who shares what they know.",
        "This protects against at most %(count)s people who share what they know.",
        group.people - 2,
    )
    gifts = (
        ()
        if group.gifts_wait
        else (say(N_("Single gifts of money are shown without waiting: the group chose so.")),)
    )
    return (say(when, people=language.number(group.people)), *gifts, protects)


def language_links(group: PublicGroup, language: Language) -> tuple[LanguageLink, ...]:
    """Return the group's languages as links that need no cookie; none where there is no choice."""
    languages = offered(group.languages)
    if len(languages) < 2:
        return ()
    return tuple(
        LanguageLink(each.code, each.name, f"?lang={each.code}", each.code == language.code)
        for each in languages
    )


def _leaf(
    book: PublicBook,
    pot: PublicPot,
    unit: Unit,
    side: Literal["recto", "verso"],
    language: Language,
    query: str,
) -> Leaf:
    amounts = Amounts(unit, language)
    ink: Ink = "hours" if amounts.is_time else "money"
    titles = pot_titles(book.group, pot, unit, language)
    weeks = gather_weeks(
        [flow for flow in book.flows if flow.pot == pot.pot],
        as_of=book.period.last_day if book.period else book.group.began_on,
        began_on=book.group.began_on,
        weeks=WEEKS_SHOWN,
    )
    policy = next((policy for policy in book.policies if policy.pot == pot.pot), None)
    has_figures = book.period is not None and book.balance(pot.pot) is not None
    return Leaf(
        key=pot.pot,
        ink=ink,
        side=side,
        pot_title=titles[0],
        weeks_title=titles[1],
        lines_title=titles[2],
        rules_title=titles[3],
        pot=pot_view(book, pot, amounts) if has_figures else None,
        flow=_flow_view(book, pot, amounts, weeks, titles[1]) if has_figures and weeks else None,
        lines=_lines_view(book, pot, amounts) if has_figures and not _only_totals(book) else None,
        rules=_rules_view(book.group, policy, unit, language, query) if policy else None,
    )


def _only_totals(book: PublicBook) -> bool:
    return book.period is not None and book.period.preset == SHELTERED


def pot_titles(
    group: PublicGroup, pot: PublicPot, unit: Unit, language: Language
) -> tuple[str, str, str, str]:
    """Return the headings of a leaf: the pot, its weeks, its lines, its rules; numbered where there are several."""
    same_kind = [p for p in group.pots if next(u for u in group.units if u.code == p.unit).kind == unit.kind]
    say = language.say
    if len(same_kind) == 1:
        if unit.kind == "time":
            return (
                say(N_("Hours in the pot")),
                say(N_("Hours, week by week")),
                say(N_("Hours, line by line")),
                say(N_("Rules of the hours pot")),
            )
        return (
            say(N_("Money in the pot")),
            say(N_("Money, week by week")),
            say(N_("Money, line by line")),
            say(N_("Rules of the money pot")),
        )
    number = same_kind.index(pot) + 1
    if unit.kind == "time":
        return (
            say(N_("Hours in pot %(number)s"), number=number),
            say(N_("Hours of pot %(number)s, week by week"), number=number),
            say(N_("Hours of pot %(number)s, line by line"), number=number),
            say(N_("Rules of hours pot %(number)s"), number=number),
        )
    return (
        say(N_("Money in pot %(number)s"), number=number),
        say(N_("Money of pot %(number)s, week by week"), number=number),
        say(N_("Money of pot %(number)s, line by line"), number=number),
        say(N_("Rules of money pot %(number)s"), number=number),
    )


def rules_title(group: PublicGroup, pot: PublicPot, unit: Unit, language: Language) -> str:
    """Return the heading of a pot's rules."""
    return pot_titles(group, pot, unit, language)[3]


def _level(spread: Spread) -> Spread:
    """Return the spread with both charts equally tall, so that what follows begins on one line."""
    flows = [leaf.flow for leaf in (spread.recto, spread.verso) if leaf and leaf.flow]
    if len(flows) < 2:
        return spread
    tallest = max((flow.chart.height for flow in flows), key=lambda height: float(height.removesuffix("em")))

    def levelled(leaf: Leaf | None) -> Leaf | None:
        if leaf is None or leaf.flow is None:
            return leaf
        return replace(leaf, flow=replace(leaf.flow, chart=leaf.flow.chart._replace(height=tallest)))

    return Spread(levelled(spread.recto), levelled(spread.verso))


# ---------------------------------------------------------------- the weeks


def _flow_view(
    book: PublicBook, pot: PublicPot, amounts: Amounts, weeks: Sequence[Week], title: str
) -> FlowView:
    balance = book.balance(pot.pot)
    assert balance is not None
    language, left = amounts.language, balance.available + balance.promised
    came_in, went_out = sum(week.came_in for week in weeks), sum(week.went_out for week in weeks)
    before = left - came_in + went_out
    rows, running = [], before
    for week in weeks:
        running += week.came_in - week.went_out
        rows.append(
            FlowRow(
                language.span_short(week.first_day, week.last_day),
                amounts.digits(week.came_in),
                amounts.digits(week.went_out),
                in_the_pot(running, amounts),
            )
        )
    assert running == left, "the table folds to the figure above it"
    count = sum(week.weeks for week in weeks)
    first, last = language.span(weeks[0].first_day, weeks[-1].last_day)
    return FlowView(
        chart=_chart(weeks, amounts),
        chart_sentence=language.say(
            N_(
                "%(title)s, %(first)s to %(last)s: what came in above the dates, what went out below them. "
                "The numbers are in the table that follows."
            ),
            title=title,
            first=first,
            last=last,
        ),
        captions=_captions(weeks, language),
        before_day=language.day_month(weeks[0].first_day),
        before=in_the_pot(before, amounts),
        rows=tuple(rows),
        total_name=language.say_many("%(count)s week", "%(count)s weeks", count),
        total=FlowRow("", amounts.digits(came_in), amounts.digits(went_out), in_the_pot(left, amounts)),
        column_unit=amounts.column_unit,
    )


def _chart(weeks: Sequence[Week], amounts: Amounts) -> Chart:
    language = amounts.language
    widest = max(
        len(amounts.label(max(week.came_in, week.went_out) // amounts.step * amounts.step)) for week in weeks
    )
    return chart(
        [Column(*week) for week in weeks],
        label=amounts.label,
        unit_step=amounts.step,
        day_text=lambda column: (
            f"{language.day_number(column.first_day)}–{language.day_number(column.last_day)}"
            if column.weeks > 1
            else language.day_number(column.last_day)
        ),
        month_text=lambda column: language.month_short(column.last_day),
        # Room for the widest label on the narrowest screen.
        gutter=max(16.0, 3.2 * widest + 2.5),
        rtl=language.direction == "rtl",
    )


def _captions(weeks: Sequence[Week], language: Language) -> tuple[str, ...]:
    captions = [language.say(N_("Each column is seven days, ending on the day shown."))]
    for week in weeks:
        first, last = language.span(week.first_day, week.last_day)
        if week.weeks > 1:
            captions.append(
                language.say(N_("%(first)s to %(last)s were published together."), first=first, last=last)
            )
        elif (week.last_day - week.first_day).days < 6:
            captions.append(
                language.say(
                    N_("The book begins on %(day)s, so the first column is shorter."),
                    day=language.day_month(week.first_day),
                )
            )
    return tuple(captions)


def in_the_pot(amount: int, amounts: Amounts) -> str:
    """Return what a pot held, for a column of figures; below zero it is said in words."""
    if amount >= 0:
        return amounts.digits(amount)
    message = N_("ahead by %(amount)s") if amounts.is_time else N_("short by %(amount)s")
    return amounts.language.say(message, amount=amounts.digits(-amount))


# ---------------------------------------------------------------- the lines


def _lines_view(book: PublicBook, pot: PublicPot, amounts: Amounts) -> LinesView:
    balance, period = book.balance(pot.pot), book.period
    assert balance is not None
    assert period is not None
    language, left = amounts.language, balance.available + balance.promised
    mine = [line for line in book.lines if any(change.pot == pot.pot for change in line.changes)]
    moving = [line for line in mine if line.kind not in _MOVES_NOTHING][:LINES_SHOWN]
    came_in, went_out = sums_of(book, pot)
    shown_in, shown_out = sums_of_lines(moving, pot)
    lines = sum(f.lines for f in book.line_flows if f.pot == pot.pot and f.kind not in _MOVES_NOTHING)
    hidden = lines - len(moving)
    first = book.lines_from or period.first_day
    blank = _blank_zero(amounts)
    days = (period.last_day - first).days + 1
    return LinesView(
        opening_day=language.day_month(first - timedelta(days=1)),
        opening=in_the_pot(left - came_in + went_out, amounts),
        days=days_of_lines(moving, pot, amounts),
        more=_more(
            hidden,
            apart=(came_in, went_out) != (shown_in, shown_out),
            lost=any(flow.kind == LOST for flow in book.line_flows if flow.pot == pot.pot),
            language=language,
        ),
        more_in=blank(came_in - shown_in),
        more_out=blank(went_out - shown_out),
        total_name=language.say_many("%(count)s day", "%(count)s days", days),
        came_in=amounts.digits(came_in),
        went_out=amounts.digits(went_out),
        closing_day=language.day_month(period.last_day),
        closing=in_the_pot(left, amounts),
        available_name=pot_figures(balance.available, 0, amounts)[0].name,
        available=amounts.digits(abs(balance.available)),
        promised_part=amounts.digits(balance.promised),
        promised=promises_of(mine, "promise", pot, amounts),
        given_back=promises_of(mine, "release", pot, amounts),
        column_unit=amounts.column_unit,
        is_short=balance.available < 0,
    )


def _more(hidden: int, *, apart: bool, lost: bool, language: Language) -> str:
    """Return how many lines are not shown, or that something was published as one total; mostly nothing."""
    if hidden:
        return language.say_many("%(count)s more line", "%(count)s more lines", hidden)
    if lost:
        return language.say(N_("What a restore lost, taken out as one total"))
    return language.say(N_("What waited longest, as one total")) if apart else ""


def days_of_lines(lines: Sequence[PublishedLine], pot: PublicPot, amounts: Amounts) -> tuple[LinesDay, ...]:
    """Return the lines that moved something in a pot, by the close that published them, newest first."""
    language, blank = amounts.language, _blank_zero(amounts)
    by_period: dict[int, list[PublishedLine]] = {}
    for line in lines:
        if line.kind not in _MOVES_NOTHING:
            by_period.setdefault(line.period, []).append(line)
    return tuple(
        LinesDay(
            name=_period_name(published[0], language),
            rows=tuple(
                LineRow(
                    kind=kind_in_words(line.kind, amounts.unit, language),
                    category=category_in_words(line.category, language),
                    late=language.say(N_("for %(day)s, arrived late"), day=language.day_month(line.day))
                    if line.arrived_late and line.day
                    else "",
                    came_in=blank(_in_of(line, pot.pot)),
                    went_out=blank(_out_of(line, pot.pot)),
                )
                for line in sorted(
                    published,
                    key=lambda line: _in_print_order(line, pot.pot),
                )
            ),
        )
        for _, published in sorted(by_period.items(), reverse=True)
    )


def _period_name(line: PublishedLine, language: Language) -> str:
    if line.first_day == line.last_day:
        return language.weekday(line.last_day)
    first, last = language.span(line.first_day, line.last_day)
    return language.say(N_("%(first)s to %(last)s"), first=first, last=last)


_KINDS_IN_ORDER: Final = (
    "opening",
    "help_given",
    "help_answered",
    "fulfil",
    "money_in",
    "hand_over",
    "money_returned",
)


def _in_print_order(line: PublishedLine, pot: str) -> tuple[object, ...]:
    """Order the lines of a day by kind and size: nothing of it tells who came first."""
    late_day = line.day if line.arrived_late else None
    return (_order(line.kind), -_in_of(line, pot), -_out_of(line, pot), line.category, str(late_day or ""))


def sums_of_lines(lines: Sequence[PublishedLine], pot: PublicPot) -> tuple[int, int]:
    """Return what some lines brought into a pot and took out of it."""
    return sum(_in_of(line, pot.pot) for line in lines), sum(_out_of(line, pot.pot) for line in lines)


def _order(kind: str) -> tuple[int, str]:
    return (_KINDS_IN_ORDER.index(kind) if kind in _KINDS_IN_ORDER else len(_KINDS_IN_ORDER), kind)


def _in_of(line: PublishedLine, pot: str) -> int:
    return sum(max(0, change.total) for change in line.changes if change.pot == pot)


def _out_of(line: PublishedLine, pot: str) -> int:
    return sum(max(0, -change.total) for change in line.changes if change.pot == pot)


def promises_of(
    lines: Sequence[PublishedLine], kind: str, pot: PublicPot, amounts: Amounts
) -> tuple[str, ...]:
    """Return what was promised in a pot, or given back, largest first: these lines move nothing in or out."""
    promised = [
        abs(change.promised)
        for line in lines
        if line.kind == kind
        for change in line.changes
        if change.pot == pot.pot
    ]
    return tuple(amounts.digits(amount) for amount in sorted(promised, reverse=True)[:LINES_SHOWN])


def _blank_zero(amounts: Amounts) -> Callable[[int], str]:
    return lambda amount: amounts.digits(amount) if amount else ""


# ---------------------------------------------------------------- the rules


def _rules_view(
    group: PublicGroup, policy: PublicPolicy, unit: Unit, language: Language, query: str
) -> RulesView:
    terms: Mapping[str, object] = policy.terms
    return RulesView(
        version=language.number(policy.version),
        agreed_on=language.day_month_year(policy.agreed_on),
        rules=rules_in_words(terms, unit, language),
        href=f"/g/{group.slug}/rules{query}#{policy.pot}",
    )
