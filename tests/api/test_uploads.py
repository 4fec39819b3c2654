"""Forms with files, piece by piece: what is too large, broken or not wanted is never kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from litestar.exceptions import ClientException

from timebank.edge.uploads import Upload, receive_upload
from timebank.errors import MalformedBody, TooLarge

KIND = "multipart/form-data; boundary=line"
FORM = (
    b'--line\r\nContent-Disposition: form-data; name="days"\r\n\r\ndmy\r\n'
    b'--line\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n0123456789\r\n'
    b'--line\r\nContent-Disposition: form-data; name="people"\r\n\r\noutsiders\r\n'
    b'--line\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n'
    b"--line--\r\n"
)


async def read(
    body: bytes, *, size: int = 7, size_max: int = 100, goes_away: bool = False, **more: Any
) -> Upload:
    """Read a form that comes in pieces of a few bytes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)] or [b""]

    async def receive() -> Any:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces) or goes_away}

    return await receive_upload(
        receive, **{"content_type": KIND, "announced": "", "size_max": size_max, **more}
    )


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
async def test_fields_and_files_come_whole_however_they_are_cut(size: int) -> None:
    upload = await read(FORM, size=size)

    assert upload.fields == {"days": ["dmy"], "people": ["outsiders"]}
    assert upload.files == [("a.csv", b"0123456789")]


async def test_files_have_as_many_bytes_as_are_allowed_and_not_one_more() -> None:
    assert (await read(FORM, size_max=10)).files == [("a.csv", b"0123456789")]
    with pytest.raises(TooLarge) as refused:
        await read(FORM, size_max=9)
    assert refused.value.params == {"limit": 9}


async def test_what_is_announced_to_be_too_large_is_not_waited_for() -> None:
    with pytest.raises(TooLarge):
        await read(FORM, announced=str(2**40))


async def test_files_of_whom_nobody_knows_are_passed_over_and_fields_are_read_on() -> None:
    asked: list[dict[str, list[str]]] = []

    async def nobody(fields: Mapping[str, list[str]]) -> bool:
        asked.append(dict(fields))
        return False

    upload = await read(FORM, admit=nobody)

    assert asked == [{"days": ["dmy"]}]
    assert upload.files == [("a.csv", b"")]
    assert upload.fields["people"] == ["outsiders"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", KIND),
        (FORM[:-8], KIND),
        (b"hello", KIND),
        (FORM, "multipart/form-data"),
        (FORM, "multipart/mixed; boundary=line"),
        (FORM.replace(b"dmy", b"\xff"), KIND),
        (FORM.replace(b"form-data; name=", b"attachment; name="), KIND),
        (
            b"".join(b'--line\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' for _ in range(101)),
            KIND,
        ),
    ],
)
async def test_what_is_no_such_form_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(MalformedBody):
        await read(body, content_type=kind)


async def test_a_field_that_is_a_file_in_disguise_is_too_large() -> None:
    with pytest.raises(TooLarge):
        await read(FORM.replace(b"dmy", b"x" * 70_000), size=10_000)


async def test_a_client_that_goes_away_is_told_nothing() -> None:
    with pytest.raises(ClientException):
        await read(FORM[:50], goes_away=True)
