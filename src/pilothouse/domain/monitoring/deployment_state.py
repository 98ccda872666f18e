"""The state of a deployment: a model on a target. It is the worst of its grounds, each with its own date.

Nothing is healthy by default: a deployment is healthy where a window of its live version was judged, nothing in the newest
one lies beyond its reference, no alert is open, and its serving process answers. It is suspected where all that lies beyond
is a loss of performance that one window does not make certain.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pilothouse.domain.monitoring.findings import PerformanceFinding, Window
from pilothouse.domain.monitoring.incidents import CLASSES, JOINT
from pilothouse.domain.monitoring.monitoring import Health, ServingState, StateGround, Suspicion, TargetState
from pilothouse.domain.records import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The newest verdict of one monitor on the live version, and the windows that have had none since."""

    monitor: str
    window: Window | None
    """The newest window that was judged; None before the first."""
    beyond: str = ""
    """What lies beyond its reference in that window: ``2 of 12 features drifted``; empty where nothing does."""
    suspicion: Suspicion | None = None
    """Of a loss that one window alone does not make certain; None for what is certain, and where nothing is beyond."""
    alert_kinds: tuple[str, ...] = ()
    """Kinds of alert that say the same; an open one takes the place of this."""
    unjudged: int = 0
    lack: str = ""
    """What the newest window lacks, where that was not judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """Figure of the window that ended at ``end`` (days since 1970), of as many ``rows``."""

    end: float
    value: float
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The newest figures of the live version on a target, by the readings of its closed windows."""

    events: bool = False
    """True once a prediction of this version has come from there."""
    first_window: datetime | None = None
    """Event time at which the first window can be judged; None once one was closed."""
    performance: PerformanceFinding | None = None
    performance_window: Window | None = None
    drifted: int = 0
    features: int = 0
    blind: int = 0
    """Features of that window that cannot be judged, since a large change would not be found (``DriftFinding.blind``)."""
    blind_named: str = ""
    """The first of them: ``temp, pressure and 2 more``."""
    drift_window: Window | None = None
    p95_ms: float | None = None
    traffic_window: Window | None = None
    rows_last_window: int = 0
    last_event: datetime | None = None
    """Time of the newest event, as of when the state was written."""
    verdicts: tuple[Verdict, ...] = ()
    trend: tuple[TrendPoint, ...] = ()
    """The primary metric over the last windows."""
    drift_trend: tuple[TrendPoint, ...] = ()
    p95_trend: tuple[TrendPoint, ...] = ()

    def when(self, at: datetime) -> str:
        """``2013-05-08``; with the time of day where some window is shorter than a day: many end on one date."""
        windows = [verdict.window for verdict in self.verdicts if verdict.window is not None]
        is_day = all(window.end - window.start >= timedelta(days=1) for window in windows)
        return f"{at:%Y-%m-%d}" if is_day else f"{at:%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the state of a deployment follows from."""

    version: int | None
    """The live version; None where nothing is live."""
    since: datetime | None = None
    """Event time since which it is live."""
    was_live: bool = True
    """It was live here before that too."""
    serving: ServingState = ServingState.REMOTE
    answering: int | None = None
    """The version that the serving process has loaded."""
    reported_at: datetime | None = None
    cause: str = ""
    """Reason why the serving process does not start; empty where none is known."""
    end: str = ""
    """How the process that ran has ended (``signal 9``); empty where that is not known."""
    fault: str = ""
    """Reason why the live version could not be loaded."""
    failed_at: datetime | None = None
    alerts: Sequence[Alert] = ()
    """Alerts of the live version here that are not resolved."""
    silent: str = ""
    """The alert about a silence that a person has resolved though nothing has come since; empty otherwise."""
    resolved: Mapping[str, str] = field(default_factory=dict)
    """By kind of alert, the newest one of this deployment if a person has resolved it: ``alert 9 was resolved by petra on
    2026-11-26``."""
    figures: Figures = Figures()


_MONITORS = {
    "data_drift": "drift",
    "score_drift": "drift",
    "data_quality": "drift",
    "performance": "performance",
    "latency": "traffic",
    "errors": "traffic",
}
"""Monitor whose verdicts an alert of a kind is about; data quality is judged with drift."""
_JUDGING = ("drift", "performance")
"""Monitors that judge a model: its inputs, without which nothing is, and its performance."""


