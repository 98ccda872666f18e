"""Tables of the fleet: models, versions, targets, deployments. Domain records in, a Table out."""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.evaluation import GateOutcome, GateResult
from pilothouse.domain.models.model_spec import higher_is_better
from pilothouse.domain.monitoring.deployment_groups import DeploymentGroup, GroupMember
from pilothouse.domain.monitoring.monitoring import (
    Health,
    ModelOverview,
    ServingState,
    TargetState,
)
from pilothouse.domain.records import Deployment, Model, RollBackStep, Version
from pilothouse.presentation.cells import (
    HEALTH,
    Cell,
    Tone,
    against_reference,
    cell,
    health_cell,
    metric_cells,
    sparkline,
    stage_cell,
)
from pilothouse.presentation.tables.table import Row, Table, read_columns, table_of
from pilothouse.presentation.texts import figure, time_text, without_place

_NO_MODELS = "no models yet: write models/NAME/model.toml and run pilothouse apply"
_NO_TARGETS = "no targets: name them in model.toml under [[targets]]"


def overview_table(models: Sequence[ModelOverview]) -> Table:
    """A row a model, worst first."""
    return table_of(
        sorted(models, key=lambda m: (m.health.rank, m.model)),
        {
            "HEALTH": lambda m: health_cell(m.health),
            "MODEL ~10": lambda m: cell(m.model, "strong"),
            ">LIVE": lambda m: cell(f"v{m.champion}" if m.champion else ""),
            "TARGETS ~6-12 !2": lambda m: cell(counts_text(m.counts)),
            "METRIC !6": lambda m: cell(m.metric, "dim"),
            ">NOW": lambda m: _figure(m.performance, m.of_then),
            "AS OF !4": lambda m: as_of(m.performance_at),
            ">±REF": lambda m: against_reference(m.performance, m.reference, higher_is_better(m.metric)),
            "TREND !3": lambda m: Cell(sparkline(m.history, 6), "info"),
            ">DRIFT": _drifted,
            "TREND !7": lambda m: Cell(sparkline(m.drift_history, 6), "warn" if m.drifted else "info"),
            ">P95 !1": lambda m: cell(figure(m.p95_ms, 1)),
            "TREND !8": lambda m: Cell(sparkline(m.p95_history, 6), "info"),
            ">ALERT": lambda m: _count(m.open_alerts, "warn"),
            ">JOBS !5": lambda m: _count(m.unfinished_jobs, "info"),
            ">YOU": lambda m: _count(m.waiting_for_me, "strong"),
        },
        key=lambda m: m.model,
        empty=_NO_MODELS,
    )


def grouped_table(
    groups: Sequence[DeploymentGroup],
    models: Sequence[ModelOverview],
    unfolded: Container[str],
    by: str,
) -> Table:
    """A heading for each group of deployments with their number by state and the worst reason; under it its models, with
    their part in the group, and with the figures of the model over all its targets."""
    overviews = {model.model: model for model in models}
    rows: list[Row] = []
    for group in groups:
        is_open = group.name in unfolded and group.members is not None
        heading = f"{'▾' if is_open else '▸'} {safe(group.name, 40) or f'no {by}'}"
        no_figures = [Cell("")] * 4
        rows.append(
            Row(
                group_key(group.name),
                (
                    health_cell(group.health),
                    Cell(heading, "info"),
                    cell(counts_text(group.counts)),
                    *no_figures,
                    cell(group.why, "dim"),
                ),
                is_heading=True,
            )
        )
        for member in (group.members or ()) if is_open else ():
            row = _member_row(group, member, overviews.get(member.model), by)
            rows += [row] if row else []
    return Table(
        read_columns(
            "HEALTH",
            "MODEL ~14",
            "TARGETS ~6-14 !3",
            ">LIVE !5",
            ">NOW !2",
            ">DRIFT !4",
            ">YOU !6",
            "WHY ~16-24",
        ),
        tuple(rows),
        _NO_MODELS,
    )


def _member_row(
    group: DeploymentGroup, member: GroupMember, model: ModelOverview | None, by: str
) -> Row | None:
    if model is None:
        return None
    elsewhere = f"{model.health} elsewhere" if member.health is not model.health else model.why
    return Row(
        f"{group_key(group.name)}/{member.model}",
        (
            health_cell(member.health),
            cell(f"  {safe(member.model)}", "strong"),
            cell(counts_text(member.counts)),
            cell(f"v{model.champion}" if model.champion else ""),
            Cell(_figure(model.performance, model.of_then).text, "dim"),
            Cell(_drifted(model).text, "dim"),
            _count(model.waiting_for_me, "strong"),
            cell(elsewhere),
        ),
        fields=((by, group.name.casefold()),),
        part_of=group_key(group.name),
    )


def group_key(name: str) -> str:
    """Key of a group's row."""
    return f"/{name}"


