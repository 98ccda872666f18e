"""Incidents: alerts that have one cause are one row. Which alerts belong together, and what to call it.

The rules look at an alert and at one that is in an incident already; the first that holds joins the two and says why. They
look at nothing else (no clock, nothing random), so the same alerts always make the same incidents.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.records import Alert, AlertStatus

DATA = frozenset({"data_quality", "data_drift", "score_drift", "performance"})
"""Kinds that can be one story of one version: faulty values drift, drift moves the scores, and the metric falls."""
ROLLOUT = "rollout"
"""Kind of the alert that a roll-out opens which went back."""
SERVING = frozenset({"latency", "errors", "silence"})
"""Kinds that are about answering, whatever the data say."""
JOINT = "multivariate"
"""The subject of a data drift that several features show together and the domain classifier found."""
CLASSES = "classes"
"""Subject of alerts about classes of outcomes."""
SILENT_TOGETHER = timedelta(hours=1)
"""Targets that fall silent within this time of each other have one cause."""

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Joining:
    """Reason why an alert joins an incident: ``strength`` (0 is strongest) decides between incidents, ``because`` is stored."""

    strength: int
    because: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an incident. Lower ``tier`` first, within it more ``weight``; ``words`` are the text for an operator."""

    tier: int
    weight: float
    words: str

    @property
    def rank(self) -> tuple[int, float]:
        """Key that sorts the dearest first."""
        return (self.tier, -self.weight)


@dataclass(frozen=True, slots=True)
class Incident:
    """Alerts with one cause, in the order in which they opened. Its state is theirs.

    ``cost``: by the newest figures while it goes on; then, and in the list of all, the most that it was judged to cost.
    """

    id: int
    model: str
    recorded_at: datetime
    assignee: str
    alerts: tuple[Alert, ...]
    cost: Cost

    @property
    def unresolved(self) -> tuple[Alert, ...]:
        return tuple(a for a in self.alerts if a.status is not AlertStatus.RESOLVED)

    @property
    def status(self) -> AlertStatus:
        return status_of(self.alerts)

    @property
    def severity(self) -> str:
        """Worst severity of the alerts that are not resolved; of all, once there are none."""
        return "critical" if any(a.severity == "critical" for a in self.telling) else "warning"

    @property
    def telling(self) -> tuple[Alert, ...]:
        return telling(self.alerts)

    @property
    def since(self) -> datetime:
        """Event time at which it began: the end of the first window that fired."""
        return min(a.effective_at for a in self.alerts)

    @property
    def resolved_at(self) -> datetime | None:
        """Time at which its last alert was resolved."""
        ends = [a.resolved_at for a in self.alerts]
        return None if None in ends else max(end for end in ends if end is not None)

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets of these alerts."""
        return tuple(dict.fromkeys(a.target for a in self.telling))

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions of these alerts."""
        return tuple(dict.fromkeys(a.version for a in self.telling))

    @property
    def retrainings(self) -> tuple[int, ...]:
        """The trainings that its alerts started, each once however many alerts asked for it."""
        return tuple(sorted({a.retrain_job for a in self.alerts if a.retrain_job is not None}))

    @property
    def cause(self) -> str:
        """Cause as a short text."""
        return cause_text(self.telling)


def status_of(alerts: Iterable[Alert]) -> AlertStatus:
    """Status of an incident: open while one of its alerts is, acknowledged while one is, then resolved."""
    return min((a.status for a in alerts), key=list(AlertStatus).index)


def telling(alerts: Sequence[Alert]) -> tuple[Alert, ...]:
    """Alerts that describe an incident: those that are not resolved, or all once there are none."""
    return tuple(a for a in alerts if a.status is not AlertStatus.RESOLVED) or tuple(alerts)


def by_cost(incidents: Iterable[Incident]) -> list[Incident]:
    """Incidents that go on first, the dearest first, then the oldest; those that are over last, newest first."""
    incidents = list(incidents)
    going_on = [i for i in incidents if i.status is not AlertStatus.RESOLVED]
    over = [i for i in incidents if i.status is AlertStatus.RESOLVED]
    return sorted(going_on, key=lambda i: (i.cost.rank, i.id)) + sorted(over, key=lambda i: -i.id)


def why_joined(new: Alert, member: Alert, reach: timedelta) -> Joining | None:
    """Reason why an alert has the same cause as one in an open incident; None where nothing says so.

    ``reach`` is how far apart, in event time, the ends of two windows may lie that look at the same days: the longest window
    of the model and the delay of its outcomes. On one target it does not matter: what an open alert found is still significant.
    """
    if new.model != member.model:
        return None
    here = new.target == member.target
    if ROLLOUT in (new.kind, member.kind):
        same = here and new.version == member.version and new.kind != member.kind
        return Joining(0, f"the roll-out of version {new.version} went back because of it") if same else None
    if {new.kind, member.kind} <= SERVING:
        return _serving(new, member, here)
    if not {new.kind, member.kind} <= DATA or new.version != member.version:
        return None
    if here:
        return Joining(0, _on_one_target(new, member))
    if abs(new.effective_at - member.effective_at) > reach:
        return None
    shared = [name for name in new.features if name in member.features]
    if shared:
        return Joining(
            1,
            f"{_listed(shared)} {_moved(shared, new)} on {new.target} as on {member.target}: one cause upstream",
        )
    if new.kind == member.kind and new.kind in ("performance", "score_drift"):
        loss = "performance is lost" if new.kind == "performance" else "the scores drift"
        return Joining(
            2, f"{loss} by version {new.version} on {new.target} as on {member.target}, in the same weeks"
        )
    return None


