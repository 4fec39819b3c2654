"""What Mozilla's HTTP Observatory would say of an answer, by its published tests and modifiers.

Penalties come off 100; from 90 on bonuses are added. Left out is what only a look from outside tells: whether plain
HTTP leads to HTTPS, and the preload list.
"""

from __future__ import annotations

import re
from typing import Final

import httpx

_BROAD: Final = {"*", "http:", "https:", "ftp:", "data:"}
_UNSAFE: Final = {"'unsafe-inline'", "'unsafe-eval'", "data:"}
_PRIVATE: Final = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
_SIX_MONTHS_S: Final = 15_768_000
_EXTRA_FROM: Final = 90


def score(answer: httpx.Response) -> tuple[int, dict[str, int]]:
    """Return the score of an answer, and what each test gave or took."""
    policy = _policy(answer)
    found = {
        "csp": _csp(policy),
        "cookies": _cookies(answer),
        "cors": -50 if answer.headers.get("access-control-allow-origin") == "*" else 0,
        "hsts": _hsts(answer),
        "referrer": 5 if answer.headers.get("referrer-policy") in _PRIVATE else 0,
        "sri": _scripts(answer),
        "nosniff": 0 if answer.headers.get("x-content-type-options") == "nosniff" else -5,
        "framing": _framing(answer, policy),
        "corp": 10 if answer.headers.get("cross-origin-resource-policy") == "same-origin" else 0,
    }
    plain = 100 + sum(points for points in found.values() if points < 0)
    extra = sum(points for points in found.values() if points > 0)
    return plain + (extra if plain >= _EXTRA_FROM else 0), found


def _policy(answer: httpx.Response) -> dict[str, set[str]]:
    said = answer.headers.get("content-security-policy", "")
    parts = [part.split() for part in said.split(";") if part.strip()]
    assert len(parts) == len({part[0] for part in parts}), "a directive is there twice"
    return {part[0]: set(part[1:]) for part in parts}


def _csp(policy: dict[str, set[str]]) -> int:
    if not policy:
        return -25
    otherwise = policy.get("default-src", {"*"})
    scripts, objects = policy.get("script-src", otherwise), policy.get("object-src", otherwise)
    if "'unsafe-eval'" in scripts:
        return -10
    if scripts & (_BROAD | _UNSAFE) or objects & _BROAD:
        return -20
    if policy.get("style-src", otherwise) & (_BROAD | _UNSAFE):
        return 0
    return 10 if policy.get("default-src") == {"'none'"} else 5


def _cookies(answer: httpx.Response) -> int:
    cookies = [cookie.lower() for cookie in answer.headers.get_list("set-cookie")]
    if not cookies:
        return 0
    if any("httponly" not in cookie for cookie in cookies):
        return -30
    if any("; secure" not in cookie for cookie in cookies):
        return -40
    return 5 if all(re.search("samesite=(?:lax|strict)", cookie) for cookie in cookies) else -20


def _hsts(answer: httpx.Response) -> int:
    found = re.search(r"max-age=(\d+)", answer.headers.get("strict-transport-security", ""))
    if not found:
        return -20
    return 0 if int(found[1]) >= _SIX_MONTHS_S else -10


def _scripts(answer: httpx.Response) -> int:
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return 0
    sources = re.findall(r"<script\b[^>]*\bsrc=\"([^\"]*)\"", answer.text)
    return 0 if all(source.startswith("/") and not source.startswith("//") for source in sources) else -50


def _framing(answer: httpx.Response, policy: dict[str, set[str]]) -> int:
    if policy.get("frame-ancestors") == {"'none'"}:
        return 5
    return 0 if answer.headers.get("x-frame-options", "").upper() in {"DENY", "SAMEORIGIN"} else -20
