"""Auditors from outside: hledger and beancount read a journal and say what they think of it.

Where one of them is not installed, tests that ask it are skipped and say so.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import pytest

HLEDGER = shutil.which("hledger")
WITHOUT_HLEDGER = "no hledger: apt-get install hledger"
WITHOUT_BEANCOUNT = "no beancount: pip install beancount"

#: Balances by (account as hledger spells it, commodity), debit positive, in whole smallest units.
Balances = dict[tuple[str, str], int]


def units_of(amount: str | Decimal, commodity: str) -> int:
    """Return an amount in whole smallest units; euros have two digits, everything else here none."""
    scaled = Decimal(amount) * (100 if commodity == "EUR" else 1)
    assert scaled == int(scaled), amount
    return int(scaled)


def ask_hledger(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Have hledger read a journal; skip where there is none."""
    if HLEDGER is None:
        pytest.skip(WITHOUT_HLEDGER)
    return subprocess.run(
        [HLEDGER, "-f", "-", *words],
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={"LC_ALL": "C.UTF-8"},
    )


def hledger_complaint(text: str) -> str:
    """Return what ``hledger check -s`` says; empty when all is well."""
    done = ask_hledger(text, "check", "-s")
    return done.stderr if done.returncode else ""


def hledger_balances(text: str, *, through: date | None = None) -> Balances:
    """Return every balance at the end of a day, as hledger adds it up; those of nothing too."""
    until = ["-e", str(through + timedelta(days=1))] if through else []
    done = ask_hledger(text, "balance", "-s", "-E", "--flat", "-N", "-O", "csv", *until)
    assert done.returncode == 0, done.stderr
    balances: Balances = {}
    for account, amounts in list(csv.reader(io.StringIO(done.stdout)))[1:]:
        for amount in amounts.split(", "):
            number, _, commodity = amount.partition(" ")
            if commodity:
                balances[account, commodity] = units_of(number, commodity)
    return balances


def beancount_complaint(text: str) -> str:
    """Return what beancount's loader and checker say; empty when all is well."""
    if importlib.util.find_spec("beancount") is None:
        pytest.skip(WITHOUT_BEANCOUNT)
    from beancount import loader

    _, errors, _ = loader.load_string(text, encoding="utf-8")
    return "\n".join(str(getattr(error, "message", error)) for error in errors)


def beancount_balances(text: str) -> Balances:
    """Return every balance at the end, as beancount adds it up."""
    if importlib.util.find_spec("beancount") is None:
        pytest.skip(WITHOUT_BEANCOUNT)
    from beancount import loader
    from beancount.core import data

    entries, _, _ = loader.load_string(text, encoding="utf-8")
    balances: Balances = {}
    for entry in entries:
        for posting in entry.postings if isinstance(entry, data.Transaction) else ():
            assert posting.units is not None
            assert posting.units.number is not None
            key = posting.account.lower(), posting.units.currency
            balances[key] = balances.get(key, 0) + units_of(posting.units.number, posting.units.currency)
    return balances


#: By format: what its reader complains of, and the balances that it comes to.
READERS: Mapping[str, tuple[Callable[[str], str], Callable[[str], Balances]]] = {
    "hledger": (hledger_complaint, hledger_balances),
    "beancount": (beancount_complaint, beancount_balances),
}


def without_zeros(balances: Balances) -> Balances:
    """Return the balances that are not nought."""
    return {key: amount for key, amount in balances.items() if amount}
