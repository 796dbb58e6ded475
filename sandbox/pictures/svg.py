"""Shapes and text as SVG."""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

BACKGROUND, PANEL, BORDER, TEXT, FAINT = "#111217", "#181b1f", "#2c3035", "#ccccdc", "#8e8e99"
# Grafana's palette, and what its names of colours mean.
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a")
NAMED = {
    "green": "#73bf69",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "text": TEXT,
}
LETTER = 0.55
"""Width of a letter as a share of its size, near enough."""


def color(name: str | None) -> str:
    """As SVG writes it; Grafana's own names are known."""
    return NAMED.get(name or "", name if name and name.startswith(("#", "rgb")) else "#73bf69")


def rect(x: float, y: float, w: float, h: float, fill: str, **more: str | float) -> str:
    return (
        f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(w, 0):.1f}' height='{max(h, 0):.1f}' fill='{fill}'{_more(more)}/>"
    )


def text(x: float, y: float, words: str, *, size: float = 12, width: float = 0, **more: str | float) -> str:
    """`words` with their base line at `y`; cut with an ellipsis where `width` is given and too small."""
    fill = more.pop("fill", TEXT)
    place = f"x='{x:.1f}' y='{y:.1f}' font-size='{size:g}' fill='{fill}'"
    return f"<text {place}{_more(more)}>{escape(cut(words, width, size))}</text>"


def cut(words: str, width: float, size: float) -> str:
    room = int(width / (size * LETTER)) if width else len(words)
    return words if len(words) <= room else words[: max(room - 1, 0)] + "…"


def line(points: Iterable[tuple[float, float]], stroke: str, **more: str | float) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f"<polyline points='{joined}' fill='none' stroke='{stroke}'{_more(more)}/>"


def document(width: float, height: float, shapes: Iterable[str]) -> str:
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' "
        "font-family='Inter, Helvetica, Arial, sans-serif'>"
    )
    return "\n".join([head, rect(0, 0, width, height, BACKGROUND), *shapes, "</svg>"]) + "\n"


def _more(attributes: dict[str, str | float]) -> str:
    return "".join(f" {name.replace('_', '-')}={quoteattr(str(value))}" for name, value in attributes.items())
