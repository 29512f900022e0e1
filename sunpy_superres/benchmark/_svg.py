"""
A figure as part of a web page: a drawing whose ink follows the color scheme of the reader.
"""

import base64
import io
import re

import numpy as np

from sunpy_superres.benchmark._chart_style import GRID, INK, PALETTE

__all__ = ["inline_svg"]

_VARIABLES = {
    INK: "currentColor",
    GRID: "var(--chart-grid)",
    **{color: f"var(--chart-{name})" for name, color in PALETTE.items()},
}
_ID = re.compile(r'(\bid="|(?:xlink:)?href="#|url\(#)')
_LONG_NUMBER = re.compile(r"(\.\d\d)\d+")
# With the id, which is that of the pixels: the same image twice would have it twice.
_PIXELS = re.compile(r'xlink:href="data:image/png;base64,([^"]+)"(?: id="[^"]*")?')


def inline_svg(figure, name, *, label, style=""):
    """
    Return a figure as an ``<svg>`` element for a web page.

    Parameters
    ----------
    figure : `~matplotlib.figure.Figure`
        The figure.
    name : `str`
        Of letters, digits and hyphens, another one for every figure of the page: its ids begin with it.
    label : `str`
        What the figure shows, for those who do not see it; already escaped.
    style : `str`, optional
        Class of the element.

    Returns
    -------
    `str`
        Text is drawn as outlines. It is as wide as the figure where there is room, and else as wide as there is room.
    """
    import matplotlib as mpl  # NOQA: PLC0415

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": name, "svg.image_inline": True}):
        figure.savefig(buffer, format="svg", facecolor="none", dpi=144, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # A style would be that of the whole page.
    text = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", text, flags=re.DOTALL)
    head, _, body = text.partition(">")
    view = re.search(r'viewBox="([^"]+)"', head)[1]
    body = _PIXELS.sub(lambda match: f'href="data:image/png;base64,{_smaller(match[1])}"', body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r' d="[^"]+"', lambda match: _LONG_NUMBER.sub(r"\1", match[0]), body)
    body = _ID.sub(rf"\g<1>{name}-", body)
    for color, variable in _VARIABLES.items():
        body = body.replace(color, variable)
    width = round(96 * figure.get_figwidth())
    return (
        f'<svg class="{f"chart {style}".strip()}" role="img" aria-label="{label}" viewBox="{view}" '
        f'style="max-width:{width}px">{body.strip()}'
    )


def _smaller(encoded):
    """
    Write a PNG again, by its palette where it has few colors: half the size.
    """
    from PIL import Image  # NOQA: PLC0415

    data = base64.b64decode(encoded)
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGBA"))
    colors, index = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colors) > 256:
        return "".join(encoded.split())
    image = Image.fromarray(index.reshape(pixels.shape[:2]).astype(np.uint8)).convert("P")
    image.putpalette(colors[:, :3].astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True, transparency=colors[:, 3].astype(np.uint8).tobytes())
    return base64.b64encode(min(buffer.getvalue(), data, key=len)).decode()
