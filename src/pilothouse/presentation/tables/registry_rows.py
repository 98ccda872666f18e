"""Tables of the fleet: models, versions, targets, deployments. Domain records in, a Table out."""

from collections.abc import Mapping, Sequence

from pilothouse.domain.evaluation import GateOutcome
from pilothouse.domain.model_spec import METRICS
from pilothouse.domain.monitoring import Health, ModelOverview, ServingState, TargetState
from pilothouse.domain.records import (
    Deployment,
    Model,
    Version,
)
from pilothouse.domain.safe_text import safe
from pilothouse.presentation.cells import (
    HEALTH,
    Cell,
    Tone,
    against_reference,
    cell,
    health_cell,
    metric_cells,
    sparkline,
    version_cell,
)
from pilothouse.presentation.tables.table import Row, Table, read_columns, without_order
from pilothouse.presentation.texts import figure, time_text


def higher_is_better(metric: str) -> bool:
    """Which way the metric points."""
    return METRICS.get(metric, ("higher", ()))[0] == "higher"


def overview_table(models: Sequence[ModelOverview]) -> Table:
    """A row a model, worst first."""
    columns = read_columns(
        "HEALTH",
        "MODEL ~10",
        ">LIVE",
        "TARGETS ~6 !3",
        "METRIC !5",
        ">NOW",
        ">±REF",
        "TREND !2",
        ">DRIFT",
        "TREND !6",
        ">P95 !1",
        "TREND !7",
        ">ALERT",
        ">JOBS !4",
        ">YOU",
    )
    rows = []
    for m in sorted(models, key=lambda m: (m.health.rank, m.model)):
        rows.append(
            Row(
                m.model,
                (
                    health_cell(m.health),
                    cell(m.model, "strong"),
                    cell(f"v{m.champion}" if m.champion else ""),
                    cell(" ".join(f"{safe(t.target)}{HEALTH[t.health][0]}" for t in m.targets)),
                    cell(m.metric, "dim"),
                    cell(figure(m.performance)),
                    against_reference(m.performance, m.reference, higher_is_better(m.metric)),
                    Cell(sparkline(m.history, 6), "info"),
                    cell(f"{m.drifted}/{m.features}" if m.features else "", "warn" if m.drifted else ""),
                    Cell(sparkline(m.drift_history, 6), "warn" if m.drifted else "info"),
                    cell(figure(m.p95_ms, 1)),
                    Cell(sparkline(m.p95_history, 6), "info"),
                    _count(m.open_alerts, "warn"),
                    _count(m.unfinished_jobs, "info"),
                    _count(m.waiting_for_me, "strong"),
                ),
            )
        )
    return Table(columns, tuple(rows), "no models yet: write models/NAME/model.toml and run pilothouse apply")


def target_table(states: Sequence[TargetState]) -> Table:
    """A row for each model on each target: what should answer there, what does, how it is and why."""
    columns = read_columns(
        "TARGET",
        "HEALTH",
        ">LIVE",
        "SERVING ~9",
        ">NOW !1",
        ">DRIFT !2",
        ">P95ms !3",
        ">ROWS !4",
        "EVENT CLOCK !5",
        "WHY ~16",
    )
    rows = [
        Row(
            f"{s.model}/{s.target}",
            (
                cell(s.target, "strong"),
                health_cell(s.health),
                _live(s),
                serving_cell(s),
                cell(figure(s.performance.finding.value) if s.performance else ""),
                cell(f"{s.drifted}/{s.features}" if s.features else "", "warn" if s.drifted else ""),
                cell(figure(s.p95_ms, 1)),
                cell(f"{s.rows_last_window:,}" if s.rows_last_window else ""),
                cell(time_text(s.event_clock)),
                cell(s.why),
            ),
        )
        for s in states
    ]
    return Table(columns, tuple(rows), "no targets: name them in model.toml under [[targets]]")


def deployment_table(states: Sequence[TargetState]) -> Table:
    """Targets × models: which version is live, since when, and who is answering."""
    columns = read_columns(
        "TARGET",
        "MODEL ~10-20",
        ">LIVE",
        "SERVING ~9",
        "HEALTH",
        "SINCE (DATA)",
        "HOW !2",
        "BY !3",
        "REGION !4",
        "PRODUCT !5",
        "UNIT !6",
        "REASON ~8 !7",
    )
    rows = []
    for s in sorted(states, key=lambda s: (s.target, s.model)):
        live = s.deployment
        rows.append(
            Row(
                f"{s.model}/{s.target}",
                (
                    cell(s.target, "strong"),
                    cell(s.model),
                    _live(s),
                    serving_cell(s),
                    health_cell(s.health),
                    cell(time_text(live.effective_at) if live else ""),
                    cell(live.kind if live else ""),
                    cell(live.actor if live else ""),
                    cell(s.region),
                    cell(s.product),
                    cell(s.business_unit),
                    cell(live.reason if live else ""),
                ),
            )
        )
    return Table(columns, tuple(rows), "no targets: name them in model.toml under [[targets]]")


