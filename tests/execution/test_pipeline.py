"""Steps in order, each in its process, each fed by those before it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import JobOutcome, run_pipeline

pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")

STEPS = ("snapshot", "fit", "evaluate", "gate", "verify")


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher(steps_package="trial_steps", path=[Path(__file__).parent / "packages"]) as running:
        yield running


@pytest.fixture
def requests(tmp_path: Path) -> list[StepRequest]:
    source = tmp_path / "rows.txt"
    source.write_text("one two three")
    inputs = {"snapshot": {"source": str(source)}, "verify": {"source": str(source)}}
    return [
        StepRequest(1, 1, step, str(tmp_path / f"{index:02d}-{step}"), {}, inputs.get(step, {}), timeout_s=60)
        for index, step in enumerate(STEPS)
    ]


def run(
    launcher: Launcher, requests: list[StepRequest], cancel: threading.Event | None = None
) -> tuple[JobOutcome, list[tuple[str, float, str]]]:
    heard: list[tuple[str, float, str]] = []
    outcome = run_pipeline(
        launcher,
        "train",
        requests,
        cancel=cancel or threading.Event(),
        on_progress=lambda *said: heard.append(said),
    )
    return outcome, heard


def test_outputs_and_records_reach_the_steps_that_need_them(
    launcher: Launcher, requests: list[StepRequest]
) -> None:
    outcome, heard = run(launcher, requests)
    assert (outcome.status, outcome.error) == (JobStatus.SUCCEEDED, "")
    assert tuple(outcome.steps) == tuple(outcome.exits) == STEPS
    assert Path(outcome.steps["fit"].outputs["model"]).read_text() == "one two"
    assert outcome.steps["evaluate"].record["inputs"] == ["holdout", "model", "schema", "train"]
    assert outcome.steps["evaluate"].record["options"] == {"data_gates": [{"gate": "rows"}]}
    assert outcome.steps["gate"].record["metrics"] == [{"metric": "auc"}]
    assert outcome.steps["verify"].record == {"source_digest": "d1"}
    assert outcome.peak_memory_mb > 10
    fractions = [fraction for _, fraction, _ in heard]
    assert fractions == sorted(fractions)
    assert (fractions[0], round(fractions[-1], 6)) == (0.0, 1.0)


def test_the_process_that_runs_training_code_cannot_read_the_hold_out(
    launcher: Launcher, requests: list[StepRequest]
) -> None:
    outcome, _ = run(launcher, requests)
    assert outcome.steps["fit"].record["holdout"] in ("PermissionError", "FileNotFoundError")


def test_a_failed_step_ends_the_job_with_its_words_and_what_was_done_before(
    launcher: Launcher, requests: list[StepRequest]
) -> None:
    requests[1] = replace(requests[1], options={"error": "no such column"})
    outcome, _ = run(launcher, requests)
    assert outcome.status is JobStatus.FAILED
    assert "no such column" in outcome.error
    assert list(outcome.exits) == ["snapshot", "fit"]
    assert outcome.steps["snapshot"].ok


def test_a_job_without_a_gate_function_has_no_gate_step(
    launcher: Launcher, requests: list[StepRequest]
) -> None:
    outcome, heard = run(launcher, [request for request in requests if request.step != "gate"])
    assert outcome.status is JobStatus.SUCCEEDED
    assert "gate" not in outcome.exits
    assert round(heard[-1][1], 6) == 1.0


def test_a_job_that_is_cancelled_between_steps_starts_no_other(
    launcher: Launcher, requests: list[StepRequest]
) -> None:
    cancel = threading.Event()
    cancel.set()
    outcome, _ = run(launcher, requests, cancel)
    assert outcome.status is JobStatus.CANCELLED
    assert outcome.exits == {}
