"""Handlers of the import pages. There are no sessions yet: a token hands files in, a secret address goes on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from litestar import Request, post, route
from litestar.enums import HttpMethod
from litestar.params import FromPath
from litestar.types import ASGIApp

from timebank.edge.import_options import NAMES, read_options
from timebank.edge.problems import status_of
from timebank.edge.uploads import receive_upload
from timebank.errors import (
    N_,
    Busy,
    Conflict,
    FieldInvalid,
    ImportNotUndoable,
    JobNotOpen,
    JobRunning,
    NeedsRole,
    NotAllowed,
    NotSignedIn,
    Refusal,
    TooLarge,
    UnknownImport,
    UnknownPage,
)
from timebank.i18n import Language, choose_language, language_codes
from timebank.rules.set_up import TOO_MANY
from timebank.services import imports as service
from timebank.services.import_link import link_of, open_link
from timebank.services.import_report import ImportOptions
from timebank.services.imports import FILES_MAX, UPLOAD_MAX
from timebank.services.published import read_public_group
from timebank.web.forms import Answer, field_text, read_form
from timebank.web.import_page import (
    ImportClosedPage,
    ImportFormPage,
    ImportUndoPage,
    choices_of,
    columns_said,
    import_page,
    stage_of,
)
from timebank.web.pages import render
from timebank.web.private import PrivatePage

if TYPE_CHECKING:
    from litestar.handlers import HTTPRouteHandler

    from timebank.edge.door import Door
    from timebank.rules.people import Actor
    from timebank.rules.publication import PublicGroup
    from timebank.services.imports import Import
    from timebank.services.work import Workshop

_READ: Final = [HttpMethod.GET, HttpMethod.HEAD]
_FIELDS: Final = ("token", "files", *NAMES)
#: Questions that stand behind "only if it is needed".
_RARE: Final = frozenset({"categories", "layout", "nearest", "began", "on", "sheet", "column"})
#: A form that says what all columns of five wide files are.
_MATCH_FIELDS_MAX: Final = 400
_MATCH_FORM_MAX: Final = 64 * 1024
_FOR_FORM: Final = frozenset({*NAMES} - {"column"})


@route("/g/{slug:str}/import", http_method=_READ, include_in_schema=False)
async def import_form(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Show the form that takes files."""
    group, chosen, query = await _group(request, slug)
    page = _form_page(group, {}, {}, chosen, query)
    return PrivatePage(render("import.html", page, chosen), chosen)


@post("/g/{slug:str}/import", include_in_schema=False)
async def hand_in(request: Request[Any, Any, Any], slug: FromPath[str]) -> ASGIApp:
    """Take files in, and go to the address that says what is in them; or show the form again with what is wrong."""
    group, chosen, query = await _group(request, slug)
    fields: Mapping[str, list[str]] = {}
    door: Door = request.app.state.door
    visitor = _Visitor(door, slug)
    try:
        upload = await receive_upload(
            request.receive,
            content_type=request.headers.get("content-type", ""),
            announced=request.headers.get("content-length", ""),
            size_max=UPLOAD_MAX,
            admit=visitor.is_welcome,
        )
        fields = upload.fields
        actor = await visitor.actor(fields)
        if len(upload.files) > FILES_MAX:
            raise FieldInvalid(field="files", why=TOO_MANY)
        options = read_options({name: values for name, values in fields.items() if name in _FOR_FORM})
        import_id = _import_id(actor, fields, upload.files, options)
        await service.hand_in(door.house, actor, upload.files, options, import_id=import_id, now=door.clock())
    except (NotAllowed, FieldInvalid, TooLarge, JobRunning) as refusal:
        advice = {_field_of(refusal): _advice(refusal, chosen)}
        status = 422 if isinstance(refusal, FieldInvalid) else status_of(refusal)
        page = _form_page(group, fields, advice, chosen, query)
        return PrivatePage(render("import.html", page, chosen), chosen, status=status)
    _workshop(request).wake()
    location = f"/g/{slug}/import/{link_of(door.house, actor.group_id, import_id)}{query}"
    return PrivatePage(b"", chosen, status=303, location=location)


@route("/g/{slug:str}/import/{link:str}", http_method=_READ, include_in_schema=False)
async def import_state(request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str]) -> ASGIApp:
    """Show how far an import is, what is in it, or what came of it; the page reads itself again while it works."""
    here = await _Here.find(request, slug, link)
    if here.found is None:
        return here.closed()
    if here.found.job is not None and here.found.job.is_open:
        # If its worker was lost, whoever looks starts the next one.
        _workshop(request).wake()
    return here.page()


@route("/g/{slug:str}/import/{link:str}/{act:str}", http_method=_READ, include_in_schema=False)
async def ask_before_undo(
    request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str], act: FromPath[str]
) -> ASGIApp:
    """Ask once more before an import is taken back."""
    if act != "undo":
        raise UnknownPage
    here = await _Here.find(request, slug, link)
    if here.found is None:
        return here.closed()
    if here.stage != "posted":
        return here.go()
    count = int(here.found.row.summary.get("new", 0))
    page = ImportUndoPage(
        name=here.group.name,
        href=here.href,
        action=here.action,
        query=here.query,
        lines=here.chosen.number(count),
        count=count,
    )
    return PrivatePage(render("import_undo.html", page, here.chosen), here.chosen)


