"""What a silence fits: open alerts, models and targets; and which of its texts fits nothing there is, as a name typed wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.wildcards import fits
from pilothouse.domain.outbox.happenings import What, of_alert
from pilothouse.domain.outbox.routing import matches
from pilothouse.domain.records import AlertStatus, Target
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.models import models, targets

_OWN = ("source", "kind", "version", "subject")
"""Labels whose texts come with what happens: nothing on record says all of them."""
_SEVERITIES = ("critical", "warning", "info")
_MOST_NAMED = 5
_MOST_ALERTS = 10_000


@dataclass(frozen=True, slots=True)
class Reach:
    """What fits now. ``models`` and ``targets``: names that the silence fits, and those of the open alerts that it fits."""

    alerts: int
    models: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def text(self) -> str:
        """``it fits 2 open alerts; models: flight-delay; targets: ewr, jfk``."""
        said = "no open alert" if not self.alerts else f"{self.alerts} open alert{'s' * (self.alerts != 1)}"
        named = [
            f"{what}: {_listed(names)}"
            for what, names in (("models", self.models), ("targets", self.targets))
            if names
        ]
        return "; ".join([f"it fits {said}", *named])


def reach(connection: Connection, matchers: Mapping[str, Sequence[str]], at: datetime) -> Reach:
    """What fits a silence with these labels now."""
    known = {target.name: target for target in targets.all_targets(connection)}
    opened = [
        alert
        for status in (AlertStatus.OPEN, AlertStatus.ACKNOWLEDGED)
        for alert in alerts.listed(connection, status=status, limit=_MOST_ALERTS)
    ]
    fitting = [
        one
        for one in opened
        if matches(matchers, of_alert(one, What.OPENED, at, known.get(one.target)).labels)
    ]
    named_models = _fitting(matchers.get("model", ()), models.names(connection))
    named_targets = _fitting(matchers.get("target", ()), known)
    return Reach(
        len(fitting),
        tuple(sorted({*named_models, *(one.model for one in fitting)})),
        tuple(sorted({*named_targets, *(one.target for one in fitting)})),
    )


def unknown(connection: Connection, matchers: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Texts that fit nothing there is, each with what there is."""
    known = targets.all_targets(connection)
    there = {
        "model": models.names(connection),
        "target": [target.name for target in known],
        "severity": list(_SEVERITIES),
        **_places(known),
    }
    for label, patterns in matchers.items():
        if label in _OWN:
            continue
        if label not in there:
            yield f"no message has the label {label}; expected one of {', '.join(sorted([*there, *_OWN]))}"
            continue
        for pattern in patterns:
            if not _fitting([pattern], there[label]):
                listed = _listed(sorted(there[label])) or "none is there"
                yield f"{label}={pattern} fits nothing; there is {listed}"


def _places(known: Sequence[Target]) -> dict[str, list[str]]:
    """Values of the labels that targets have."""
    found: dict[str, set[str]] = {"region": set(), "product": set(), "unit": set(), "environment": set()}
    for target in known:
        own = {
            **dict(target.labels),
            "region": target.region,
            "product": target.product,
            "unit": target.business_unit,
            "environment": target.environment,
        }
        for label, value in own.items():
            if value:
                found.setdefault(label, set()).add(value)
    return {label: list(values) for label, values in found.items()}


def _fitting(patterns: Sequence[str], names: Sequence[str] | Mapping[str, object]) -> list[str]:
    return [name for name in names if any(fits(pattern, name) for pattern in patterns)]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown
