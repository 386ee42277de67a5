"""Charts as SVG made here: bars, lines over time, sparklines; the figures stand beside them.

Promises: a chart works without script and under the content security policy (classes only, no
style); it has a title and a description, and its figures follow as a table, so that nobody needs
to see it; series differ by more than their colour (dashes, hatching by class, a legend in words);
no value breaks it: none, all zero, not finite. Every text is escaped. Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

_WIDTH: Final = 720
_HEIGHT: Final = 260
_LEFT: Final = 68
_RIGHT: Final = 8
_TOP: Final = 28
_BOTTOM: Final = 26
_TICKS: Final = 4
_LABELS: Final = 10
_TONES: Final = ("s1", "s2", "s3", "s4", "s5", "s6")
_SPARK_WIDTH: Final = 120
_SPARK_HEIGHT: Final = 28
_COUNTED: Final = 10
"""From here on whole steps of the axis do."""


@dataclass(frozen=True, slots=True)
class Series:
    """One row of figures.

    Args:
        name: What the legend calls it.
        values: One for each label of the chart; None where nothing is known.
        tone: Class that colours it: `good`, `bad`, `doubt`, `none`; "" for one of the chart's own.
    """

    name: str
    values: tuple[float | None, ...]
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows.

    Args:
        title: Heading; read first by a screen reader.
        labels: Along the axis, as they are printed.
        series: The figures; each has as many values as there are labels.
        about: One sentence for who does not see it.
        unit: Behind each figure, such as `s`; "" for a count.
        head: Heading of the column of labels in the table of figures.
        figures: Title of the table of figures.
    """

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    about: str = ""
    unit: str = ""
    head: str = ""
    figures: str = "Số liệu"

    def __post_init__(self) -> None:
        """Refuse series of another length than the labels."""
        for series in self.series:
            if len(series.values) != len(self.labels):
                raise ValueError(f"{series.name}: {len(series.values)} values, not one a label")


def bars(chart: Chart, *, stacked: bool = False) -> Markup:
    """Return bars, beside each other or on top of each other."""
    count = max(1, len(chart.labels))
    top = _top(_highest(chart, stacked=stacked))
    room = (_WIDTH - _LEFT - _RIGHT) / count
    pieces: list[Markup] = []
    for place in range(len(chart.labels)):
        base, left = 0.0, _LEFT + place * room + room * 0.1
        wide = room * 0.8 / (1 if stacked else max(1, len(chart.series)))
        for index, series in enumerate(chart.series):
            value = _known(series.values[place])
            x = left if stacked else left + index * wide
            pieces.append(_bar(x, wide, base, value, top, _tone(series, index)))
            base += value if stacked else 0.0
    return _figure(chart, top, Markup("").join(pieces), room)


def lines(chart: Chart) -> Markup:
    """Return lines over time; a gap where nothing is known."""
    top = _top(_highest(chart, stacked=False))
    room = (_WIDTH - _LEFT - _RIGHT) / max(1, len(chart.labels))
    pieces = []
    for index, series in enumerate(chart.series):
        for run in _runs(series.values):
            points = [(_LEFT + (at + 0.5) * room, _height_of(value, top)) for at, value in run]
            pieces.append(_line(points, _tone(series, index)))
    return _figure(chart, top, Markup("").join(pieces), room)


def sparkline(values: Sequence[float | None], title: str, *, tone: str = "s1") -> Markup:
    """Return a small line without axes: the shape of the last hours beside a figure."""
    top = max((_known(v) for v in values), default=0.0) or 1.0
    step = _SPARK_WIDTH / max(1, len(values) - 1)
    pieces = []
    for run in _runs(tuple(values)):
        tall = _SPARK_HEIGHT - 4
        points = [(at * step, 2 + tall * (1 - value / top)) for at, value in run]
        pieces.append(_line(points, tone))
    drawn = Markup("").join(pieces)
    return Markup(
        '<svg class="spark" role="img" viewBox="0 0 {} {}" preserveAspectRatio="none">'
        "<title>{}</title>{}</svg>"
    ).format(_SPARK_WIDTH, _SPARK_HEIGHT, title, drawn)


# ---------------------------------------------------------------- pieces


def _figure(chart: Chart, top: float, drawn: Markup, room: float) -> Markup:
    svg = Markup(
        '<svg class="chart" role="img" viewBox="0 0 {} {}"><title>{}</title><desc>{}</desc>'
        "{}{}{}{}</svg>"
    ).format(
        _WIDTH,
        _HEIGHT,
        chart.title,
        chart.about or chart.title,
        _axis(top, chart.unit),
        drawn,
        _along(chart.labels, room),
        _legend(chart.series),
    )
    return Markup('<figure class="charted"><figcaption>{}</figcaption>{}{}</figure>').format(
        chart.title, svg, table(chart)
    )