def grounds_of(facts: Facts) -> tuple[StateGround, ...]:
    """All grounds, the worst first; there is always one."""
    if facts.version is None:
        return (StateGround(Health.NOT_DEPLOYED, "nothing is deployed here"),)
    grounds = [
        *_of_serving(facts),
        *_of_alerts(facts),
        *_of_silence(facts),
        *_of_findings(facts),
        *_of_gaps(facts),
    ]
    if not grounds:
        grounds = [StateGround(Health.HEALTHY, _quiet(facts.figures), _newest(facts.figures))]
    return tuple(sorted(grounds, key=lambda ground: ground.health.rank))


def reason(grounds: Sequence[StateGround]) -> str:
    """The first ground in words, with what else there is: ``auc 0.60 on jfk (and 2 more)``."""
    remarkable = sum(ground.health is not Health.HEALTHY for ground in grounds)
    return grounds[0].text + (f" (and {remarkable - 1} more)" if remarkable > 1 else "")


def worst(parts: Iterable[tuple[Health, str, str]]) -> tuple[Health, str]:
    """The worst of (health, why, where). A part that is not deployed does not count unless there is nothing else."""
    worst_part = min(parts, key=lambda part: part[0].rank, default=None)
    if worst_part is None:
        return Health.NOT_DEPLOYED, "nothing is deployed"
    health, why, where = worst_part
    return health, why if health in (Health.HEALTHY, Health.NOT_DEPLOYED) else f"{where}: {why}"


WAS = "nothing watches: was"
"""Beginning of the reason of a deployment while nothing watches, before its health on record."""
PASSING = (Health.SUSPECTED, Health.HEALTHY)
"""Healths that nobody would hear the end of while nothing watches, the worse first."""


def as_known(health: Health, why: str, *, watched: bool) -> tuple[Health, str]:
    """Health and reason as they can be said of the present: what is healthy or suspected on record is not judged while nothing
    watches, because nobody would hear of its end."""
    if watched or health not in PASSING:
        return health, why
    return Health.NOT_JUDGED, f"{WAS} {health}, {why}"


def counts_as_known(counts: Mapping[Health, int], *, watched: bool) -> dict[Health, int]:
    """Number of deployments by health, the worst first, as it can be said of the present."""
    known: dict[Health, int] = {}
    for health, count in counts.items():
        shown, _ = as_known(health, "", watched=watched)
        known[shown] = known.get(shown, 0) + count
    return {health: known[health] for health in Health if health in known}


def model_as_known(
    health: Health, why: str, counts: Mapping[Health, int], *, watched: bool
) -> tuple[Health, str]:
    """Health and reason of a model with so many deployments by health, as they can be said of the present."""
    passing = {passing: counts[passing] for passing in PASSING if counts.get(passing)}
    if watched or not passing or health is not Health.NO_DATA:
        return as_known(health, why, watched=watched)
    before = " and ".join(f"{passing} on {count:,}" for passing, count in passing.items())
    return Health.NOT_JUDGED, f"{WAS} {before} of its targets; {why}"


def state_as_known(state: TargetState, *, watched: bool) -> TargetState:
    """State of a deployment as it can be said of the present; no process is said to answer while nothing watches."""
    if watched:
        return state
    health, why = as_known(state.health, state.why, watched=watched)
    grounds = [(as_known(g.health, g.text, watched=watched), g.at) for g in state.grounds]
    return replace(
        state,
        health=health,
        why=why,
        grounds=tuple(StateGround(*known, at) for known, at in grounds),
        serving=ServingState.NOT_HEARD if state.serving in HEARD else state.serving,
    )


HEARD = (ServingState.ANSWERING, ServingState.LOADING)
"""States of a serving process that has been heard of."""


LONGEST_PAUSE_S = 30.0
"""Seconds after which a process that does not start is tried again at the latest."""


def is_of_then(window: Window | None, since: datetime | None) -> bool:
    """True for a figure of a window that ended before the deployment began: it is the version's record, not the present."""
    return window is not None and since is not None and window.end <= since


def _then(facts: Facts) -> str:
    """How a figure of before the deployment began is dated: by when the version was live before, where it was."""
    return f"when v{facts.version} was live before" if facts.was_live else "by rows of before it went live"


