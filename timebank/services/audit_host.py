"""The host of a group as its auditor meets it: with a token, for the opened book and for the key to introduce."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import ssl
from http import HTTPStatus
from typing import BinaryIO, Final
from urllib.parse import quote, urlsplit

_TIMEOUT_S: Final = 60.0
_CHUNK: Final = 1 << 16
_ANSWER_MAX: Final = 1 << 20
_PAGE: Final = re.compile(r"(?P<base>.*)/g/(?P<slug>[a-z0-9-]+)(?:/log)?/?", re.ASCII)

_SAID: Final = {
    HTTPStatus.UNAUTHORIZED: "it does not know this token",
    HTTPStatus.FORBIDDEN: "this token is not of an auditor of the group",
    HTTPStatus.NOT_FOUND: "there is no such group, or it knows nothing of audits",
}


class AuditRefused(Exception):
    """The host does not answer, or not with what was asked for; one sentence."""


class AuditHost:
    """A host that is asked as an auditor of one group."""

    def __init__(self, url: str, token: str) -> None:
        """Remember where the group is.

        Args:
            url: Of the group's page, or of its log.
            token: Of the auditor; it goes nowhere but to this host.

        Raises:
            AuditRefused: The address is none of a group.
        """
        parts = urlsplit(url)
        found = _PAGE.fullmatch(parts.path)
        if parts.scheme not in {"http", "https"} or not parts.hostname or found is None:
            raise AuditRefused(f"{url} is no address of a group, such as https://pot.example/g/garden.")
        self.log_url = f"{parts.scheme}://{parts.netloc}{found['base']}/g/{found['slug']}"
        self._tls, self._host, self._port = parts.scheme == "https", parts.hostname, parts.port
        self._path = quote(f"{found['base']}/api/v1/groups/{found['slug']}")
        self._token = token

    def open_book(self, file: BinaryIO) -> None:
        """Write the opened book into a file.

        Raises:
            AuditRefused: See there.
        """
        with self._asking("GET", "audit/book") as answer:
            try:
                while data := answer.read(_CHUNK):
                    file.write(data)
            except (OSError, http.client.HTTPException) as error:
                raise AuditRefused(f"{self._host} stopped in the middle: {error}") from error

    def introduce(self, key: str) -> None:
        """Have the group know a key.

        Raises:
            AuditRefused: See there.
        """
        with self._asking("POST", "audit/key", json.dumps({"key": key}).encode()) as answer:
            answer.read(_ANSWER_MAX)

    def _asking(self, method: str, what: str, body: bytes | None = None) -> http.client.HTTPResponse:
        connection: http.client.HTTPConnection
        if self._tls:
            connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}", "Connection": "close"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        try:
            connection.request(method, f"{self._path}/{what}", body, headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise AuditRefused(f"{self._host} does not answer: {error}") from error
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        said = _SAID.get(HTTPStatus(answer.status)) or _detail(answer) or f"it answered {answer.status}"
        connection.close()
        raise AuditRefused(f"{self._host} refused: {said}.")


def _detail(answer: http.client.HTTPResponse) -> str:
    try:
        said = json.loads(answer.read(_ANSWER_MAX))
    except (ValueError, OSError, http.client.HTTPException):
        return ""
    return str(said.get("detail", "")).rstrip(".") if isinstance(said, dict) else ""
