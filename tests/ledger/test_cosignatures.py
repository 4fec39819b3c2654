"""Cosignatures in the form of tlog-cosignature: what is signed, by whom, and when."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from timebank.ledger.cosignatures import (
    COSIGNATURE,
    SECONDS_MAX,
    cosign,
    cosignature_verifier,
    cosigned_at,
    cosigned_message,
)
from timebank.ledger.notes import (
    NotANote,
    format_note,
    key_id,
    parse_note,
    read_verifier_key,
    sign_note,
    verified,
    verifier_key,
)

# The example of the specification; the keys that signed it are not known.
SPEC_NOTE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
NAME = "witness.example/ada"
SECRET = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SECRET.public_key().public_bytes_raw()
LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_ID = key_id("example.com/behind-the-sofa", LOG.public_key().public_bytes_raw())
TEXT = parse_note(SPEC_NOTE).text


def verify(signature: bytes, data: bytes) -> bool:
    try:
        SECRET.public_key().verify(signature, data)
    except InvalidSignature:
        return False
    return True


KEYS = {(NAME, key_id(NAME, PUBLIC, COSIGNATURE)): cosignature_verifier(verify)}


def test_what_is_signed_is_the_example_of_the_specification():
    cosignature = parse_note(SPEC_NOTE).signatures[1]

    assert cosigned_at(cosignature) == 1_679_315_147
    assert cosigned_message(TEXT, 1_679_315_147) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_a_cosigned_note_verifies_and_one_moment_later_it_does_not():
    cosignature = cosign(TEXT, NAME, PUBLIC, SECRET.sign, at=1_800_000_000)
    note = format_note(TEXT, (*parse_note(SPEC_NOTE).signatures, cosignature))

    (good,) = verified(parse_note(note), KEYS)

    assert good == cosignature
    assert cosigned_at(good) == 1_800_000_000
    later = cosignature._replace(signature=(1_800_000_001).to_bytes(8, "big") + cosignature.signature[8:])
    with pytest.raises(NotANote, match="wrong"):
        verified(parse_note(format_note(TEXT, (later,))), KEYS)


def test_a_plain_signature_with_the_same_key_is_no_cosignature():
    plain = sign_note(TEXT, NAME, key_id(NAME, PUBLIC, COSIGNATURE), SECRET.sign)

    with pytest.raises(NotANote, match="wrong"):
        verified(parse_note(plain), KEYS)
    with pytest.raises(NotANote, match="72 bytes"):
        cosigned_at(parse_note(plain).signatures[0])


def test_a_cosignature_from_beyond_time_is_none():
    beyond = cosign(TEXT, NAME, PUBLIC, SECRET.sign, at=SECONDS_MAX)
    assert cosigned_at(beyond) == SECONDS_MAX

    with pytest.raises(NotANote):
        cosigned_at(beyond._replace(signature=b"\xff" * 72))


def test_keys_of_cosigners_are_not_keys_of_logs():
    line = verifier_key(NAME, PUBLIC, COSIGNATURE)

    assert read_verifier_key(line, COSIGNATURE) == (NAME, key_id(NAME, PUBLIC, COSIGNATURE), PUBLIC)
    with pytest.raises(NotANote):
        read_verifier_key(line)
    with pytest.raises(NotANote):
        read_verifier_key(verifier_key(NAME, PUBLIC), COSIGNATURE)
