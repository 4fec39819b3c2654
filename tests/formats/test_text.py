"""In which encoding a text is: said by its mark, by its bytes, or aloud."""

from __future__ import annotations

import io

import pytest

from tests.formats.made import Counted
from timebank.errors import FileUnreadable
from timebank.formats.text import (
    CHARACTERS_BROKEN,
    CHUNK,
    LINE_MAX,
    LINE_TOO_LONG,
    NO_ENCODING,
    ZERO_BYTES,
    Encoding,
    find_encoding,
    read_lines,
)

TEXT = "date;giver\n2025-12-31;Zoë\n"
UTF8_MARK, LE_MARK, BE_MARK = b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"


def lines(content: bytes) -> list[str]:
    file = io.BytesIO(content)
    return list(read_lines(file, find_encoding(file)))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode(), Encoding("utf-8")),
        (UTF8_MARK + TEXT.encode(), Encoding("utf-8", 3)),
        (LE_MARK + TEXT.encode("utf-16-le"), Encoding("utf-16-le", 2)),
        (BE_MARK + TEXT.encode("utf-16-be"), Encoding("utf-16-be", 2)),
        (TEXT.encode("utf-16-le"), Encoding("utf-16-le")),
        (TEXT.encode("utf-16-be"), Encoding("utf-16-be")),
        (TEXT.encode("cp1252"), Encoding("cp1252")),
        (b"a,b\n", Encoding("utf-8")),
    ],
)
def test_the_encoding_is_found_and_the_text_is_the_same(content: bytes, encoding: Encoding) -> None:
    assert find_encoding(io.BytesIO(content)) == encoding
    assert "".join(lines(content)).endswith(TEXT if len(content) > 4 else "a,b\n")
    assert not "".join(lines(content)).startswith("\ufeff")


def test_only_what_could_be_mistaken_is_said_aloud() -> None:
    (remark,) = find_encoding(io.BytesIO(TEXT.encode("cp1252"))).remarks

    assert "Windows-1252" in remark.msgid
    assert find_encoding(io.BytesIO(TEXT.encode())).remarks == ()


def test_an_accent_far_behind_the_beginning_still_decides() -> None:
    before = b"2025-12-31,ada\n" * (3 * CHUNK // 15)

    assert find_encoding(io.BytesIO(before + "Zoë\n".encode())).codec == "utf-8"
    assert find_encoding(io.BytesIO(before + "Zoë\n".encode("cp1252"))).codec == "cp1252"


def test_bytes_that_windows_1252_does_not_define_are_refused() -> None:
    with pytest.raises(FileUnreadable) as refusal:
        find_encoding(io.BytesIO(b"a,\xe9\n" * CHUNK + b"\x81"))

    assert refusal.value.params == {"why": NO_ENCODING}


@pytest.mark.parametrize("shift", range(4))
def test_characters_are_whole_wherever_a_piece_of_the_file_ends(shift: int) -> None:
    text = "x" * shift + "é李\U0001f600\n" * CHUNK

    assert "".join(lines(text.encode())) == text
    assert "".join(lines(LE_MARK + text.encode("utf-16-le"))) == text


def test_the_beginning_of_a_file_may_end_within_a_character() -> None:
    content = "Zoë".encode()[:-1]

    assert find_encoding(io.BytesIO(content), cut=True).codec == "utf-8"
    assert find_encoding(io.BytesIO(content)).codec == "cp1252"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("shift", range(3))
def test_lines_end_in_any_of_three_ways_wherever_a_piece_ends(end: str, shift: int) -> None:
    count = CHUNK // 8
    content = ("x" * shift + f"12345678{end}" * count + "last").encode()

    found = lines(content)

    assert len(found) == count + 1
    assert set(found[1:-1]) == {f"12345678{end}"}
    assert found[-1] == "last"


def test_other_signs_that_end_a_line_somewhere_do_not_here() -> None:
    content = "a\u2028b\u0085c\x0bd\x1ce\n"

    assert lines(content.encode()) == [content]


@pytest.mark.parametrize("content", [b"a\xed\xa0\x80b\n", LE_MARK + b"a\0\x00\xd8b\0\n\0"])
def test_a_lone_surrogate_stays_for_whoever_reads_the_cell(content: bytes) -> None:
    assert lines(content) == ["a\ud800b\n"]


def test_a_text_that_ends_within_a_character_is_refused_after_its_lines() -> None:
    file = io.BytesIO(LE_MARK + "a\nb\n".encode("utf-16-le") + b"c")
    found = read_lines(file, find_encoding(file))

    assert next(found) == "a\n"
    with pytest.raises(FileUnreadable) as refusal:
        list(found)
    assert refusal.value.params == {"why": CHARACTERS_BROKEN}


def test_zero_bytes_are_refused_after_the_lines_before_them() -> None:
    file = io.BytesIO(b"abcdefgh\nb\nc\0d\ne\n")
    found = read_lines(file, find_encoding(file))

    assert [next(found), next(found)] == ["abcdefgh\n", "b\n"]
    with pytest.raises(FileUnreadable) as refusal:
        next(found)
    assert refusal.value.params == {"why": ZERO_BYTES}


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_a_line_without_end_is_refused_without_reading_on(codec: str) -> None:
    file = Counted("a\n".encode(codec) + "x".encode(codec) * 30_000_000)
    found = read_lines(file, Encoding(codec))

    with pytest.raises(FileUnreadable) as refusal:
        list(found)

    assert refusal.value.params == {"why": LINE_TOO_LONG}
    assert file.count <= LINE_MAX + 2 * CHUNK


def test_a_long_line_within_the_limit_is_read() -> None:
    content = b"x" * (LINE_MAX - CHUNK) + b"\n" + b"y"

    assert list(map(len, lines(content))) == [LINE_MAX - CHUNK + 1, 1]


def test_two_readers_of_one_file_do_not_disturb_each_other() -> None:
    file = io.BytesIO("".join(f"{n}\n" for n in range(CHUNK)).encode())
    encoding = find_encoding(file)

    for left, right in zip(read_lines(file, encoding), read_lines(file, encoding), strict=True):
        assert left == right
