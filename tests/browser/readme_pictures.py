"""Takes the pictures of the README from a real server with its example group: ``python -m tests.browser.readme_pictures``.

A server of its own is started with two years of the example in a directory that is thrown away (about two minutes),
and looked at with the chromium that the tests use, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from tests.browser.screen import CHROMIUM, SWITCHES

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ROOT / "docs" / "images"
_PATIENCE_S: Final = 900


class Picture(NamedTuple):
    """One picture: its name, where it is taken, and how large the window is."""

    name: str
    path: str
    width: int
    height: int
    scheme: Any = "light"
    card: str = ""


def pictures(slug: str, cards: dict[str, str]) -> list[Picture]:
    """Return what the README shows."""
    at = f"/g/{slug}"
    return [
        Picture("public-wide", at, 1280, 900),
        Picture("public-phone-dark", at, 360, 760, "dark"),
        Picture("history", f"{at}/periods", 1280, 700),
        Picture("log-phone", f"{at}/log", 360, 760, card=cards.get("member", "")),
    ]


def main() -> int:
    """Start, look, stop."""
    if not CHROMIUM:
        print(
            "There is no chromium: apt-get install chromium, or set TIMEBANK_TEST_CHROMIUM.", file=sys.stderr
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="timebank-pictures-", dir="/tmp") as home:
        Path(home).chmod(0o755)
        command = [sys.executable, str(ROOT / "run"), "demo", "--data", f"{home}/data", "--port", "0"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
        ) as server:
            try:
                said = _until_ready(server)
                facts = json.loads(Path(home, "data", "demo.json").read_text(encoding="utf-8"))
                _take(facts["base_url"], pictures(facts["slug"], _cards(said)))
            finally:
                server.terminate()
    return 0


def _until_ready(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    said, give_up = "", time.monotonic() + _PATIENCE_S
    for line in server.stdout:
        said += line
        if "Ctrl-C stops" in line:
            return said
        if time.monotonic() > give_up:
            break
    raise SystemExit(f"The server did not get ready:\n{said}")


def _cards(said: str) -> dict[str, str]:
    """Return the sign-in cards that the server printed, by what the person does."""
    parts = ("member", "steward", "treasurer")
    lines = [line.strip() for line in said.splitlines()]
    return {part: line.partition(" ")[0] for part in parts for line in lines if line.endswith(f", {part}")}


def _take(address: str, wanted: list[Picture]) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        for picture in wanted:
            _take_one(browser, address, picture)
        browser.close()


def _take_one(browser: Browser, address: str, picture: Picture) -> None:
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        locale="en",
        # Letters of a picture stay sharp when it is shown larger.
        device_scale_factor=1 if picture.width > 1000 else 2,
    )
    page = context.new_page()
    if picture.card:
        page.goto(f"{address}{picture.path.rpartition('/')[0]}/sign-in")
        page.fill("#card", picture.card)
        with page.expect_navigation():
            page.click("form:has(#card) button")
    page.goto(address + picture.path)
    page.screenshot(path=IMAGES / f"{picture.name}.png")
    print(IMAGES / f"{picture.name}.png")
    context.close()


if __name__ == "__main__":
    sys.exit(main())
