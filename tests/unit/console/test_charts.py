"""Charts: what a reader with and without eyes gets, and that no figure breaks one."""

import math

import pytest
from lxml import etree

from gateway.console.charts import Chart, Series, bars, lines, sparkline, words

_NS = {"s": "http://www.w3.org/2000/svg"}


def chart(*series: Series, labels: tuple[str, ...] = ("08:00", "09:00", "10:00")) -> Chart:
    return Chart("Văn bản mỗi giờ", labels, series, about="Từ 8 đến 10 giờ", head="Giờ")


TAKEN = Series("Tiếp nhận", (4, 1200, None))
FAILED = Series("Lỗi", (1, 0, 2), "bad")


def tree(markup: str) -> etree._Element:
    return etree.fromstring(f"<div>{markup}</div>", etree.XMLParser(resolve_entities=False))


@pytest.mark.parametrize("draw", [bars, lines])
def test_a_chart_says_in_words_what_it_shows(draw):
    page = tree(draw(chart(TAKEN, FAILED)))
    (svg,) = page.findall(".//svg")
    assert svg.get("role") == "img"
    assert svg.findtext("title") == "Văn bản mỗi giờ"
    assert svg.findtext("desc") == "Từ 8 đến 10 giờ"
    rows = [["".join(c.itertext()) for c in row] for row in page.findall(".//table//tr")]
    assert rows == [
        ["Giờ", "Tiếp nhận", "Lỗi"],
        ["08:00", "4", "1"],
        ["09:00", "1.200", "0"],
        ["10:00", "–", "2"],
    ]


@pytest.mark.parametrize("draw", [bars, lines])
def test_nothing_in_it_needs_a_style(draw):
    assert not tree(draw(chart(TAKEN))).xpath(".//@style")


def test_bars_stand_beside_or_on_top_of_each_other():
    def tops(markup: str) -> list[tuple[float, float]]:
        found = tree(markup).xpath(".//rect[contains(@class,'bar')][@height!='10']")
        return [(float(r.get("x")), float(r.get("y"))) for r in found]

    one = chart(Series("a", (2, 0, 0)), Series("b", (2, 0, 0)))
    (a, b), (c, d) = tops(bars(one)), tops(bars(one, stacked=True))
    assert a[0] < b[0]
    assert a[1] == b[1]
    assert c[0] == d[0]
    assert d[1] < c[1]


def test_a_line_has_a_gap_where_nothing_is_known():
    page = tree(lines(chart(Series("a", (1, 2, None, 3, 4)), labels=tuple("12345"))))
    assert len(page.findall(".//polyline")) == 2
    assert len(tree(lines(chart(Series("a", (None, 1, None))))).findall(".//circle")) == 1


@pytest.mark.parametrize(
    "values",
    [(), (0.0,), (None,), (math.nan,), (math.inf, 1.0), (-3.0, 2.0), (0.0001,), (10.0**15,)],
)
def test_no_figure_breaks_a_chart(values):
    labels = tuple(str(i) for i in range(len(values)))
    for markup in (
        bars(Chart("t", labels, (Series("a", values),))),
        bars(Chart("t", labels, (Series("a", values),)), stacked=True),
        lines(Chart("t", labels, (Series("a", values),))),
        sparkline(values, "t"),
    ):
        assert "nan" not in markup
        assert "inf" not in markup
        tree(markup)


def test_names_are_text_never_markup():
    page = bars(Chart("<b>", ("<i>",), (Series("<u>&", (1,)),), about='"<x>'))
    assert "<b>" not in page
    assert "<i>" not in page
    assert "<u>" not in page
    assert "&lt;u&gt;&amp;" in page


def test_series_of_another_length_are_refused():
    with pytest.raises(ValueError, match="Lỗi: 2 values"):
        chart(Series("Lỗi", (1, 2)))


def test_figures_are_written_as_vietnamese_write_them():
    assert words(1234567) == "1.234.567"
    assert words(0.25, "s") == "0,25 s"
    assert words(None) == "–"