def table(chart: Chart) -> Markup:
    """Return the figures of a chart as a table that opens on demand."""
    heads = Markup("").join(
        Markup('<th class="num" scope="col">{}</th>').format(s.name) for s in chart.series
    )
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label,
            Markup("").join(
                Markup('<td class="num">{}</td>').format(_words(s.values[at], chart.unit))
                for s in chart.series
            ),
        )
        for at, label in enumerate(chart.labels)
    )
    return Markup(
        "<details><summary>{}</summary><table><caption>{}</caption>"
        '<thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></details>'
    ).format(chart.figures, chart.title, chart.head, heads, rows)


def _bar(x: float, wide: float, base: float, value: float, top: float, tone: str) -> Markup:  # noqa: PLR0917
    if value <= 0:
        return Markup()
    upper, lower = _height_of(base + value, top), _height_of(base, top)
    return Markup('<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"/>').format(
        tone, _at(x), _at(upper), _at(wide), _at(max(0.5, lower - upper))
    )


def _line(points: Sequence[tuple[float, float]], tone: str) -> Markup:
    if len(points) == 1:
        ((x, y),) = points
        return Markup('<circle class="mark {}" cx="{}" cy="{}" r="3"/>').format(
            tone, _at(x), _at(y)
        )
    text = " ".join(f"{_at(x)},{_at(y)}" for x, y in points)
    return Markup('<polyline class="line {}" points="{}"/>').format(tone, text)


def _axis(top: float, unit: str) -> Markup:
    pieces = []
    for tick in range(_TICKS + 1):
        value = top * tick / _TICKS
        y = _at(_height_of(value, top))
        pieces.append(
            Markup(
                '<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>'
                '<text class="tick" x="{}" y="{}" text-anchor="end" aria-hidden="true">{}</text>'
            ).format(_LEFT, y, _WIDTH - _RIGHT, y, _LEFT - 6, float(y) + 5, _words(value, unit))
        )
    return Markup("").join(pieces)


def _along(labels: Sequence[str], room: float) -> Markup:
    """Return the labels, as many as there is room for."""
    every = max(1, math.ceil(len(labels) / _LABELS))
    return Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="middle" aria-hidden="true">{}</text>').format(
            _at(_LEFT + (place + 0.5) * room), _HEIGHT - 8, label
        )
        for place, label in enumerate(labels)
        if place % every == 0
    )


def _legend(series: Sequence[Series]) -> Markup:
    pieces, x = [], float(_LEFT)
    for index, one in enumerate(series):
        tone = _tone(one, index)
        pieces.append(
            Markup(
                '<rect class="bar {}" x="{}" y="6" width="12" height="10"/>'
                '<text x="{}" y="15">{}</text>'
            ).format(tone, _at(x), _at(x + 16), one.name)
        )
        x += 36 + 8.4 * len(one.name)
    return Markup("").join(pieces)


def _tone(series: Series, index: int) -> str:
    return series.tone or _TONES[index % len(_TONES)]


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return what is known, cut where something is not."""
    runs: list[list[tuple[int, float]]] = [[]]
    for at, value in enumerate(values):
        if value is None or not math.isfinite(value):
            runs.append([])
        else:
            runs[-1].append((at, max(0.0, value)))
    return [run for run in runs if run]


def _known(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) and value > 0 else 0.0


def _highest(chart: Chart, *, stacked: bool) -> float:
    rows = [[_known(s.values[at]) for s in chart.series] for at in range(len(chart.labels))]
    return max((sum(row) if stacked else max(row, default=0.0) for row in rows), default=0.0)


def _top(highest: float) -> float:
    """Return a round number at or above the highest value: 1, 2 or 5 times a power of ten, by 4."""
    if highest <= 0:
        return float(_TICKS)
    power = 10.0 ** math.floor(math.log10(highest))
    for step in (1, 2, 4, 5, 8, 10):
        if highest <= step * power:
            # A count of three has no tick at 0.75.
            return max(step * power, float(_TICKS)) if highest >= 1 else step * power
    return 10 * power


def _height_of(value: float, top: float) -> float:
    tall = _HEIGHT - _TOP - _BOTTOM
    return _TOP + tall * (1 - min(value, top) / top)


def _at(value: float) -> str:
    return f"{value:.1f}"


def _words(value: float | None, unit: str) -> str:
    """Return a figure as Vietnamese write it: 1.234 and 0,5."""
    if value is None or not math.isfinite(value):
        return "–"
    whole = value >= _COUNTED or value == int(value)
    text = f"{value:,.0f}" if whole else f"{value:,.2g}"
    swapped = text.translate(str.maketrans(",.", ".,"))
    return f"{swapped} {unit}" if unit else swapped


def words(value: float | None, unit: str = "") -> Markup:
    """Return a figure for a page, with its unit."""
    return escape(_words(value, unit))
