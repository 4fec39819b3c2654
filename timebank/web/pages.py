"""The one template environment: a page and a language go in, bytes come out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from timebank.i18n import Language, frontend_path
from timebank.web.files import static_url

# Everything comes from here, nothing is inline, nobody may frame it, and forms post home.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def render(template: str, page: object, language: Language, **more: Any) -> bytes:
    """Return a page as UTF-8 HTML.

    Args:
        template: File in ``frontend/templates``.
        page: View model; templates read its attributes and nothing else.
        language: Words, figures and direction.
    """
    text = environment().get_template(template).render(page=page, language=language, **more)
    return text.encode()


@lru_cache
def environment() -> Environment:
    """Return the template environment; made once per process."""
    made = Environment(
        loader=FileSystemLoader(frontend_path() / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    # One environment serves all languages: the catalogue is that of the page being rendered.
    made.install_gettext_callables(_gettext, _ngettext, newstyle=True)  # type: ignore[attr-defined]
    made.globals["static"] = static_url
    return made


@pass_context
def _gettext(context: Context, message: str) -> str:
    language: Language = context["language"]
    return language.translations.gettext(message)


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int) -> str:
    language: Language = context["language"]
    return language.translations.ngettext(one, many, count)