@post("/g/{slug:str}/import/{link:str}/{act:str}", include_in_schema=False)
async def act_on_import(
    request: Request[Any, Any, Any], slug: FromPath[str], link: FromPath[str], act: FromPath[str]
) -> ASGIApp:
    """Do what a button of the page says, and go back to the page."""
    if act not in _ACTS:
        raise UnknownPage
    here = await _Here.find(request, slug, link)
    if here.found is None:
        return here.closed()
    if here.stage == "expired":
        return here.go()
    try:
        if act == "options":
            await _change_options(request, here)
        else:
            await _act(here, act)
    except (JobNotOpen, ImportNotUndoable):
        # The page was older than what it is about; the new one says what became of it.
        return here.go()
    except FieldInvalid as refusal:
        return here.page(refusal=refusal, fields=await _match_form(request))
    except (Conflict, Busy, NotAllowed) as refusal:
        return here.page(refusal=refusal)
    _workshop(request).wake()
    return here.go()


IMPORT_PAGES: Final[list[HTTPRouteHandler]] = [
    import_form,
    hand_in,
    import_state,
    ask_before_undo,
    act_on_import,
]

_ACTS: Final = frozenset({"check", "options", "post", "undo", "stop", "drop"})


# ---------------------------------------------------------------- who is asking


class _Visitor:
    """Whoever sends the form, known by the token in it once that came."""

    def __init__(self, door: Door, slug: str) -> None:
        self._door = door
        self._slug = slug

    async def is_welcome(self, fields: Mapping[str, list[str]]) -> bool:
        """Say whether files that follow are worth keeping."""
        try:
            await self.actor(fields)
        except NotAllowed:
            return False
        return True

    async def actor(self, fields: Mapping[str, list[str]]) -> Actor:
        """Return who they are.

        Raises:
            NotSignedIn, NeedsScope, NeedsRole
        """
        token = field_text(fields, "token").strip().encode()
        actor = await self._door.keeper.actor(self._slug, [b"Bearer " + token])
        actor.require_scope("write")
        actor.require_role("steward", "treasurer")
        return actor


class _Here:
    """An import behind its secret address, and what its pages need to know of the request.

    Attributes:
        found: None where the address leads nowhere.
    """

    def __init__(
        self, request: Request[Any, Any, Any], group: PublicGroup, chosen: Language, query: str, link: str
    ) -> None:
        self.door: Door = request.app.state.door
        self.group = group
        self.chosen = chosen
        self.query = query
        self.action = f"/g/{group.slug}/import/{link}"
        self.href = f"/g/{group.slug}{query}"
        self.actor: Actor
        self.import_id: UUID
        self.found: Import | None = None

    @classmethod
    async def find(cls, request: Request[Any, Any, Any], slug: str, link: str) -> _Here:
        """Open the address.

        Raises:
            NeedsRole: Who handed the import in has no duty any more.
        """
        group, chosen, query = await _group(request, slug)
        here = cls(request, group, chosen, query, link)
        group_id = await here.door.keeper.group_id(slug)
        house, now = here.door.house, here.door.clock()
        try:
            here.actor, here.import_id = await open_link(house, group_id, link, now=now)
            here.found = await service.find_import(house, here.actor, here.import_id)
        except UnknownImport:
            here.found = None
        return here

    @property
    def stage(self) -> str:
        """Where the import is on its way."""
        assert self.found is not None, "closed addresses have no stage"
        return stage_of(self.found, now=self.door.clock())

    def page(
        self, *, refusal: Refusal | None = None, fields: Mapping[str, list[str]] | None = None
    ) -> PrivatePage:
        """Return the page of the import, perhaps with why something was not done."""
        assert self.found is not None, "closed addresses have no page"
        said = _advice(refusal, self.chosen) if refusal else ""
        page = import_page(
            self.found,
            self.group,
            self.chosen,
            action=self.action,
            query=self.query,
            now=self.door.clock(),
            problem=said,
            written={name: field_text(fields, name) for name in _FOR_FORM & fields.keys()}
            if fields
            else None,
            faults={_field_of(refusal): said} if refusal else None,
        )
        status = status_of(refusal) if refusal else 200
        return PrivatePage(render("import_state.html", page, self.chosen), self.chosen, status=status)

    def go(self) -> PrivatePage:
        """Return the way back to the page of the import."""
        return PrivatePage(b"", self.chosen, status=303, location=f"{self.action}{self.query}")

    def closed(self) -> PrivatePage:
        """Return the page of an address that leads nowhere."""
        page = ImportClosedPage(self.group.name, self.href, f"/g/{self.group.slug}/import{self.query}")
        return PrivatePage(render("import_closed.html", page, self.chosen), self.chosen, status=404)


