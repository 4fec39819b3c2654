"""Static files under addresses that carry their content, so that a browser may keep them for ever."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from timebank.i18n import frontend_path

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class StaticFile(NamedTuple):
    """One file as it is sent; ``name`` is its path with the first half of its SHA-256 in it."""

    name: str
    content: bytes
    media_type: str
    etag: str


@lru_cache
def static_files() -> dict[str, StaticFile]:
    """Return every static file by the name in its address, read once per process."""
    folder = frontend_path() / "static"
    files = (_read(folder, path) for path in sorted(folder.rglob("*")) if path.suffix in _TYPES)
    return {file.name: file for file in files}


@lru_cache
def _names() -> dict[str, str]:
    folder = frontend_path() / "static"
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): _read(folder, path).name for path in paths}


def static_url(path: str) -> str:
    """Return the address of a static file, such as ``/static/css/parts.0123456789abcdef.css``.

    Raises:
        KeyError: There is no such file; a template names one that does not exist.
    """
    return f"/static/{_names()[path]}"


def _read(folder: Path, path: Path) -> StaticFile:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:16]
    relative = path.relative_to(folder)
    name = relative.with_name(f"{relative.stem}.{digest}{relative.suffix}").as_posix()
    return StaticFile(name, content, _TYPES[path.suffix], f'"{digest}"')
