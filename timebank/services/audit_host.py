"""The host of a group as its auditor meets it: with a token, for the opened book and for the key to introduce."""

from __future__ import annotations

import http.client
import json
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote

from timebank.config import LOOPBACK
from timebank.services.log_sources import connect, read_address

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S: Final = 60.0
_CHUNK: Final = 1 << 16
_ANSWER_MAX: Final = 1 << 20
_PAGE: Final = re.compile(r"(?P<base>.*)/g/(?P<slug>[a-z0-9-]+)(?:/log)?/?", re.ASCII)

_SAID: Final[Mapping[int, str]] = {
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
            AuditRefused: The address is none of a group, or others could read the token on its way.
        """
        parts = read_address(url)
        found = None if parts is None else _PAGE.fullmatch(parts.path)
        if parts is None or found is None:
            raise AuditRefused(f"{url} is no address of a group, such as https://pot.example/g/garden.")
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise AuditRefused(f"{url} is not https: whoever is on the way could take the token.")
        self.log_url = f"{parts.scheme}://{parts.netloc}{found['base']}/g/{found['slug']}"
        self._at, self._host = parts, parts.hostname
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
        connection = connect(self._at, timeout=_TIMEOUT_S)
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
        said = _SAID.get(answer.status) or _detail(answer) or f"it answered {answer.status}"
        connection.close()
        raise AuditRefused(f"{self._host} refused: {said}.")


def _detail(answer: http.client.HTTPResponse) -> str:
    try:
        said = json.loads(answer.read(_ANSWER_MAX))
    except (ValueError, OSError, http.client.HTTPException):
        return ""
    return str(said.get("detail", "")).rstrip(".") if isinstance(said, dict) else ""