async def _group(request: Request[Any, Any, Any], slug: str) -> tuple[PublicGroup, Language, str]:
    """Return the group, the language of an answer, and ``?lang=`` with it if the address named it."""
    group = (await read_public_group(request.app.state.database, slug)).group
    explicit = request.query_params.get("lang")
    known = explicit if explicit in language_codes() else None
    chosen = choose_language(
        explicit=known, accept_language=request.headers.get("accept-language"), group=group.languages
    )
    return group, chosen, f"?lang={known}" if known else ""


# ---------------------------------------------------------------- doing


def _workshop(request: Request[Any, Any, Any]) -> Workshop:
    workshop: Workshop = request.app.state.workshop
    return workshop


def _import_id(
    actor: Actor,
    fields: Mapping[str, list[str]],
    files: Sequence[tuple[str, bytes]],
    options: ImportOptions,
) -> UUID:
    """Return the same id for the same form pressed twice; other files in it are another import."""
    key = field_text(fields, "key") or secrets.token_hex(16)
    content = sha256(repr([options, [(name, sha256(data).digest()) for name, data in files]]).encode())
    return service.import_id_of(actor, f"page {key} {content.hexdigest()}")


async def _act(here: _Here, act: str) -> None:
    house, now = here.door.house, here.door.clock()
    if act == "stop":
        await service.stop_work(house, here.actor, here.import_id, now=now)
    elif act == "drop":
        await service.drop_import(house, here.actor, here.import_id, now=now)
    elif act == "check":
        await service.ask_for(house, here.actor, here.import_id, "check", now=now)
    elif act == "post":
        await service.ask_for(house, here.actor, here.import_id, "post", now=now)
    else:
        assert act == "undo", act
        await service.ask_for(house, here.actor, here.import_id, "undo", now=now)


async def _change_options(request: Request[Any, Any, Any], here: _Here) -> None:
    assert here.found is not None, "closed addresses have no options"
    fields = await _match_form(request)
    headers = here.found.report.headers if here.found.report else []
    columns = columns_said(fields, headers, service.options_of(here.found.row).columns)
    said = {name: values for name, values in fields.items() if name in _FOR_FORM}
    said["column"] = [f"{ours}={theirs}" for ours, theirs in columns.items()]
    await service.change_options(
        here.door.house, here.actor, here.import_id, read_options(said), now=here.door.clock()
    )


async def _match_form(request: Request[Any, Any, Any]) -> Mapping[str, list[str]]:
    state = request.scope.setdefault("state", {})
    if "match_form" not in state:
        state["match_form"] = await read_form(request, size_max=_MATCH_FORM_MAX, fields_max=_MATCH_FIELDS_MAX)
    fields: Mapping[str, list[str]] = state["match_form"]
    return fields


# ---------------------------------------------------------------- what went wrong


def _field_of(refusal: Refusal) -> str:
    if isinstance(refusal, FieldInvalid):
        return str(refusal.params["field"])
    return "token" if isinstance(refusal, NotAllowed) else "files"


def _advice(refusal: Refusal, chosen: Language) -> str:
    """Return what to do about a refusal, for the summary and beside the field alike."""
    if isinstance(refusal, NotSignedIn):
        return chosen.say(N_("Paste a token of this group that still holds"))
    if isinstance(refusal, NeedsRole):
        return chosen.say(
            N_("Use the token of a steward, for hours and people, or of a treasurer, for money")
        )
    if isinstance(refusal, NotAllowed):
        return chosen.say(N_("Use a token that may write; this one may not"))
    if isinstance(refusal, TooLarge):
        return chosen.say(
            N_("Choose smaller files: all together have at most %(count)s MB"),
            count=chosen.number(UPLOAD_MAX // 2**20),
        )
    if isinstance(refusal, JobRunning):
        return chosen.say(N_("Wait: something long is being done for this group, and there is one at a time"))
    if isinstance(refusal, FieldInvalid):
        field = refusal.params["field"]
        if field == "files" and refusal.params["why"] == TOO_MANY:
            return chosen.say(N_("Choose at most %(count)s files"), count=chosen.number(FILES_MAX))
        if field == "files":
            return chosen.say(N_("Choose a file"))
        if field in {"began", "on"}:
            return chosen.say(N_("Write a day such as 2026-03-01, or leave this empty"))
        return chosen.say(N_("Choose one of the answers"))
    return chosen.refusal(refusal)


def _form_page(
    group: PublicGroup,
    fields: Mapping[str, list[str]],
    faults: Mapping[str, str],
    chosen: Language,
    query: str,
) -> ImportFormPage:
    written = {name: field_text(fields, name) for name in _FOR_FORM & fields.keys()}
    return ImportFormPage(
        name=group.name,
        action=f"/g/{group.slug}/import{query}",
        href=f"/g/{group.slug}{query}",
        key=field_text(fields, "key") or secrets.token_hex(16),
        faults=tuple((field, faults[field]) for field in _FIELDS if field in faults),
        # Whatever was typed there may be a token of somebody: it is never sent back.
        token=Answer("", faults.get("token", "")),
        files=Answer("", faults.get("files", "")),
        choices=choices_of(ImportOptions(), chosen, written=written, faults=faults),
        more_open=bool(_RARE & faults.keys())
        or any(written.get(name) not in {None, "", "refuse", "false"} for name in _RARE),
    )
