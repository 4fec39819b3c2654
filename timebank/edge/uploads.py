"""Files that come with a request: parts of a form, as browsers and programs send them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from litestar.exceptions import ClientException
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from timebank.errors import N_, MalformedBody, TooLarge

if TYPE_CHECKING:
    from litestar.types import Receive

MULTIPART: Final = "multipart/form-data"
NOT_MULTIPART: Final = N_("it is not a form with files")

_PARTS_MAX: Final = 100
_FIELDS_BYTES_MAX: Final = 64 * 1024
#: For what stands between the parts.
_AROUND_MAX: Final = 64 * 1024


class Upload(NamedTuple):
    """What a form with files holds.

    Attributes:
        fields: Values by name, in the order in which they came.
        files: (name, content) of each file that was chosen, in that order.
    """

    fields: dict[str, list[str]]
    files: list[tuple[str, bytes]]


#: Says, by the fields that came before the first file, whether files are worth keeping.
Admit = Callable[[Mapping[str, list[str]]], Awaitable[bool]]


async def _everybody(_fields: Mapping[str, list[str]]) -> bool:
    return True


def is_multipart(content_type: str) -> bool:
    """Whether a Content-Type header says that the body is a form with files."""
    return content_type.partition(";")[0].strip().lower() == MULTIPART


async def receive_upload(
    receive: Receive,
    *,
    content_type: str,
    announced: str,
    size_max: int,
    admit: Admit = _everybody,
) -> Upload:
    """Return the fields and files of a form, keeping no more than is allowed.

    Args:
        content_type: The Content-Type header.
        announced: The Content-Length header, empty if there is none.
        size_max: Most bytes of all files together.
        admit: Asked once, before the first file. If it says no, files are passed over and the
            fields that follow are still read.

    Raises:
        TooLarge: It is larger, announced or not.
        MalformedBody: It is no such form.
        ClientException: The client went away in the middle.
    """
    most = size_max + _FIELDS_BYTES_MAX + _AROUND_MAX
    if announced.isascii() and announced.isdigit() and (len(announced) > 15 or int(announced) > most):
        raise TooLarge(limit=size_max)
    kind, options = parse_options_header(content_type)
    if kind != MULTIPART or not options.get("boundary"):
        raise MalformedBody(why=NOT_MULTIPART)
    taker = _Taker(size_max, admit)
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=_PARTS_MAX) as parser:
            async for chunk in _chunks(receive, most=most, limit=size_max):
                if not parser.closed:
                    for event in parser.parse(chunk):
                        await taker.take(event)
    except (MultipartError, UnicodeError):
        raise MalformedBody(why=NOT_MULTIPART) from None
    return taker.upload


async def _chunks(receive: Receive, *, most: int, limit: int) -> AsyncIterator[bytes]:
    size, more = 0, True
    while more:
        event: Any = await receive()
        if event["type"] == "http.disconnect":
            raise ClientException("the client went away")
        size += len(event.get("body", b""))
        if size > most:
            raise TooLarge(limit=limit)
        more = event.get("more_body", False)
        if event.get("body"):
            yield event["body"]


class _Taker:
    """Puts the parts of a form together as they come."""

    def __init__(self, size_max: int, admit: Admit) -> None:
        self.upload = Upload({}, [])
        self._size_max = size_max
        self._admit = admit
        self._admitted: bool | None = None
        self._part: MultipartSegment | None = None
        self._content = bytearray()
        self._file_bytes = self._field_bytes = 0

    async def take(self, event: Any) -> None:
        """Take what the parser found: the head of a part, a piece of it, or None for its end."""
        if isinstance(event, MultipartSegment):
            self._part, self._content = event, bytearray()
            if event.filename is not None and self._admitted is None:
                self._admitted = await self._admit(self.upload.fields)
        elif event is None:
            self._finish()
        else:
            self._piece(bytes(event))

    def _piece(self, piece: bytes) -> None:
        assert self._part is not None, "a piece follows a head"
        if self._part.filename is None:
            self._field_bytes += len(piece)
            if self._field_bytes > _FIELDS_BYTES_MAX:
                raise TooLarge(limit=_FIELDS_BYTES_MAX)
        else:
            self._file_bytes += len(piece)
            if self._file_bytes > self._size_max:
                raise TooLarge(limit=self._size_max)
            if not self._admitted:
                return
        self._content += piece

    def _finish(self) -> None:
        part = self._part
        assert part is not None, "an end follows a head"
        if part.filename is None:
            self.upload.fields.setdefault(part.name or "", []).append(self._content.decode())
        elif part.filename or self._content:
            # A browser sends a file without a name where nobody chose one.
            self.upload.files.append((part.filename, bytes(self._content)))
        self._content = bytearray()
