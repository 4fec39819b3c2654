"""A group's past over the API: handed in, checked, looked at, written, and taken back as a whole."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank import errors
from timebank.edge.bodies import Faults, receive_body
from timebank.edge.door import Asked, json_reply, signed_in
from timebank.edge.headers import JSON, REPLAYED, Reply
from timebank.edge.idempotency import check_key
from timebank.edge.import_options import NAMES, read_options
from timebank.edge.openapi import QueryField, asks_for, reads, takes_files
from timebank.edge.paging import Listing, one_of
from timebank.edge.problems import language_of, sentence
from timebank.edge.uploads import is_multipart, receive_upload
from timebank.errors import (
    N_,
    FieldInvalid,
    ImportNotUndoable,
    JobNotOpen,
    MalformedBody,
    NeedsRole,
    UnknownImport,
)
from timebank.formats.layouts import LAYOUTS
from timebank.rules.names import EMPTY
from timebank.services import imports as service
from timebank.services.imports import STATES, UPLOAD_MAX
from timebank.services.jobs import seconds_locked

if TYPE_CHECKING:
    from timebank.edge.door import Door
    from timebank.i18n import Language
    from timebank.rules.people import Actor
    from timebank.services.import_report import Report, SeenFault
    from timebank.services.imports import Import
    from timebank.services.work import Workshop
    from timebank.store.imports import ImportRow
    from timebank.store.jobs import JobRow

NOT_A_FILE: Final = N_("send the file itself, such as text/csv, or a form with files")

_MEDIA_TYPES: Final = (
    "text/csv",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.oasis.opendocument.spreadsheet",
)
#: What programs say when nobody told them what they send.
_NO_FILES: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})

_OPTIONS: Final = (
    QueryField(
        "people",
        {"type": "string", "enum": ["members", "outsiders"], "default": "members"},
        "Names that nobody here has: they join, or stay outside and are not kept",
    ),
    QueryField(
        "categories",
        {"type": "string", "enum": ["refuse", "add"], "default": "refuse"},
        "Categories that the group does not have",
    ),
    QueryField("began", {"type": "string", "format": "date"}, "Let the book begin on this earlier day"),
    QueryField(
        "layout", {"type": "string", "enum": sorted(LAYOUTS)}, "What the files are; recognised without it"
    ),
    QueryField(
        "days", {"type": "string", "enum": ["iso", "dmy", "mdy"]}, "Order of day, month and year, if not ISO"
    ),
    QueryField("decimal", {"type": "string", "enum": ["point", "comma"]}, "Decimal sign, if it is not plain"),
    QueryField(
        "nearest",
        {"type": "string", "enum": ["true", "false"]},
        "Round time that is no whole number of minutes",
    ),
    QueryField("on", {"type": "string", "format": "date"}, "The day of lines in files that have none"),
    QueryField("sheet", {"type": "string"}, "Sheet of a workbook; the first without it"),
    QueryField(
        "column", {"type": "string"}, "`giver=Ayudante`: which header is which column; once for each column"
    ),
    QueryField("name", {"type": "string"}, "Name of the file, if it is the body"),
)


# ---------------------------------------------------------------- what is answered


class WorkOut(msgspec.Struct, omit_defaults=True):
    """The newest work about an import: `check`, `post` or `undo`.

    `state` is waiting or running; then done, refused, cancelled or failed, with `refusal` as the code of why.
    `locked_seconds`: for about how long others of the group wait before they can write again.
    """

    kind: str
    state: str
    phase: str = ""
    done: int = 0
    total: int = 0
    locked_seconds: int = 0
    refusal: str = ""


class ImportOut(msgspec.Struct, omit_defaults=True):
    """An import; `state` is new, checked, posted, undone or dropped. Figures are those of the last check."""

    id: UUID
    state: str
    created_at: datetime
    expires_on: date | None = None
    new: int | None = None
    already: int | None = None
    faults: int | None = None


class FileOut(msgspec.Struct):
    """What a file was: how it was read, how many lines say something, what was passed over and why."""

    name: str
    layout: str
    lines: int
    passed: list[dict[str, str | int]]
    remarks: list[str]


class FaultOut(msgspec.Struct):
    """What is wrong with one line; `line` is 0 for the file as a whole, `column` empty for the whole line."""

    file: str
    line: int
    column: str
    code: str
    detail: str
    value: str
    params: dict[str, str | int]


class SumOut(msgspec.Struct):
    """What new lines add up to: given, in, out or opening; minutes, or smallest coins of a currency."""

    what: str
    unit: str
    amount: int
    lines: int


class HeaderOut(msgspec.Struct):
    """The first line of a file, and which header is taken for which of our columns."""

    file: str
    layout: str
    headers: list[str]
    columns: dict[str, str]
    missing: list[str]


class ReportOut(msgspec.Struct):
    """What files hold, and what would come of them. The first thousand faults are listed, the first 200 names."""

    files: list[FileOut]
    faults: list[FaultOut]
    fault_count: int
    new: int
    already: int
    totals: list[SumOut]
    people_new: list[str]
    people_new_count: int
    people_known: int
    outside: int
    categories_new: list[str]
    notes_lost: int
    began_on: date
    first_day: date | None
    last_day: date | None
    headers: list[HeaderOut]


class WholeImportOut(ImportOut, omit_defaults=True):
    """An import with its newest work; `report` only for who handed it in, and until it is posted."""

    work: WorkOut | None = None
    report: ReportOut | None = None


class ImportsOut(msgspec.Struct, omit_defaults=True):
    """A page of the group's imports, newest first; `next` is the `after` of the next page."""

    imports: list[ImportOut]
    next: str = ""


