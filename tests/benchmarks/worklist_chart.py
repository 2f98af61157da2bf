"""Owns: lines over a logarithmic plane, as SVG. Must not: know what they mean."""

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 170, 40, 60
_COLOURS = ("#0b6e4f", "#c1440e", "#2b5c9e", "#7a4fa3", "#8a6d00")
_STYLE = "font-family:system-ui,sans-serif;font-size:13px"

Points = Sequence[tuple[float, float]]


def chart(title: str, axes: tuple[str, str], lines: Mapping[str, Points]) -> str:
    """An SVG of ``lines`` by name; both axes are logarithmic and end at whole powers of ten.

    :raises ValueError: there is no point, or one that is not positive.
    """
    points = [point for line in lines.values() for point in line]
    if not points or min(min(point) for point in points) <= 0:
        raise ValueError("a logarithmic chart needs points, all of them positive")
    plane = _Plane([x for x, _ in points], [y for _, y in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" style="{_STYLE}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *plane.grid(axes),
    ]
    for number, (name, line) in enumerate(lines.items()):
        parts += plane.line(name, line, _COLOURS[number % len(_COLOURS)])
    return "\n".join([*parts, "</svg>", ""])


class _Plane:
    """From values to places on the paper."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        self._x = _decades(xs)
        self._y = _decades(ys)

    def place(self, x: float, y: float) -> tuple[float, float]:
        across = _share(x, self._x) * (_WIDTH - _LEFT - _RIGHT)
        up = _share(y, self._y) * (_HEIGHT - _TOP - _BOTTOM)
        return round(_LEFT + across, 1), round(_HEIGHT - _BOTTOM - up, 1)

    def grid(self, axes: tuple[str, str]) -> list[str]:
        parts = []
        low, high = 10.0 ** self._x[0], 10.0 ** self._x[1]
        for power in range(self._y[0], self._y[1] + 1):
            (x1, y), (x2, _) = self.place(low, 10.0**power), self.place(high, 10.0**power)
            parts += [_rule(x1, y, x2, y), _label(x1 - 8, y + 4, _number(power), "end")]
        for power in range(self._x[0], self._x[1] + 1):
            (x, y1), (_, y2) = self.place(10.0**power, 10.0 ** self._y[0]), self.place(10.0**power, 10.0 ** self._y[1])
            parts += [_rule(x, y1, x, y2), _label(x, y1 + 18, _number(power), "middle")]
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        parts.append(_label(middle, _HEIGHT - 16, axes[0], "middle"))
        turned = f'transform="rotate(-90 18 {_HEIGHT / 2})"'
        parts.append(f'<text x="18" y="{_HEIGHT / 2}" text-anchor="middle" {turned}>{escape(axes[1])}</text>')
        return parts

    def line(self, name: str, line: Points, colour: str) -> list[str]:
        placed = [self.place(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
        parts += [f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>' for x, y in placed]
        x, y = placed[-1]
        parts.append(f'<text x="{x + 10}" y="{y + 4}" fill="{colour}">{escape(name)}</text>')
        return parts


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _share(value: float, decades: tuple[int, int]) -> float:
    return (math.log10(value) - decades[0]) / (decades[1] - decades[0])


def _number(power: int) -> str:
    return f"{10**power:,}" if power >= 0 else f"{10.0**power:.{-power}f}"


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#dddddd"/>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#444444">{escape(text)}</text>'
