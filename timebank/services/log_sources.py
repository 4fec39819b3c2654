"""Where a public log is read from: a folder, an archive, or the host that publishes it."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import SplitResult, quote, urlsplit

from timebank.ledger.public_log import CHECKPOINT_PATH
from timebank.ledger.tiles import ENTRY_BYTES_MAX, TILE_WIDTH

FILE_BYTES_MAX: Final = TILE_WIDTH * (ENTRY_BYTES_MAX + 2)
"""No file of a log is longer than a full bundle of the longest leaves."""

FOLDER: Final = "log"
_TIMEOUT_S: Final = 30.0
_AHEAD: Final = 8
_WORKERS: Final = 4


class NoLogError(Exception):
    """There is nothing to check: no such file, no log in it, or the host does not answer."""


class LogSource(Protocol):
    """The published files of one log."""

    def read(self, name: str) -> bytes | None:
        """Return what is at a path, or None where there is nothing.

        Raises:
            NoLogError: It is there and cannot be read, or the host does not answer.
        """

    def expect(self, names: Iterable[str]) -> None:
        """Be told which paths will be read, in this order; only made use of where asking takes time."""


@contextlib.contextmanager
def open_log(where: str) -> Iterator[LogSource]:
    """Open a public log.

    Args:
        where: Path of a folder or of an archive with a log in it, or the http(s) address of a
            group's page or of its log.

    Raises:
        NoLogError: There is no log, or it cannot be read.
    """
    if is_address(where):
        with contextlib.closing(HttpLog(where)) as log:
            yield log
        return
    path = Path(where)
    if path.is_dir():
        yield FolderLog(path)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield ArchiveLog(archive, path)
    except (OSError, zipfile.BadZipFile) as error:
        raise NoLogError(f"{where} cannot be read: {error}") from error


def is_address(where: str) -> bool:
    """Say whether somebody means a host and not a file."""
    return where.startswith(("http://", "https://"))


def read_address(url: str) -> SplitResult | None:
    """Return the parts of an http(s) address that names a host, and a port only if there is such a one; else None."""
    try:
        parts = urlsplit(url)
        return parts if is_address(url) and parts.hostname and parts.port != 0 else None
    except ValueError:
        return None


def connect(at: SplitResult, *, timeout: float) -> http.client.HTTPConnection:
    """Return a connection to the host of an address, which is made with the first question.

    Args:
        at: See read_address.
        timeout: Seconds that the host may be silent.
    """
    assert at.hostname is not None, at
    if at.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(at.hostname, at.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)


class FolderLog:
    """A log in a folder, or in ``log`` below it."""

    def __init__(self, path: Path) -> None:
        self._root = path if (path / CHECKPOINT_PATH).is_file() else path / FOLDER
        if not (self._root / CHECKPOINT_PATH).is_file():
            raise NoLogError(f"There is no public log in {path}: no file {CHECKPOINT_PATH}.")

    def read(self, name: str) -> bytes | None:
        """Return what is at a path, or None where there is nothing."""
        try:
            with (self._root / name).open("rb") as file:
                return file.read(FILE_BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise NoLogError(f"{self._root / name} cannot be read: {error}") from error

    def expect(self, names: Iterable[str]) -> None:
        """Do nothing: a file is read when it is needed."""


class ArchiveLog:
    """A log in a ZIP file, in ``log`` or at its top."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        self._names = set(archive.namelist())
        inside = [prefix for prefix in (f"{FOLDER}/", "") if prefix + CHECKPOINT_PATH in self._names]
        if not inside:
            raise NoLogError(f"There is no public log in {path}: no file {FOLDER}/{CHECKPOINT_PATH}.")
        self._inside = inside[0]

    def read(self, name: str) -> bytes | None:
        """Return what is at a path, or None where there is nothing."""
        if self._inside + name not in self._names:
            return None
        try:
            with self._archive.open(self._inside + name) as file:
                return file.read(FILE_BYTES_MAX + 1)
        except (
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            EOFError,
            OSError,
        ) as error:
            raise NoLogError(f"{self._inside + name} in {self._path} cannot be read: {error}") from error

    def expect(self, names: Iterable[str]) -> None:
        """Do nothing: a file is read when it is needed."""


class HttpLog:
    """A log at a host, read with a few connections that stay open; the next bundles are asked for ahead."""

    def __init__(self, url: str, *, timeout: float = _TIMEOUT_S) -> None:
        """Find out where the log is: at this address, or in ``log`` below it.

        Args:
            url: Of a group's page, or of its log.
            timeout: Seconds that a host may be silent.

        Raises:
            NoLogError: The address is none, the host does not answer, or has no checkpoint there.
        """
        parts = read_address(url)
        if parts is None:
            raise NoLogError(f"{url} is no address.")
        self._at, self._host = parts, parts.hostname
        self._timeout = timeout
        self._own = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._workers = ThreadPoolExecutor(_WORKERS)
        self._coming: Iterator[str] = iter(())
        self._asked: dict[str, Future[bytes | None]] = {}
        self._base = ""
        for base in (parts.path.rstrip("/"), f"{parts.path.rstrip('/')}/{FOLDER}"):
            self._base = base
            found = self._get(CHECKPOINT_PATH)
            if found is not None and b"\n\n" in found:
                return
        self.close()
        raise NoLogError(f"There is no public log at {url}.")

    def close(self) -> None:
        """Close every connection."""
        self._workers.shutdown(cancel_futures=True)
        for connection in self._open:
            connection.close()

    def read(self, name: str) -> bytes | None:
        """Return what the host has at a path, or None."""
        if name not in self._asked:
            return self._get(name)
        data = self._asked.pop(name).result()
        self._ask()
        return data

    def expect(self, names: Iterable[str]) -> None:
        """Ask for some of these ahead, and for the next ones as they are read."""
        self._coming = iter(names)
        self._ask()

    def _ask(self) -> None:
        for name in islice(self._coming, _AHEAD - len(self._asked)):
            self._asked[name] = self._workers.submit(self._get, name)

    def send(self, name: str, data: bytes) -> int:
        """Send text to a path of the log; returns the status of the answer.

        Raises:
            NoLogError: The host does not answer.
        """
        connection = self._connection()
        try:
            connection.request("POST", quote(f"{self._base}/{name}"), data, {"Content-Type": "text/plain"})
            answer = connection.getresponse()
            answer.read(FILE_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise NoLogError(f"{self._host} does not answer: {error}") from error
        finally:
            connection.close()
        return answer.status

    def _get(self, name: str) -> bytes | None:
        target = quote(f"{self._base}/{name}")
        for last in (False, True):
            connection = self._connection()
            try:
                connection.request("GET", target, headers={"Accept-Encoding": "identity"})
                answer = connection.getresponse()
                data = answer.read(FILE_BYTES_MAX + 1)
                if len(data) > FILE_BYTES_MAX or not answer.isclosed():
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                # A host may close a connection that was idle; a new one is tried once.
                connection.close()
                if last:
                    raise NoLogError(f"{self._host} does not answer: {error}") from error
                continue
            if answer.status == http.client.OK:
                return data
            if answer.status in {http.client.NOT_FOUND, http.client.GONE}:
                return None
            raise NoLogError(f"{self._host} answered {answer.status} for {target}.")
        raise AssertionError

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = connect(self._at, timeout=self._timeout)
            self._own.connection = connection
            self._open.append(connection)
        return connection
