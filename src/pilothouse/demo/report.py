"""The demo's report: every figure is read from the store, and each promise of the story is checked against it."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import click

from pilothouse.demo import steps
from pilothouse.demo.replay import Tally
from pilothouse.demo.steps import Demo
from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.replays import TrafficReplay, check_text, read_replay
from pilothouse.domain.models.model_spec import METRICS
from pilothouse.domain.monitoring.incidents import ROLLOUT
from pilothouse.domain.records import Deployment, Job, RequestStatus, VersionStatus
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations import catalogue
from pilothouse.operations.alerts import alerts
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import views
from pilothouse.operations.workspace import audits
from pilothouse.presentation.cells import cell
from pilothouse.presentation.tables.table import Column, Row, Table, plain_lines

_WIDTH = 160


@dataclass(frozen=True)
class Check:
    """One promise of the story, and whether the store bears it out."""

    promise: str
    kept: bool
    found: str
    comes_later: bool = False
    """Whether it may lack nothing but days that were not replayed."""
    reached: bool = True
    """Whether the replay went far enough for it; a promise that was not reached is neither kept nor broken."""


def deliver(demo: Demo, tally: Tally, drill: Rollout | None, cut: date | None, *, as_json: bool) -> int:
    """Score old against new, print the report, and return 0 if every promise was kept, else 1.

    ``drill``: roll-out of the version that was made worse; ``cut``: the day at which the replay ended before the story did:
    some promises cannot have come true by then.
    """
    figures = gather(demo, tally)
    checks = [judged(check, cut) for check in examine(demo, figures, tally, drill)]
    figures["checks"] = [asdict(check) for check in checks]
    figures["seconds"] = round(demo.progress.seconds, 1)
    if as_json:
        click.echo(json.dumps(figures, indent=2))
    else:
        _print(demo, figures, checks)
    return 0 if all(check.kept for check in checks) else 1


def gather(demo: Demo, tally: Tally) -> dict[str, Any]:
    """The figures of the report. ``requests_sent`` counts rows that were answered, as ``events_stored`` does."""
    services, reader = demo.services, demo.approver
    models = catalogue.list_models(services, reader)
    versions = [v for model in models for v in catalogue.list_versions(services, reader, model.name)]
    totals = ingest.totals(services, reader)
    try:
        head = audits.verify(services, reader)
        verified, entries = True, head.count
    except IntegrityError:
        verified, entries = False, 0
    out = views.list_rollouts(services, reader)
    targets: dict[str, Any] = {}
    for model in models:
        targets.update(_old_against_new(demo, model.name))
    return {
        "workspace": str(services.paths.root),
        "requests_sent": tally.rows,
        "http_requests_sent": tally.requests,
        "rows_asked_again": tally.asked_again,
        "events_stored": totals.events,
        "outcomes_sent": tally.outcomes,
        "labels_joined": totals.labels,
        "events_rejected": totals.rejected,
        "alerts_opened": len(alerts.list_alerts(services, reader)),
        "versions_registered": len(versions),
        "candidates_refused": sum(v.status is VersionStatus.REFUSED for v in versions),
        "promotions_approved": sum(
            len(promotions.list_requests(services, reader, status=status))
            for status in (RequestStatus.APPROVED, RequestStatus.DEPLOYED)
        ),
        "retrainings": sum(
            job.created_by == "daemon" and job.kind == "train" and job.status is JobStatus.SUCCEEDED
            for job in jobs.list_jobs(services, reader, limit=500)
        ),
        "replays": len(_replays(demo)),
        "rollouts_completed": sum(one.state is RolloutState.COMPLETED for one in out),
        "rollouts_rolled_back": sum(one.state is RolloutState.ROLLED_BACK for one in out),
        "reproduced": [
            version_uri(job.model, job.version or 0)
            for job in jobs.list_jobs(services, reader, limit=500)
            if job.kind == "reproduce" and job.result.get("identical") is True
        ],
        "audit_verified": verified,
        "audit_entries": entries,
        "targets": targets,
    }


def examine(demo: Demo, figures: dict[str, Any], tally: Tally, drill: Rollout | None) -> list[Check]:
    """Hold what the store says against what the story promises."""
    watched = sum(alert.kind != ROLLOUT for alert in alerts.list_alerts(demo.services, demo.approver))
    checks = [
        Check("every answered row is stored, once",
              tally.rows <= figures["events_stored"] <= tally.rows + tally.asked_again,
              f"{figures['events_stored']:,} stored, {tally.rows:,} answered"
              + (f", {tally.asked_again:,} asked again" if tally.asked_again else "")),
        Check("every outcome found its prediction", figures["labels_joined"] == tally.outcomes,
              f"{figures['labels_joined']:,} joined, {tally.outcomes:,} sent"),
        Check("a bad candidate was refused by a gate", figures["candidates_refused"] >= 1,
              f"{figures['candidates_refused']} refused"),
        Check("the audit log is whole", figures["audit_verified"], f"{figures['audit_entries']} entries"),
        Check("a version was trained again to the same", bool(figures["reproduced"]),
              ", ".join(figures["reproduced"]) or "none"),
        _replay_check(demo),
        _staged_check(demo),
        drill_check(demo, drill),
        Check("alerts opened", watched >= 1, f"{watched} opened by monitors", comes_later=True),
    ]  # fmt: skip
    for model in catalogue.list_models(demo.services, demo.approver):
        live = steps.live_versions(demo, model.name)
        targets = {name: row for name, row in figures["targets"].items() if row["model"] == model.name}
        checks.append(
            Check(f"{model.name} was retrained, approved and rolled out", all(v > 1 for v in live.values()) and bool(live),
                  ", ".join(f"{target} {number}" for target, number in live.items()), comes_later=True)
        )  # fmt: skip
        metric = catalogue.primary_metric(demo.services, demo.approver, model.name)
        gain = math.fsum(_gain(row, metric) * row["rows"] for row in targets.values())
        checks.append(
            Check(f"{model.name}: the retrained version does better on the rows that came after", gain > 0,
                  ", ".join(_comparison(name, row, metric) for name, row in targets.items()) or "nothing to compare",
                  comes_later=not targets)
        )  # fmt: skip
    return checks


def _replays(demo: Demo) -> list[TrafficReplay]:
    """Replays that came to their end, newest first."""
    listed = jobs.list_jobs(demo.services, demo.approver, limit=500)
    return [replay for job in listed if (replay := read_replay(job.result)) is not None]


def _replay_check(demo: Demo) -> Check:
    found = _replays(demo)
    equal = bool(found) and all(one.found.check.rows == one.found.check.equal for one in found)
    return Check(
        "recorded traffic was replayed, and the champion answered as it did then",
        equal,
        "; ".join(check_text(one) for one in found) or "none",
    )


def _staged_check(demo: Demo) -> Check:
    """Whether each retrained version with a completed roll-out was replayed before, tried in the shadow, live wave by wave."""
    promise = "a retrained version was replayed, tried in the shadow, and went live in waves"
    done = [
        one
        for one in views.list_rollouts(demo.services, demo.approver)
        if one.state is RolloutState.COMPLETED and any(place.before is not None for place in one.targets)
    ]
    told, kept = [], bool(done)
    for one in done:
        request = promotions.get_request(demo.services, demo.approver, one.request_id)
        events = views.show_rollout(demo.services, demo.approver, one.id).events
        entered = [event.figures["state"] for event in events if event.what == "entered"]
        passed = next((event.text for event in events if event.what == "passed"), "")
        kept = (
            kept and "replays" in request.evidence and entered == ["shadow", *["live"] * len(one.plan.waves)]
        )
        told.append(f"{one.uri} in roll-out {one.id}: {passed}")
    return Check(promise, kept, "; ".join(told) or "none", comes_later=not done)


def drill_check(demo: Demo, drill: Rollout | None) -> Check:
    """The promise of the drill; of a replay that was cut short its roll-out may have ended otherwise."""
    promise = "a version that was made worse on purpose came back by itself, and was live nowhere"
    if drill is None:
        return Check(promise, False, "no drill", comes_later=True)
    history = deployments.list_deployments(demo.services, demo.approver, model=drill.model, live_only=False)
    live = [one.target for one in history if one.version == drill.version]
    events = views.show_rollout(demo.services, demo.approver, drill.id).events
    by_harm = [event for event in events if event.figures.get("found") == "harm"]
    return Check(
        promise,
        drill.state is RolloutState.ROLLED_BACK and bool(by_harm) and not live,
        f"{drill.uri} in roll-out {drill.id}: {drill.state}, {drill.why}",
        comes_later=True,  # the story has its drill at its end: before that, what it spoils may do no worse than what is live
    )


def judged(check: Check, cut: date | None) -> Check:
    """The check, said to be not reached where it lacks what may come in the story after the replay's end."""
    if check.kept or not check.comes_later or cut is None:
        return check
    return replace(check, reached=False, found=f"not reached by --until {cut}: {check.found}")


