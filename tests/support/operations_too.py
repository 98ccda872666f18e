"""Further rows of the table of operations, and the operations that are in no table, each with its reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.listing import Query
from pilothouse.domain.models.model_file import load_spec
from pilothouse.operations.automation import automation_activity
from pilothouse.operations.fleet import fleet, groups, health, processes, readiness, request_examples
from pilothouse.operations.ingest import ingest, outcome_lists, retries
from pilothouse.operations.integrations import cluster
from pilothouse.operations.jobs import jobs, log_reader, trainings
from pilothouse.operations.models import affected, contracts, lineage
from pilothouse.operations.monitoring import (
    distributions,
    log_verdicts,
    monitor_views,
    multivariate,
    performance_views,
    stored_predictions,
)
from pilothouse.operations.monitoring.log_reading import LogReader
from pilothouse.operations.promotion.attached import required_replay
from pilothouse.operations.rollouts import courses, selected_roll_back
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import log_health
from pilothouse.operations.upkeep import backups, retention, telemetry_export, upgrading
from pilothouse.operations.upkeep.backups import BackupSummary
from pilothouse.operations.upkeep.telemetry_export import Selected
from pilothouse.operations.workspace import (
    apply_models,
    doctor,
    person_records,
    target_files,
    time_machine,
    write_state,
)

Row = tuple[Callable[[Services, Actor], object], frozenset[Role]]
EVERYBODY = frozenset(Role) - {Role.DAEMON}
SCIENCE = frozenset({Role.DATA_SCIENTIST, Role.OPERATOR, Role.ADMIN})
AUTHORS = frozenset({Role.DATA_SCIENTIST, Role.ADMIN})
OPERATION = frozenset({Role.OPERATOR, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
_AT = datetime(2026, 1, 5, tzinfo=UTC)
_NOBODY: Any = None


THIRD = """name = "third"
task = "binary"
owner = "eve"
[data]
source = "rows.csv"
target = "late"
timestamp = "at"
features = ["wind"]
[training]
estimator = "sklearn.linear_model.LogisticRegression"
[[targets]]
name = "ewr"
"""
"""Model file of a model that is not applied yet."""


def put_third(services: Services) -> None:
    """Put the file of a further model into the workspace."""
    folder = services.paths.root / "models" / "third"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(THIRD)
    rows = "".join(f"2026-01-{day:02d},{day},{day % 2}\n" for day in range(1, 28))
    (folder / "rows.csv").write_text("at,wind,late\n" + rows)


def _third(services: Services) -> contracts.ModelText:
    path = services.paths.root / "models" / "third" / "model.toml"
    return contracts.ModelText(path, "another text", load_spec(THIRD, "model.toml"))


def _read_only(services: Services, actor: Actor) -> None:
    try:
        write_state.make_read_only(services, actor, "x")
    finally:
        services.write_guard.open()


def _labels(services: Services, actor: Actor) -> None:
    file = services.paths.root / "outcomes.csv"
    file.write_text("prediction_id,outcome\n")
    ingest.ingest_labels_file(services, actor, file)


def _summary(services: Services) -> BackupSummary:
    return BackupSummary(services.paths.root / "nowhere", "0" * 64, 1, 1, 1, "0" * 64)


READING: dict[str, Row] = {
    name: (call, EVERYBODY)
    for name, call in {
        "automation_activity.list_starters": lambda s, a: automation_activity.list_starters(s, a),
        "automation_activity.failing_looks": lambda s, a: automation_activity.failing_looks(s, a),
        "automation_activity.list_activity": lambda s, a: automation_activity.list_activity(s, a),
        "fleet.fleet": lambda s, a: fleet.fleet(s, a),
        "groups.groupings": lambda s, a: groups.groupings(s, a),
        "groups.groups": lambda s, a: groups.groups(s, a, "region"),
        "health.overview": lambda s, a: health.overview(s, a),
        "health.target_states": lambda s, a: health.target_states(s, a),
        "health.states_page": lambda s, a: health.states_page(s, a, Query()),
        "health.fleet_health": lambda s, a: health.fleet_health(s, a),
        "health.health_of_models": lambda s, a: health.health_of_models(s, a),
        "health.watch": lambda s, a: health.watch(s, a),
        "processes.daemon_report": lambda s, a: processes.daemon_report(s, a),
        "readiness.wait_until_ready": lambda s, a: readiness.wait_until_ready(s, a, "delay", "ewr", 0.0),
        "request_examples.addresses": lambda s, a: request_examples.addresses(s, a, "delay", 1),
        "request_examples.live_state": lambda s, a: request_examples.live_state(s, a, "delay", "jfk"),
        "request_examples.address_on": lambda s, a: request_examples.address_on(
            s, a, request_examples.live_state(s, a, "delay", "jfk")
        ),
        "request_examples.request_example": lambda s, a: request_examples.request_example(
            s, a, "delay", "jfk"
        ),
        "request_examples.example_of": lambda s, a: request_examples.example_of(s, a, "delay", 1),
        "ingest.rejected": lambda s, a: ingest.rejected(s, a),
        "ingest.waiting": lambda s, a: ingest.waiting(s, a),
        "ingest.totals": lambda s, a: ingest.totals(s, a),
        "outcome_lists.waiting_page": lambda s, a: outcome_lists.waiting_page(s, a, Query()),
        "outcome_lists.conflicts_page": lambda s, a: outcome_lists.conflicts_page(s, a, Query()),
        "retries.count_kept": lambda s, a: retries.count_kept(s, a),
        "cluster.cluster_state": lambda s, a: cluster.cluster_state(s, a),
        "cluster.job_hosts": lambda s, a: cluster.job_hosts(s, a, [1]),
        "jobs.list_jobs": lambda s, a: jobs.list_jobs(s, a),
        "jobs.get_job": lambda s, a: jobs.get_job(s, a, 1),
        "jobs.attempts_before": lambda s, a: jobs.attempts_before(s, a, 1),
        "jobs.places_of": lambda s, a: jobs.places_of(s, a, 1),
        "jobs.read_log": lambda s, a: jobs.read_log(s, a, 1),
        "log_reader.open_log": lambda s, a: log_reader.open_log(s, a, 1),
        "affected.affected": lambda s, a: affected.affected(s, a, "delay/1"),
        "contracts.model_text": lambda s, a: contracts.model_text(s, a, "third"),
        "contracts.inferred_contract": lambda s, a: contracts.inferred_contract(s, a, _third(s), None),
        "lineage.lineage": lambda s, a: lineage.lineage(s, a, "delay/1"),
        "distributions.feature_distribution": lambda s, a: distributions.feature_distribution(
            s, a, "delay", "jfk", "wind"
        ),
        "log_verdicts.judge_log": lambda s, a: log_verdicts.judge_log(
            s, a, LogReader(_NOBODY, 1), "rows.csv", model="nobody", target="ewr"
        ),
        "monitor_views.monitor_view": lambda s, a: monitor_views.monitor_view(s, a, "delay", "jfk"),
        "monitor_views.comparable": lambda s, a: monitor_views.comparable(s, a, "delay", "jfk"),
        "monitor_views.side_by_side": lambda s, a: monitor_views.side_by_side(s, a, "delay", "jfk", "ewr"),
        "performance_views.performance_view": lambda s, a: performance_views.performance_view(
            s, a, "delay", "jfk"
        ),
        "stored_predictions.find": lambda s, a: stored_predictions.find(s, a, "1" * 32),
        "courses.rollout_course": lambda s, a: courses.rollout_course(s, a, 1),
        "selected_roll_back.selected_steps": lambda s, a: selected_roll_back.selected_steps(
            s, a, "target=jfk"
        ),
        # it takes what it selects to deployments.roll_back, which asks for each model
        "selected_roll_back.roll_back_selected": lambda s, a: selected_roll_back.roll_back_selected(
            s, a, "target=jfk", reason="x"
        ),
        "log_health.examine": lambda s, a: log_health.examine(s, a),
        "retention.rows_kept_days": lambda s, a: retention.rows_kept_days(s, a),
        "retention.rows_kept_in": lambda s, a: retention.rows_kept_in(s, a),
        "retention.list_holds": lambda s, a: retention.list_holds(s, a),
        "retention.preview": lambda s, a: retention.preview(s, a),
        "telemetry_export.export": lambda s, a: telemetry_export.export(
            s, a, s.paths.root / "state" / "inside", Selected()
        ),
        "telemetry_export.opened": lambda s, a: telemetry_export.opened(
            s, a, s.paths.root / "state" / "inside", {}
        ).__enter__(),
        "apply_models.plan": lambda s, a: apply_models.plan(s, a, s.paths.root / "none"),
        "person_records.list_persons": lambda s, a: person_records.list_persons(s, a),
        "time_machine.read_time": lambda s, a: time_machine.read_time(s, a, "2026-01-05"),
        "time_machine.newest_event": lambda s, a: time_machine.newest_event(s, a),
        "time_machine.open_past": lambda s, a: time_machine.open_past(s, a, _AT),
        "time_machine.step": lambda s, a: time_machine.step(s, a, _AT, 1),
    }.items()
}
"""Operations that change nothing."""

CHANGING: dict[str, Row] = {
    "ingest.check_may_ingest": (lambda s, a: ingest.check_may_ingest(s, a, "delay", 1, "ewr"), SCIENCE),
    "ingest.ingest_file": (
        lambda s, a: ingest.ingest_file(s, a, s.paths.root / "nothing.csv", "delay", 1, "ewr"), SCIENCE),
    "ingest.ingest_labels_file": (_labels, SCIENCE),
    "retries.retry": (lambda s, a: retries.retry(s, a), SCIENCE),
    "jobs.cancel_job": (lambda s, a: jobs.cancel_job(s, a, 1), SCIENCE),
    "jobs.retry_job": (lambda s, a: jobs.retry_job(s, a, 1), SCIENCE),
    "trainings.start_training": (lambda s, a: trainings.start_training(s, a, "delay"), SCIENCE),
    "trainings.start_reproduction": (lambda s, a: trainings.start_reproduction(s, a, "delay/1"), SCIENCE),
    "trainings.start_backtest": (lambda s, a: trainings.start_backtest(s, a, "delay", [1]), SCIENCE),
    "contracts.write_contract": (lambda s, a: contracts.write_contract(s, a, _third(s), {}), AUTHORS),
    "multivariate.start": (lambda s, a: multivariate.start(s, a, "delay", "jfk"), SCIENCE),
    "required_replay.set_floor_replay": (lambda s, a: required_replay.set_floor_replay(s, a, 86_400, "x"), ADMINS),
    "backups.backup": (lambda s, a: backups.backup(s, a, s.paths.root / "state" / "inside"), OPERATION),
    "retention.keep_rows": (lambda s, a: retention.keep_rows(s, a, 30, "x"), ADMINS),
    "retention.keep_in": (lambda s, a: retention.keep_in(s, a, None, "x"), ADMINS),
    "retention.place_hold": (lambda s, a: retention.place_hold(s, a, "x"), ADMINS),
    "retention.lift_hold": (lambda s, a: retention.lift_hold(s, a, 1, "x"), ADMINS),
    "retention.apply": (lambda s, a: retention.apply(s, a), ADMINS),
    "upgrading.record": (lambda s, a: upgrading.record(s, a, 1, _summary(s)), OPERATION),
    "apply_models.apply": (lambda s, a: apply_models.apply(s, a), AUTHORS),
    "doctor.repair_states": (lambda s, a: doctor.repair_states(s, a), OPERATION),
    "person_records.join": (lambda s, a: person_records.join(s, a, "vera", "nora", "x"), ADMINS),
    "target_files.write_targets_file": (lambda s, a: target_files.write_targets_file(s, a), AUTHORS),
    "write_state.make_read_only": (_read_only, OPERATION),
    "write_state.make_writable": (lambda s, a: write_state.make_writable(s, a, "x"), OPERATION),
}  # fmt: skip

NOT_ASKING = {
    **{f"authorisation.{name}": "what asks, itself" for name in (
        "authorise", "change_in", "changing", "check_second", "check_time", "reading")},
    "log_proofs.log_proofs": "of a dossier, which asks; each proof asks too",
    "components.proved": "of a decision, which asks",
    "doctor.diagnose": "asks to read, and examines for seconds: too long for each role and scope",
    "source_places.places_to_look_at": "of apply and plan, which ask; here it is only looked up what the actor may",
}  # fmt: skip

OF_A_NEW_MODEL = frozenset({"apply_models.apply"})
"""Operations here whose model has no targets until they are done: a grant for targets does not let them begin, and a denial for
one of them ends them."""

REACHED: dict[str, tuple[str, set[str] | None]] = {
    **dict.fromkeys(
        ("ingest.check_may_ingest", "ingest.ingest_file"), ("delay", {"ewr"})
    ),
    **dict.fromkeys(
        (
            "jobs.cancel_job", "jobs.retry_job", "trainings.start_training", "trainings.start_reproduction",
            "trainings.start_backtest",
        ),
        ("delay", {"ewr", "jfk"}),
    ),
    "multivariate.start": ("delay", {"jfk"}),
}  # fmt: skip
"""Models and targets that they are about; those that are left out are about the whole workspace."""
