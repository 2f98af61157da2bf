"""The table of statuses and marks, and its colours as the style sheet has them."""

import re

import pytest

from broker.domain.states import StepStatus
from broker.services.board import Mark
from broker.web import status_words
from broker.web.rendering import FOLDER

CSS = (FOLDER / "static" / "style.css").read_text(encoding="utf-8")
ICONS = (FOLDER / "templates" / "_icons.html").read_text(encoding="utf-8")
OTHERS = (status_words.UNMATCHED, status_words.PARKED, status_words.SILENT, status_words.REFUSED)
TEXTS = (
    "ink", "soft", "accent", "scheduled", "arrived", "ready", "started", "held", "completed", "discontinued",
    "canceled", "late", "alarm", "unmatched",
)  # fmt: skip
#: text on its own wash
WASHED = (
    ("arrived", "arrived-wash"), ("started", "started-wash"), ("completed", "completed-wash"), ("alarm", "alarm-wash"),
    ("discontinued", "alarm-wash"), ("late", "late-wash"), ("unmatched", "unmatched-wash"), ("on-accent", "accent"),
    ("ink", "fresh"), ("soft", "fresh"), ("soft", "faint"), ("ink", "faint"), ("accent", "faint"),
)  # fmt: skip


def palette(mode: str) -> dict[str, str]:
    """The custom properties of one mode; dark ones override."""
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in _blocks())
    return light if mode == "light" else light | dark


def _blocks() -> tuple[str, str]:
    light, _, rest = CSS.partition("@media (prefers-color-scheme: dark)")
    return light, rest.partition("\n}\n")[0]


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_text_can_be_read(mode: str) -> None:
    colours = palette(mode)
    pairs = [(text, ground) for text in TEXTS for ground in ("paper", "sheet")] + list(WASHED)
    poor = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < 4.5} == {}


def test_every_status_and_mark_has_a_row() -> None:
    assert set(status_words.STATUS) == set(StepStatus)
    assert set(status_words.MARK) == set(Mark)


def test_no_two_statuses_look_alike_without_colour() -> None:
    looks = list(status_words.STATUS.values())
    assert len({look.word for look in looks}) == len({look.shape for look in looks}) == len(looks)


@pytest.mark.parametrize(
    "look", [*status_words.STATUS.values(), *status_words.MARK.values(), *OTHERS], ids=lambda x: x.word
)
def test_every_shape_is_drawn_and_every_colour_named(look: status_words.Look) -> None:
    assert f'name == "{look.shape}"' in ICONS
    assert re.search(rf"\.[sm]-{look.css}\b", CSS)
    assert look.hint.endswith((".", "?"))
