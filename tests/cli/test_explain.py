"""``explain``: whatever number or code a screen prints."""

import re
from pathlib import Path

import pytest

import pilothouse
from pilothouse.domain import explanations
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.monitoring.incidents import ROLLOUT


def test_numbers_are_explained_by_what_is_on_record(workspace) -> None:
    assert workspace("apply", as_name="ada").code == 0
    assert workspace("train", "delay", as_name="ada").code == 0
    job = workspace("explain", "J-1")
    assert job.code == 0
    assert "a training or another piece of work" in job.out
    assert "pilothouse logs 1" in job.out
    assert "delay" in job.out
    entry = workspace("explain", "e-2")
    assert (entry.code, "an act on record" in entry.out) == (0, True)
    assert workspace("explain", "E-2", "--json").json["seq"] == 2
    assert workspace("explain", "J1", "--json").json["id"] == 1
    for missing in ("A-999", "E-99999", "R-9", "O-9", "I-9", "S-9", "delay/9"):
        answer = workspace("explain", missing)
        assert answer.code == 3, (missing, answer.err)


@pytest.mark.parametrize(
    "code",
    [
        "data.leakage",
        "metric.auc.origin",
        "out of memory",
        "out-of-memory",
        "silence",
        "scikit-learn",
        "audit chain",
        "20",
        "exit 7",
        "role.granted",
    ],
)
def test_codes_say_what_to_do(workspace, code: str) -> None:
    answer = workspace("explain", code)
    assert answer.code == 0
    assert "docs/" in answer.out


def test_an_unknown_id_says_which_forms_there_are(workspace) -> None:
    answer = workspace("explain", "Z-1\x1b[2J")
    assert answer.code == 3
    assert "A-NUMBER, I-NUMBER, R-NUMBER, J-NUMBER" in answer.err
    assert "\x1b" not in answer.err
    assert "E-NUMBER" in workspace("explain").out
    assert {form["what"] for form in workspace("explain", "--json").json} >= {"alert", "gate", "version"}


def test_every_end_of_a_job_gate_and_kind_of_alert_is_explained() -> None:
    for status in JobStatus:
        if status.ended and status is not JobStatus.SUCCEEDED:
            assert explanations.codes(str(status)), status
    source = Path(pilothouse.__file__).parent / "training"
    text = "".join(path.read_text() for path in source.rglob("*.py"))
    named = set(re.findall(r'GateResult\(\s*f?"([a-z_.]+)', text)) | set(
        re.findall(r'(?:_verdict|GateResult)\(\s*"(data\.[a-z]+)"', text)
    )
    assert {"data.rows", "latency", "portable"} <= named
    assert [name for name in named if not explanations.codes(name.rstrip("."))] == []
    schema = (
        (Path(pilothouse.__file__).parent / "store" / "schema" / "0001_operation.sql")
        .read_text()
        .partition("TABLE alerts")[2]
    )
    kinds = re.findall(
        r"'([a-z_]+)'", re.search(r"kind +TEXT NOT NULL CHECK \(kind IN\s*\((.*?)\)", schema, re.DOTALL)[1]
    )  # type: ignore[index]
    assert [kind for kind in [*kinds, ROLLOUT] if kind not in explanations.CODES["alert"][1]] == []


def test_every_check_of_the_doctor_and_every_exit_code_of_the_documents_is_explained(workspace) -> None:
    checks = {finding["check"] for finding in workspace("doctor", "--json").json}
    assert {"registry", "daemon"} <= checks
    assert [check for check in checks if not explanations.codes(check)] == []
    page = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
    table = page.partition("## Exit codes")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| (\d+) \|", table, re.MULTILINE)) == set(explanations.EXITS)


def test_every_act_that_the_source_puts_on_record_is_explained() -> None:
    source = Path(pilothouse.__file__).parent
    parts = ("operations", "store", "domain", "daemon")
    text = "".join(path.read_text("utf-8") for part in parts for path in (source / part).rglob("*.py"))
    acts = set(re.findall(r'\b(?:record\(\s*|action=|[A-Z_]+ = )"([a-z_]+\.[a-z_]+)"', text))
    acts = {
        act
        for act in acts
        if act.rpartition(".")[2] not in ("diff", "db", "json", "log", "parquet", "preprocessing")
    }
    assert {"role.granted", "site.followed", "alert.escalated"} <= acts
    assert [act for act in sorted(acts) if not explanations.codes(act)] == []
    assert not explanations.codes("nonsense.granted")