IMPORTS: Final[Listing[service.ImportPlace]] = Listing(
    "imports",
    tuple[Annotated[datetime, msgspec.Meta(tz=True)], UUID],
    usual=50,
    largest=200,
    filters=(one_of("state", STATES, "Only imports in this state"),),
)


# ---------------------------------------------------------------- routes


@post(
    "/groups/{slug:str}/imports",
    operation_class=takes_files(
        WholeImportOut,
        _MEDIA_TYPES,
        summary="Hand in a group's past",
        description="Files are read and rehearsed; nothing is written before `post`. Hours and people take a "
        f"steward, money takes a treasurer. At most {UPLOAD_MAX // 2**20} MiB; in a form, options are fields.",
        query=_OPTIONS,
        refusals=(
            errors.JobRunning,
            errors.NeedsRole,
        ),
    ),
)
async def hand_in(request: Request[Any, Any, Any]) -> ASGIApp:
    """Take files in and have them checked."""
    door, actor, key = await _writer(request)
    import_id = service.import_id_of(actor, key)
    files, fields = await _receive(request)
    _refuse_empty(fields)
    fresh = await service.hand_in(
        door.house, actor, files, read_options(fields), import_id=import_id, now=door.clock()
    )
    _workshop(request).wake()
    return await _accepted(request, door, actor, import_id, more=() if fresh else (REPLAYED,))


@get(
    "/groups/{slug:str}/imports",
    operation_class=reads(
        ImportsOut,
        summary="The group's imports",
        description="For stewards and treasurers, newest first.",
        query=IMPORTS.query,
        refusals=(NeedsRole,),
    ),
)
async def list_imports(request: Request[Any, Any, Any]) -> ASGIApp:
    """Return the group's imports."""
    door, actor = await signed_in(request)
    asked = IMPORTS.read(request.scope["query_string"])
    page = await service.list_imports(
        door.house, actor, after=asked.after, limit=asked.limit, state=asked.filters.get("state")
    )
    return json_reply(
        ImportsOut([ImportOut(**_figures(row)) for row in page.rows], next=IMPORTS.next(page.next))
    )