def outage_text(cause: str, end: str) -> str:
    """``its process does not start: …``, ``its process has ended (signal 9)``; empty where neither is known."""
    if cause:
        return f"its process does not start: {cause}"
    return f"its process has ended ({end})" if end else ""


def _of_serving(facts: Facts) -> Iterator[StateGround]:
    if facts.serving is ServingState.DOWN:
        last = f" since {facts.reported_at:%Y-%m-%d %H:%M}" if facts.reported_at else ""
        why = outage_text(facts.cause, facts.end) or f"no word of its process{last}"
        if facts.cause:
            why += f"; tried again within {LONGEST_PAUSE_S:g} s"
        yield StateGround(Health.DOWN, f"answers nothing: {why}", facts.reported_at)
    elif facts.serving is ServingState.NOT_HEARD:
        last = f", last of {facts.reported_at:%Y-%m-%d %H:%M}" if facts.reported_at else ""
        yield StateGround(
            Health.NOT_JUDGED, f"no word of its process since the daemon started{last}", facts.reported_at
        )
    elif facts.serving is ServingState.FAILED:
        failed = f"v{facts.version} cannot be loaded: {facts.fault}"
        if facts.answering is None:
            yield StateGround(Health.DOWN, f"answers nothing: {failed}", facts.failed_at)
        else:
            yield StateGround(Health.DEGRADED, f"{failed}; v{facts.answering} answers", facts.failed_at)


def _of_alerts(facts: Facts) -> Iterator[StateGround]:
    for alert in sorted(facts.alerts, key=lambda alert: (alert.severity != "critical", alert.id)):
        if alert.kind == "silence":
            last = facts.figures.last_event
            again = "; some have come since, not yet for as long as ends the alert"
            is_over = last is not None and last > alert.effective_at
            yield StateGround(
                Health.NO_TRAFFIC, f"{alert.summary}{again if is_over else ''}", alert.effective_at
            )
        else:
            health = Health.CRITICAL if alert.severity == "critical" else Health.DEGRADED
            yield StateGround(health, _of_alert(alert, facts), alert.effective_at)


def _of_alert(alert: Alert, facts: Facts) -> str:
    """What an alert is about, by the newest window that was judged since it opened; by the one that opened it otherwise."""
    newest = _judged_since(alert, facts)
    if newest is None or newest.window is None:
        return f"{alert.summary} ({_when(alert, facts)})"
    end = f"to {facts.figures.when(newest.window.end)}"
    if newest.beyond:
        then = f", {_then(facts)}" if is_of_then(newest.window, facts.since) else ""
        return f"{newest.beyond} in the window {end}{then}"
    return f"{alert.summary} ({_when(alert, facts)}), quiet in the window {end}"


def _judged_since(alert: Alert, facts: Facts) -> Verdict | None:
    """Verdict of the alert's monitor on a window that ended after the alert's own: the one of its kind where something lies
    beyond its reference. No window is older than that of an alert that was opened again, which is dated by that."""
    is_again = alert.effective_at == facts.since
    monitor = {JOINT: JOINT, CLASSES: ""}.get(alert.subject, _MONITORS.get(alert.kind))
    since = [
        verdict
        for verdict in facts.figures.verdicts
        if verdict.monitor == monitor
        and verdict.window is not None
        and (is_again or verdict.window.end > alert.effective_at)
    ]
    of_kind = (verdict for verdict in since if verdict.beyond and alert.kind in verdict.alert_kinds)
    return next(of_kind, None) or next((replace(verdict, beyond="") for verdict in since), None)


def _when(alert: Alert, facts: Facts) -> str:
    """When an alert's figures are of. One that was opened again is dated by that, and its window ended before."""
    end = f"to {facts.figures.when(alert.effective_at)}"
    if facts.since is None or alert.effective_at > facts.since:
        return end
    before = _then(facts)
    return before if alert.effective_at == facts.since else f"{end}, {before}"


def _of_silence(facts: Facts) -> Iterator[StateGround]:
    last = facts.figures.last_event
    if facts.silent and last is not None:
        text = f"no event since {last:%Y-%m-%d %H:%M}, though {facts.silent}"
        yield StateGround(Health.NO_TRAFFIC, text, last)


