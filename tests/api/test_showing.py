"""What a notebook shows: tables and pictures in which nothing runs, every text is escaped, and colours fit light and dark."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

import pilothouse as ph
from pilothouse.api.listed import frame_of, row_of
from pilothouse.api.showing import MOST_ROWS, table_html
from pilothouse.operations.automation import monitoring_round
from pilothouse.presentation.charts.vector import ON_ANY_PAGE, PAPER, svg
from support.monitored_flights import make_watched, send

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\u202e\x9b31m"
ELEMENTS = {
    "div",
    "table",
    "caption",
    "tr",
    "th",
    "td",
    "svg",
    "g",
    "path",
    "text",
    "title",
    "polygon",
    "polyline",
    "rect",
    "p",
}


def shown(html: str) -> str:
    """The HTML, in which nothing runs, is fetched, or comes out of its element."""
    assert not {"\x1b", "\u202e", "\x9b"} & set(html)
    for element in ElementTree.fromstring(f"<div>{html}</div>").iter():
        assert element.tag.rpartition("}")[2] in ELEMENTS
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert "href" not in name
            assert "url(" not in value
    return html


def test_a_version_is_shown_as_tables_and_a_picture(client: ph.Client) -> None:
    version = client.version("delay/1")
    html = shown(version._repr_html_())
    assert "models:/delay/1" in html
    assert "<svg" in html
    bundle = version._repr_mimebundle_()
    assert bundle == {"text/plain": repr(version), "text/html": html}
    assert set(version._repr_mimebundle_(exclude=["text/html"])) == {"text/plain"}
    assert "picture" not in repr(version)
    for value in (client.model("delay"), client.train("delay"), client.request("delay/2", reason="why")):
        assert "<table>" in shown(value._repr_html_())


def test_a_list_is_one_table_and_a_frame(client: ph.Client) -> None:
    for name, depth in (("one", 4), ("two", 8)):
        with client.run("delay", name, parameters={"depth": depth, HOSTILE[:20]: 1}) as run:
            run.log_metrics({"auc": depth / 10})
    runs = client.runs("delay", limit=2)
    html = shown(runs._repr_html_())
    assert html.count("<tr>") == 3
    assert "parameters.depth" in html
    assert "metrics.auc" in html
    newest = runs[:1]
    assert isinstance(newest, ph.Listed)
    assert newest[0] == runs[0]
    assert "none" in shown(client.requests("delay", open_only=True)._repr_html_())
    for listed in (client.models(), client.versions("delay"), client.jobs()):
        shown(listed._repr_html_())
    metrics = (ph.Metric("auc", 0.7, 0.6, 0.8, 90), ph.Metric("auc", 0.5, 0.4, 0.6, 30, "origin=JFK"))
    version = replace(client.versions("delay")[0], metrics=metrics, aliases=("champion", "challenger"))
    assert row_of(version).items() >= {"metrics.auc": 0.7, "aliases": "champion challenger"}.items()
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = runs.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["metrics.auc"]) == [0.8, 0.4]
    assert list(frame["parameters.depth"]) == ["8", "4"]
    table = client.compare_runs(list(runs)).to_pandas()
    assert list(table["run"]) == [one.uri for one in runs]
    assert list(table["parameters.depth"]) == ["8", "4"]
    assert list(table["metrics.auc"]) == [0.8, 0.4]


def test_columns_of_one_kind_stand_together_whatever_the_first_row_has() -> None:
    rows = [
        {"number": 2, "metrics.mae": 1.0, "error": ""},
        {"number": 1, "metrics.loss": 2.0, "metrics.mae": 3.0},
    ]
    frame = frame_of(rows)
    assert list(frame.columns) == ["number", "metrics.mae", "metrics.loss", "error"]
    assert frame["metrics.mae"].tolist() == [1.0, 3.0]


def test_text_from_outside_stays_text(client: ph.Client) -> None:
    with client.run("delay", HOSTILE.replace("\x1b", "")) as run:
        run.log_parameter("<b>name</b>\x9b", HOSTILE)
        for value in (1.0, 2.0):
            run.log_metric("<img src=x onerror=alert(1)>", value)
        run.set_tags({"<i>": HOSTILE})
    found = run.recorded()
    html = shown(found._repr_html_())
    assert "&lt;b&gt;name&lt;/b&gt;" in html
    assert "&lt;img src=x" in html
    shown(client.compare_runs([run.number])._repr_html_())
    assert "\x1b" not in repr(found)
    assert "\x9b" not in repr(found)


def test_a_long_table_says_how_much_is_left_out() -> None:
    html = shown(table_html("", ("a",), [(number,) for number in range(MOST_ROWS + 5)]))
    assert html.count("<tr>") == MOST_ROWS + 2
    assert "and 5 more" in html


@pytest.mark.parametrize("page", ["#ffffff", "#000000"])
def test_the_colours_of_a_picture_on_a_page_stand_out_from_light_and_dark(page: str) -> None:
    inks = {ink for ink in ON_ANY_PAGE.inks.values() if ink != "currentColor"}
    assert {tone for tone, ink in ON_ANY_PAGE.inks.items() if ink == "currentColor"} == {"", "strong"}
    assert min(contrast(ink, page) for ink in inks) >= 3.0


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_picture_for_a_page_has_no_paper_and_one_for_a_file_has() -> None:
    assert "<rect" not in svg([], "title", ON_ANY_PAGE)
    assert PAPER.paper in svg([], "title")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[ph.Client]:
    services = make_watched(tmp_path / "workspace")
    send(services, "ewr", 0, 9)
    monitoring_round.evaluate_windows(services)
    services.close()
    with ph.Client(tmp_path / "workspace", as_name="ann") as client:
        yield client


def test_a_finding_is_shown_with_its_verdict_and_picture(watched: ph.Client) -> None:
    found = watched.findings("flight-delay", "ewr")
    assert len(found) > 3
    assert {finding.version for finding in found} == {1}
    one = watched.finding("flight-delay", "ewr", found[0].feature)
    assert one == found[0]
    html = shown(one._repr_html_())
    assert one.verdict in html
    assert html.count("<svg") == 1
    assert one.rows > 0
    assert one.window_start < one.window_end
    with pytest.raises(ph.NotFoundError, match="there is no finding of 'nothing'"):
        watched.finding("flight-delay", "ewr", "nothing")
