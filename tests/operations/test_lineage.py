"""Walking a version in both directions."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.domain.audit.lineage import LineageNode
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.alerts import alerts
from pilothouse.operations.jobs import results, trainings
from pilothouse.operations.models import lineage
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.store.deployed.alerts import NewAlert
from support.job_workspace import (
    APPROVER,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    claim,
    digest,
    outcome_of,
    trained,
    write_model,
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return applied(tmp_path)


def tree(services: Services, reference: str) -> LineageNode:
    return lineage.lineage(services, actor(services, SCIENTIST), reference)


def find(node: LineageNode, kind: str) -> list[LineageNode]:
    return [child for child in node.children if child.kind == kind]


def walk(node: LineageNode) -> list[LineageNode]:
    return [node, *(below for child in node.children for below in walk(child))]


def approve(services: Services, number: int) -> None:
    request = promotions.get_request(services, actor(services, APPROVER), number)
    promotions.approve(services, actor(services, APPROVER), number, request.evidence_digest, "looks right")


def raise_alert(services: Services, target: str = "ewr") -> int:
    new = NewAlert(
        model="demo",
        version=1,
        target=target,
        kind="performance",
        subject="auc",
        severity="critical",
        effective_at=datetime.now(UTC),
        summary="AUC fell to 0.58",
        explanation="two of three windows",
        figures={"auc": 0.58},
    )
    return alerts.open_alert(services, new)[0].id


def retrained(services: Services) -> None:
    """Version 1 goes live, an alert is raised on it, version 2 comes of that."""
    trained(services)
    promotions.request_promotion(services, actor(services, SCIENTIST), "models:/demo/1", reason="first")
    approve(services, 1)
    options = trainings.TrainingOptions(alert=raise_alert(services))
    trainings.start_training(services, DAEMON, "demo", options, reason="performance")
    held = claim(services)
    results.record_training(services, held, outcome_of(services, held))


def test_backwards_lie_rows_source_code_parameters_and_environment(services: Services) -> None:
    trained(services)

    (run,) = find(tree(services, "models:/demo/1"), "run")

    assert "by ann: first try" in run.detail
    (snapshot,) = find(run, "snapshot")
    assert snapshot.label == digest("rows")[:12]
    assert "100 rows" in snapshot.detail
    (source,) = find(snapshot, "source")
    assert (source.label, source.detail) == ("../../data/rows.parquet", f"sha256 {digest('source')[:12]}")
    assert find(run, "code")[
        0
    ].detail == "not a git repository (or any of the parent directories): .git" or find(run, "code")
    assert (find(run, "parameters")[0].label, find(run, "parameters")[0].detail) == ("seed 7", "C = 1.0")
    assert find(run, "environment")[0].label == "Python 3.11.4"
    assert "by ann" in find(run, "model file")[0].detail


def test_forwards_lie_request_decision_deployments_alert_and_the_version_that_came_of_it(
    services: Services,
) -> None:
    retrained(services)

    root = tree(services, "models:/demo/1")

    (request,) = find(root, "request")
    (decision,) = find(request, "decision")
    assert decision.label == "approve by bob"
    deployed = find(request, "deployment")
    assert [node.label for node in deployed] == ["ewr", "jfk"]
    (alert,) = find(deployed[0], "alert")
    assert "AUC fell to 0.58" in alert.detail
    (job,) = find(alert, "job")
    (version,) = find(job, "version")
    assert version.label == "models:/demo/2"
    assert find(version, "request")[0].label == "2"


def test_a_retrained_version_leads_back_to_its_alert_and_the_version_that_raised_it(
    services: Services,
) -> None:
    retrained(services)

    (run,) = find(tree(services, "models:/demo/2"), "run")

    (alert,) = find(run, "alert")
    assert alert.children[0].label == "models:/demo/1"


def test_alerts_of_several_targets_lead_to_the_one_training_that_they_joined(services: Services) -> None:
    retrained(services)
    other = raise_alert(services, "jfk")
    alerts.note_retraining(services, other, 2)

    (request,) = find(tree(services, "models:/demo/1"), "request")

    jobs_of = [find(find(node, "alert")[0], "job")[0] for node in find(request, "deployment")]
    assert [node.label for node in jobs_of] == ["2", "2"]
    assert [find(node, "version")[0].detail == "see above" for node in jobs_of] == [False, True]


def test_versions_on_the_same_rows_are_named(services: Services) -> None:
    trained(services)
    trained(services)

    nodes = walk(tree(services, "models:/demo/2"))

    assert LineageNode("version", "models:/demo/1", "trained on the same rows") in nodes


def test_reproductions_are_part_of_the_history(services: Services) -> None:
    trained(services)
    trainings.start_reproduction(services, actor(services, SCIENTIST), "models:/demo/1")
    held = claim(services)
    results.record_reproduction(services, held, outcome_of(services, held))

    (node,) = find(tree(services, "models:/demo/1"), "reproduction")

    assert node.detail.endswith("by ann: identical")


def test_overrides_and_the_model_file_of_the_run_are_told(services: Services) -> None:
    options = trainings.TrainingOptions(overrides={"training.parameters.C": 0.1})
    trainings.start_training(services, actor(services, SCIENTIST), "demo", options)
    write_model(services.paths.root, MODEL.replace("seed = 7", "seed = 8"))
    apply_models.apply(services, actor(services, SCIENTIST))
    held = claim(services)
    results.record_training(services, held, outcome_of(services, held))

    (run,) = find(tree(services, "models:/demo"), "run")

    assert find(run, "note")[0].detail == "training.parameters.C = 0.1"
    assert find(run, "parameters")[0].label == "seed 7"


def test_what_does_not_exist_is_not_found(services: Services) -> None:
    with pytest.raises(NotFoundError, match="no versions yet"):
        tree(services, "models:/demo")
