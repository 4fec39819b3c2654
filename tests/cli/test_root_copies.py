"""The copies that root's starts run from: many starts at once never clear away what another one needs."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from timebank.cli import unprivileged


def _start(source: Path) -> bool:
    """One start: take a copy of its code, and have it whole for as long as it lives."""
    with unprivileged._one_start_at_a_time():
        place = unprivileged._tree("site", source)
    return (place / "module.py").read_text(encoding="utf-8") == source.name


def test_starts_at_the_same_time_each_have_their_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code_home = tmp_path / "code"
    code_home.mkdir()
    monkeypatch.setattr(unprivileged, "CODE_HOME", code_home)
    # More programs than copies are kept, so that every start clears away somebody's.
    sources = [tmp_path / f"program-{number}" for number in range(8)]
    for source in sources:
        source.mkdir()
        (source / "module.py").write_text(source.name, encoding="utf-8")

    # A process for each start: what a copy is held by goes with its process.
    fork = multiprocessing.get_context("fork")
    with fork.Pool(8, maxtasksperchild=1) as starts:
        whole = starts.map(_start, sources * 25, chunksize=1)
        starts.close()
        starts.join()
    assert whole == [True] * 200

    # Nobody holds anything any more: the next start leaves as many as are kept, its own among them.
    with fork.Pool(1, maxtasksperchild=1) as starts:
        assert starts.apply(_start, (sources[0],))
    assert len(list(code_home.glob("site-*"))) == unprivileged._KEPT


def test_what_a_killed_start_left_half_made_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unprivileged, "CODE_HOME", tmp_path)
    source = tmp_path / "program"
    source.mkdir()
    (source / "module.py").write_text(source.name, encoding="utf-8")
    half = unprivileged._fresh(tmp_path / unprivileged._tree("site", source).name)
    half.mkdir()
    os.rename(tmp_path / half.name[1:], tmp_path / "elsewhere")

    assert _start(source)
