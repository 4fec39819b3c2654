"""QR codes as SVG: an address on paper that a phone reads; without script, style or anything from elsewhere."""

from __future__ import annotations

import io

import segno


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


def qr_inline(address: str) -> str:
    """Return the same for inside a page: without a size, which the style sheet gives."""
    return str(
        segno.make(address, error="m", micro=False).svg_inline(
            border=4, omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None
        )
    )
