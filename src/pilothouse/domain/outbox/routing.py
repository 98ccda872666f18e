"""Which routes take a message, and which silence holds it back."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.wildcards import fits
from pilothouse.domain.outbox.settings import AlertSettings, Route

Matchers = Mapping[str, Sequence[str]]


def matches(matchers: Matchers, labels: Mapping[str, str]) -> bool:
    """True where each label fits one of its patterns; a label that is not there is an empty text."""
    return all(
        any(fits(pattern, labels.get(label, "")) for pattern in patterns)
        for label, patterns in matchers.items()
    )


def routes_of(settings: AlertSettings, labels: Mapping[str, str]) -> Iterator[Route]:
    """Routes that take a message with these labels."""
    for route in settings.route:
        if matches(route.match, labels):
            yield route
            if not route.go_on:
                return


def group_key(route: Route, labels: Mapping[str, str]) -> tuple[str, ...]:
    """Values of the labels by which a route groups."""
    return tuple(labels.get(label, "") for label in route.group_by)


def parse_matchers(texts: Iterable[str]) -> dict[str, list[str]]:
    """``model=flight-* severity=info severity=warning``: patterns by label. Raises InvalidInputError."""
    matchers: dict[str, list[str]] = {}
    for text in texts:
        label, found, pattern = text.partition("=")
        if not found:
            raise InvalidInputError(f"{text[:60]!r} is not LABEL=TEXT: expected e.g. model=flight-delay")
        matchers.setdefault(label, []).append(pattern)
    return matchers


@dataclass(frozen=True, slots=True)
class Silence:
    """Messages that fit wait until it ends."""

    id: int
    matchers: dict[str, tuple[str, ...]]
    reason: str
    made_by: str
    recorded_at: datetime
    ends_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None

    def holds(self, at: datetime) -> bool:
        """True while it is in force."""
        return self.ended_at is None and self.recorded_at <= at < self.ends_at

    @property
    def text(self) -> str:
        """``model=flight-*, severity=warning|info``."""
        return ", ".join(f"{label}={'|'.join(patterns)}" for label, patterns in sorted(self.matchers.items()))


def silenced_by(silences: Sequence[Silence], labels: Mapping[str, str], at: datetime) -> Silence | None:
    """The silence that ends last of those that hold a message with these labels back."""
    holding = [one for one in silences if one.holds(at) and matches(one.matchers, labels)]
    return max(holding, key=lambda one: one.ends_at, default=None)
