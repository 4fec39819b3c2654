"""``timebank serve``: the database, the pages and the API, until somebody says stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

from timebank.cli.database import Dsn, open_database
from timebank.config import Settings

NAME: Final = "serve"
HELP: Final = "run the server, with a PostgreSQL of its own unless TIMEBANK_DATABASE_URL names one"

SETUP_KEY: Final = "setup.key"

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """Somebody asked this process to end before it was ready."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--port", type=int, metavar="N", help="first port to try (TIMEBANK_PORT, else 8000)")
    parser.add_argument(
        "--host", metavar="ADDRESS", help="address to listen on (TIMEBANK_HOST, else 127.0.0.1)"
    )


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; both are a good end."""
    settings = with_arguments(args.settings, args)
    with stoppable(), open_database(settings, alone=True) as dsn:
        run_server(settings, dsn)
    return 0


def with_arguments(settings: Settings, args: argparse.Namespace) -> Settings:
    """Return the settings with what the command line asks for put over them."""
    given = {name: value for name in ("port", "host") if (value := getattr(args, name)) is not None}
    return dataclasses.replace(settings, **given)


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C unwind what is inside, so that PostgreSQL is stopped on the way out."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_server(settings: Settings, dsn: Dsn, *, prepare: Callable[[str], Any] | None = None) -> None:
    """Bring the database up to date and answer requests until somebody says stop.

    Args:
        prepare: Called with the address once the port is known and before requests are answered;
            what it returns is awaited. ``demo`` makes its group here.
    """
    import uvloop

    from timebank.app import build_app
    from timebank.cli.memory import settle_memory
    from timebank.cli.server import listen, serve_app
    from timebank.services.logs import log_to_stderr
    from timebank.store.migrate import upgrade

    log_to_stderr()
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    address = settings.origin or f"http://{host_name(settings.host)}:{port}"

    async def go() -> None:
        _let_signals_cancel()
        await upgrade(dsn, embedded=settings.embedded)
        await _settle(settings, dsn)
        if prepare is not None:
            await prepare(address)
        app = build_app(settings, dsn, address=address)
        settle_memory()
        await serve_app(app, settings, listener, ready=lambda: _say(settings, port, address))

    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(go())
    except asyncio.CancelledError:
        raise Stopped from None
    finally:
        # The loop leaves the system's own behind, which would not stop the database.
        for number, handler in handlers.items():
            signal.signal(number, handler)


async def _settle(settings: Settings, dsn: Dsn) -> None:
    """See to it that a database that was put back has nobody who was erased, before anybody is answered."""
    from timebank.services.house import open_house
    from timebank.services.restore import settle_at_start

    async with open_house(settings.home, dsn) as house:
        if again := await settle_at_start(house, now=datetime.now(UTC)):
            print(f"{again} people who had been erased were in this database; they are erased again.")


def _let_signals_cancel() -> None:
    """Let a signal end the running task, until the server itself takes care of them.

    An exception out of a signal handler could surface in any task of the loop, and be lost there.
    """
    task = asyncio.current_task()
    assert task is not None
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


def host_name(host: str) -> str:
    """Return what people type for an address that is listened on."""
    # Passkeys work on localhost but on no IP address.
    if host in {"127.0.0.1", "::1", "0.0.0.0", "::"}:  # noqa: S104 - compared, not listened on
        return "localhost"
    return f"[{host}]" if ":" in host else host


def _say(settings: Settings, port: int, address: str) -> None:
    lines = [""]
    if settings.port not in {0, port}:
        lines.append(f"Port {settings.port} is taken, so this is port {port}.")
    lines.append(f"timebank is ready: {address}")
    if token := setup_token(settings.home):
        lines.append(f"Set up your group with this link, which works once: {address}/setup/{token}")
        lines.append("The same page can load an example group of two years to look at.")
    if not settings.origin:
        lines += [
            "A phone cannot reach this address. Put a web server with TLS in front of it (docs/operating.md),",
            "or tunnel to it, and name what people type in TIMEBANK_ORIGIN.",
        ]
    lines += [f"Everything is kept in {settings.home_name or settings.home}. Ctrl-C stops the server.", ""]
    print("\n".join(lines), flush=True)


def setup_token(home: Path) -> str | None:
    """Return the secret of the one-time set-up link, or None once it has been used.

    The file ``setup.key`` holds it; the set-up page empties that file when a group is made.
    """
    path = home / SETUP_KEY
    if not path.exists():
        # Complete or not at all: an empty file says that the link has been used.
        fresh = home / f"{SETUP_KEY}.new"
        with open(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(secrets.token_urlsafe(24))
        fresh.replace(path)
    return path.read_text(encoding="ascii").strip() or None
