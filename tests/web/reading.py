"""Reads a page as a visitor gets it: its words, with what stands around them, and what it loads or runs."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final, NamedTuple

#: Attributes that are read out or shown.
_SPOKEN: Final = frozenset({"alt", "aria-label", "placeholder", "title"})
_VOID: Final = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})


class Words(NamedTuple):
    """A piece of text.

    Attributes:
        tags: What it stands in, outermost first.
        isolated: Whether what runs the other way in it can turn nothing around it.
    """

    text: str
    tags: tuple[str, ...]
    isolated: bool


class Reading(HTMLParser):
    """A page taken apart.

    Attributes:
        words: Every text that is shown or read out, the title included.
        attributes: (tag, attribute, value) of everything.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[Words] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._open: list[tuple[str, bool]] = []
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """All that is shown, with plain spaces, without what there is to choose from."""
        return " ".join(" ".join(words.text for words in self.words if "option" not in words.tags).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in said.items()]
        isolates = tag in {"bdi", "textarea"} or said.get("dir") in {"auto", "ltr", "rtl"}
        isolates = isolates and tag != "html"
        for name in _SPOKEN & said.keys():
            self._keep(said[name], isolated=True)
        if tag == "input" and said.get("type", "text") not in {"hidden", "radio", "checkbox"}:
            # A code has its direction whatever is written there; all else takes it from what is.
            self._keep(said.get("value", ""), isolated=said.get("dir") in {"auto", "ltr"})
        if tag not in _VOID:
            self._open.append((tag, isolates))

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            last, _ = self._open.pop()
            if last == tag:
                return

    def handle_data(self, data: str) -> None:
        self._keep(data, isolated=any(isolates for _, isolates in self._open))

    def _keep(self, text: str, *, isolated: bool) -> None:
        if text.strip():
            self.words.append(Words(text, tuple(tag for tag, _ in self._open), isolated))