def target_table(states: Sequence[TargetState], *, with_model: bool = False) -> Table:
    """A row for each model on each target: what should answer there, what does, how it is and why."""
    model: dict[str, Callable[[TargetState], Cell]] = {"MODEL ~10-20": lambda s: cell(s.model)}
    return table_of(
        states,
        {
            "TARGET": lambda s: cell(s.target, "strong"),
            **(model if with_model else {}),
            "HEALTH": lambda s: health_cell(s.health),
            ">LIVE": _live,
            "SERVING ~9": serving_cell,
            ">NOW !1": lambda s: _figure(s.performance.finding.value if s.performance else None, s.of_then),
            "AS OF !2": lambda s: as_of(s.performance.window.end if s.performance else None),
            ">DRIFT !3": _drifted,
            ">P95ms !4": lambda s: cell(figure(s.p95_ms, 1)),
            ">ROWS !5": lambda s: cell(f"{s.rows_last_window:,}" if s.rows_last_window else ""),
            "EVENT CLOCK !6": lambda s: cell(time_text(s.event_clock)),
            "WHY ~16": lambda s: cell(without_place(s.why, s.target)),
        },
        key=lambda s: f"{s.model}/{s.target}",
        empty=_NO_TARGETS,
    )


def deployment_table(states: Sequence[TargetState]) -> Table:
    """Models on targets in the order given: which version is live, which process answers, how it is, since when and why."""
    return table_of(
        states,
        {
            "TARGET": lambda s: cell(s.target, "strong"),
            "MODEL ~10-20": lambda s: cell(s.model),
            ">LIVE": _live,
            "SERVING ~9": serving_cell,
            "HEALTH": lambda s: health_cell(s.health),
            "SINCE !1": lambda s: cell(time_text(s.since)),
            "WHY ~12": lambda s: cell(without_place(s.why, s.target)),
            "DEPLOYED !3": lambda s: cell(time_text(s.deployment.effective_at) if s.deployment else ""),
            "HOW !2": lambda s: cell(s.deployment.kind if s.deployment else ""),
            "BY !4": lambda s: cell(s.deployment.actor if s.deployment else ""),
            "REGION !5": lambda s: cell(s.region),
            "PRODUCT !6": lambda s: cell(s.product),
            "UNIT !7": lambda s: cell(s.business_unit),
            "REASON ~8 !8": lambda s: cell(s.deployment.reason if s.deployment else ""),
        },
        key=lambda s: f"{s.model}/{s.target}",
        empty=_NO_TARGETS,
    )


def roll_back_lines(plan: Sequence[RollBackStep]) -> list[str]:
    """What a roll-back does on each target, how both versions were, and a warning about one that was no better."""
    lines = []
    for step in plan:
        lines.append(f"{step.target}: version {step.now} → version {step.then}, at once")
        lines += [f"   v{step.now} now: {step.now_record}"] if step.now_record else []
        lines += [f"   v{step.then} then: {step.then_record}"] if step.then_record else []
    bad = [step for step in plan if step.then_was_bad]
    if bad:
        where = ", ".join(f"v{step.then} on {step.target}" for step in bad[:3])
        more = f" and {len(bad) - 3:,} more" if len(bad) > 3 else ""
        lines = [f"▲ What it goes back to was not well when it was last live: {where}{more}.", "", *lines]
    return lines


def deployment_history_table(deployments: Sequence[Deployment], *, recorded: bool = False) -> Table:
    """Past and live deployments, in the order given, from and until when by the time in the targets' data; with ``recorded`` by
    the wall clock."""
    times: dict[str, Callable[[Deployment], Cell]] = {
        "SINCE (DATA)": lambda d: cell(time_text(d.effective_at)),
        "UNTIL (DATA)": lambda d: cell(time_text(d.ended_effective_at) if d.ended_effective_at else "live"),
    }
    if recorded:
        times = {
            "SINCE": lambda d: cell(time_text(d.recorded_at)),
            "UNTIL": lambda d: cell(time_text(d.ended_at) if d.ended_at else "live"),
        }
    record: dict[str, Callable[[Deployment], Cell]] = {
        "RECORDED !3": lambda d: cell(time_text(d.recorded_at))
    }
    return table_of(
        deployments,
        {
            "MODEL ~10-20": lambda d: cell(d.model),
            "TARGET": lambda d: cell(d.target, "strong"),
            ">VERSION": lambda d: cell(f"v{d.version}"),
            **times,
            "HOW": lambda d: cell(d.kind, "bad" if d.kind == "rollback" else ""),
            "BY !1": lambda d: cell(d.actor),
            "REASON ~8 !2": lambda d: cell(d.reason),
            **({} if recorded else record),
        },
        key=lambda d: d.id,
        empty="nothing has been deployed: request and approve a promotion first",
    )


def model_table(models: Sequence[Model], healths: Mapping[str, Health]) -> Table:
    """A row a model as applied; ``healths`` by its name."""
    return table_of(
        models,
        {
            "MODEL ~12-24": lambda m: cell(m.name, "strong"),
            "HEALTH": lambda m: health_cell(healths[m.name]) if m.name in healths else cell(""),
            "TASK": lambda m: cell(m.task),
            "OWNER ~8 !2": lambda m: cell(m.owner),
            ">CHAMPION": lambda m: cell(f"v{m.aliases['champion']}" if "champion" in m.aliases else ""),
            "TARGETS ~8-16": lambda m: cell(" ".join(m.targets)),
            "DESCRIPTION ~10 !3": lambda m: cell(m.description),
        },
        key=lambda m: m.name,
        empty=_NO_MODELS,
    )


