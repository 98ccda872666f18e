"""What a training leaves: one version, complete, once; and what follows from it."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.cli.commands.models.jobs import started
from pilothouse.cli.session import Session
from pilothouse.domain.errors import ConflictError, IntegrityError, NotAllowedError, NotFoundError
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.records import RequestStatus, VersionStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations import automation_switch, catalogue
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.jobs import jobs, results, trainings
from pilothouse.operations.models import comparisons
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.evidence import gather_evidence
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.presentation.pages.version_pages import version_page
from pilothouse.presentation.texts import result_lines
from pilothouse.store.work import runs
from support.job_workspace import (
    ADMIN,
    APPROVER,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    claim,
    digest,
    finish,
    gate,
    make_workspace,
    outcome_for,
    outcome_of,
    queue,
    trained,
    write_model,
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return applied(tmp_path)


def repository(root: Path) -> None:
    for arguments in (("init", "-q", "-b", "work"), ("add", "models"), ("commit", "-q", "-m", "first")):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
            cwd=root,
            check=True,
            env={"PATH": os.environ["PATH"], "HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1"},
        )


def test_a_training_becomes_version_one_with_all_that_is_known(services: Services) -> None:
    version = trained(services)
    scientist = actor(services, SCIENTIST)

    assert (version.number, version.status) == (1, VersionStatus.CANDIDATE)
    assert [(m.metric, m.slice, m.value) for m in version.metrics] == [
        ("auc", "", 0.71),
        ("auc", "carrier=AA", 0.7),
    ]
    assert [g.gate for g in version.gates] == ["data.rows", "metric.auc"]
    assert services.artifacts.read(version.model_digest) == b"model of job 1 attempt 1"
    assert version.model_bytes == len(b"model of job 1 attempt 1")
    run = catalogue.get_run(services, scientist, "models:/demo/1")
    assert (run.started_by, run.reason, run.seed, run.parameters) == (SCIENTIST, "first try", 7, {"C": 1.0})
    assert run.as_of is not None
    assert (run.duration_s, run.peak_memory_mb) == (2.5, 120.0)
    assert run.environment["packages"] == {"numpy": "2.0.0"}
    assert run.snapshot.content_digest == digest("rows")
    assert run.snapshot.columns[0].mean == 49.5
    assert services.artifacts.read(run.snapshot.artifact_digest) == b"snapshot of job 1 attempt 1"
    job = jobs.get_job(services, scientist, 1)
    assert (job.status, job.version, job.progress) == (JobStatus.SUCCEEDED, 1, 1.0)


def test_of_the_step_that_runs_the_user_s_code_nothing_is_believed(services: Services) -> None:
    forged = {
        "parameters": {"C": 99.0},
        "packages": {"numpy": "99"},
        "threads": {"openmp": 99},
        "seed": 99,
        "training_rows": 99,
        "trials": [{"mean": 99.0}],
    }
    trained(services, fit=forged)

    run = catalogue.get_run(services, actor(services, SCIENTIST), "models:/demo/1")
    assert (run.parameters, run.environment["packages"]) == ({"C": 1.0}, {"numpy": "2.0.0"})
    with services.registry.read() as connection:
        kept = runs.newest_record(connection, "demo")["fit"]
    assert "99" not in json.dumps([run.parameters, run.environment, kept])


def test_the_files_of_a_run_are_artifacts_and_leave_the_jobs_folder(services: Services) -> None:
    version = trained(services)

    with services.registry.read() as connection:
        files = runs.files_of(connection, version.run_id)
    assert set(files) == {"train", "holdout", "model_folder", "log"}
    assert "fit says hello" in services.artifacts.read(files["log"].digest).decode()
    jobs.discard_files_of(services, 1)
    assert not (services.paths.step_folder(1, 1, 1, "fit") / "model.bin").exists()
    assert (services.paths.step_folder(1, 1, 1, "fit") / "log.txt").exists()


def test_a_failed_gate_refuses_the_version(services: Services) -> None:
    version = trained(
        services, evaluate={"gates": [gate("data.rows"), gate("metric.auc", "failed", "0.55 < 0.6")]}
    )

    assert version.status is VersionStatus.REFUSED
    assert jobs.get_job(services, actor(services, SCIENTIST), 1).result["failed_gates"] == ["metric.auc"]
    with pytest.raises(NotAllowedError, match=r"failed metric\.auc"):
        promotions.request_promotion(services, actor(services, SCIENTIST), "models:/demo/1")


def test_waiting_for_a_training_whose_version_was_refused_says_so_and_ends_with_1(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    def waited(number: int) -> tuple[int, str]:
        session = Session(services.paths.root, None, as_json=False)
        session.services, session.actor = services, actor(services, SCIENTIST)
        capsys.readouterr()
        code = started(session, jobs.get_job(services, session.actor, number), wait=True)
        return code, capsys.readouterr().err

    trained(services, evaluate={"gates": [gate("metric.auc", "failed", "0.55 < 0.6")]})
    assert waited(1) == (1, "demo/1 was refused by its gates: metric.auc\n")
    trained(services)
    assert waited(2) == (0, "next: pilothouse show demo/2, pilothouse request demo/2\n")


def test_the_steps_of_the_fitted_model_stand_on_its_pages(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = ["encode, numbers (x): as they are", "model: Ridge(alpha=2.0)"]
    version = trained(services, evaluate={"fitted": steps})
    run = catalogue.get_run(services, actor(services, SCIENTIST), "models:/demo/1")
    assert run.fitted == tuple(steps)
    for page in ("summary", "parameters"):
        lines = [
            "".join(cell.text for cell in line.cells).strip() for line in version_page(page, version, run)
        ]
        start = lines.index("FITTED, IN THIS ORDER")
        assert lines[start + 1 : start + 3] == [f"1  {steps[0]}", f"2  {steps[1]}"]
    given = ["--workspace", str(services.paths.root), "--as", SCIENTIST, "show", "demo/1"]
    assert failures.run(lambda: main.run(given)) == 0
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert [f"fitted 1 {steps[0]}", f"fitted 2 {steps[1]}"] == [x for x in shown if x.startswith("fitted")]
    with services.registry.read() as connection:
        assert gather_evidence(connection, version, [])["fitted"] == steps
    trained(services)  # by an earlier release
    rows = comparisons.compare(services, actor(services, SCIENTIST), "demo/1", "demo/2").rows
    assert [(row.a, row.differs) for row in rows if row.group == "fitted"] == [(step, True) for step in steps]
    assert catalogue.get_run(services, actor(services, SCIENTIST), "models:/demo/2").fitted == ()


def test_not_comparable_does_not_refuse(services: Services) -> None:
    version = trained(services, evaluate={"gates": [gate("comparison", "not comparable")]})

    assert version.status is VersionStatus.CANDIDATE
    assert version.gates[0].outcome is GateOutcome.NOT_COMPARABLE


class TestOwnGate:
    @pytest.fixture
    def services(self, tmp_path: Path) -> Services:
        services = make_workspace(tmp_path)
        write_model(
            tmp_path, MODEL.replace("[gates.data]", '[gates]\nfunction = "gate.py:check"\n\n[gates.data]')
        )
        (tmp_path / "models" / "demo" / "gate.py").write_text("def check(h, p, m): return True, 'fine'\n")
        apply_models.apply(services, actor(services, SCIENTIST))
        return services

    def test_it_is_one_gate_among_the_others(self, services: Services) -> None:
        version = trained(services, gate={"gates": [gate("function", "failed", "no")]})

        assert [(g.gate, str(g.outcome)) for g in version.gates][-1] == ("function", "failed")
        assert version.status is VersionStatus.REFUSED

    def test_it_can_neither_forge_nor_add_other_gates(self, services: Services) -> None:
        version = trained(services, gate={"gates": [gate("metric.auc", "passed")], "metrics": []})

        assert [g.gate for g in version.gates] == ["data.rows", "metric.auc", "function"]
        queue(services)
        held = claim(services)
        outcome = outcome_of(services, held, gate={"gates": [gate("a"), gate("b")]})
        with pytest.raises(IntegrityError, match="2 results; expected one"):
            results.record_training(services, held, outcome)


@pytest.mark.parametrize(
    ("step", "record", "words"),
    [
        ("evaluate", {"metrics": "good"}, "evaluate: its record holds no list of metrics"),
        ("evaluate", {"metrics": [{"metric": "auc"}]}, r"evaluate: metrics\[0\]: value: missing"),
        ("evaluate", {"gates": [gate("x", "splendid")]}, r"evaluate: gates\[0\]: outcome: found 'splendid'"),
        ("snapshot", {"rows": "many"}, "snapshot: rows: found 'many'"),
    ],
)
def test_a_record_that_is_not_valid_registers_nothing(
    services: Services, step: str, record: dict[str, object], words: str
) -> None:
    queue(services)
    held = claim(services)
    outcome = outcome_of(services, held, **{step: record})

    with pytest.raises(IntegrityError, match=words):
        results.record_training(services, held, outcome)

    assert catalogue.list_versions(services, actor(services, SCIENTIST), "demo") == []
    assert jobs.get_job(services, actor(services, SCIENTIST), 1).status is JobStatus.RUNNING


def test_the_code_is_on_record_with_commit_and_diff(tmp_path: Path) -> None:
    services = applied(tmp_path)
    repository(tmp_path)
    (tmp_path / "models" / "demo" / "helper.py").write_text("ANSWER = 42\n")

    trained(services)

    code = catalogue.get_run(services, actor(services, SCIENTIST), "models:/demo/1").code
    assert len(code["commit"]) == 40
    assert (code["branch"], code["dirty"]) == ("work", True)
    assert b"+ANSWER = 42" in services.artifacts.read(code["diff_digest"])


def test_code_that_changes_during_the_run_is_not_mixed_in(services: Services) -> None:
    train = services.paths.models / "demo" / "train.py"
    train.write_text("before\n")
    queue(services)
    held = claim(services)
    prepared = job_handlers.prepare(services, held)
    train.write_text("after\n")

    folder = next(request.inputs["model_folder"] for request in prepared.requests if request.step == "fit")
    assert (Path(folder) / "train.py").read_text() == "before\n"
    version = results.record_training(services, held, outcome_for(prepared))
    trainings.start_reproduction(services, actor(services, SCIENTIST), f"demo/{version.number}")
    again = job_handlers.prepare(services, claim(services))
    folder = again.requests[0].inputs["model_folder"]
    assert (Path(folder) / "train.py").read_text() == "before\n"


def test_what_is_gone_when_the_job_starts_is_told_in_words(services: Services) -> None:
    queue(services)
    held = claim(services)
    (services.paths.root / "data" / "rows.parquet").unlink()

    with pytest.raises(NotFoundError, match=r"data\.source: .*rows\.parquet does not exist"):
        job_handlers.prepare(services, held)
    job = finish(services, held, JobOutcome(JobStatus.FAILED, "data.source: gone"))
    assert (job.status, job.error) == (JobStatus.FAILED, "data.source: gone")


class TestPromotion:
    def approve(self, services: Services, number: int) -> None:
        request = promotions.get_request(services, actor(services, APPROVER), number)
        promotions.approve(services, actor(services, APPROVER), number, request.evidence_digest)

    def test_a_training_by_hand_files_no_request(self, services: Services) -> None:
        trained(services)

        assert promotions.list_requests(services, actor(services, SCIENTIST)) == []

    def test_automation_files_a_request_that_waits_for_a_human(self, services: Services) -> None:
        trained(services, by_daemon=True)

        (request,) = promotions.list_requests(services, actor(services, SCIENTIST))
        assert (request.status, request.requested_by, request.version) == (RequestStatus.OPEN, "daemon", 1)
        job = jobs.get_job(services, actor(services, SCIENTIST), 1)
        assert job.result["request"] == request.id

    def test_a_refused_version_is_not_requested(self, services: Services) -> None:
        trained(services, by_daemon=True, evaluate={"gates": [gate("metric.auc", "failed")]})

        assert promotions.list_requests(services, actor(services, SCIENTIST)) == []

    def test_nothing_is_requested_while_automation_is_paused(self, services: Services) -> None:
        trainings.start_training(services, actor(services, SCIENTIST), "demo")
        held = claim(services)
        automation_switch.pause(services, actor(services, ADMIN), "freeze")
        results.record_training(services, held, outcome_of(services, held))

        assert promotions.list_requests(services, actor(services, SCIENTIST)) == []

    def test_an_automatic_policy_deploys_what_passed(self, tmp_path: Path) -> None:
        services = make_workspace(tmp_path)
        write_model(tmp_path, MODEL + "\n[promotion]\napprovals = 0\nfour_eyes = false\nautomatic = true\n")
        workspaces.set_workspace_policy(
            services, actor(services, ADMIN), approvals=0, four_eyes=False, allow_automatic=True
        )
        apply_models.apply(services, actor(services, ADMIN))

        version = trained(services, by_daemon=True)

        assert version.live_on == ("ewr", "jfk")

    def test_what_is_live_is_given_to_the_next_evaluation(self, services: Services) -> None:
        first = trained(services, by_daemon=True)
        self.approve(services, 1)
        queue(services)
        prepared = job_handlers.prepare(services, claim(services))

        request = next(request for request in prepared.requests if request.step == "evaluate")

        assert request.options["incumbents"] == [
            {
                "number": 1,
                "targets": ["ewr", "jfk"],
                "trained_until_us": 1_356_998_400_000_000 + 85 * 86_400_000_000,
            }
        ]
        assert request.inputs["incumbent_1_model"] == str(services.artifacts.path(first.model_digest))

    def test_a_version_compared_with_what_was_live_can_be_requested_and_another_cannot(
        self, services: Services
    ) -> None:
        trained(services, by_daemon=True)
        trained(services)
        self.approve(services, 1)
        trained(services)

        with pytest.raises(ConflictError, match="was not compared with version 1"):
            promotions.request_promotion(services, actor(services, SCIENTIST), "models:/demo/2")
        promotions.request_promotion(services, actor(services, SCIENTIST), "models:/demo/3")


def test_a_reproduction_ends_with_its_answer_and_is_on_record(services: Services) -> None:
    trained(services)
    trainings.start_reproduction(services, actor(services, SCIENTIST), "models:/demo/1")
    held = claim(services)
    prepared = job_handlers.prepare(services, held)

    assert [request.step for request in prepared.requests] == ["fit", "compare"]
    recorded = prepared.requests[1].options["recorded"]
    assert (recorded["train_digest"], recorded["packages"]) == (digest("train"), {"numpy": "2.0.0"})
    differs = {"identical": False, "differences": ["3 predictions differ"], "environment": []}
    job = results.record_reproduction(services, held, outcome_for(prepared, compare=differs))
    assert (job.status, job.version) == (JobStatus.SUCCEEDED, 1)
    assert (job.result["identical"], job.result["differences"]) == (False, ["3 predictions differ"])


def test_which_older_rows_were_trained_on_is_kept_for_approvers_and_for_a_reproduction(
    services: Services,
) -> None:
    said = {"older_rows": "trained on the new rows alone: auc …", "older_rows_choice": "the new rows alone"}
    version = trained(services, snapshot={"changed_us": 1_700_000_000_000_000}, fit=said)
    with services.registry.read() as connection:
        record = runs.newest_record(connection, "demo")
        evidence = gather_evidence(connection, version, [])
    assert record["fit"]["older_rows"] == said["older_rows"]
    assert evidence["data"]["older_rows"] == said["older_rows"]
    trainings.start_reproduction(services, actor(services, SCIENTIST), f"models:/demo/{version.number}")
    prepared = job_handlers.prepare(services, claim(services))
    assert prepared.requests[0].options == {
        "changed_us": 1_700_000_000_000_000, "older_rows": "the new rows alone",
    }  # fmt: skip


def test_a_reproduction_that_contradicts_itself_is_none(services: Services) -> None:
    trained(services)
    trainings.start_reproduction(services, actor(services, SCIENTIST), "models:/demo/1")
    held = claim(services)
    outcome = outcome_of(services, held, compare={"identical": True, "differences": ["one"]})

    with pytest.raises(IntegrityError, match="does not say what differs"):
        results.record_reproduction(services, held, outcome)


def test_a_damaged_artifact_stops_a_reproduction(services: Services) -> None:
    version = trained(services)
    path = services.artifacts.path(version.model_digest)
    path.chmod(0o644)
    path.write_bytes(b"something else")
    trainings.start_reproduction(services, actor(services, SCIENTIST), "models:/demo/1")

    with pytest.raises(IntegrityError, match="is damaged"):
        job_handlers.prepare(services, claim(services))


def test_targets_whose_windows_will_hold_few_rows_are_said_with_the_version(services: Services) -> None:
    notes = [
        "on north a window of 7 d will hold about 210 rows of the 300 that a verdict needs: 2 are judged together"
    ]
    version = trained(services, evaluate={"window_notes": notes, "rows_a_day": {"north": 30.0}})
    scientist = actor(services, SCIENTIST)
    job = jobs.get_job(services, scientist, 1)
    assert result_lines(job) == ["made version 1", *notes]
    run = catalogue.get_run(services, scientist, "models:/demo/1")
    assert run.window_notes == tuple(notes)
    page = ["".join(cell.text for cell in line.cells) for line in version_page("summary", version, run)]
    assert any(line.strip() == notes[0] for line in page)
