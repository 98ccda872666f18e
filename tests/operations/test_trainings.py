"""Queueing trainings: overrides, cuts in time, one job a key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.services import Services
from support.job_workspace import ADMIN, APPROVER, SCIENTIST, actor, applied, queue, trained, write_model

JUNE = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return applied(tmp_path)


def test_a_training_is_a_waiting_job_that_says_who_and_why(services: Services) -> None:
    job = queue(services, as_of=JUNE, reason="spring is over", overrides={"data.lookback": "60d"})

    assert (job.kind, job.model, job.status, job.created_by) == ("train", "demo", JobStatus.QUEUED, SCIENTIST)
    assert job.reason == "spring is over"
    assert job.options == {"as_of": JUNE.isoformat(), "overrides": {"data.lookback": "60d"}}


def test_every_training_has_a_cut_in_time_now_where_none_is_named(services: Services) -> None:
    job = queue(services)

    assert abs(datetime.fromisoformat(job.options["as_of"]) - datetime.now(UTC)) < timedelta(minutes=1)


def test_overrides_are_merged_into_the_spec_of_the_run(services: Services) -> None:
    queue(
        services,
        overrides={
            "training.parameters.C": 0.5,
            "training.parameters.max_iter": 50,
            "training.seed": 3,
            "data.lookback": "60d",
        },
    )
    held = jobs.claim_job(services, "daemon", 30)
    assert held is not None

    spec = spec_from_plain(job_handlers.prepare(services, held).requests[0].spec)

    assert spec.training.parameters == {"C": 0.5, "max_iter": 50}
    assert (spec.training.seed, spec.data.lookback) == (3, 60 * 86_400)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("gates.metric", 0, "cannot be set for one training"),
        ("promotion.automatic", True, "cannot be set for one training"),
        ("data.source", "other.csv", "cannot be set for one training"),
        ("data.lookback", "soon", "override: data.lookback: found 'soon'"),
        ("data.lookback", "7d", "data.lookback: not longer than data.holdout"),
        ("training.sed", 1, "override: training.sed: unknown key"),
        ("training.seed", "seven", "override: training.seed: found 'seven'"),
        ("training.search.candidates", 3, "no table 'search'"),
        ("training", 1, "cannot be set"),
    ],
)
def test_an_override_is_checked_as_strictly_as_the_file(
    services: Services, key: str, value: str | int | bool, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words):
        queue(services, overrides={key: value})
    assert jobs.list_jobs(services, actor(services, SCIENTIST)) == []


def test_a_trigger_key_gives_one_job(services: Services) -> None:
    june, july = (
        trainings.TrainingOptions(trigger_key=f"demo/1/auc/2013-{month}-01") for month in ("06", "07")
    )
    first = trainings.start_training(services, DAEMON, "demo", june)
    second = trainings.start_training(services, DAEMON, "demo", june)
    other = trainings.start_training(services, DAEMON, "demo", july)

    assert first.id == second.id != other.id
    assert len(jobs.list_jobs(services, actor(services, SCIENTIST))) == 2


def test_paused_automation_queues_nothing_and_people_still_can(services: Services) -> None:
    automation_switch.pause(services, actor(services, ADMIN), "freeze")

    with pytest.raises(ConflictError, match="automation is paused by eve: freeze"):
        trainings.start_training(services, DAEMON, "demo")
    assert queue(services).status is JobStatus.QUEUED


def test_who_may_not_train_queues_nothing(services: Services) -> None:
    with pytest.raises(NotAllowedError, match="start a training"):
        trainings.start_training(services, actor(services, APPROVER), "demo")


def test_wrong_requests_are_refused_in_words(services: Services) -> None:
    scientist = actor(services, SCIENTIST)
    with pytest.raises(NotFoundError, match="there is no model 'nothing'"):
        trainings.start_training(services, scientist, "nothing")
    with pytest.raises(InvalidInputError, match="has no time zone"):
        queue(services, as_of=datetime(2013, 6, 1))  # noqa: DTZ001 - that is the fault
    with pytest.raises(InvalidInputError, match="still to come"):
        queue(services, as_of=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(NotFoundError, match="no alert 7"):
        queue(services, alert=7)
    with pytest.raises(NotFoundError, match="no versions yet"):
        trainings.start_reproduction(services, scientist, "models:/demo")
    with pytest.raises(InvalidInputError, match="at least one version"):
        trainings.start_backtest(services, scientist, "demo", [])
    trained(services)
    with pytest.raises(NotFoundError, match="no target 'lga'"):
        trainings.start_backtest(services, scientist, "demo", [1], trainings.BacktestOptions(target="lga"))
    with pytest.raises(InvalidInputError, match="is not before"):
        trainings.start_backtest(
            services, scientist, "demo", [1], trainings.BacktestOptions(since=JUNE, until=JUNE)
        )


def test_an_event_clock_that_runs_ahead_of_the_wall_is_cut_to_now(services: Services) -> None:
    ahead = trainings.TrainingOptions(as_of=datetime.now(UTC) + timedelta(minutes=5))
    job = trainings.start_training(services, DAEMON, "demo", ahead)

    assert datetime.fromisoformat(job.options["as_of"]) <= datetime.now(UTC)


def test_a_waiting_training_keeps_the_file_that_was_in_force(services: Services) -> None:
    from pilothouse.operations.workspace import apply_models
    from support.job_workspace import MODEL

    queue(services)
    write_model(services.paths.root, MODEL.replace("seed = 7", "seed = 8"))
    apply_models.apply(services, actor(services, SCIENTIST))
    held = jobs.claim_job(services, "daemon", 30)
    assert held is not None

    assert job_handlers.prepare(services, held).requests[0].seed == 7
