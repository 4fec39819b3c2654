"""The import pages in a real browser: how they fit, how they read without eyes, what they ask for.

Imports that were never handed in stand behind them, one for each place on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from litestar import Litestar
from playwright.sync_api import Page, expect

from tests.browser.screen import AXE_RULES, IN_A_BROWSER, serving, sideways, sign_in, stay
from timebank.errors import ColumnsMissing, DurationUnreadable, FieldInvalid, UnknownCategory, UnknownImport
from timebank.formats.layouts import LAYOUTS
from timebank.rules.names import EMPTY
from timebank.rules.people import Actor
from timebank.services.import_report import (
    ImportOptions,
    Report,
    SeenColumn,
    SeenFault,
    SeenFile,
    SeenHeader,
    SeenTotal,
)
from timebank.services.imports import Import
from timebank.store.imports import ImportRow
from timebank.store.jobs import JobRow
from timebank.web import imports as pages
from timebank.web.public import PUBLIC_PAGES

pytestmark = IN_A_BROWSER

# The longer language on the narrow page.
LOOKS = ((320, "es", "light"), (1280, "en", "dark"))
NOW = datetime.now(UTC)
GROUP = SimpleNamespace(slug="lane", name="Millbank Lane Neighbours", languages=("en", "es"))
BO = Actor(UUID(int=1), UUID(int=2), 3, {}, frozenset({"member", "steward"}), frozenset())

HEADERS = ["Fecha", "Ayudante", "A quién ayudó (o vacío si fue al bote común)", "Tiempo", "Qué"]
COLUMNS = dict(zip(("date", "giver", "receiver", "hours", "note"), HEADERS, strict=True))


def job(kind: str, state: str, **more: Any) -> JobRow:
    row = JobRow(
        UUID(int=4),
        kind,
        UUID(int=5),
        BO.member_id,
        "server",
        state,
        "",
        0,
        0,
        False,
        "",
        NOW,
        NOW,
        NOW,
        None,
    )
    return row._replace(**more)


def seen_header(*, whole: bool) -> SeenHeader:
    columns = [
        SeenColumn(
            column.name,
            column.means,
            column.needed,
            column.blank,
            COLUMNS.get(column.name, "") if whole else "",
        )
        for column in LAYOUTS["hours"].columns
    ]
    return SeenHeader("Horas de enero.xlsx", "hours", HEADERS, columns, whole)


REPORT = Report(
    files=[
        SeenFile(
            "Horas de enero.xlsx",
            "hours",
            12_480,
            [("it was never finished", 3)],
            [("These columns are passed over: %(columns)s.", {"columns": "Firma, Semana"})],
        ),
        SeenFile("caja-y-banco-con-un-nombre-muy-largo-que-nadie-acorta-nunca.csv", "money", 640, [], []),
    ],
    faults=[],
    fault_count=0,
    new=13_117,
    already=3,
    totals=[
        SeenTotal("given", "minutes", 1_248_030, 12_480),
        SeenTotal("in", "EUR", 1_904_350, 410),
        SeenTotal("out", "EUR", 1_650_000, 227),
    ],
    people_new=["Ada", "Bo", "Cristóbal de la Fuente", "Нина", "أمينة"],
    people_new_count=5,
    people_known=38,
    outside=2,
    categories_new=["huerto", "papeleo"],
    notes_lost=0,
    began_on=date(2019, 3, 1),
    first_day=date(2019, 3, 2),
    last_day=date(2026, 2, 28),
    headers=[seen_header(whole=True)],
)


def fault(line: int, column: str, refusal: Any, value: str, file: str = "Horas de enero.xlsx") -> SeenFault:
    return SeenFault(file, line, column, refusal.code, refusal.message, dict(refusal.params), value)


FAULTY = Report(
    **{
        **{name: getattr(REPORT, name) for name in REPORT.__struct_fields__},
        "faults": [
            fault(0, "", ColumnsMissing(columns="date, giver"), "", "caja.csv"),
            fault(17, "hours", DurationUnreadable(), "1:75"),
            fault(18, "category", UnknownCategory(category="huerto"), "huerto"),
            fault(12_001, "note", DurationUnreadable(), '=HYPERLINK("http' + "x" * 70),
        ],
        "fault_count": 131,
        "began_on": date(2026, 1, 1),
        "headers": [seen_header(whole=False)],
    }
)

ROW = ImportRow(
    UUID(int=5),
    "checked",
    {"files": [], "people": "members", "columns": COLUMNS},
    REPORT.summary(),
    BO.member_id,
    NOW,
    NOW,
    None,
    None,
)
DONE = job("check", "done")
WRITING = job(
    "post", "running", phase="writing", done=5_200, total=13_117, locked_until=NOW + timedelta(seconds=95)
)
STATES: dict[str, Import] = {
    "waiting": Import(ROW._replace(state="new"), job("check", "waiting"), None),
    "checking": Import(
        ROW._replace(state="new"), job("check", "running", phase="reading", done=4, total=9), None
    ),
    "writing": Import(ROW, WRITING, REPORT),
    "stuck": Import(ROW._replace(state="new"), job("check", "refused", refusal="needs_role"), None),
    "stopped": Import(ROW._replace(state="new"), job("check", "cancelled"), None),
    "faults": Import(ROW._replace(options={"files": []}), DONE, FAULTY),
    "ready": Import(ROW, DONE, REPORT),
    "unwritten": Import(ROW, job("post", "failed", refusal="interrupted"), REPORT),
    "posted": Import(ROW._replace(state="posted"), job("post", "done"), None),
    "undone": Import(ROW._replace(state="undone"), job("undo", "done"), None),
    "dropped": Import(ROW._replace(state="dropped"), DONE, None),
    "expired": Import(ROW._replace(created_at=NOW - timedelta(days=9)), DONE, None),
}
LOOKS_AGAIN = {"waiting", "checking", "writing"}


class Desk:
    """What the pages call, with an answer for every address that is named after a state."""

    def __init__(self) -> None:
        self.looks = 0
        self.did: list[str] = []

    async def group(self, request: Any, _slug: str, _person: str = "") -> tuple[Any, Any, str]:
        from timebank.i18n import choose_language

        said = request.query_params.get("lang")
        return GROUP, choose_language(explicit=said, group=GROUP.languages), f"?lang={said}" if said else ""

    async def open_link(self, _house: Any, _group_id: Any, link: str, **_: Any) -> tuple[Actor, str]:
        if link not in {*STATES, "on-its-way"}:
            raise UnknownImport
        return BO, link

    async def find_import(self, _house: Any, _actor: Any, link: str) -> Import:
        if link == "on-its-way":
            self.looks += 1
            return STATES["checking" if self.looks < 3 else "ready"]
        return STATES[link]

    async def hand_in(self, _house: Any, _actor: Any, files: Any, options: ImportOptions, **_: Any) -> bool:
        if not files:
            raise FieldInvalid(field="files", why=EMPTY)
        self.did.append(f"{len(files)} {files[0][0]} {options.days}")
        return True

    async def ask_for(self, _house: Any, _actor: Any, _import_id: Any, kind: str, **_: Any) -> None:
        self.did.append(kind)

    async def change_options(self, _h: Any, _a: Any, _i: Any, options: ImportOptions, **_: Any) -> None:
        self.did.append(f"{options.days} {dict(options.columns)}")

    async def group_id(self, _slug: str) -> UUID:
        return BO.group_id


@pytest.fixture(scope="module")
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def address(desk: Desk) -> Iterator[str]:
    """A server with that desk, on a port of its own."""
    app = Litestar([*PUBLIC_PAGES, *pages.IMPORT_PAGES], openapi_config=None, logging_config=None)
    app.state.door = SimpleNamespace(clock=lambda: NOW, keeper=desk, house=None, origin="")
    app.state.workshop = SimpleNamespace(wake=lambda: None)
    with pytest.MonkeyPatch.context() as patch:
        sign_in(patch, BO)
        patch.setattr("timebank.web.inside.group_and_language", desk.group)
        patch.setattr(pages, "open_link", desk.open_link)
        patch.setattr(pages, "link_of", lambda *_: "on-its-way")
        for name in ("find_import", "hand_in", "ask_for", "change_options"):
            patch.setattr(pages.service, name, getattr(desk, name))
        with serving(app) as at:
            yield at


def go_form(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/g/lane/import{query}")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def go_form_faults(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/g/lane/import{query}")
    page.click("form.form button")


def go_closed(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/g/lane/import/wrong{query}")


def go_undo(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/g/lane/import/posted/undo{query}")


def go_state(state: str) -> Any:
    def go(page: Page, address: str, query: str) -> None:
        page.goto(f"{address}/g/lane/import/{state}{query}")

    return go


def go_open(page: Page, address: str, query: str) -> None:
    go_state("ready")(page, address, query)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


PAGES = {
    "form": go_form,
    "form-faults": go_form_faults,
    "closed": go_closed,
    "undo": go_undo,
    "ready-open": go_open,
    **{state: go_state(state) for state in STATES},
}


@pytest.mark.parametrize(
    ("name", "width", "lang", "scheme"), [(name, *LOOKS[at % 2]) for at, name in enumerate(PAGES)]
)
def test_no_import_page_scrolls_sideways_or_has_a_barrier(
    browser, address, pictures: Path, name: str, width: int, lang: str, scheme: str
):
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()

    PAGES[name](page, address, f"?lang={lang}")
    if name in LOOKS_AGAIN:
        stay(page)
    page.screenshot(path=pictures / f"import-{name}-{width}.png", full_page=True)

    assert sideways(page) == []
    found = Axe().run(page, options=AXE_RULES).response["violations"]
    # These have to look again without a script. They say so, take nothing from anybody who is
    # slow, and have a link for whoever stops the refresh.
    expected = {"meta-refresh"} if name in LOOKS_AGAIN else set()
    assert {one["id"] for one in found} <= expected, [(one["id"], one["nodes"][0]["html"]) for one in found]
    context.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_way_from_files_to_the_book_needs_no_script_and_nobody_else(
    browser, address, desk: Desk, tmp_path: Path, script: bool
):
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    sheet = tmp_path / "past.csv"
    sheet.write_text("date,giver,receiver,hours\n", encoding="utf-8")
    desk.looks, desk.did[:] = 0, []

    page.goto(f"{address}/g/lane/import")
    page.check("input[name=days][value=dmy]", force=True)
    page.click("form.form button")
    assert page.is_checked("input[name=days][value=dmy]")

    page.set_input_files("#files", sheet)
    page.click("form.form button")
    assert page.inner_text("h1") == "Your files are being looked at"
    page.wait_for_selector("text=Ready to be written", timeout=10_000)
    page.click("text=Write 13,117 lines into the book")

    assert desk.did == ["1 past.csv dmy", "post"]
    assert all(url.startswith(address) for url in asked)
    assert context.cookies() == []
    context.close()


def test_their_columns_are_chosen_by_keyboard(browser, address, desk: Desk):
    page = browser.new_page()
    desk.did[:] = []
    page.goto(f"{address}/g/lane/import/faults")

    page.focus("#match-0-giver")
    page.keyboard.type("Ayu")
    page.focus("form.stacked button")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert ring != "none"
    assert desk.did == ["iso {'giver': 'Ayudante'}"]
    page.close()


def test_the_faults_of_the_form_have_the_focus_and_every_field_has_its_words(browser, address):
    page = browser.new_page()

    go_form_faults(page, address, "")

    expect(page.locator(".notice.problem")).to_be_focused()
    control = page.locator("#files")
    assert control.get_attribute("aria-invalid") == "true"
    said = [page.locator(f"#{one}").count() for one in control.get_attribute("aria-describedby").split()]
    assert said == [1, 1]
    page.close()


def test_a_page_from_right_to_left_fits_too(browser, address, pictures: Path):
    page = browser.new_page(viewport={"width": 320, "height": 900})
    for state in ("ready", "faults"):
        page.goto(f"{address}/g/lane/import/{state}")
        page.evaluate("document.documentElement.dir = 'rtl'")
        page.screenshot(path=pictures / f"import-{state}-rtl.png", full_page=True)

        assert sideways(page) == []
    page.close()
