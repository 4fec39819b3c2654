"""The one template environment: a page and a language go in, bytes come out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from timebank.i18n import Language, every_language, frontend_path
from timebank.web.files import static_url
from timebank.web.who_sees import who_sees

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
    # Jinja's own would put plain numbers into sentences in Latin digits, whatever the language.
    made.globals.update(gettext=_gettext, ngettext=_ngettext, _=_gettext)
    made.globals["static"] = static_url
    made.globals["who_sees"] = who_sees
    made.globals["every_language"] = every_language
    return made


@pass_context
def _gettext(context: Context, message: str, /, **places: Any) -> Markup:
    language: Language = context["language"]
    # A catalogue is ours like a template; what is put into its places is escaped.
    return Markup(language.translations.gettext(message)) % _written(places, language)  # noqa: S704


@pass_context
def _ngettext(context: Context, one: str, many: str, number: int, /, **places: Any) -> Markup:
    language: Language = context["language"]
    said = Markup(language.translations.ngettext(one, many, number))  # noqa: S704
    return said % _written({"num": number, **places}, language)


def _written(places: dict[str, Any], language: Language) -> dict[str, Any]:
    return {name: language.number(said) if type(said) is int else said for name, said in places.items()}
