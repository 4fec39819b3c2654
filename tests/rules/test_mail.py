"""A mail address is one plain address, and nothing that could reach another header or another person."""

from __future__ import annotations

import pytest

from timebank.errors import FieldInvalid
from timebank.rules.mail import mail_address


@pytest.mark.parametrize(
    "address",
    [
        "", "ada", "ada@", "@mail.example", "ada@mail", "ada@mail..example", "ada@-mail.example", "a b@mail.example",
        "ada@mail.example\r\nBcc: cy@mail.example", "ada@mail.example, cy@mail.example", "<ada@mail.example>",
        '"a\\"b"@mail.example', "ada@[127.0.0.1]", "ädä@mail.example", "ada@mäil.example", "a@b@mail.example",
        "a" * 65 + "@mail.example", "ada@" + "a" * 64 + ".example", "ada@mail.example\x00",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_by_name(address: str) -> None:
    with pytest.raises(FieldInvalid) as refusal:
        mail_address(address, field="address")

    assert refusal.value.params["field"] == "address"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        (" Ada@Mail.Example ", "Ada@mail.example"),
        ("ada+bank@mail.example", "ada+bank@mail.example"),
        ("o'neil@xn--mil-ula.example", "o'neil@xn--mil-ula.example"),
    ],
)
def test_a_plain_address_is_taken_with_its_domain_in_small_letters(written: str, address: str) -> None:
    assert mail_address(written, field="address") == address
