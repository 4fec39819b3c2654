"""Mail addresses as people write them: one plain address, nothing around it and nothing hidden in it."""

from __future__ import annotations

import re
from typing import Final

from timebank.errors import N_, FieldInvalid

ADDRESS_MAX: Final = 254
_LOCAL_MAX: Final = 64

NOT_AN_ADDRESS: Final = N_("it is no mail address such as name@mail.example")

# What mail servers take everywhere: no quotes, no comments, ASCII. Neither line break nor comma can be in it,
# so nothing written here reaches a header that is not the recipient's.
_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)


def mail_address(text: str, *, field: str) -> str:
    """Return an address with its domain in small letters and without blanks around it.

    Raises:
        FieldInvalid: It is no address that every mail server takes.
    """
    local, at, domain = text.strip(" ").rpartition("@")
    labels = domain.split(".")
    plain = (
        bool(at)
        and len(local) <= _LOCAL_MAX
        and len(local) + 1 + len(domain) <= ADDRESS_MAX
        and _LOCAL.fullmatch(local) is not None
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
    )
    if not plain:
        raise FieldInvalid(field=field, why=NOT_AN_ADDRESS)
    return f"{local}@{domain.lower()}"
