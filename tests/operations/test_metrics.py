"""Metrics by what is on record: the table of them, the page, and the file that says where it is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats import openmetrics
from pilothouse.domain.integrations.integration_file import load_integrations
from pilothouse.domain.integrations.metric_table import METRICS, families
from pilothouse.operations.integrations import metrics
from pilothouse.operations.services import Services
from support import example, many_deployments
from support.templates import copy_of


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Services]:
    """The workspace of the examples with 40 deployments more."""
    root = tmp_path / "w"
    copy_of("a fleet of forty", lambda folder: many_deployments.build(folder, models=4, targets=10), root)
    with example.opened(root) as services:
        yield services


def page(services: Services, *, as_openmetrics: bool = False) -> str:
    found = metrics.gather(services, example.person(services, "ada"))
    return openmetrics.page(families(found), openmetrics=as_openmetrics).decode()


def test_the_page_says_what_is_on_record(fleet: Services) -> None:
    text = page(fleet)
    assert 'pilothouse_deployment_health{model="model-0000",target="target-001",health="healthy"} 1' in text
    assert 'pilothouse_performance{model="model-0001",target="target-001",metric="auc"} 0.71' in text
    assert 'pilothouse_performance_low{model="model-0001",target="target-001",metric="auc"} 0.69' in text
    assert 'pilothouse_latency_p95_seconds{model="model-0001",target="target-001"} 0.0042' in text
    assert "pilothouse_deployments_left_out 0" in text
    assert "pilothouse_daemon_running 0" in text
    assert "# TYPE pilothouse_jobs_ended_total counter" in text
    assert page(fleet, as_openmetrics=True).endswith("# EOF\n")


def test_every_sample_is_of_the_table_with_its_labels(fleet: Services) -> None:
    known = {metric.name.removeprefix("pilothouse_"): metric for metric in METRICS}
    found = metrics.gather(fleet, example.person(fleet, "ada"))
    for name, samples in found.items():
        metric = known[name]
        assert not metric.of_daemon
        for labels, _ in samples:
            text = labels if isinstance(labels, str) else openmetrics.label_text(labels)
            names = tuple(pair.partition("=")[0] for pair in text.split(",") if pair)
            assert names == metric.labels, name
        assert len({str(labels) for labels, _ in samples}) == len(samples), f"{name}: a series twice"
    escaped = [metric.series.replace(".", "_") for metric in METRICS]
    assert len(set(escaped)) == len(escaped)


def test_series_are_bounded_by_the_file_and_the_worst_come_first(fleet: Services) -> None:
    (fleet.paths.root / "integrations.toml").write_text("[metrics]\ndeployments = 3\n")
    example.apply_files(fleet)
    text = page(fleet)
    shown = [line for line in text.splitlines() if line.startswith("pilothouse_deployment_health{")]
    assert len(shown) == 3
    assert not any('health="healthy"' in line for line in shown)
    live = sum(
        int(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("pilothouse_deployments{") and "not deployed" not in line
    )
    assert f"pilothouse_deployments_left_out {live - 3}" in text


def test_labels_from_outside_stay_in_their_quotes() -> None:
    text = openmetrics.label_text({"anchor": 'a"b\\c\nd'})
    assert text == 'anchor="a\\"b\\\\c\\nd"'
    assert openmetrics.labels_of(text) == {"anchor": 'a"b\\c\nd'}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[metrics]\nlisten = "0.0.0.0:9464"', "metrics.token_file: is missing"),
        ('[metrics]\nlisten = "localhost:9464"', "expected an address and a port"),
        ('[metrics]\nlisten = "127.0.0.1:99999"', "expected an address and a port"),
        ("[metrics]\ndeployments = -1", "expected 0 to 50,000"),
        ("[lineage]", "expected a file or a url"),
        ('[lineage]\nurl = "https://ada:secret@host/x"', "expected token_file"),
        ('[lineage]\nurl = "ftp://host"', "expected http:// or https://"),
        ('[lineage]\nfile = "state/registry.db"', "outside of state and models"),
        ('[lineage]\nfile = "./state/registry.db"', "outside of state and models"),
        ('[lineage]\nfile = "out/../state/registry.db"', "outside of state and models, without .."),
        ('[lineage]\nfile = "/srv/w/state/registry.db"', "expected a relative path outside of state"),
        ('[traces]\nurl = "https://host/x"\ntoken_file = "state/metrics.token"', "traces.token_file: found"),
        ('[traces]\nurl = "https://host/x"\nallow = ["10.0.0.0/99"]', "traces.allow[0]: found"),
        ("[traces]", "expected http:// or https://"),
        ("[metrcs]", "metrcs"),
    ],
)
def test_faults_of_the_file_are_named(text: str, fault: str) -> None:
    with pytest.raises(ModelFileError) as error:
        load_integrations(text)
    assert any(fault in problem for problem in error.value.problems), error.value.problems
    assert "secret" not in str(error.value)
