"""``timebank import --move``: a word, a key and an archive, or nothing at all happens."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from timebank.cli import COMMANDS, import_, log_keys, main
from timebank.config import OperatorError, Settings


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    import_.add_arguments(parser)
    args = parser.parse_args(["--group", "riverside", *words])
    args.settings = Settings(home=Path("/nowhere"), database_urls={})
    return args


@pytest.mark.parametrize(
    "words",
    [
        ["book.zip", "--move"],
        ["book.zip", "--key", "keys"],
        ["book.zip", "--move", "--key", "keys", "--dry-run"],
    ],
)
def test_a_group_moves_by_a_word_and_a_key_and_not_to_try(words: list[str]) -> None:
    with pytest.raises(OperatorError, match="--move and --key"):
        import_.run(parsed(*words))


@pytest.mark.parametrize("one_word", [False, True])
def test_the_key_is_opened_like_the_archive_while_this_may_still_be_root(
    tmp_path: Path, one_word: bool
) -> None:
    for name in ("book.zip", "keys"):
        (tmp_path / name).write_text("x")
    archive, key = str(tmp_path / "book.zip"), str(tmp_path / "keys")
    named = [f"--key={key}"] if one_word else ["--key", key]
    args = parsed(archive, "--move", *named)

    words = import_.prepare(["import", "--group", "riverside", archive, "--move", *named], args)

    handed = [word.removeprefix("--key=") for word in words]
    assert [word.rpartition(":")[2] for word in handed if word.startswith("fd:")] == ["book.zip", "keys"]
    assert args.key.startswith("fd:")
    assert parsed("book.zip").key == ""


def test_keys_are_no_text_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    with pytest.raises(OperatorError, match="> FILE"):
        log_keys.run(argparse.Namespace(group="riverside", settings=None))

    assert "log-keys" in COMMANDS
    with pytest.raises(SystemExit):
        main(["log-keys"])
