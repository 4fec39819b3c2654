"""QR codes as SVG: an address on paper that a phone reads; without script, style or anything from elsewhere."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup


def qr_svg(address: str) -> bytes:
    """Return an SVG document of an address, black on white with the quiet zone that readers need."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out,
        kind="svg",
        scale=4,
        border=4,
        dark="#000",
        light="#fff",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
    )
    return out.getvalue()


def qr_inline(address: str) -> Markup:
    """Return the same for inside a page, where the address stands beside it in words.

    It has no size, which the style sheet gives, and readers of the screen pass over it.
    """
    drawing = segno.make(address, error="m", micro=False).svg_inline(
        omitsize=True, border=4, dark="#000", light="#fff", svgclass="qr", lineclass=None
    )
    # It is made of numbers only; what was put into it is in the drawing, not in the text.
    return Markup(drawing.replace("<svg ", '<svg aria-hidden="true" ', 1))  # noqa: S704