def _of_findings(facts: Facts) -> Iterator[StateGround]:
    told = {alert.kind for alert in facts.alerts}
    for verdict in facts.figures.verdicts:
        if verdict.window is None or not verdict.beyond or told.intersection(verdict.alert_kinds):
            continue
        end = f"in the window to {facts.figures.when(verdict.window.end)}"
        then = f", {_then(facts)}" if is_of_then(verdict.window, facts.since) else ""
        resolved = next((facts.resolved[k] for k in verdict.alert_kinds if k in facts.resolved), "")
        though = f", though {resolved}" if resolved else ""
        text = f"{verdict.beyond} {end}{then}"
        if verdict.suspicion is not None:
            suspicion = replace(verdict.suspicion, next_at=None) if then else verdict.suspicion
            text = f"{suspicion_text(suspicion, facts.figures.when)}: {text}"
            yield StateGround(Health.SUSPECTED, text, verdict.window.end)
        else:
            yield StateGround(Health.DEGRADED, f"{text}{though}", verdict.window.end)


def suspicion_text(suspicion: Suspicion, when: Callable[[datetime], str]) -> str:
    """``below its reference, one more window decides on 2013-11-05``."""
    side = "below" if suspicion.below else "above"
    on = f" on {when(suspicion.next_at)}" if suspicion.next_at is not None else ""
    if suspicion.wanted == 1:
        return f"{side} its reference, one more window decides{on}"
    next_one = f", the next{on}" if on else ""
    return f"{side} its reference, {suspicion.wanted} more windows decide{next_one}"


def _of_gaps(facts: Facts) -> Iterator[StateGround]:
    """Grounds of what has not been judged: the inputs always, performance where its outcomes came; traffic judges no model."""
    figures = facts.figures
    if not figures.events:
        silent = ", and no process has reported" if facts.serving is ServingState.NOT_REPORTED else ""
        text = f"no prediction of v{facts.version} has come yet{silent}"
        yield StateGround(Health.NO_DATA, text, facts.since)
        return
    judged = [v for v in figures.verdicts if v.monitor in _JUDGING and v.window is not None]
    lacking = [v for v in figures.verdicts if v.monitor == _JUDGING[0] and v.lack]
    if not judged and not lacking:
        until = (
            f": its first window ends {figures.first_window:%Y-%m-%d %H:%M}" if figures.first_window else ""
        )
        yield StateGround(Health.NOT_JUDGED, f"no window is closed yet{until}", facts.since)
    elif lacking:
        verdict = lacking[0]
        last = f"; last judged to {figures.when(verdict.window.end)}" if verdict.window else ""
        yield StateGround(
            Health.NOT_JUDGED, f"{verdict.lack}{last}", verdict.window.end if verdict.window else None
        )
    elif all(is_of_then(verdict.window, facts.since) for verdict in judged):
        newest = max(verdict.window.end for verdict in judged if verdict.window)
        text = f"no window since v{facts.version} went live; last judged to {figures.when(newest)}"
        yield StateGround(Health.NOT_JUDGED, text, newest)
    elif 2 * figures.blind > figures.features:
        yield StateGround(Health.NOT_JUDGED, blind_text(figures), _newest(figures))


def blind_text(figures: Figures) -> str:
    """``3 of 12 features not judged: they vary too much by themselves (temp, dewp and 1 more)``; empty where all are judged."""
    if not figures.blind:
        return ""
    vary = "it varies too much by itself" if figures.blind == 1 else "they vary too much by themselves"
    return f"{figures.blind} of {figures.features} features not judged: {vary} ({figures.blind_named})"


def _quiet(figures: Figures) -> str:
    """Text of a healthy deployment: to when it was judged, and what was not judged."""
    newest = _newest(figures)
    parts = [f"within its reference to {figures.when(newest)}" if newest else "within its reference"]
    parts += [
        f"{v.monitor} not judged: {v.lack}" for v in figures.verdicts if v.lack and v.monitor != _JUDGING[0]
    ]
    return "; ".join([*parts, *filter(None, [blind_text(figures)])])


def _newest(figures: Figures) -> datetime | None:
    judging = (v.window for v in figures.verdicts if v.monitor in _JUDGING)
    return max((window.end for window in judging if window is not None), default=None)
