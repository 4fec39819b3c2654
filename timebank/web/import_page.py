"""What the pages of an import say: how far it is, what is in its files, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from timebank.edge.import_options import DECIMALS
from timebank.edge.problems import sentence
from timebank.errors import N_
from timebank.formats.layouts import LAYOUTS
from timebank.services.import_report import ImportOptions, SeenTotal
from timebank.services.imports import expires_on, options_of
from timebank.services.jobs import seconds_locked
from timebank.web.forms import Answer
from timebank.web.words import amounts_of

if TYPE_CHECKING:
    from timebank.i18n import Language
    from timebank.rules.publication import PublicGroup
    from timebank.services.import_report import Report, SeenColumn, SeenFault, SeenHeader
    from timebank.services.imports import Import
    from timebank.store.jobs import JobRow

Stage = Literal["working", "stuck", "faults", "nothing", "ready", "posted", "undone", "dropped", "expired"]

FAULTS_SHOWN_MAX: Final = 100
NAMES_SHOWN_MAX: Final = 20
_COLUMN_FIELD: Final = "column:"
#: Stands for a column that a file does not have; no header that means something is called so.
NONE: Final = "="

_PHASES: Final[Mapping[str, str]] = {
    "": N_("It waits for its turn."),
    "waiting": N_("Another import is written first."),
    "reading": N_("The files are read."),
    "comparing": N_("The lines are compared with the book."),
    "rehearsing": N_("Every line is tried out; nothing is written."),
    "writing": N_("The lines are written."),
}
_PHASES_OF_UNDO: Final[Mapping[str, str]] = {"writing": N_("The lines are taken back, the last one first.")}

# Why work ended, in the words of whoever asked for it; codes of timebank.errors.
_ENDED: Final[Mapping[str, str]] = {
    "needs_role": N_(
        "A part of these files is not yours to bring in: hours and people take a steward, money takes a treasurer."
    ),
    "import_has_faults": N_("The book changed since the files were looked at. Look at them again."),
    "unknown_import": N_("The files are not kept any more. Hand them in again."),
    "below_floor": N_(
        "Some of the money went elsewhere since then, so that a place would hold less than nothing."
    ),
    "job_not_open": N_("Somebody else decided about it meanwhile."),
    "interrupted": N_("The program was stopped again and again while it was at it."),
    "store_away": N_("The book could not be reached."),
    "nickname_taken": N_(
        "Somebody joined meanwhile with a nickname that is in the files. Look at them again."
    ),
}
_ENDED_SOMEHOW: Final = N_("Something went wrong on our side. The log of the server says more.")

_DAYS: Final = (
    ("iso", N_("Only 2025-12-31"), ""),
    ("dmy", N_("31.12.2025"), N_("day, month, year")),
    ("mdy", N_("12/31/2025"), N_("month, day, year")),
)
_DECIMALS: Final = (
    ("", N_("Either"), N_("where only one reading is possible")),
    ("point", N_("A point"), N_("1.5 hours, 1,200 euros")),
    ("comma", N_("A comma"), N_("1,5 hours, 1.200 euros")),
)
_PEOPLE: Final = (
    ("members", N_("They join"), N_("with the nickname in the file, without a duty")),
    ("outsiders", N_("They stay outside"), N_("their names and notes are not kept")),
)
_CATEGORIES: Final = (
    ("refuse", N_("Tell me"), N_("so that I can mend the file")),
    ("add", N_("Add them"), N_("to the kinds of help of the group")),
)
_TOTALS: Final = {
    "given": N_("Help given"),
    "in": N_("Money in"),
    "out": N_("Money out"),
    "opening": N_("Brought along at the start"),
}


# ---------------------------------------------------------------- parts


class Option(NamedTuple):
    """One of several answers."""

    value: str
    label: str
    hint: str
    chosen: bool


class Choices(NamedTuple):
    """Everything that can be said about how files are read and booked."""

    people: tuple[Option, ...]
    categories: tuple[Option, ...]
    days: tuple[Option, ...]
    decimal: tuple[Option, ...]
    layouts: tuple[Option, ...]
    nearest: bool
    began: Answer
    on: Answer
    sheet: Answer


class FileView(NamedTuple):
    """What a file was, in sentences."""

    name: str
    read_as: str
    remarks: tuple[str, ...]


class FaultView(NamedTuple):
    """What is wrong with a line; ``line`` is empty for the file as a whole."""

    line: str
    column: str
    sentence: str
    value: str


class FaultsView(NamedTuple):
    """The faults of one file."""

    file: str
    faults: tuple[FaultView, ...]


class ColumnView(NamedTuple):
    """One of our columns, and which header can be it."""

    field: str
    name: str
    means: str
    needed: bool
    options: tuple[Option, ...]


class MatchView(NamedTuple):
    """The columns of one file; ``whole`` when nothing is missing."""

    key: str
    file: str
    whole: bool
    columns: tuple[ColumnView, ...]


class Row(NamedTuple):
    """One fact: what, and how much."""

    name: str
    value: str


class Progress(NamedTuple):
    """How far work is.

    Attributes:
        phase: What is being done.
        part: (done, in all) as this language writes numbers; empty while nobody knows.
        done, total: The same for programs.
        locked: For how long others wait, in words; empty if they do not.
        is_stopping: Whether somebody asked it to stop.
        is_percent: Whether ``part`` is of a hundred, and not of lines.
    """

    phase: str
    part: tuple[str, str]
    done: int
    total: int
    locked: str
    is_stopping: bool
    is_percent: bool = False


# ---------------------------------------------------------------- pages


@dataclass(frozen=True, slots=True)
class ImportFormPage:
    """The form that takes files.

    Attributes:
        faults: (field, what to do about it) in the order of the form.
        key: Makes pressing twice the same as pressing once.
        more_open: Whether what is rarely needed stands open.
    """

    name: str
    action: str
    href: str
    key: str
    faults: tuple[tuple[str, str], ...]
    files: Answer
    choices: Choices
    more_open: bool


@dataclass(frozen=True, slots=True)
class ImportPage:
    """An import, wherever it is on its way.

    Attributes:
        action: Its address, which opens for who handed it in.
        kind: Of the newest work: check, post or undo.
        problem: Why what was asked for was not done; empty if nothing went wrong.
        was_stopped: Whether somebody stopped the newest work.
        count, lines: How many new lines there are, for plurals and as this language writes numbers.
        faults_more: How many faults are not listed.
        asks_beginning: Whether lines are older than the book.
        until: Last day of the address.
    """

    name: str
    href: str
    again: str
    action: str
    query: str
    stage: Stage
    kind: str
    problem: str
    progress: Progress
    was_stopped: bool
    count: int
    lines: str
    facts: tuple[Row, ...]
    files: tuple[FileView, ...]
    people_new: str
    faults: tuple[FaultsView, ...]
    fault_count: int
    faults_more: str
    matches: tuple[MatchView, ...]
    choices: Choices
    asks_beginning: bool
    until: str


@dataclass(frozen=True, slots=True)
class ImportUndoPage:
    """The question before an import is taken back."""

    name: str
    href: str
    action: str
    query: str
    lines: str
    count: int


@dataclass(frozen=True, slots=True)
class ImportClosedPage:
    """An address that leads nowhere; nobody learns whether it ever did."""

    name: str
    href: str
    again: str


# ---------------------------------------------------------------- the form


def choices_of(
    options: ImportOptions,
    chosen: Language,
    *,
    written: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    began: date | None = None,
) -> Choices:
    """Return all questions with their answers.

    Args:
        written: What stands in a form that could not be read, by field; wins over the options.
        faults: What is wrong with it, by field.
        began: Offered as the first day of the book where none was said.
    """
    written, faults = written or {}, faults or {}
    sign = next((name for name, sign in DECIMALS.items() if sign == options.decimal), "")
    layouts = [
        ("", N_("Known by their columns"), ""),
        *((layout.name, layout.title, "") for layout in LAYOUTS.values()),
    ]

    def pick(field: str, answers: Sequence[tuple[str, str, str]], value: str) -> tuple[Option, ...]:
        picked = written.get(field, value)
        if picked not in {answer for answer, _, _ in answers}:
            picked = answers[0][0]
        return tuple(
            Option(answer, chosen.say(label), chosen.say(hint) if hint else "", answer == picked)
            for answer, label, hint in answers
        )

    def text(field: str, value: object) -> Answer:
        return Answer(written.get(field, str(value or "")), faults.get(field, ""))

    return Choices(
        people=pick("people", _PEOPLE, options.people),
        categories=pick("categories", _CATEGORIES, options.categories),
        days=pick("days", _DAYS, options.days or "iso"),
        decimal=pick("decimal", _DECIMALS, sign),
        layouts=pick("layout", layouts, options.layout),
        nearest=written["nearest"] == "true" if "nearest" in written else options.nearest,
        began=text("began", options.began or began),
        on=text("on", options.on),
        sheet=text("sheet", options.sheet),
    )


# ---------------------------------------------------------------- the state


def stage_of(found: Import, *, now: datetime) -> Stage:
    """Return where an import is on its way."""
    row, job, report = found.row, found.job, found.report
    if job is not None and job.is_open:
        return "working"
    if expires_on(row) < now.date():
        return "expired"
    if row.state in {"posted", "undone", "dropped"}:
        return row.state  # type: ignore[return-value]
    if row.state == "new":
        return "stuck"
    if report is None:
        return "expired"
    if report.fault_count:
        return "faults"
    return "ready" if report.new or report.people_new_count else "nothing"


def import_page(
    found: Import,
    group: PublicGroup,
    chosen: Language,
    *,
    action: str,
    query: str,
    now: datetime,
    problem: str = "",
    written: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
) -> ImportPage:
    """Return the page of an import.

    Args:
        action: Its secret address, without the query.
        problem: Why what was asked for just now was not done.
        written, faults: See ``choices_of``.
    """
    row, job, report = found.row, found.job, found.report
    stage = stage_of(found, now=now)
    first_day = report.first_day if report else None
    older = report is not None and first_day is not None and first_day < report.began_on
    listed = report.faults[:FAULTS_SHOWN_MAX] if report else []
    count = int(row.summary.get("new", 0))
    return ImportPage(
        name=group.name,
        href=f"/g/{group.slug}{query}",
        again=f"/g/{group.slug}/import{query}",
        action=action,
        query=query,
        stage=stage,
        kind=job.kind if job else "",
        problem=problem or _why_it_ended(job, chosen),
        progress=_progress(job, chosen, now),
        was_stopped=job is not None and job.state == "cancelled",
        count=count,
        lines=chosen.number(count),
        facts=_facts(found, chosen),
        files=tuple(_file(file_number, report, chosen) for file_number in range(len(report.files)))
        if report
        else (),
        people_new=_names(report, chosen) if report else "",
        faults=_faults(listed, report.headers if report else (), chosen),
        fault_count=report.fault_count if report else 0,
        faults_more=_more(report, listed, chosen),
        matches=_matches(report.headers if report else (), options_of(row).columns, chosen),
        choices=choices_of(
            options_of(row), chosen, written=written, faults=faults, began=first_day if older else None
        ),
        asks_beginning=older,
        until=chosen.day_month_year(expires_on(row)),
    )


def _progress(job: JobRow | None, chosen: Language, now: datetime) -> Progress:
    if job is None or not job.is_open:
        return Progress("", ("", ""), 0, 0, "", is_stopping=False)
    words = {**_PHASES, **(_PHASES_OF_UNDO if job.kind == "undo" else {})}
    done, total = min(job.done, job.total), job.total
    if job.phase == "reading":
        # It is told in bytes, which nobody counts.
        done, total = (100 * done // total, 100) if total else (0, 0)
    return Progress(
        phase=chosen.say(words.get(job.phase, _PHASES[""])),
        part=(chosen.number(done), chosen.number(total)) if total else ("", ""),
        done=done,
        total=total,
        locked=_seconds_in_words(seconds_locked(job, now=now), chosen),
        is_stopping=job.cancel,
        is_percent=job.phase == "reading",
    )


def _seconds_in_words(seconds: int, chosen: Language) -> str:
    if not seconds:
        return ""
    if seconds < 60:
        return chosen.say_many("%(count)s second", "%(count)s seconds", seconds)
    return chosen.say_many("%(count)s minute", "%(count)s minutes", -(-seconds // 60))


def _why_it_ended(job: JobRow | None, chosen: Language) -> str:
    if job is None or job.state not in {"refused", "failed"}:
        return ""
    return chosen.say(_ENDED.get(job.refusal, _ENDED_SOMEHOW))


# ---------------------------------------------------------------- the preview


def _facts(found: Import, chosen: Language) -> tuple[Row, ...]:
    """Return what the files come to, a fact a row."""
    totals = found.report.totals if found.report else _kept_totals(found)
    rows = [_total(total, chosen) for total in totals]
    if found.report is None:
        people = int(found.row.summary.get("people_new", 0))
        return (*rows, *([_joined(people, chosen)] if people else []))
    report = found.report
    if report.people_new_count:
        rows.append(_joined(report.people_new_count, chosen))
    if report.people_known:
        rows.append(Row(chosen.say(N_("Here already")), _people(report.people_known, chosen)))
    if report.outside:
        rows.append(
            Row(
                chosen.say(N_("Stay outside")),
                chosen.say_many(
                    "%(count)s name, which is not kept",
                    "%(count)s names, which are not kept",
                    report.outside,
                ),
            )
        )
    if report.categories_new:
        rows.append(Row(chosen.say(N_("New kinds of help")), chosen.listed(report.categories_new)))
    if report.first_day and report.last_day:
        rows.append(Row(chosen.say(N_("Days")), _span(report.first_day, report.last_day, chosen)))
        rows.append(Row(chosen.say(N_("The book begins")), chosen.day_month_year(report.began_on)))
    if report.already:
        rows.append(
            Row(
                chosen.say(N_("In the book already")),
                chosen.say_many(
                    "%(count)s line, which is left out",
                    "%(count)s lines, which are left out",
                    report.already,
                ),
            )
        )
    if report.notes_lost:
        rows.append(Row(chosen.say(N_("Notes that are not kept")), chosen.number(report.notes_lost)))
    return tuple(rows)


def _kept_totals(found: Import) -> list[SeenTotal]:
    return [SeenTotal(**total) for total in found.row.summary.get("totals", ())]


def _total(total: SeenTotal, chosen: Language) -> Row:
    amounts = amounts_of(total.unit, chosen)
    lines = chosen.say_many("%(count)s line", "%(count)s lines", total.lines)
    return Row(
        chosen.say(_TOTALS[total.what]),
        chosen.say(N_("%(amount)s in %(lines)s"), amount=amounts.words(total.amount), lines=lines),
    )


def _joined(count: int, chosen: Language) -> Row:
    return Row(chosen.say(N_("New people")), _people(count, chosen))


def _people(count: int, chosen: Language) -> str:
    return chosen.say_many("%(count)s person", "%(count)s people", count)


def _span(first: date, last: date, chosen: Language) -> str:
    if first == last:
        return chosen.day_month_year(first)
    return chosen.say(
        N_("%(first)s to %(last)s"), first=chosen.day_month_year(first), last=chosen.day_month_year(last)
    )


def _names(report: Report, chosen: Language) -> str:
    names = chosen.listed(report.people_new[:NAMES_SHOWN_MAX])
    return chosen.listed((names, "…")) if report.people_new_count > NAMES_SHOWN_MAX else names


def _file(number: int, report: Report, chosen: Language) -> FileView:
    file = report.files[number]
    lines = chosen.say_many("%(count)s line", "%(count)s lines", file.lines)
    passed = [
        chosen.say(
            N_("Passed over: %(lines)s, because %(why)s"),
            lines=chosen.say_many("%(count)s line", "%(count)s lines", count),
            why=chosen.say(why),
        )
        for why, count in file.passed
    ]
    remarks = [chosen.say(message, **params) for message, params in file.remarks]
    return FileView(
        file.name or chosen.say(N_("The file")),
        chosen.say(
            N_("%(lines)s, read as: %(layout)s"), lines=lines, layout=chosen.say(LAYOUTS[file.layout].title)
        ),
        (*remarks, *passed),
    )


def _faults(
    faults: Sequence[SeenFault], headers: Sequence[SeenHeader], chosen: Language
) -> tuple[FaultsView, ...]:
    theirs = {(header.file, column.name): column.theirs for header in headers for column in header.columns}
    by_file: dict[str, list[FaultView]] = {}
    for fault in faults:
        by_file.setdefault(fault.file, []).append(
            FaultView(
                chosen.number(fault.line) if fault.line else "",
                theirs.get((fault.file, fault.column)) or fault.column,
                sentence(fault.message, fault.params, chosen),
                fault.value,
            )
        )
    return tuple(FaultsView(file, tuple(views)) for file, views in by_file.items())


def _more(report: Report | None, listed: Sequence[SeenFault], chosen: Language) -> str:
    more = report.fault_count - len(listed) if report else 0
    return chosen.say_many("And %(count)s more.", "And %(count)s more.", more) if more > 0 else ""


# ---------------------------------------------------------------- which column is which


def _matches(
    headers: Sequence[SeenHeader], said: Mapping[str, str], chosen: Language
) -> tuple[MatchView, ...]:
    return tuple(
        MatchView(
            f"match-{number}",
            header.file,
            header.whole,
            tuple(
                ColumnView(
                    column_field(number, column.name),
                    column.name,
                    chosen.say(column.means),
                    column.needed,
                    _headers(header, column, chosen, is_none=said.get(column.name) == ""),
                )
                for column in header.columns
            ),
        )
        for number, header in enumerate(headers)
        if header.columns
    )


def _headers(
    header: SeenHeader, column: SeenColumn, chosen: Language, *, is_none: bool
) -> tuple[Option, ...]:
    """Return the headers that can be a column; that a file has none is said, never left open by mistake."""
    theirs = column.theirs
    first = N_("Choose a header") if column.needed else N_("None of them")
    none = [Option(NONE, chosen.say(N_("The file has none")), "", is_none)] if column.blank else []
    offered = dict.fromkeys([*header.headers, *([theirs] if theirs else [])])
    return (
        Option("", chosen.say(first), "", not theirs and not is_none),
        *none,
        *(Option(name, name, "", name == theirs) for name in offered if name != NONE),
    )


def column_field(number: int, column: str) -> str:
    """Return the field of a form that says which header of a file is one of our columns."""
    return f"{_COLUMN_FIELD}{number}:{column}"


def columns_said(
    fields: Mapping[str, Sequence[str]], headers: Sequence[SeenHeader], before: Mapping[str, str]
) -> dict[str, str]:
    """Return which header is which column, as a form changes it; what it leaves as it was is not repeated."""
    said = dict(before)
    for number, header in enumerate(headers):
        for column in header.columns:
            value = next(iter(fields.get(column_field(number, column.name), ())), "")
            if value == NONE and column.blank:
                said[column.name] = ""
            elif value and value != column.theirs:
                said[column.name] = value
    return said
