"""The frozen workspace with more in it: a search with its trials, triggers and what they did, legal holds, a roll-out, a
replay, outcomes without their prediction. Apart from ``example``, so that what other tests see stays as it is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.jobs.notebook_runs import EntryKind, RunState
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.models import notebook_runs
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.store.promotion import rollouts
from pilothouse.store.work import jobs as stored
from pilothouse.store.work import triggers
from support import example
from support.rollout_plans import plan
from support.rollout_records import running_rollout

SEARCH = """
[training.search]
candidates = 4
folds = 3

[training.search.parameters]
max_iter = [60, 120, 240]
learning_rate = [0.03, 0.1]
"""
TRIGGERS = """
[automation]
retrain_on = ["performance", "data_drift"]

[[automation.trigger]]
name = "fresh"
on = "data"

[[automation.trigger]]
name = "upstream"
on = "version"
model = "bike-demand"
state = "deployed"
"""
MINUTE = timedelta(minutes=1)
ALL_AT_ONCE = plan({"name": "all"})


def add(root: Path) -> int:
    """Put it all into the workspace of ``example.build``; the number of the job that searches."""
    file = root / "models" / "flight-delay" / "model.toml"
    text = file.read_text()
    first, rest = text.split("[gates.latency]")
    schedule = "[[automation.schedule]]"
    rest = rest.replace(schedule, f"{TRIGGERS}\n{schedule}")
    file.write_text(f"{first}{SEARCH}\n[gates.latency]{rest}")
    with example.opened(root) as services:
        example.at(services, example.NOW - 3 * MINUTE)
        ada = workspaces.identify(services, "ada")
        workspaces.grant_role(services, ada, "rex", Role.ADMIN)
        apply_models.apply(services, ada)
        number = _search(services)
        _trigger(services)
        held = retention.place_hold(services, ada, "case 2013-117", model="bike-demand")
        retention.place_hold(services, ada, "audit of the summer", target="jfk")
        example.at(services, example.NOW - MINUTE)
        retention.lift_hold(services, ada, held.id, "the case is closed")
        _outcomes(services)
        _rollout(services)
        _replay(services)
        _notebook_runs(services)
        return number


def _notebook_runs(services: Services) -> None:
    """Two notebook runs that have ended, and one whose process is gone."""
    sam = example.person(services, "sam")
    process = ProcessName("a boot before", 4_711, 1)
    for depth, state in ((3, RunState.DONE), (4, RunState.FAILED), (5, None)):
        beginning = notebook_runs.Beginning(
            model="flight-delay",
            name=f"depth {depth}",
            process=process,
            environment={"python": "3.11.7", "platform": "Linux", "packages": {"scikit-learn": "1.9.1"}},
            code={"commit": "5" * 40, "branch": "main", "dirty": False},
        )
        number = notebook_runs.begin(services, sam, beginning)
        entries = [
            (EntryKind.PARAMETERS, {"max_depth": str(depth), "seed": "7"}),
            *(
                (EntryKind.METRICS, {"values": {"auc": 0.7 + depth / 100 + step / 1_000}, "step": step})
                for step in range(3)
            ),
        ]
        notebook_runs.record(services, sam, number, entries)
        if state is not None:
            notebook_runs.end(
                services, sam, number, state, "ValueError: no rows" if state is RunState.FAILED else ""
            )


def _search(services: Services) -> int:
    options = trainings.TrainingOptions(priority=50)
    job = trainings.start_training(
        services, example.person(services, "sam"), "flight-delay", options, reason="look wider"
    )
    claim = jobs.claim_job(services, "daemon-1", 3_600)
    assert claim is not None
    assert claim.job.id == job.id
    jobs.report_progress(services, claim, "search", 0.2, "waits for 1 trial (7 so far)")
    tries: list[tuple[int, int, dict[str, Any], dict[str, float | None], str]] = [
        (0, 0, {"learning_rate": 0.1, "max_iter": 60}, {"2": 0.701}, "succeeded"),
        (1, 0, {"learning_rate": 0.03, "max_iter": 240}, {"2": 0.722}, "succeeded"),
        (2, 0, {"learning_rate": 0.1, "max_iter": 240}, {"2": 0.731}, "succeeded"),
        (3, 0, {"learning_rate": 0.03, "max_iter": 60}, {}, "out of memory"),
        (1, 1, {"learning_rate": 0.03, "max_iter": 240}, {"1": 0.719}, "succeeded"),
        (2, 1, {"learning_rate": 0.1, "max_iter": 240}, {"1": 0.709}, "succeeded"),
        (2, 2, {"learning_rate": 0.1, "max_iter": 240}, {}, "running"),
    ]
    with services.registry.transaction() as connection:
        origin = stored.origin_of(connection, job.id)
        for place, (candidate, rung, parameters, scores, status) in enumerate(tries):
            options = {
                "search": "key", "candidate": candidate, "parameters": parameters, "folds": [2 - rung], "rung": rung,
                "higher": True,
            }  # fmt: skip
            trial = stored.NewJob(
                kind="trial", model_id=origin.model_id, spec_id=origin.spec_id, created_by="daemon",
                reason=f"candidate {candidate + 1} of job {job.id}", options=options, parent=job.id,
            )  # fmt: skip
            number = stored.add(connection, trial, at=services.now())
            start = services.now() + place * MINUTE
            us = int(start.timestamp() * 1e6)
            connection.execute(
                "UPDATE jobs SET status = ?, attempt = 1, lease_owner = ?, lease_until = ?, started_at = ?, ended_at = ?, "
                "result = ?, error = ? WHERE id = ?",
                (
                    status,
                    "daemon-1" if status == "running" else None,
                    us + 3_600_000_000 if status == "running" else None,
                    us,
                    None if status == "running" else us + 90_000_000,
                    canonical_json({"scores": scores}),
                    "more than 4,096 MB" if status == "out of memory" else "",
                    number,
                ),
            )
    return job.id


def _trigger(services: Services) -> None:
    with services.registry.transaction() as connection:
        triggers.set_off(
            connection, "flight-delay", "fresh", "5e1f", "new data under rows.csv", at=services.now()
        )
        (event,) = triggers.waiting(connection, "flight-delay")
        triggers.note(
            connection, event.id, "training job 5 of this model has not ended yet", at=services.now()
        )
        at = services.now() - 600 * MINUTE
        triggers.set_off(
            connection,
            "flight-delay",
            "upstream",
            "deployed:2",
            "models:/bike-demand/1 is deployed on washington",
            at=at,
        )
        event = next(e for e in triggers.waiting(connection, "flight-delay") if e.trigger == "upstream")
        triggers.started(connection, event.id, 1, at=at)


def _rollout(services: Services) -> None:
    with services.registry.transaction() as connection:
        number = running_rollout(connection, services.now(), ALL_AT_ONCE, 1, ("washington",), "bike-demand")
        why = "the desk was short"
        rollouts.end(connection, number, RolloutState.ABORTED, why=why, by="pat", at=services.now())


def _replay(services: Services) -> None:
    with services.registry.transaction() as connection:
        (search,) = connection.execute(
            "SELECT id FROM jobs WHERE kind = 'train' ORDER BY id DESC LIMIT 1"
        ).fetchone()
        origin = stored.origin_of(connection, search)
        job = stored.NewJob(
            kind="replay", model_id=origin.model_id, spec_id=origin.spec_id, created_by="sam", reason="before it is requested",
            options={"version": 3, "against": 2},
        )  # fmt: skip
        stored.add(connection, job, at=services.now())


def _outcomes(services: Services) -> None:
    ingest.ingest_outcomes(services, [Outcome("ewr-live.900.0", 1.0), Outcome("order/77", "0")], "ewr")
    ingest.ingest_outcomes(services, [Outcome("order/78", "1")])
    with services.telemetry.read() as connection:
        name, sequence = connection.execute(
            "SELECT p.name, b.sequence FROM batches b JOIN producers p ON p.id = b.producer_id "
            "JOIN streams s ON s.id = b.stream_id WHERE s.model = 'flight-delay' LIMIT 1"
        ).fetchone()
    ingest.ingest_outcomes(services, [Outcome(f"{name}.{sequence}.1", "1")])
    ingest.ingest_outcomes(services, [Outcome(f"{name}.{sequence}.1", "0")])