def version_table(versions: Sequence[Version], metric: str) -> Table:
    """A row a version, newest first, with the primary metric on its own hold-out, and beside what was live on the same rows:
    the figures of two hold-outs cannot be compared."""
    beside: dict[str, Callable[[Version], Cell]] = {"ON SAME ROWS !1": _beside_live}
    compared = any(_comparisons(version) for version in versions)
    return table_of(
        versions,
        {
            ">VERSION": lambda v: cell(f"v{v.number}", "strong"),
            "STAGE": lambda v: stage_cell(v.standing.stage),
            f">{metric.upper()}": lambda v: cell(metric_cells(v.metric(metric))[0]),
            "95 % INTERVAL": lambda v: cell(metric_cells(v.metric(metric))[1], "dim"),
            **(beside if compared else {}),
            "LIVE ON ~8": lambda v: cell(" ".join(v.live_on), "good"),
            "ALIASES !3": lambda v: cell(" ".join(v.aliases)),
            "SINCE !4": lambda v: cell(time_text(v.standing.since)),
            "BY ~5 !5": lambda v: cell(v.standing.by),
            "CREATED !2": lambda v: cell(time_text(v.created_at)),
            "FAILED GATES ~12 !6": _failed_gates,
        },
        key=lambda v: v.number,
        empty="no versions yet: press t to train one",
        unordered=(
            metric.upper(),
            "95 % INTERVAL",
            "ON SAME ROWS",
            "LIVE ON",
            "ALIASES",
            "SINCE",
            "BY",
            "FAILED GATES",
        ),
    )


def _comparisons(version: Version) -> list[GateResult]:
    """Comparisons of a version with what was live that have figures."""
    return [g for g in version.gates if g.gate.startswith("comparison.") and "incumbent" in g.figures]


def _beside_live(version: Version) -> Cell:
    """``33.88, v1 46.91``: the figures of a version and of what was live, on the rows that neither was trained on."""
    compared = _comparisons(version)
    if not compared:
        return cell("")
    own = figure(compared[0].figures["candidate"])
    live = " ".join(
        f"{g.gate.removeprefix('comparison.')} {figure(g.figures['incumbent'])}" for g in compared
    )
    worse = any(gate.figures["difference"] < 0 for gate in compared)
    return cell(f"{own}, {live}", "warn" if worse else "")


_SERVING: dict[ServingState, tuple[str, Tone]] = {
    ServingState.ANSWERING: ("●", "good"),
    ServingState.REMOTE: ("◇", "info"),
    ServingState.LOADING: ("○", "info"),
    ServingState.DOWN: ("✖", "bad"),
    ServingState.FAILED: ("✖", "bad"),
    ServingState.NOT_RECORDED: ("◌", "dim"),
    ServingState.NOT_REPORTED: ("○", "dim"),
    ServingState.NOT_HEARD: ("?", "warn"),
}


def serving_text(state: TargetState) -> str:
    """``answering``, or ``failed: why``."""
    return f"{state.serving}: {state.serving_error}" if state.serving_error else str(state.serving)


def serving_cell(state: TargetState) -> Cell:
    """State of the target's serving process; an answering version other than the deployed one stands out."""
    text = safe(serving_text(state))
    live = state.deployment
    if state.serving is ServingState.ANSWERING and live and state.serving_version != live.version:
        return Cell(f"▲ still v{state.serving_version}", "warn")
    if not live and state.serving is ServingState.FAILED:
        return Cell(text, "dim")
    glyph, tone = _SERVING[state.serving]
    return Cell(f"{glyph} {text}", tone)


def counts_text(counts: Mapping[str, int]) -> str:
    """``✖1 ▲2 ●197``: the number of deployments by health, the worst first."""
    return " ".join(f"{HEALTH[Health(health)][0]}{count:,}" for health, count in counts.items())


def as_of(end: datetime | None) -> Cell:
    """Day at which the window of a figure ends: ``07-04``."""
    return cell(end.strftime("%m-%d") if end else "", "dim")


def _figure(value: float | None, of_then: bool) -> Cell:
    """The newest figure; one of the time before the version went live again is marked."""
    return Cell(f"{figure(value)} then", "dim") if of_then and value is not None else cell(figure(value))


def _live(state: TargetState) -> Cell:
    return cell(f"v{state.deployment.version}" if state.deployment else "")


def _drifted(state: TargetState | ModelOverview) -> Cell:
    """``3/12``: drifted features of all."""
    text = f"{state.drifted}/{state.features}" if state.features else ""
    return cell(text, "warn" if state.drifted else "")


def _failed_gates(version: Version) -> Cell:
    failed = ", ".join(gate.gate for gate in version.gates if gate.outcome is GateOutcome.FAILED)
    return cell(failed, "bad" if failed else "")


def _count(count: int, tone: Tone) -> Cell:
    return Cell(str(count), tone) if count else Cell("·", "dim")
