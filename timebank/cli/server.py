"""The HTTP server: uvicorn with deadlines for slow clients, a bound on their number, and a quick stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from timebank.config import OperatorError, Settings

HEAD_WITHIN_S: Final = 10.0
BODY_WITHIN_S: Final = 30.0
IDLE_WITHIN_S: Final = 75
READ_ANSWER_WITHIN_S: Final = 60.0
HEAD_BYTES_MAX: Final = 65_536
STOP_WITHIN_S: Final = 3

_SWEEP_EVERY_S: Final = 0.5
_PORTS_TRIED: Final = 50
# Descriptors for the database, templates, logs: never all of them for clients.
_DESCRIPTORS_KEPT: Final = 128

logger = logging.getLogger("timebank.server")


class Clients:
    """Everyone who is connected, and who of them has not finished asking.

    Attributes:
        most: How many may be connected at once.
        asking: Connections whose request head is not here yet, longest waiting first.
        everyone: All connections, oldest first.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.asking: dict[DeadlineProtocol, None] = {}
        self.everyone: dict[DeadlineProtocol, None] = {}

    def make_room(self) -> bool:
        """Let go of whoever matters least; return whether there is room for one more now.

        A client that holds a connection open without asking anything costs an attacker nothing,
        so it is the first to go: then a thousand of them do not keep anyone out.
        """
        if len(self.everyone) < self.most:
            return True
        victim = next(iter(self.asking), None)
        if victim is None:
            return False
        victim.drop()
        return True

    def sweep(self, now: float) -> None:
        """Let go of everyone who was given enough time."""
        for client in [client for client in self.everyone if client.is_late(now)]:
            client.give_up_on()


class DeadlineProtocol(HttpToolsProtocol):
    """One connection: the whole request head within 10 s, its body within 30 s, or it is closed."""

    clients: Clients

    # Moments of the loop's clock at which patience ends; 0 means that nothing is awaited.
    _read_until: float = 0.0
    _written_until: float = 0.0
    _head_bytes: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new client in, if there is or can be room."""
        super().connection_made(transport)
        if not self.clients.make_room():
            self._answer_and_close(b"503 Service Unavailable", b"retry-after: 5\r\n")
            return
        self.clients.everyone[self] = None
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client that is gone."""
        self.clients.everyone.pop(self, None)
        self.clients.asking.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a head that never ends would fill the memory before its time is up."""
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self in self.clients.asking and self._head_bytes > HEAD_BYTES_MAX:
            self._answer_and_close(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """Note when a request began on a connection that was kept."""
        self._await_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that the head is here; from now on the body is awaited."""
        self.clients.asking.pop(self, None)
        self._read_until = self.loop.time() + BODY_WITHIN_S
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that nothing more is awaited from this client."""
        self._read_until = 0.0
        self._head_bytes = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Note since when a client has not read our answer."""
        self._written_until = self.loop.time() + READ_ANSWER_WITHIN_S
        super().pause_writing()

    def resume_writing(self) -> None:
        """Note that the client reads on."""
        self._written_until = 0.0
        super().resume_writing()

    def is_late(self, now: float) -> bool:
        """Whether this client has had all the time that it gets."""
        return 0.0 < self._read_until < now or 0.0 < self._written_until < now

    def give_up_on(self) -> None:
        """End a connection whose time is up, and say so where an answer can still be understood."""
        if self._written_until == 0.0 and (self.cycle is None or self.cycle.response_complete):
            self._answer_and_close(b"408 Request Timeout")
        else:
            self.drop()

    def drop(self) -> None:
        """End the connection at once."""
        self.clients.everyone.pop(self, None)
        self.clients.asking.pop(self, None)
        self.transport.abort()

    def _await_head(self) -> None:
        self._read_until = self.loop.time() + HEAD_WITHIN_S
        self.clients.asking[self] = None

    def _answer_and_close(self, status: bytes, headers: bytes = b"") -> None:
        self.clients.asking.pop(self, None)
        self._read_until = 0.0
        self._written_until = self.loop.time() + 1.0
        self.transport.write(
            b"HTTP/1.1 " + status + b"\r\n" + headers + b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn that leaves signals to us: its own way ends the process before PostgreSQL is stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log line of uvicorn's says something that is wrong; a stream that we ended is not."""
    ended = record.exc_info is not None and record.exc_info[0] is asyncio.CancelledError
    return not (ended or str(record.msg).startswith("Cancel %s running task"))


def listen(host: str, port: int) -> socket.socket:
    """Open the port, or the next free one after it.

    Args:
        host: Name or address to listen on.
        port: First port to try; 0 lets the system choose.

    Raises:
        OperatorError: The address is none of this machine's, or fifty ports in a row are taken.
    """
    for candidate in range(port, min(port + _PORTS_TRIED, 65_536)):
        try:
            family, _, _, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            raise OperatorError(f"{host} is no address to listen on: {error.strerror}.") from error
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise OperatorError(
                    f"Port {candidate} of {host} cannot be used: {error.strerror}."
                ) from error
            continue
        listener.setblocking(False)
        return listener
    raise OperatorError(f"The ports from {port} to {candidate} of {host} are all taken.")


async def serve_app(
    app: Any, settings: Settings, listener: socket.socket, *, ready: Callable[[], None]
) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then stop within five seconds, open streams or not.

    Args:
        app: The ASGI application; its lifespan runs inside.
        listener: What :func:`listen` returned.
        ready: Called once when requests are answered.
    """
    clients = Clients(_clients_max(settings.connections_max))
    # uvicorn makes one protocol object per connection from a class, so what they share is put there.
    protocol = cast("type[DeadlineProtocol]", type("Protocol", (DeadlineProtocol,), {"clients": clients}))
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=bool(settings.trusted_proxy),
        forwarded_allow_ips=settings.trusted_proxy or None,
        timeout_keep_alive=IDLE_WITHIN_S,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, server)
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    sweeper = loop.create_task(_sweep(server, clients, ready))
    try:
        await server.serve(sockets=[listener])
    except SystemExit as error:
        # uvicorn leaves like this when the application's lifespan does not start.
        raise OperatorError("The server could not start; the reason stands above.") from error
    finally:
        sweeper.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _stop(server: _Server) -> None:
    # The second time somebody asks, nobody is waited for.
    server.force_exit = server.should_exit
    server.should_exit = True


async def _sweep(server: _Server, clients: Clients, ready: Callable[[], None]) -> None:
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
        await asyncio.sleep(0.01)
    ready()
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S)
        clients.sweep(loop.time())


def _clients_max(wanted: int) -> int:
    """Return how many clients there are descriptors for, after asking for as many as we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + _DESCRIPTORS_KEPT
    if soft != resource.RLIM_INFINITY and soft < enough:
        soft = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= enough:
        return wanted
    logger.warning("Only %d clients at once: this process may open no more than %d files.", soft // 2, soft)
    return soft // 2