def reproduction_text(job: Job) -> str:
    """``identical``, or what differs."""
    if job.result.get("identical"):
        return "identical (same data, code and parameters; predictions equal bit for bit)"
    return "not identical: " + "; ".join(job.result.get("differences", ["no figures"]))


def _old_against_new(demo: Demo, model: str) -> dict[str, Any]:
    """Per target: the first version and the first retrained one, scored on the rows that came after the latter went live."""
    scores: dict[str, Any] = {}
    history = deployments.list_deployments(demo.services, demo.approver, model=model, live_only=False)
    metric = catalogue.primary_metric(demo.services, demo.approver, model)
    for target in sorted({d.target for d in history}):
        deployed = sorted((d for d in history if d.target == target), key=lambda d: d.id)
        second = next((d for d in deployed if d.version != deployed[0].version), None)
        if second is not None:
            scores[target] = {"model": model, **_score(demo, metric, deployed[0], second)}
    return scores


def _score(demo: Demo, metric: str, old: Deployment, new: Deployment) -> dict[str, Any]:
    view = monitor_views.monitor_view(
        demo.services, demo.approver, old.model, old.target, version=old.version
    )
    job = trainings.start_backtest(
        demo.services,
        demo.approver,
        old.model,
        [old.version, new.version],
        trainings.BacktestOptions(since=new.effective_at, target=old.target),
        reason="old against new on the rows since",
    )
    scores = steps.wait_for_job(demo, job).result["metrics"]
    value = {
        number: next(m for m in values if m["metric"] == metric and not m["slice"])
        for number, values in scores.items()
    }
    if view.reference is None:
        raise UnavailableError(f"{old.model} on {old.target}: version {old.version} has no reference")
    return {
        f"{metric}_reference": view.reference.value,
        f"{metric}_old_version": value[str(old.version)]["value"],
        f"{metric}_new_version": value[str(new.version)]["value"],
        "old_version": old.version,
        "new_version": new.version,
        "rows": value[str(new.version)]["rows"],
        "since": new.effective_at.isoformat(),
    }