def _on_one_target(new: Alert, member: Alert) -> str:
    """The strongest link there is between two findings about one version on one target."""
    deployment = f"version {new.version} on {new.target}"
    shared = [name for name in new.features if name in member.features]
    kinds = {new.kind, member.kind}
    if shared and kinds == {"data_quality", "data_drift"}:
        verbs = ("is", "drifts") if len(shared) == 1 else ("are", "drift")
        return f"{_listed(shared)} {verbs[0]} faulty and so {verbs[1]}: {deployment}"
    if "performance" in kinds and len(kinds) == 2:
        other = next(kind for kind in kinds if kind != "performance")
        return f"{deployment} loses performance while {_HAPPENS[other]}"
    if len(kinds) == 2:
        return f"{_HAPPENS[member.kind]} and {_HAPPENS[new.kind]}: {deployment}"
    return f"the same kind of finding about {deployment}"


_HAPPENS = {
    "data_quality": "its inputs are faulty",
    "data_drift": "its inputs drift",
    "score_drift": "its scores drift",
    "performance": "it loses performance",
}


def _serving(new: Alert, member: Alert, here: bool) -> Joining | None:
    if here:
        return Joining(
            0, f"{_ANSWERS[member.kind]} and {_ANSWERS[new.kind]} on {new.target}: one serving process"
        )
    together = abs(new.recorded_at - member.recorded_at) <= SILENT_TOGETHER
    if new.kind == member.kind == "silence" and together:
        return Joining(1, f"{new.target} fell silent within the hour as {member.target} did")
    return None


_ANSWERS = {"latency": "requests are slow", "errors": "requests fail", "silence": "no event arrives"}


def _moved(features: Sequence[str], alert: Alert) -> str:
    singular = len(features) == 1
    if alert.kind == "data_quality":
        return "is faulty" if singular else "are faulty"
    return "drifts" if singular else "drift"


@dataclass(frozen=True, slots=True)
class Membership:
    """Incident that an alert joins: the oldest ``incident`` that has its cause, and those to be ``merged`` into that one, since
    the alert shows that theirs is the same."""

    incident: int
    because: str
    merged: tuple[int, ...] = ()

    @property
    def facts(self) -> dict[str, object]:
        """For the audit log."""
        merged = {"merged": list(self.merged)} if self.merged else {}
        return {"incident": self.incident, "because": self.because, **merged}


def membership_of(
    new: Alert, open_incidents: Iterable[tuple[int, Sequence[Alert]]], reach: timedelta
) -> Membership | None:
    """Incident that an alert joins of the open ones (id, members), because of the strongest link; None: of none yet."""
    links = [
        (joining.strength, number, joining.because)
        for number, members in open_incidents
        for member in members
        if (joining := why_joined(new, member, reach)) is not None
    ]
    if not links:
        return None
    oldest, *others = sorted({number for _, number, _ in links})
    return Membership(oldest, min(links)[2], tuple(others))


def cause_text(alerts: Sequence[Alert]) -> str:
    """``auc falls while 3 features drift: wind, temp, hour``: the loss first, then what goes with it."""
    kinds = {alert.kind for alert in alerts}
    faulty = _ranked(a for a in alerts if a.kind == "data_quality")
    drifting = _ranked(a for a in alerts if a.kind == "data_drift" and a.subject != JOINT)
    joint = _ranked(a for a in alerts if a.kind == "data_drift" and a.subject == JOINT)
    causes = []
    if "data_quality" in kinds:
        causes.append(f"{_listed(faulty) or 'values'} {'is' if len(faulty) == 1 else 'are'} faulty")
    moved = [name for name in drifting if name not in faulty]
    if moved:
        causes.append(f"{_listed(moved)} {'drifts' if len(moved) == 1 else 'drift'}")
    elif drifting or ("data_drift" in kinds and not joint):
        causes.append(
            "inputs drift" if not faulty else f"{'drifts' if len(faulty) == 1 else 'drift'} with it"
        )
    if joint and not drifting:
        causes.append(f"{_listed(joint)} drift together")
    if "score_drift" in kinds:
        causes.append("scores drift")
    answers = [_ANSWERS[kind] for kind in ("silence", "errors", "latency") if kind in kinds]
    metrics = list(dict.fromkeys(a.subject for a in alerts if a.kind == "performance"))
    lost = f"{' and '.join(metrics)} worse" if metrics else ""
    answers += ["a roll-out went back"] if ROLLOUT in kinds else []
    others = " and ".join(causes + answers)
    return f"{lost} while {others}" if lost and others else lost or others or "something changed"


def _ranked(alerts: Iterable[Alert]) -> list[str]:
    """Features of several alerts: those first that stand first in one of them."""
    best: dict[str, int] = {}
    for alert in alerts:
        for rank, name in enumerate(alert.features):
            best[name] = min(rank, best.get(name, rank))
    return sorted(best, key=lambda name: (best[name], list(best).index(name)))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
