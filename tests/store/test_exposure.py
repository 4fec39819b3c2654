"""Every column has a class that says what it would give away, and the page for the host is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from sqlalchemy import TEXT, Column

from timebank.cli import doctor
from timebank.store import exposure
from timebank.store.exposure import CLASSES, KINDS, columns_by_class, tell
from timebank.store.tables import metadata

DOCS = Path(__file__).parents[2] / "docs"


def test_every_column_has_one_class() -> None:
    found = columns_by_class()

    assert all(found[kind] for kind in KINDS), "a class that no column has is no class"


def test_a_new_column_without_a_class_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = metadata.tables["people.members"]
    extra: Column[str] = Column("shoe_size", TEXT())
    table.append_column(extra)
    try:
        with pytest.raises(LookupError, match=r"people\.members"):
            columns_by_class()
    finally:
        table._columns.remove(extra)
    columns_by_class()
    monkeypatch.setitem(CLASSES, "people.shoes", "clear size")
    with pytest.raises(LookupError, match=r"people\.shoes"):
        columns_by_class()


def test_what_is_called_a_box_is_sealed_and_nothing_else_is() -> None:
    sealed = {
        f"{table}.{column}" for table, columns in columns_by_class()["sealed"].items() for column in columns
    }
    boxes = {
        f"{table.schema}.{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if column.name == "box" or column.name.endswith("_box")
    }

    assert sealed == boxes


def test_what_is_published_is_public_and_nothing_else_is() -> None:
    public = columns_by_class()["public"]

    assert set(public) == {
        f"{t.schema}.{t.name}" for t in metadata.tables.values() if t.name.startswith("published_")
    }


def test_the_page_is_what_the_program_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(argparse.Namespace(settings=None, roles=False, seizure=True)) == 0

    printed = capsys.readouterr().out
    assert printed == tell()
    assert (DOCS / "seizure.md").read_text(encoding="utf-8") == printed, (
        "timebank doctor --seizure > docs/seizure.md"
    )
    assert all(len(kind.without_keys) > 5 and len(kind.with_keys) > 5 for kind in exposure.KINDS.values())