def _gain(row: dict[str, Any], metric: str) -> float:
    """Gain of the new version over the old; below 0 where it is worse."""
    difference: float = row[f"{metric}_new_version"] - row[f"{metric}_old_version"]
    return difference if METRICS[metric][0] == "higher" else -difference


def _comparison(target: str, row: dict[str, Any], metric: str) -> str:
    return f"{target} {row[f'{metric}_old_version']:.3f} → {row[f'{metric}_new_version']:.3f}"


def _print(demo: Demo, figures: dict[str, Any], checks: list[Check]) -> None:
    from pilothouse.demo import charts

    click.echo()
    for line in charts.performance_by_week(demo, colour=sys.stdout.isatty()):
        click.echo(line)
    click.echo()
    rows = []
    for target, row in figures["targets"].items():
        metric = next(key.removesuffix("_reference") for key in row if key.endswith("_reference"))
        rows.append(
            (row["model"], target, metric, f"{row[f'{metric}_reference']:.3f}", f"{row[f'{metric}_old_version']:.3f}",
             f"{row[f'{metric}_new_version']:.3f}", f"{row['rows']:,}", row["since"][:10])
        )  # fmt: skip
    _show(("model", "target", "metric", "reference", "old version", "new version", "rows", "since"), rows)
    names = [
        (name.replace("_", " "), value)
        for name, value in figures.items()
        if isinstance(value, int | float | str)
    ]
    _show(("figure", "value"), names)
    _show(("", "promise", "found"), [(_mark(c), c.promise, c.found) for c in checks])


def _mark(check: Check) -> str:
    return "✓" if check.kept else "✗" if check.reached else "–"


def _show(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    columns = tuple(Column(header.upper()) for header in headers)
    body = tuple(Row(str(i), tuple(cell(value) for value in row)) for i, row in enumerate(rows))
    for line in plain_lines(Table(columns, body), _WIDTH):
        click.echo(line)
    click.echo()
