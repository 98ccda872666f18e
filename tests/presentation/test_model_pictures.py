"""Pictures of a version as a page of cells, as charts and as a report: every figure of the record, nothing of it raw."""

import re
from html.parser import HTMLParser

import pytest

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_pictures import ComparedPictures
from pilothouse.presentation.charts.model_charts import Side, model_charts, sides_of
from pilothouse.presentation.charts.vector import figure_svg, svg
from pilothouse.presentation.documents import Line
from pilothouse.presentation.dossier.blocks import Charts, Text
from pilothouse.presentation.dossier.html_page import html_page
from pilothouse.presentation.dossier.markdown import markdown
from pilothouse.presentation.dossier.picture_sections import picture_section
from pilothouse.presentation.pages.model_pictures_page import (
    confusion_in_force,
    moved_threshold,
    pictures_page,
)
from support.pictures import made

HOSTILE = ("\x1b[2J<script>alert(1)</script>", "\u202eb]]>&<i>", "c\n\nd")
THREE = ("a", "b", "c")


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line.cells).rstrip() for line in lines)


def test_a_page_of_two_classes_says_its_figures_and_those_of_the_champion() -> None:
    own, other = Side("v3", made("binary", 1)), Side("v1", made("binary", 2), same_rows=True)
    text = text_of(pictures_page(own, other, threshold=None))

    curve, at = confusion_in_force(own.pictures, None) or pytest.fail("no confusion")
    assert (
        "v3 on 2.0k held-out rows; dashed: v1, on the same rows" in text
        or "dashed: v1, on the same rows" in text
    )
    assert f"{at.true_positives:,} taken" in text
    assert f"{at.false_negatives:,} missed" in text
    assert f"AUC {curve.auc:.3f} (v1 on the same rows: {other.pictures.curves[0].auc:.3f})" in text
    assert "PARTIAL DEPENDENCE ON HOUR" in text
    assert re.search(r"B6 +0\.400 +█{20}", text)
    assert re.search(r"hour +0\.0400 +\[0\.0300 0\.0500\] +█{20}", text)


def test_a_threshold_is_moved_by_steps_and_stops_at_the_ends() -> None:
    pictures = made("binary", 1)
    curve = pictures.curves[0]
    higher = moved_threshold(pictures, None, 1)
    assert higher is not None
    assert curve.at(higher).threshold > curve.at(curve.nearest(0.5)).threshold
    assert moved_threshold(pictures, 0, 1) == 0
    assert moved_threshold(pictures, len(curve.thresholds) - 1, -5) == len(curve.thresholds) - 1
    assert moved_threshold(made("multiclass", 1, THREE), None, 1) is None
    text = text_of(pictures_page(Side("v3", pictures), None, threshold=0))
    assert "IF IT ANSWERED SO" in text


def test_three_classes_have_a_confusion_and_a_line_for_each() -> None:
    pictures = made("multiclass", 3, THREE)
    text = text_of(pictures_page(Side("v3", pictures), None))
    assert "CONFUSION: TRUE CLASS BELOW, ANSWERED ACROSS" in text
    for row in pictures.confusion:
        for count in row:
            assert f"{count:,}" in text
    roc = model_charts(Side("v3", pictures))[0]
    assert [series.tag for series in roc.series] == ["", *THREE]


def test_a_regression_has_predictions_and_residuals() -> None:
    charts = model_charts(Side("v3", made("regression", 4)), Side("v1", made("regression", 5)))
    assert [chart.across for chart in charts] == ["prediction", "residual", "hour"]
    residuals = made("regression", 4).residuals
    assert residuals is not None
    assert sum(y for _, y in charts[1].series[0].points) == 2_000
    assert charts[1].headline.text.startswith(
        f"mean {residuals.mean:.3f} ± {residuals.deviation:.3f}".replace("-", "−")
    )


def test_another_task_is_not_drawn_beside() -> None:
    own, other = Side("v3", made("binary", 1)), Side("v1", made("regression", 5))
    assert all("v1" not in str(chart) for chart in model_charts(own, other))


def test_slices_are_ranked_by_the_metric_worst_first() -> None:
    metrics = [
        MetricValue("auc", value, value, value, 10, f"port={name}")
        for name, value in (("N", 0.9), ("S", 0.6))
    ]
    text = text_of(pictures_page(Side("v3", made("binary", 1)), None, metrics, "auc"))
    assert text.index("port=S") < text.index("port=N")


def test_without_pictures_the_page_says_so() -> None:
    assert "trained before Pilothouse kept their figures" in text_of(pictures_page(None, None))
    assert "cannot be shown: lost" in text_of(pictures_page(None, None, fault="lost"))
    section = picture_section(ComparedPictures(3, None))
    assert isinstance(section.blocks[0], Text)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_hostile_names_reach_neither_terminal_nor_page(task: str) -> None:
    classes = HOSTILE if task == "multiclass" else HOSTILE[:2]
    own = Side("v3", made(task, 1, classes))
    text = text_of(pictures_page(own, None))
    assert "\x1b" not in text
    assert "\u202e" not in text
    section = picture_section(ComparedPictures(3, own.pictures))
    page = html_page("a report", [section], "made")
    assert "<script" not in page
    assert "<i>" not in page
    assert "\x1b" not in page
    assert not re.search(r"(?<!\\)<script", markdown("a report", [section]))
    for chart in model_charts(own):
        assert "<script" not in svg([chart], "a")
        assert "<i>" not in figure_svg(chart)


class _Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_a_page_fetches_nothing_and_runs_nothing() -> None:
    compared = ComparedPictures(3, made("binary", 1), 1, made("binary", 2), same_rows=True)
    section = picture_section(compared)
    assert any(isinstance(block, Charts) for block in section.blocks)
    tags = _Tags()
    tags.feed(html_page("a report", [section], "made"))
    assert not {tag for tag, _ in tags.seen} & {"script", "img", "link", "iframe", "object", "image", "use"}
    assert not [
        (tag, name, value)
        for tag, attributes in tags.seen
        for name, value in attributes.items()
        if name.startswith("on") or (name in ("src", "href") and not str(value).startswith("#"))
    ]
    own, champion = sides_of(compared)
    assert own is not None
    assert sum(tag == "svg" for tag, _ in tags.seen) == len(model_charts(own, champion))
