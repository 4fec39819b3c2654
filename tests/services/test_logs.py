"""The log says where something went wrong and of which kind it was, and never what anybody wrote."""

from __future__ import annotations

import logging
import sys

import asyncpg

from timebank.services.logs import Discreet


def test_an_exception_is_logged_without_what_it_says() -> None:
    try:
        try:
            raise asyncpg.UniqueViolationError("key (nickname)=(Zyxwq) already exists")
        except asyncpg.UniqueViolationError as error:
            raise KeyError("Zyxwq at the red door") from error
    except KeyError:
        record = logging.LogRecord(
            "timebank", logging.ERROR, __file__, 1, "a %s request failed", ("POST",), sys.exc_info()
        )

    said = Discreet("%(levelname)s %(name)s: %(message)s").format(record)

    assert "Zyxwq" not in said.replace('raise KeyError("Zyxwq at the red door")', "").replace(
        'raise asyncpg.UniqueViolationError("key (nickname)=(Zyxwq) already exists")', ""
    ), "the lines of the program are not what anybody wrote"
    assert said.startswith("ERROR timebank: a POST request failed\n")
    assert "builtins.KeyError" in said
    assert "UniqueViolationError 23505" in said
    assert "test_logs.py" in said
