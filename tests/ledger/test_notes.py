"""Signed notes and checkpoints in the formats that others read too."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from timebank.ledger.notes import (
    SIGNATURES_MAX,
    Checkpoint,
    NotANote,
    Signature,
    checkpoint_body,
    format_note,
    key_id,
    parse_checkpoint,
    parse_note,
    read_verifier_key,
    sign_note,
    verified,
    verifier_key,
)

# The example of Go's sumdb/note, where the format comes from.
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

ORIGIN = "open.example/g/garden/live"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()


def verify_with(public: bytes):
    """Return what verifies signatures of this key."""

    def verify(signature: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
        except InvalidSignature:
            return False
        return True

    return verify


def test_a_note_that_others_signed_is_read_and_verified():
    name, tag, public = read_verifier_key(KEY)

    note = parse_note(NOTE.encode())

    assert note.text == TEXT
    assert [signature.name for signature in verified(note, {(name, tag): verify_with(public)})] == [
        "PeterNeumann"
    ]
    assert format_note(note.text, note.signatures) == NOTE
    assert verifier_key(name, public) == KEY


def test_a_checkpoint_goes_out_and_comes_back():
    body = checkpoint_body(ORIGIN, 20852163, bytes(range(32)))
    tag = key_id(ORIGIN, PUBLIC)

    note = parse_note(sign_note(body, ORIGIN, tag, SECRET.sign))

    assert body == f"{ORIGIN}\n20852163\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert verified(note, {(ORIGIN, tag): verify_with(PUBLIC)}) == note.signatures
    assert parse_checkpoint(note.text) == Checkpoint(ORIGIN, 20852163, bytes(range(32)))


def test_extension_lines_are_passed_over():
    assert parse_checkpoint(checkpoint_body(ORIGIN, 0, bytes(32)) + "more\n") == Checkpoint(
        ORIGIN, 0, bytes(32)
    )


def test_unknown_signatures_say_nothing_and_a_wrong_known_one_spoils_the_note():
    body = checkpoint_body(ORIGIN, 1, bytes(32))
    tag = key_id(ORIGIN, PUBLIC)
    ours = Signature(ORIGIN, tag, SECRET.sign(body.encode()))
    theirs = Signature("witness.example", b"abcd", bytes(64))
    keys = {(ORIGIN, tag): verify_with(PUBLIC)}

    assert verified(parse_note(format_note(body, (theirs, ours))), keys) == (ours,)
    for signatures in [
        (theirs,),
        (ours._replace(signature=bytes(64)),),
        (ours, ours._replace(signature=bytes(64))),
    ]:
        with pytest.raises(NotANote):
            verified(parse_note(format_note(body, signatures)), keys)
    with pytest.raises(NotANote):
        verified(parse_note(format_note(body.replace("\n1\n", "\n2\n"), (ours,))), keys)


def test_a_text_may_have_empty_lines_and_the_last_one_parts_it_from_the_signatures():
    note = parse_note(sign_note("one\n\ntwo\n", "a", b"1234", lambda data: data))

    assert note == ("one\n\ntwo\n", (Signature("a", b"1234", b"one\n\ntwo\n"),))


SIGNED = sign_note("text\n", "a", b"1234", lambda data: bytes(64))
LINE = SIGNED.split("\n")[2] + "\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"\xff" + SIGNED.encode(),
        SIGNED[:-1].encode(),
        SIGNED.replace("text", "te\txt").encode(),
        SIGNED.replace("—", "-").encode(),
        SIGNED.replace("— a", "— a+b").encode(),
        SIGNED.replace("— a", "— ").encode(),
        SIGNED.replace("— a ", "— a\u2003b ").encode(),
        SIGNED.replace("MTIz", "M*Iz").encode(),
        (SIGNED + "\n").encode(),
        ("text\n\n— a MTIzNA==\n").encode(),
        ("text\n\n" + LINE * (SIGNATURES_MAX + 1)).encode(),
    ],
    ids=repr,
)
def test_what_is_no_note_is_refused(data: bytes):
    assert len(parse_note("text\n\n" + LINE * 16).signatures) == 16

    with pytest.raises(NotANote):
        parse_note(data)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "origin\n1\n",
        f"origin\n01\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n-1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n٣\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n1\n{base64.b64encode(bytes(31)).decode()}\n",
        f"\n1\n{base64.b64encode(bytes(32)).decode()}\n",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()}\n\nmore\n",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()}",
        f"origin\n1\n{base64.b64encode(bytes(32)).decode()[:-2]}B=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(body: str):
    with pytest.raises(NotANote):
        parse_checkpoint(body)


@pytest.mark.parametrize(
    "key", ["", "a", "a+b+c", KEY.replace("c74f", "c74e"), KEY.replace("+ARpc", "+BRpc"), "+" + KEY]
)
def test_what_is_no_key_is_refused(key: str):
    with pytest.raises(NotANote):
        read_verifier_key(key)


def test_a_text_that_cannot_be_signed_is_refused_before_it_is():
    for text in ("no end", "bell\x07\n"):
        with pytest.raises(NotANote):
            format_note(text, (Signature("a", b"1234", b"x"),))
    with pytest.raises(NotANote):
        format_note("text\n", ())
    with pytest.raises(NotANote):
        checkpoint_body("two words", 1, bytes(32))


def test_a_checkpoint_of_the_go_checksum_database_is_read_and_verified():
    """One of the largest logs there is; key and note are its own, published long ago."""
    name, tag, public = read_verifier_key(
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    )
    note = parse_note(
        "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
        "— sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4nPRYfvimWEPWL+o3GeoWwOoAw=\n"
    )

    assert verified(note, {(name, tag): verify_with(public)})
    assert parse_checkpoint(note.text)[:2] == ("go.sum database tree", 6_476_701)
    with pytest.raises(NotANote, match="wrong"):
        verified(
            note._replace(text=note.text.replace("6476701", "6476702")), {(name, tag): verify_with(public)}
        )