@get(
    "/groups/{slug:str}/imports/{import_id:uuid}",
    operation_class=reads(
        WholeImportOut,
        summary="How far an import is, and what is in it",
        description="Look again every second or two while `work` is waiting or running.",
        refusals=(NeedsRole, UnknownImport),
    ),
)
async def get_import(request: Request[Any, Any, Any], import_id: FromPath[UUID]) -> ASGIApp:
    """Return an import with its work and its report."""
    door, actor = await signed_in(request)
    actor.require_scope("read")
    found = await service.find_import(door.house, actor, import_id)
    if found.job is not None and found.job.is_open:
        # If its worker was lost, whoever looks starts the next one.
        _workshop(request).wake()
    return json_reply(_whole(found, door, _language(request)))


@post(
    "/groups/{slug:str}/imports/{import_id:uuid}/post",
    operation_class=asks_for(
        WholeImportOut,
        summary="Write an import into the book",
        description="By who handed it in, once it was checked without a fault. All of it, or nothing.",
        refusals=(
            errors.JobNotOpen,
            errors.JobRunning,
            errors.NeedsRole,
            errors.UnknownImport,
        ),
    ),
)
async def post_import(request: Request[Any, Any, Any], import_id: FromPath[UUID]) -> ASGIApp:
    """Ask for an import to be written."""
    return await _ask_for(request, import_id, "post", becomes="posted")


@post(
    "/groups/{slug:str}/imports/{import_id:uuid}/undo",
    operation_class=asks_for(
        WholeImportOut,
        summary="Take an import back",
        description="Every entry of it that nobody corrected before, each by its mirror. Who joined stays.",
        refusals=(
            errors.ImportNotUndoable,
            errors.JobRunning,
            errors.NeedsRole,
            errors.UnknownImport,
        ),
    ),
)
async def undo_import(request: Request[Any, Any, Any], import_id: FromPath[UUID]) -> ASGIApp:
    """Ask for an import to be taken back."""
    return await _ask_for(request, import_id, "undo", becomes="undone")


@post(
    "/groups/{slug:str}/imports/{import_id:uuid}/cancel",
    operation_class=asks_for(
        WholeImportOut,
        summary="Stop, and let an import go",
        description="What is being done stops soon and leaves nothing. An import that is not posted is dropped, "
        "and its files are gone; one that is posted stays as it is.",
        refusals=(
            errors.ImportUnderWay,
            errors.JobNotOpen,
            errors.NeedsRole,
            errors.UnknownImport,
        ),
    ),
)
async def cancel_import(request: Request[Any, Any, Any], import_id: FromPath[UUID]) -> ASGIApp:
    """Stop what is being done about an import, and drop it if it is not posted."""
    door, actor, _ = await _writer(request)
    found = await service.find_import(door.house, actor, import_id)
    if found.row.state == "posted" and found.job is not None and found.job.is_open:
        await service.stop_work(door.house, actor, import_id, now=door.clock())
    else:
        await service.drop_import(door.house, actor, import_id, now=door.clock())
    return await _accepted(request, door, actor, import_id)


ROUTES: Final = (hand_in, list_imports, get_import, post_import, undo_import, cancel_import)


# ---------------------------------------------------------------- requests


async def _writer(request: Request[Any, Any, Any]) -> tuple[Door, Actor, str]:
    """Return the door, who is asking, and the key, before anything of the body is read."""
    door, actor = await signed_in(request)
    actor.require_scope("write")
    actor.require_role("steward", "treasurer")
    return door, actor, check_key(Asked(request.scope["headers"]).keys)


