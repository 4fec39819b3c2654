"""The server that is measured: as ``serve`` runs it, and two routes beside it to compare with.

The routes to compare with are here and nowhere else; no server that anybody uses has them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, post
from litestar.types import ASGIApp

from timebank.api.hours import HOURS
from timebank.bench.measure import WentWrong
from timebank.edge.bodies import BODY_MAX, check_media_type, receive_body
from timebank.edge.door import Asked, Door
from timebank.edge.headers import JSON, Reply

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from timebank.bench.stage import Dsn

SAME_AUTH_PATH: Final = "/bench/{slug}/same-auth"
EMPTY_PATH: Final = "/bench/empty"
_START_WITHIN_S: Final = 60.0


@post("/bench/{slug:str}/same-auth", include_in_schema=False)
async def same_auth(request: Request[Any, Any, Any]) -> ASGIApp:
    """Look the token up, read and parse the body as ``POST hours`` does, and do nothing with it."""
    scope = request.scope
    asked = Asked(scope["headers"])
    door: Door = scope["litestar_app"].state.door
    actor = await door.keeper.actor(scope["path_params"]["slug"], asked.authorization)
    actor.require_scope("write")
    body = await receive_body(request.receive, size_max=HOURS.reader.size_max, announced=asked.content_length)
    check_media_type(asked.content_type)
    HOURS.reader.read(body)
    return Reply(201, b"{}", JSON)


@post("/bench/empty", include_in_schema=False)
async def empty(request: Request[Any, Any, Any]) -> ASGIApp:
    """Read the body and answer."""
    await receive_body(request.receive, size_max=BODY_MAX, announced="")
    return Reply(201, b"{}", JSON)


class Server:
    """The server's process; ``start`` returns once it answers."""

    def __init__(self, dsn: Dsn) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(dsn, self._theirs), daemon=True)
        self.port = 0

    async def start(self) -> None:
        """Start it.

        Raises:
            WentWrong: It does not come up.
        """
        self._process.start()
        self._theirs.close()
        with suppress(EOFError):
            if await asyncio.to_thread(self._pipe.poll, _START_WITHIN_S):
                self.port = self._pipe.recv()
        if not self.port:
            raise WentWrong("the server did not start")

    def close(self) -> None:
        """Stop it as an operator would."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join(10)
            if self._process.is_alive():
                self._process.kill()
        self._pipe.close()


def serve(dsn: Dsn, pipe: Connection) -> None:
    """Answer requests until SIGTERM; the life of the server's process."""
    import uvloop

    from timebank.app import build_app
    from timebank.cli.memory import settle_memory
    from timebank.cli.server import listen, serve_app
    from timebank.config import Settings

    settings = Settings(home=dsn.home, database_urls={}, port=0)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = build_app(settings, dsn)
    app.register(same_auth)
    app.register(empty)
    settle_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_app(app, settings, listener, ready=lambda: pipe.send(port)))
