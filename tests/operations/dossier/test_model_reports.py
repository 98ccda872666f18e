"""Report of a model: the champion where none is named, every version in the chart, production, and what is lost is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Answer
from pilothouse.cli import failures, main
from pilothouse.domain.errors import NotFoundError
from pilothouse.operations.dossier import model_reports
from pilothouse.operations.models import model_pictures
from pilothouse.operations.services import Services
from pilothouse.presentation.dossier.pages import report_page
from support import example
from support.templates import copy_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy_of("the example", example.build, tmp_path / "workspace")
    return tmp_path / "workspace"


@pytest.fixture
def services(root: Path) -> Iterator[Services]:
    with example.opened(root) as services:
        yield services


def test_a_model_alone_is_its_champion(services: Services) -> None:
    sam = example.person(services, "sam")
    report = model_reports.gather_report(services, sam, "flight-delay")

    assert report.version.number == 1
    assert report.pictures.own is not None
    assert report.pictures.champions is None
    assert [one.number for one in report.versions] == [3, 2, 1]
    assert {view.target for view in report.monitors} == {"ewr", "jfk"}
    page = report_page(report)
    for words in (
        "flight-delay v1",
        "auc on the hold-out, version by version",
        "Production on jfk",
        "Partial dependence on hour",
    ):
        assert words in page


def test_a_version_stands_beside_the_champion_and_its_rows_are_said(services: Services) -> None:
    sam = example.person(services, "sam")
    found = model_pictures.pictures_of(services, sam, "flight-delay/3")
    assert (found.version, found.champion, found.same_rows, found.fault) == (3, 1, False, "")
    both = model_pictures.pictures_between(services, sam, "flight-delay/3", "flight-delay/2")
    assert (both.version, both.champion) == (3, 2)
    with pytest.raises(NotFoundError, match="no version 9"):
        model_pictures.pictures_of(services, sam, "flight-delay/9")


def test_a_lost_file_is_named_and_the_rest_of_the_report_is_there(services: Services) -> None:
    sam = example.person(services, "sam")
    for path in services.paths.artifacts.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b'{"form": 1, "task"'):
            path.unlink()
    report = model_reports.gather_report(services, sam, "flight-delay/3")
    assert report.pictures.own is None
    assert report.pictures.fault
    page = report_page(report)
    assert "Pictures cannot be shown: " in page
    assert "Versions" in page


def test_the_command_writes_a_new_file_alone(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        code = failures.run(lambda: main.run(["--workspace", str(root), "--as", "sam", *arguments]))
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    file = tmp_path / "report.html"
    made = run("report", "flight-delay", "--output", str(file), "--json")
    assert made.code == 0
    assert made.json["version"] == 1
    assert made.json["pictures"]["own"]["curves"][0]["name"] == "1"
    assert file.read_text().startswith("<!DOCTYPE html>")
    again = run("report", "flight-delay", "--output", str(file))
    assert again.code == 5
    assert "exists: nothing is overwritten" in again.err
    streamed = run("report", "flight-delay/3", "--output", "-")
    assert streamed.out.startswith("<!DOCTYPE html>")
    assert run("report", "nothing", "--output", "-").code == 3
