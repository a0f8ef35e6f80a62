"""Lines, dots and words on a white sheet, written as SVG by hand or as PNG by Pillow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol
from xml.sax.saxutils import escape

from frameworkctl.errors import ConfigError

Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]
SCALE = 2  # pixels of a PNG for a unit of the sheet
SMOOTH = 2  # drawn so much larger, then reduced


class Canvas(Protocol):
    """Coordinates from the upper left corner; ``y`` of a text is its baseline."""

    def line(self, points: Sequence[Point], colour: str, width: float) -> None: ...
    def dot(self, at: Point, colour: str, radius: float) -> None: ...
    def text(self, at: Point, words: str, size: float, anchor: Anchor = "start", colour: str = "#222222") -> None: ...
    def save(self, path: Path) -> None: ...


def canvas(path: Path, width: int, height: int) -> Canvas:
    """Return a canvas for the format of the file's ending. Raises ConfigError for one that is neither, or where Pillow
    is lacking.
    """
    if path.suffix == ".svg":
        return _Svg(width, height)
    if path.suffix != ".png":
        raise ConfigError(f"--chart: {str(path)!r} must end in .svg or .png")
    try:
        return _Png(width, height)
    except ImportError:
        raise ConfigError(
            "--chart: .png needs Pillow: pip install 'frameworkctl[charts]'; .svg needs nothing"
        ) from None


class _Svg:
    def __init__(self, width: int, height: int) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' font-family="Helvetica, Arial, sans-serif">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        ]

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}"/>')

    def dot(self, at: Point, colour: str, radius: float) -> None:
        self._parts.append(f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}" fill="{colour}"/>')

    def text(self, at: Point, words: str, size: float, anchor: Anchor = "start", colour: str = "#222222") -> None:
        place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"'
        self._parts.append(f"<text {place}>{escape(words)}</text>")

    def save(self, path: Path) -> None:
        path.write_text("\n".join([*self._parts, "</svg>", ""]), encoding="utf-8")


class _Png:
    def __init__(self, width: int, height: int) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self._unit = SCALE * SMOOTH
        self._image: Any = Image.new("RGB", (width * self._unit, height * self._unit), "#ffffff")
        self._draw: Any = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        path = [(x * self._unit, y * self._unit) for x, y in points]
        self._draw.line(path, fill=colour, width=max(1, round(width * self._unit)), joint="curve")

    def dot(self, at: Point, colour: str, radius: float) -> None:
        x, y, r = (part * self._unit for part in (*at, radius))
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def text(self, at: Point, words: str, size: float, anchor: Anchor = "start", colour: str = "#222222") -> None:
        where = (at[0] * self._unit, at[1] * self._unit)
        side = {"start": "ls", "middle": "ms", "end": "rs"}[anchor]
        self._draw.text(where, words, fill=colour, font=self._font(size * self._unit), anchor=side)

    def save(self, path: Path) -> None:
        self._image.reduce(SMOOTH).save(path, "PNG")