def deployment_history_table(deployments: Sequence[Deployment]) -> Table:
    """Every deployment that there was, in the order given."""
    columns = read_columns(
        "SINCE (DATA)",
        "UNTIL (DATA)",
        "TARGET",
        "MODEL ~10-20",
        ">VERSION",
        "HOW",
        "BY !1",
        "REASON ~8 !2",
        "RECORDED !3",
    )
    rows = [
        Row(
            str(d.id),
            (
                cell(time_text(d.effective_at)),
                cell(time_text(d.ended_effective_at) if d.ended_effective_at else "live"),
                cell(d.target, "strong"),
                cell(d.model),
                cell(f"v{d.version}"),
                cell(d.kind, "bad" if d.kind == "rollback" else ""),
                cell(d.actor),
                cell(d.reason),
                cell(time_text(d.recorded_at)),
            ),
        )
        for d in deployments
    ]
    return Table(columns, tuple(rows), "nothing has been deployed: request and approve a promotion first")


def model_table(models: Sequence[Model], healths: Mapping[str, Health]) -> Table:
    """A row a model as applied; ``healths`` by its name."""
    columns = read_columns(
        "MODEL ~12-24",
        "HEALTH",
        "TASK",
        "OWNER ~8 !2",
        ">CHAMPION",
        "TARGETS ~8-16",
        "DESCRIPTION ~10 !3",
    )
    rows = [
        Row(
            m.name,
            (
                cell(m.name, "strong"),
                health_cell(healths[m.name]) if m.name in healths else cell(""),
                cell(m.task),
                cell(m.owner),
                cell(f"v{m.aliases['champion']}" if "champion" in m.aliases else ""),
                cell(" ".join(m.targets)),
                cell(m.description),
            ),
        )
        for m in models
    ]
    return Table(columns, tuple(rows), "no models yet: write models/NAME/model.toml and run pilothouse apply")


def version_table(versions: Sequence[Version], metric: str) -> Table:
    """A row a version, newest first, with the primary metric on its hold-out."""
    columns = read_columns(
        ">VERSION",
        "GATES",
        f">{metric.upper()}",
        "95 % INTERVAL",
        "LIVE ON ~8",
        "ALIASES !2",
        "CREATED !1",
        "FAILED GATES ~12 !3",
    )
    columns = without_order(columns, metric.upper(), "95 % INTERVAL", "LIVE ON", "ALIASES", "FAILED GATES")
    rows = []
    for v in versions:
        value, interval = metric_cells(v.metric(metric))
        failed = ", ".join(g.gate for g in v.gates if g.outcome is GateOutcome.FAILED)
        rows.append(
            Row(
                str(v.number),
                (
                    cell(f"v{v.number}", "strong"),
                    version_cell(v.status),
                    cell(value),
                    cell(interval, "dim"),
                    cell(" ".join(v.live_on), "good"),
                    cell(" ".join(v.aliases)),
                    cell(time_text(v.created_at)),
                    cell(failed, "bad" if failed else ""),
                ),
            )
        )
    return Table(columns, tuple(rows), "no versions yet: press t to train one")


_SERVING: dict[ServingState, tuple[str, Tone]] = {
    ServingState.ANSWERING: ("●", "good"),
    ServingState.REMOTE: ("◇", "info"),
    ServingState.LOADING: ("○", "info"),
    ServingState.DOWN: ("✖", "bad"),
    ServingState.FAILED: ("✖", "bad"),
    ServingState.NOT_RECORDED: ("◌", "dim"),
}


def serving_text(state: TargetState) -> str:
    """``answering``, or ``failed: why``."""
    return f"{state.serving}: {state.serving_error}" if state.serving_error else str(state.serving)


def serving_cell(state: TargetState) -> Cell:
    """What answers on the target; another version than the one deployed stands out."""
    text = safe(serving_text(state))
    live = state.deployment
    if state.serving is ServingState.ANSWERING and live and state.serving_version != live.version:
        return Cell(f"▲ still v{state.serving_version}", "warn")
    if not live and state.serving is ServingState.FAILED:
        return Cell(text, "dim")
    glyph, tone = _SERVING[state.serving]
    return Cell(f"{glyph} {text}", tone)


def _live(state: TargetState) -> Cell:
    return cell(f"v{state.deployment.version}" if state.deployment else "")


def _count(count: int, tone: str) -> Cell:
    return Cell(str(count), tone) if count else Cell("·", "dim")  # type: ignore[arg-type]
