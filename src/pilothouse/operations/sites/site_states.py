"""What this workspace says of itself: figures for a tile, and the items of the lists, for whoever may read."""

from collections.abc import Iterator

from pilothouse import __version__
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.promotion.request_rules import state_of
from pilothouse.domain.records import AlertStatus
from pilothouse.domain.registered import Target
from pilothouse.domain.rollouts.rollout import PlaceState
from pilothouse.domain.sites.answers import MOST_ITEMS, UNHEALTHY, SiteAnswer, SiteFigures, SiteItem
from pilothouse.operations import automation_switch, listings
from pilothouse.operations.alerts import alerts
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet import health, targets
from pilothouse.operations.identity import idle_lock
from pilothouse.operations.promotion import request_lists
from pilothouse.operations.rollouts import views
from pilothouse.operations.services import Services
from pilothouse.operations.sites import following
from pilothouse.store import workspace
from pilothouse.store.log import audit
from pilothouse.store.migrations import SCHEMA
from pilothouse.system.leader import leader
from pilothouse.system.workspace_place import instance_of

_LONGEST = 200
_MOST_LABELS = 20


def answer(services: Services, actor: Actor) -> SiteAnswer:
    """Figures and items of the present. Raises NotAllowedError."""
    rows, requests, jobs = _items(services, actor)
    return SiteAnswer(
        schema=SCHEMA.version,
        knows=SCHEMA.version,
        release=__version__,
        actor=f"{actor.name} ({actor.role_names})",
        figures=_figures(services, actor, requests=requests, jobs=jobs),
        items=tuple(rows),
        followed=following.states(services, actor),
        instance=instance_of(services.paths.state),
        daemon=leader(services.paths.daemon_lock) is not None,
        idle_lock_s=idle_lock.seconds(services) or 0,
    )


def figures(services: Services, actor: Actor) -> SiteFigures:
    """Figures alone. Raises NotAllowedError."""
    requests, _ = request_lists.requests_page(services, actor, Query(after=0, where=_OPEN))
    jobs = listings.jobs_page(services, actor, Query(after=0, where=_RUNNING))
    return _figures(services, actor, requests=requests.total or 0, jobs=jobs.total or 0)


def _figures(services: Services, actor: Actor, *, requests: int, jobs: int) -> SiteFigures:
    watch = health.watch(services, actor)
    models = health.health_of_models(services, actor)
    paused = automation_switch.status(services, actor)
    mark = services.write_guard.state()
    with reading(services, actor) as connection:
        head, identity = audit.head(connection), workspace.identity(connection)
    return SiteFigures(
        made_at=services.now(),
        release=__version__,
        health=next(iter(models.values()), Health.NOT_DEPLOYED),
        models=len(models),
        deployments=sum(watch.counts.values()) - watch.counts.get(Health.NOT_DEPLOYED, 0),
        unhealthy=sum(watch.counts.get(one, 0) for one in UNHEALTHY),
        alerts=alerts.count_alerts(services, actor, unresolved=True),
        requests=requests,
        jobs=jobs,
        unwatched=watch.unwatched,
        frozen=one_line(mark.message, _LONGEST) if mark is not None else "",
        paused=one_line(f"by {paused.actor}: {paused.reason}", _LONGEST) if paused.paused else "",
        schema=SCHEMA.version,
        log_size=head.count,
        log_hash=head.hash,
        identity=identity,
    )


_RUNNING = (("status", "running"),)
_OPEN = (*request_lists.OPEN, ("status", "open"))
"""Requests that can be decided: not those that are outdated or have expired."""


def _items(services: Services, actor: Actor) -> tuple[list[SiteItem], int, int]:
    """Items of every kind; how many requests are open and how many jobs run in all."""
    now = services.now()
    deployments = health.states_page(services, actor, Query(after=MOST_ITEMS))
    open_requests, mine = request_lists.requests_page(services, actor, Query(after=MOST_ITEMS, where=_OPEN))
    jobs = listings.jobs_page(services, actor, Query(after=MOST_ITEMS, where=_RUNNING))
    labels = {one.name: _labels(one) for one in targets.list_targets(services, actor)}

    def made() -> Iterator[SiteItem]:
        for state in deployments.rows:
            version = f"/{state.deployment.version}" if state.deployment else ""
            yield SiteItem(
                kind="deployment",
                key=f"{state.model} {state.target}",
                state=str(state.health),
                subject=f"{state.model}{version} on {state.target}",
                text=_cut(state.why),
                at=state.since,
                pin=version.removeprefix("/"),
                labels=labels.get(state.target, ()),
            )
        for request in open_requests.rows:
            yield SiteItem(
                kind="request",
                key=str(request.id),
                state=str(state_of(request, now)),
                subject=f"{request.model}/{request.version} for {', '.join(request.targets[:3])}"
                + (f" +{len(request.targets) - 3}" if len(request.targets) > 3 else ""),
                text=_cut(f"by {request.requested_by}: {request.reason}"),
                at=request.recorded_at,
                mine=request.id in mine,
                pin=request.shown_digest,
                labels=_shared([labels.get(target, ()) for target in request.targets]),
            )
        for job in jobs.rows:
            yield SiteItem(
                kind="job",
                key=str(job.id),
                state=f"{job.status} {job.progress:.0%}",
                subject=f"{job.kind} {job.model}",
                text=_cut(" ".join(filter(None, (job.step, job.message)))),
                at=job.started_at or job.created_at,
            )
        for alert in alerts.list_alerts(services, actor, unresolved=True, limit=MOST_ITEMS):
            yield SiteItem(
                kind="alert",
                key=str(alert.id),
                state=f"{alert.severity}, {alert.status}"
                if alert.status is not AlertStatus.OPEN
                else alert.severity,
                subject=f"{alert.model}/{alert.version} on {alert.target}",
                text=_cut(f"{alert.kind}: {alert.summary}"),
                at=alert.recorded_at,
                labels=labels.get(alert.target, ()),
            )
        for rollout in views.list_rollouts(services, actor, unfinished=True, limit=MOST_ITEMS):
            live = sum(one.state is PlaceState.LIVE for one in rollout.targets)
            yield SiteItem(
                kind="rollout",
                key=str(rollout.id),
                state=str(rollout.state),
                subject=f"{rollout.uri} live on {live} of {len(rollout.targets)}",
                text=_cut("; ".join(filter(None, (rollout.why, rollout.place_text)))),
                at=rollout.entered_at or rollout.recorded_at,
                labels=_shared([labels.get(one.target, ()) for one in rollout.targets]),
            )

    return list(made()), open_requests.total or 0, jobs.total or 0


def _labels(target: Target) -> tuple[tuple[str, str], ...]:
    own = {
        "target": target.name,
        "region": target.region,
        "product": target.product,
        "unit": target.business_unit,
        "environment": target.environment,
    }
    named = {**target.labels, **own}
    return tuple((key, _cut(text)) for key, text in list(named.items())[-_MOST_LABELS:] if text)


def _shared(found: list[tuple[tuple[str, str], ...]]) -> tuple[tuple[str, str], ...]:
    """Labels of several targets together, each with all its values."""
    values: dict[str, dict[str, None]] = {}
    for labels in found:
        for key, text in labels:
            values.setdefault(key, {})[text] = None
    return tuple((key, _cut(" ".join(texts))) for key, texts in list(values.items())[:_MOST_LABELS])


def _cut(text: str) -> str:
    return one_line(text, _LONGEST)