async def _receive(request: Request[Any, Any, Any]) -> tuple[list[tuple[str, bytes]], dict[str, list[str]]]:
    """Return the files and the options of a request."""
    asked = Asked(request.scope["headers"])
    said = parse_qs(request.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
    if is_multipart(asked.content_type):
        upload = await receive_upload(
            request.receive,
            content_type=asked.content_type,
            announced=asked.content_length,
            size_max=UPLOAD_MAX,
        )
        for name, values in upload.fields.items():
            said.setdefault(name, []).extend(values)
        return upload.files, said
    if asked.content_type.partition(";")[0].strip().lower() in _NO_FILES:
        raise MalformedBody(why=NOT_A_FILE)
    name = said.pop("name", [""])[0]
    content = await receive_body(request.receive, size_max=UPLOAD_MAX, announced=asked.content_length)
    if not content:
        raise FieldInvalid(field="files", why=EMPTY)
    return [(name, content)], said


def _refuse_empty(fields: dict[str, list[str]]) -> None:
    """Refuse options that are there and say nothing: a page may send those, a program meant something."""
    faults = Faults()
    for name, values in fields.items():
        with faults.at(name):
            if "" in values and name in NAMES:
                raise FieldInvalid(field=name, why=EMPTY)
    faults.settle()


def _workshop(request: Request[Any, Any, Any]) -> Workshop:
    workshop: Workshop = request.app.state.workshop
    return workshop


def _language(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language", ""))


async def _ask_for(
    request: Request[Any, Any, Any], import_id: UUID, kind: Literal["post", "undo"], *, becomes: str
) -> Reply:
    """Ask for work that brings an import to a state; asking again when it is there is no refusal."""
    door, actor, _ = await _writer(request)
    try:
        await service.ask_for(door.house, actor, import_id, kind, now=door.clock())
    except (JobNotOpen, ImportNotUndoable) as refusal:
        if refusal.params.get("state") != becomes:
            raise
    _workshop(request).wake()
    return await _accepted(request, door, actor, import_id)


async def _accepted(
    request: Request[Any, Any, Any],
    door: Door,
    actor: Actor,
    import_id: UUID,
    *,
    more: tuple[tuple[bytes, bytes], ...] = (),
) -> Reply:
    found = await service.find_import(door.house, actor, import_id)
    body = msgspec.json.encode(_whole(found, door, _language(request)))
    return Reply(202, body, JSON, more)


# ---------------------------------------------------------------- answers


def _figures(row: ImportRow) -> dict[str, Any]:
    is_kept = row.member_id is not None and row.state in {"new", "checked"}
    figures = {name: row.summary.get(name) for name in ("new", "already", "faults")}
    return {
        "id": row.import_id,
        "state": row.state,
        "created_at": row.created_at,
        "expires_on": service.expires_on(row) if is_kept else None,
        **figures,
    }


def _whole(found: Import, door: Door, language: Language) -> WholeImportOut:
    return WholeImportOut(
        **_figures(found.row),
        work=None if found.job is None else _work(found.job, door.clock()),
        report=None if found.report is None else _report(found.report, language),
    )


def _work(job: JobRow, now: datetime) -> WorkOut:
    return WorkOut(
        kind=job.kind,
        state=job.state,
        phase=job.phase,
        done=job.done,
        total=job.total,
        locked_seconds=seconds_locked(job, now=now),
        refusal=job.refusal,
    )


def _report(report: Report, language: Language) -> ReportOut:
    return ReportOut(
        files=[
            FileOut(
                file.name,
                file.layout,
                file.lines,
                [{"why": language.say(why), "lines": count} for why, count in file.passed],
                [language.say(message, **params) for message, params in file.remarks],
            )
            for file in report.files
        ],
        faults=[_fault(fault, language) for fault in report.faults],
        fault_count=report.fault_count,
        new=report.new,
        already=report.already,
        totals=[SumOut(total.what, total.unit, total.amount, total.lines) for total in report.totals],
        people_new=report.people_new,
        people_new_count=report.people_new_count,
        people_known=report.people_known,
        outside=report.outside,
        categories_new=report.categories_new,
        notes_lost=report.notes_lost,
        began_on=report.began_on,
        first_day=report.first_day,
        last_day=report.last_day,
        headers=[
            HeaderOut(
                header.file,
                header.layout,
                header.headers,
                {column.name: column.theirs for column in header.columns if column.theirs},
                [column.name for column in header.columns if column.needed and not column.theirs],
            )
            for header in report.headers
        ],
    )


def _fault(fault: SeenFault, language: Language) -> FaultOut:
    return FaultOut(
        fault.file,
        fault.line,
        fault.column,
        fault.code,
        sentence(fault.message, fault.params, language),
        fault.value,
        fault.params,
    )
