"""Signed notes and checkpoints in the C2SP formats (signed-note, tlog-checkpoint), without any cryptography.

Signing and verifying are given as functions, so that keys stay where they are kept.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

ED25519: Final = 0x01
"""Signature type of plain Ed25519 over the text of a note."""

SIGNATURES_MAX: Final = 64
"""A note with more signatures than this is not read; 16 is what everyone must accept."""

_DASH: Final = "— "

Sign = Callable[[bytes], bytes]
"""Signs the bytes of a note's text."""

Verify = Callable[[bytes, bytes], bool]
"""Says whether the first argument is a signature of the second."""


class NotANote(ValueError):
    """Bytes are not a signed note, or its text not a checkpoint, or no known key has signed it."""


class Signature(NamedTuple):
    """One signature line: whose key it says it is, and what was signed with it."""

    name: str
    key_id: bytes
    signature: bytes


class Note(NamedTuple):
    """A text, which ends in a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]


class Checkpoint(NamedTuple):
    """What a log says of itself: its origin, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes


# ---------------------------------------------------------------- keys


def key_id(name: str, public_key: bytes, signature_type: int = ED25519) -> bytes:
    """Return the four bytes that name a key in a signature line."""
    _check_name(name)
    return sha256(name.encode() + b"\n" + bytes((signature_type,)) + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes, signature_type: int = ED25519) -> str:
    """Return an Ed25519 key as one line of text, as it is handed to verifiers."""
    assert len(public_key) == 32, len(public_key)
    encoded = base64.b64encode(bytes((signature_type,)) + public_key).decode("ascii")
    return f"{name}+{key_id(name, public_key, signature_type).hex()}+{encoded}"


def read_verifier_key(line: str, signature_type: int = ED25519) -> tuple[str, bytes, bytes]:
    """Read what ``verifier_key`` wrote: name, key id and the 32 bytes of the key.

    Raises:
        NotANote: It is no Ed25519 key for signatures of this type, or its id is not its own.
    """
    name, _, rest = line.partition("+")
    tag, _, encoded = rest.partition("+")
    key = _unbase64(encoded)
    _check_name(name)
    if len(key) != 33 or key[0] != signature_type or key_id(name, key[1:], signature_type).hex() != tag:
        raise NotANote("not an Ed25519 key with its own id")
    return name, bytes.fromhex(tag), key[1:]


# ---------------------------------------------------------------- notes


def format_note(text: str, signatures: Sequence[Signature]) -> str:
    """Return the note: text, blank line, one line for each signature.

    Raises:
        NotANote: The text does not end in a newline or has control characters, or there is no
            signature.
    """
    _check_text(text)
    if not signatures:
        raise NotANote("no signature")
    return "".join([text, "\n", *map(signature_line, signatures)])


def signature_line(signature: Signature) -> str:
    """Return a signature as its line of a note, newline included."""
    name, tag, data = signature
    _check_name(name)
    assert len(tag) == 4, tag
    return f"{_DASH}{name} {base64.b64encode(tag + data).decode('ascii')}\n"


def sign_note(text: str, name: str, tag: bytes, sign: Sign) -> str:
    """Return the text as a note signed with one key.

    Args:
        text: Lines, the last one ended too.
        name: Name of the key; a log's is its origin.
        tag: ``key_id`` of the key.
        sign: Signs the text's UTF-8 bytes.

    Raises:
        NotANote: The text cannot stand in a note.
    """
    return format_note(text, (Signature(name, tag, sign(text.encode())),))


def parse_note(data: bytes | str) -> Note:
    """Read a note; nothing of it is true until ``verified`` says so.

    Raises:
        NotANote: It is not in the form of a signed note.
    """
    try:
        note = data.decode() if isinstance(data, bytes) else data
    except UnicodeDecodeError as error:
        raise NotANote("not UTF-8") from error
    above, blank, below = note.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise NotANote("no signatures after a blank line")
    text = above + "\n"
    _check_text(text)
    lines = below[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise NotANote(f"more than {SIGNATURES_MAX} signatures")
    return Note(text, tuple(map(_read_signature, lines)))


def verified(note: Note, keys: Mapping[tuple[str, bytes], Verify]) -> tuple[Signature, ...]:
    """Return the signatures made by known keys; all others say nothing.

    Args:
        note: What was read.
        keys: By name and key id, what verifies a signature.

    Raises:
        NotANote: A known key's signature is wrong, or no known key has signed.
    """
    data = note.text.encode()
    good = []
    for signature in note.signatures:
        verify = keys.get((signature.name, signature.key_id))
        if verify is None:
            continue
        if not verify(signature.signature, data):
            raise NotANote(f"the signature of {signature.name} is wrong")
        good.append(signature)
    if not good:
        raise NotANote("signed by no known key")
    return tuple(good)


# ---------------------------------------------------------------- checkpoints


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """Return the text of a checkpoint: origin, size and root, a line each."""
    _check_name(origin)
    assert size >= 0, size
    assert len(root) == 32, len(root)
    return f"{origin}\n{size}\n{base64.b64encode(root).decode('ascii')}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; lines after the third are for others and are passed over.

    Raises:
        NotANote: It is none.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise NotANote("a checkpoint has three lines or more, none of them empty")
    origin, size, root = lines[0], lines[1], _unbase64(lines[2])
    if not (size.isascii() and size.isdigit()) or (size[0] == "0" and size != "0"):
        raise NotANote("the size of a checkpoint is a decimal number")
    if len(root) != 32:
        raise NotANote("the root of a checkpoint has 32 bytes")
    return Checkpoint(origin, int(size), root)


# ---------------------------------------------------------------- lines


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NotANote("the text does not end in a newline")
    if any(character < " " and character != "\n" for character in text):
        raise NotANote("control characters in the text")


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        raise NotANote(f"{name!r} is no name of a key")


def _read_signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NotANote("a line after the blank line is no signature")
    _check_name(name)
    signature = _unbase64(encoded)
    if len(signature) < 5:
        raise NotANote("a signature is too short")
    return Signature(name, signature[:4], signature[4:])


def seal_of(note: str) -> str:
    """Return the first 80 bits of the root that a checkpoint names, for eyes: ``K7QF 2M7X 4TRB HN3C``.

    Args:
        note: A signed note of a public log; empty before the first close.
    """
    if not note:
        return ""
    root = base64.b64decode(note.split("\n", 3)[2])
    letters = base64.b32encode(root[:10]).decode("ascii")
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _unbase64(text: str) -> bytes:
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise NotANote("not base64") from error
    # One spelling only: stray bits in the last character are another text of the same bytes.
    if base64.b64encode(data).decode("ascii") != text:
        raise NotANote("not base64 in its one spelling")
    return data
