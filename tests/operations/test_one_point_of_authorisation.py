"""Every operation that changes anything goes through ``changing``; those that do not are listed here, each with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pilothouse
from fixtures.registries import Example, make_example
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.identity.roles import Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.workspace import apply_models
from pilothouse.store.log import audit

SOURCE = Path(pilothouse.__file__).parent
DERIVED = "writes what follows from facts on record, which the doctor computes again"
OF_THE_MONITOR = (
    "the daemon's own figures in telemetry, from which the registry's changes follow through changing"
)
OF_THE_HUB = "authorised by the token of a target before it is called, a thousand times a second"

ALLOWED = {
    "authorisation.changing": "the one point itself",
    "workspace.workspaces.initialise": "there is nobody yet whose role could be asked for",
    "workspace.sessions.close_session": "its owner ends it, also from a read-only console or without a role by then",
    "jobs.jobs.heartbeat": "extends the lease that the attempt holds, every few seconds",
    "jobs.jobs.report_progress": "progress of the attempt that holds the job, every second",
    "models.notebook_runs.record": "entries of a run, asked for with check; the audit entry of its end has their digest",
    "jobs.step_cache.StepMemory.keep": "the result of a step of the attempt that holds the job, with an entry of its own",
    "fleet.processes.Pulse._write": "reports of serving processes, every second, with entries for what matters",
    "fleet.processes.note_serving_end": "the supervisor's own observation, with an entry",
    "fleet.processes.announce_daemon": "changing first; then what it says of itself, target by target",
    "fleet.places.compare": DERIVED,
    "fleet.hub_door.note_usage": "counts of the hub, every few seconds, with an entry for each target that met a bound",
    "fleet.deployers.TargetDeployer._put": "how far a command is; what it ended with goes through changing",
    "alerts.alerts.open_alert": "looks whether the alert is open, then changing inside",
    "outbox.rounds.turn": "messages follow from entries of the log; what is escalated goes through changing",
    "outbox.rounds.forget_old": "deletes messages that ended a month ago: the log says what they told",
    "outbox.courier.Courier.deliver": "notes that a try begins: what came of it decides nothing but the next try",
    "outbox.courier.Courier.refresh": "notes what a receiver answered; what is said in the log goes through changing",
    "outbox.courier.Courier._record": "notes what a receiver answered; what is said in the log goes through changing",
    "alerts.incident_cost.judge_changed": DERIVED,
    "states.states.bring_up_to_date": DERIVED,
    "monitoring.monitor_backfills.backfill_monitoring": "changing first; then its states",
    "automation.monitoring_round._act": DERIVED,
    "transparency.heads.sign": "asks whether the actor may read; a signed head states what the rows say, and decides nothing",
    "rollouts.log_arms.take_in": "folds stored answers and outcomes; what they decide about the roll-out goes through changing",
    "sites.following._recorded": "of following.look, which asks: what a site has signed; what is told has an entry",
    "integrations.outbox.deliver": "how far an export is; what it sends is on record already",
    "integrations.outbox._deliver": "how far an export is; what it sends is on record already",
    "transparency.delivery._put": "of delivery.deliver, which asks: how far an anchor is, and a witness's signature",
    "automation.monitoring_round._note_first_events": DERIVED,
    "monitoring.monitor_backfills._backfill": OF_THE_MONITOR,
    "monitoring.window_closing.close": OF_THE_MONITOR,
    "monitoring.late_windows._Judging.run": OF_THE_MONITOR,
    "monitoring.late_windows._judge_stream": OF_THE_MONITOR,
    "monitoring.baselines._calibration": OF_THE_MONITOR,
    "monitoring.baselines._estimator": OF_THE_MONITOR,
    "monitoring.multivariate.record": "the reading is keyed; then changing",
    "automation.monitoring_round._put_changed": OF_THE_MONITOR,
    "automation.monitoring_round.evaluate_windows": OF_THE_MONITOR,
    "automation.retraining._record": OF_THE_MONITOR,
    "automation.triggers._note_look": "when a trigger has looked, every minute; what is told has an entry",
    "alerts.silence.watch": OF_THE_MONITOR,
    "ingest.ingest.ingest_batches": OF_THE_HUB,
    "ingest.ingest.count_refused": OF_THE_HUB,
    "ingest.ingest.ingest_outcomes": OF_THE_HUB,
    "ingest.ingest.ingest_pairs": OF_THE_HUB,
    "ingest.retries._retry_deployment": "of ingest.retries.retry, which goes through changing for each file",
    "erasure.carrying_out._erase_predictions": "of carrying_out.carry_out, which asks and writes the entries",
    "rollouts.evidence.fold": "statistics that follow from telemetry; what is decided by them is an act with an entry",
    "upkeep.retention.apply": "asks first; its entries are written through changing, before and after",
    "upkeep.retention._delete_some": "of retention.apply, which asks",
    "upkeep.kept_days.move": "of retention.apply, which asks",
    "upkeep.compaction._steps": "of retention.apply, which asks, and of the daemon at rest",
    "upkeep.compaction.at_rest": "the daemon, who changes no answer: rows are stored in another form",
    "upkeep.retention._delete_pairs": "of retention.apply, which asks",
    "upkeep.retention._until_none": "of retention.apply, which asks",
}


def writers() -> Iterator[tuple[str, ast.AST, bool]]:
    """(name, function, whether it calls ``changing``) of each function of the operations that begins a transaction, or calls
    a method of the telemetry store that does."""
    store = functions(SOURCE / "telemetry" / "store.py")
    methods = {node.name for node in store if begins(node, ())}
    methods |= {node.name for node in store if any(name in ast.unparse(node) for name in methods)}
    for path in sorted((SOURCE / "operations").rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE / "operations").with_suffix("").parts)
        for name, node in named(ast.parse(path.read_text())):
            if begins(node, methods):
                yield f"{module}.{name}", node, calls(node, "changing")


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for _, node in named(ast.parse(path.read_text()))]


def named(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield f"{prefix}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from named(node, f"{prefix}{node.name}.")


def begins(node: ast.AST, methods: object) -> bool:
    return any(
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and (
            call.func.attr == "transaction"
            or (call.func.attr in methods and ast.unparse(call.func.value).endswith("telemetry"))  # type: ignore[operator]
        )
        for call in ast.walk(node)
    )


def calls(node: ast.AST, name: str) -> bool:
    return any(
        isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name
        for call in ast.walk(node)
    )


def test_what_writes_without_asking_is_listed_with_its_reason() -> None:
    found = {name for name, _, asks in writers() if not asks}
    assert found - ALLOWED.keys() == set(), "new: call changing, or say here why not"
    assert all(ALLOWED.values())
    assert ALLOWED.keys() - {name for name, _, _ in writers()} == set(), "no longer there"


def test_no_front_end_writes_by_itself() -> None:
    for folder in ("cli", "console", "presentation", "demo", "daemon"):
        for path in (SOURCE / folder).rglob("*.py"):
            assert not begins(ast.parse(path.read_text()), ()), path


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    made = make_example(tmp_path / "workspace")
    yield made
    made.services.close()


@pytest.mark.parametrize("permission", Permission)
def test_a_console_that_was_opened_read_only_changes_nothing(
    example: Example, permission: Permission
) -> None:
    example.services.read_only = True
    with pytest.raises(NotAllowedError, match="this console is read-only"):
        changing(example.services, example.actor("ada"), permission).__enter__()


def test_apply_is_refused_where_the_console_is_read_only(example: Example) -> None:
    folder = example.root / "models" / "delay"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(
        'name = "delay"\ntask = "binary"\nowner = "eve"\n[data]\nsource = "rows.csv"\ntarget = "late"\ntimestamp = "at"\n'
        'features = ["wind"]\n[training]\nestimator = "sklearn.linear_model.LogisticRegression"\n[[targets]]\nname = "ewr"\n'
    )
    (folder / "rows.csv").write_text(
        "at,wind,late\n" + "".join(f"2026-01-{d:02d},{d},{d % 2}\n" for d in range(1, 28))
    )
    with example.services.registry.read() as connection:
        before = audit.head(connection)
    example.services.read_only = True
    with pytest.raises(NotAllowedError, match="this console is read-only"):
        apply_models.apply(example.services, example.actor("ada"))
    with example.services.registry.read() as connection:
        assert audit.head(connection) == before
