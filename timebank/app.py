"""Builds the application: the only file that knows every part."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from litestar import Litestar, Request, Router
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler

from timebank import __version__
from timebank.api.routes import API
from timebank.config import Settings
from timebank.edge.actor import Doorkeeper
from timebank.edge.door import Door
from timebank.edge.framework import AsIs, Framed
from timebank.edge.headers import guard_headers
from timebank.edge.openapi import name_operation
from timebank.edge.problems import answer_problem, refusal_of, report_fault, status_of
from timebank.edge.sessions import SignInFirst
from timebank.errors import StepUpNeeded
from timebank.services.due import open_sweeper
from timebank.services.host import Machine
from timebank.services.house import House, open_house
from timebank.services.post import post_of
from timebank.services.postman import open_postman
from timebank.services.setup import open_desk
from timebank.services.work import Runner, child_runner, open_workshop
from timebank.services.writer import Writer
from timebank.web.ask import ASK_PAGES
from timebank.web.ask_by_link import ASK_BY_LINK_PAGES
from timebank.web.ask_card import ASK_CARD_PAGES
from timebank.web.ask_status import ASK_STATUS_PAGES
from timebank.web.carry import CARRY_PAGES
from timebank.web.checking import CHECKING
from timebank.web.close_page import CLOSE_PAGES
from timebank.web.going import GOING_PAGES
from timebank.web.group import GROUP_PAGES
from timebank.web.history import HISTORY_PAGES
from timebank.web.home import HOME_PAGES
from timebank.web.host import HOST_PAGES
from timebank.web.imports import IMPORT_PAGES
from timebank.web.invitations import INVITATION_PAGES
from timebank.web.join import JOIN_PAGES
from timebank.web.join_requests import JOIN_REQUEST_PAGES
from timebank.web.log import LOG_PAGES
from timebank.web.log_many import LOG_MANY_PAGES
from timebank.web.log_written import LOG_WRITTEN_PAGES
from timebank.web.looks import LOOKS_PAGES
from timebank.web.lost_link import LOST_LINK_PAGES
from timebank.web.mail_links import MAIL_PAGES
from timebank.web.money import MONEY_PAGES
from timebank.web.money_entry import MONEY_ENTRY_PAGES
from timebank.web.money_in import MONEY_IN_PAGES
from timebank.web.own_lists import OWN_LISTS_PAGES
from timebank.web.pay import PAY_PAGES
from timebank.web.people import PEOPLE_PAGES
from timebank.web.person import PERSON_PAGES
from timebank.web.places import PLACE_PAGES
from timebank.web.policy_editor import POLICY_EDITOR_PAGES
from timebank.web.private import go_to
from timebank.web.propose import PROPOSE_PAGES
from timebank.web.public import PUBLIC_PAGES, error_page
from timebank.web.public_lines import LINES_PAGES
from timebank.web.public_log import PUBLIC_LOG
from timebank.web.receipt import RECEIPT_PAGES
from timebank.web.receipts import RECEIPTS_PAGES
from timebank.web.rules_page import RULES_PAGES
from timebank.web.second import SECOND_PAGES
from timebank.web.settings import SETTINGS_PAGES
from timebank.web.setup import SET_UP_PAGES
from timebank.web.sign_in import SIGN_IN_PAGES, ProofAsked, asks_for_proof
from timebank.web.statement import STATEMENT_PAGES
from timebank.web.today import TODAY_PAGES
from timebank.web.ways_in import WAYS_IN_PAGES


def build_app(
    settings: Settings,
    dsn: Callable[[str], Mapping[str, Any]],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    address: str = "",
    worker: Callable[[House], Runner] | None = None,
) -> Litestar:
    """Return the application; it connects when it is started and lets go when it is stopped.

    Args:
        settings: What the operator decided.
        dsn: Gives the asyncpg arguments for a database role.
        clock: Gives the moment now, aware.
        address: What links in mail begin with, where the settings name no origin.
        worker: Gives what does long work; None for a process of its own.
    """
    live = partial(open_life, settings=settings, dsn=dsn, clock=clock, address=address, worker=worker)
    return put_together(live, over_tls=settings.origin.startswith("https://"))


@asynccontextmanager
async def open_life(
    app: Litestar,
    *,
    settings: Settings,
    dsn: Callable[[str], Mapping[str, Any]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    address: str = "",
    worker: Callable[[House], Runner] | None = None,
) -> AsyncIterator[None]:
    """Give an application what its routes work with, from its start to its stop; see ``build_app``."""
    async with open_house(settings.home, dsn, post=post_of(settings, address=address)) as house:
        writer = Writer(house.database, house.keys, house.checkpoints, clock=clock)
        keeper = Doorkeeper(house, clock=clock)
        app.state.database = house.database
        app.state.machine = Machine(settings.home, settings.witnesses)
        app.state.door = Door(
            house, writer, keeper, clock, origin=settings.origin, witnesses=settings.witnesses
        )
        runner = worker(house) if worker else child_runner(settings.home, dsn, embedded=settings.embedded)
        async with (
            open_desk(settings, house, clock=clock) as app.state.set_up,
            open_workshop(house, clock=clock, runner=runner) as app.state.workshop,
            open_postman(house, clock=clock),
            open_sweeper(house, writer, clock=clock) as app.state.sweeper,
        ):
            try:
                yield
            finally:
                # What was taken in is written before the connections go.
                await writer.close()


def put_together(
    live: Callable[[Litestar], AbstractAsyncContextManager[None]], *, over_tls: bool
) -> Litestar:
    """Return the application with all its routes, which takes a moment.

    Args:
        live: What it lives in from each start to the stop after it: gives it what the routes work with.
        over_tls: Whether everybody comes by TLS.
    """
    return Litestar(
        route_handlers=[
            *API,
            *PUBLIC_PAGES,
            *HISTORY_PAGES,
            *LINES_PAGES,
            *PUBLIC_LOG,
            *CHECKING,
            *SET_UP_PAGES,
            *SIGN_IN_PAGES,
            *WAYS_IN_PAGES,
            *HOME_PAGES,
            *OWN_LISTS_PAGES,
            *LOOKS_PAGES,
            *HOST_PAGES,
            *LOG_PAGES,
            *LOG_MANY_PAGES,
            *LOG_WRITTEN_PAGES,
            *RECEIPT_PAGES,
            *RECEIPTS_PAGES,
            *SETTINGS_PAGES,
            *GOING_PAGES,
            *ASK_PAGES,
            *ASK_STATUS_PAGES,
            *ASK_BY_LINK_PAGES,
            *TODAY_PAGES,
            *ASK_CARD_PAGES,
            *LOST_LINK_PAGES,
            *PAY_PAGES,
            *MONEY_PAGES,
            *MONEY_ENTRY_PAGES,
            *MONEY_IN_PAGES,
            *PLACE_PAGES,
            *CARRY_PAGES,
            *SECOND_PAGES,
            *PROPOSE_PAGES,
            *STATEMENT_PAGES,
            *IMPORT_PAGES,
            *MAIL_PAGES,
            *JOIN_PAGES,
            *JOIN_REQUEST_PAGES,
            *PEOPLE_PAGES,
            *PERSON_PAGES,
            *INVITATION_PAGES,
            *RULES_PAGES,
            *POLICY_EDITOR_PAGES,
            *GROUP_PAGES,
            *CLOSE_PAGES,
        ],
        lifespan=[live],
        state=State({"over_tls": over_tls}),
        exception_handlers={Exception: _answer_error},
        response_class=AsIs,
        before_send=[guard_headers],
        openapi_config=OpenAPIConfig(
            title="timebank",
            version=__version__,
            description="The open book for a common pot. Errors are problem details (RFC 9457).",
            operation_id_creator=name_operation,
            openapi_router=_Unserved("/api", route_handlers=[]),
            render_plugins=[JsonRenderPlugin()],
        ),
        # Our own handler logs what matters: the framework would add addresses, and these hold secrets.
        logging_config=None,
        debug=False,
    )


class _Unserved(Router):
    """Takes the pages that the framework would have of the API and serves none: ours has shapes that it does not know."""

    def register(self, value: ControllerRouterHandler) -> list[BaseRoute]:  # noqa: ARG002 - as the framework calls it
        """Leave a handler out."""
        return []


def _answer_error(request: Request[Any, Any, Any], error: Exception) -> Any:
    """Answer any exception: problem details for programs, a page for people."""
    if request.url.path.startswith("/api/"):
        return answer_problem(request, error)
    if isinstance(error, SignInFirst):
        return Framed(go_to(error.location))
    if isinstance(error, StepUpNeeded) and asks_for_proof(request):
        return Framed(ProofAsked(request))
    refusal = refusal_of(error, request.method)
    report_fault(refusal, request.method, error)
    return Framed(error_page(request, refusal, status_of(refusal)))
