"""What a site says of itself: figures for a tile, items for the lists. Read from JSON of a far site as hostile text is: every
field by its type and bounds, what is not known passed over."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.monitoring import Health

FORMAT = 1
"""Format of an answer; one that is higher is of a newer release, and is not read."""
MOST_ITEMS = 200
"""Items of each kind that an answer holds; its figures count all."""
KINDS = ("deployment", "request", "job", "alert", "rollout")
_LATER_KINDS = {"rollout": "rollouts"}
"""Kinds that have a list of their own in JSON: a release that does not know them refuses ``items`` that hold any."""
_MOST_LABELS = 24
_LARGEST = 10**12
_LONGEST = 400
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?: [A-Za-z0-9][A-Za-z0-9._-]{0,127})?")
_DIGITS = re.compile(r"(?:[0-9a-f]{16,64})?")
_PIN = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9:._-]{0,127})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """What a tile shows. ``made_at`` is by the site's own clock."""

    made_at: datetime
    release: str
    health: Health
    models: int = 0
    deployments: int = 0
    unhealthy: int = 0
    """Deployments that are worse than suspected."""
    alerts: int = 0
    """Alerts that are not resolved."""
    requests: int = 0
    """Promotion requests that can be decided."""
    jobs: int = 0
    """Jobs that run."""
    unwatched: str = ""
    """Since when no daemon keeps the states true; empty while one does."""
    frozen: str = ""
    """Why nothing may be written there; empty where it may."""
    paused: str = ""
    """Why its automation is paused; empty where it is not."""
    schema: int = 0
    log_size: int = 0
    """Rows of its audit log."""
    log_hash: str = ""
    """Hash of the newest of them, which follows from all."""
    identity: str = ""
    """The workspace's identity, which travels with its files; empty where its release knows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteItem:
    """A row of the lists. ``key`` is what the site's own console opens it by: a number, or model and target."""

    kind: str
    key: str
    state: str
    subject: str
    text: str = ""
    at: datetime | None = None
    mine: bool = False
    """Whether it waits for the one who asked."""
    pin: str = ""
    """What an act on it is held to, so that nothing is done to what has changed since: the evidence's digest of a request, the
    version that is live of a deployment. Empty where the site does not say it."""
    labels: tuple[tuple[str, str], ...] = ()
    """Its target's region, unit and so on, and its labels, for filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAnswer:
    """Answer of a site. ``figures`` None: its schema is not the one that its program knows, and nothing was opened."""

    schema: int
    knows: int
    """Schema that the program knows which answers there."""
    release: str
    actor: str = ""
    """As whom the site knows the one who asks, with their roles."""
    figures: SiteFigures | None = None
    items: tuple[SiteItem, ...] = ()
    partial: str = ""
    """Why there is less than a site of this release says; empty where there is not."""
    followed: tuple["FollowedState", ...] = field(default=())
    instance: str = ""
    """The folder that answers, as its machine names it: a copy of a workspace has the same identity in another one."""
    daemon: bool = False
    """Whether a daemon runs in that folder."""
    idle_lock_s: int = 0
    """Seconds without a key after which a console of it locks itself; 0: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedState:
    """What a site knows of another one that it follows by published files."""

    name: str
    standing: str
    figures: SiteFigures | None = None
    said: str = ""
    """What was wrong at the last look; empty for nothing."""
    heard_at: datetime | None = None
    """When the newest state came in."""


def figures_plain(figures: SiteFigures) -> dict[str, Any]:
    """Figures as JSON values."""
    return {
        "made_at": _iso(figures.made_at), "release": figures.release, "health": str(figures.health), "models": figures.models,
        "deployments": figures.deployments, "unhealthy": figures.unhealthy, "alerts": figures.alerts,
        "requests": figures.requests, "jobs": figures.jobs, "unwatched": figures.unwatched, "frozen": figures.frozen,
        "paused": figures.paused, "schema": figures.schema, "log_size": figures.log_size,
        "log_hash": figures.log_hash, "identity": figures.identity,
    }  # fmt: skip


def answer_plain(answer: SiteAnswer) -> dict[str, Any]:
    """An answer as JSON values."""
    return {
        "format": FORMAT,
        "schema": answer.schema,
        "knows": answer.knows,
        "release": answer.release,
        "actor": answer.actor,
        "figures": figures_plain(answer.figures) if answer.figures else None,
        "items": [_item_plain(one) for one in answer.items if one.kind not in _LATER_KINDS],
        **{
            name: [_item_plain(one) for one in answer.items if one.kind == kind]
            for kind, name in _LATER_KINDS.items()
        },
        "instance": answer.instance,
        "daemon": answer.daemon,
        "idle_lock_s": answer.idle_lock_s,
        "partial": answer.partial,
        "followed": [
            {
                "name": one.name, "standing": one.standing, "said": one.said,
                "heard_at": _iso(one.heard_at) if one.heard_at else None,
                "figures": figures_plain(one.figures) if one.figures else None,
            }
            for one in answer.followed
        ],
    }  # fmt: skip


def _item_plain(item: SiteItem) -> dict[str, Any]:
    return {
        "kind": item.kind, "key": item.key, "state": item.state, "subject": item.subject, "text": item.text,
        "at": _iso(item.at) if item.at else None, "mine": item.mine, "pin": item.pin, "labels": dict(item.labels),
    }  # fmt: skip


def read_answer(plain: object) -> SiteAnswer:
    """Answer of JSON values. Raises InvalidInputError, which names the field."""
    facts = Facts(plain, "")
    if facts.count("format") > FORMAT:
        raise InvalidInputError("the site answers in a format of a newer release: install that here")
    figures = facts.get("figures")
    return SiteAnswer(
        schema=facts.count("schema"),
        knows=facts.count("knows"),
        release=facts.text("release"),
        actor=facts.text("actor"),
        figures=read_figures(figures) if figures is not None else None,
        items=tuple(
            _item(Facts(one, f"{name}: "))
            for name in ("items", *_LATER_KINDS.values())
            for one in facts.list(name, MOST_ITEMS * len(KINDS))
        ),
        partial=facts.text("partial"),
        followed=tuple(_followed(Facts(one, "followed: ")) for one in facts.list("followed", MOST_ITEMS)),
        instance=facts.digits("instance"),
        daemon=facts.get("daemon") is True,
        idle_lock_s=facts.count("idle_lock_s"),
    )


def read_figures(plain: object) -> SiteFigures:
    """Figures of JSON values. Raises InvalidInputError, which names the field."""
    facts = Facts(plain, "figures: ")
    made_at = facts.time("made_at")
    if made_at is None:
        raise InvalidInputError("the site's answer: figures: made_at: expected a time")
    return SiteFigures(
        made_at=made_at,
        health=_health(facts),
        release=facts.text("release"),
        unwatched=facts.text("unwatched"),
        frozen=facts.text("frozen"),
        paused=facts.text("paused"),
        models=facts.count("models"),
        deployments=facts.count("deployments"),
        unhealthy=facts.count("unhealthy"),
        alerts=facts.count("alerts"),
        requests=facts.count("requests"),
        jobs=facts.count("jobs"),
        schema=facts.count("schema"),
        log_size=facts.count("log_size"),
        log_hash=facts.digits("log_hash"),
        identity=facts.digits("identity"),
    )


def of_status(plain: object, now: datetime) -> SiteAnswer:
    """Answer of what ``pilothouse status --json`` prints: all that a release before sites says. Raises InvalidInputError."""
    facts = Facts(plain, "status: ")
    models = [Facts(one, "status: models: ") for one in facts.list("models", 100_000)]
    counts = facts.get("deployments")
    by_health = counts if isinstance(counts, Mapping) else {}
    number = {name: _number(value, f"deployments: {name}") for name, value in by_health.items()}
    automation = facts.get("automation")
    is_paused = isinstance(automation, Mapping) and automation.get("paused") is True
    figures = SiteFigures(
        made_at=now,
        release="",
        health=_health(facts),
        models=len(models),
        deployments=sum(number.values()) - number.get(Health.NOT_DEPLOYED, 0),
        unhealthy=sum(number.get(health, 0) for health in UNHEALTHY),
        alerts=sum(one.count("open_alerts") for one in models),
        requests=sum(one.count("open_requests") for one in models),
        jobs=sum(one.count("unfinished_jobs") for one in models),
        unwatched=facts.text("unwatched"),
        paused=Facts(automation, "").text("reason") or "paused" if is_paused else "",
    )
    return SiteAnswer(
        schema=0,
        knows=0,
        release="",
        figures=figures,
        partial="an older release answers there: figures without lists",
    )


UNHEALTHY = (Health.DOWN, Health.CRITICAL, Health.DEGRADED, Health.NO_TRAFFIC)
"""Healths that a tile counts as unhealthy."""


def _item(facts: "Facts") -> SiteItem:
    kind, key = facts.text("kind"), facts.text("key")
    if kind not in KINDS:
        raise InvalidInputError("the site's answer: items: kind: expected one of " + ", ".join(KINDS))
    if not _KEY.fullmatch(key):  # it becomes words of a command
        raise InvalidInputError("the site's answer: items: key: expected a number, or a model and a target")
    if not _PIN.fullmatch(facts.text("pin")):
        raise InvalidInputError("the site's answer: items: pin: expected a version or a digest")
    return SiteItem(
        kind=kind,
        key=key,
        state=facts.text("state"),
        subject=facts.text("subject"),
        text=facts.text("text"),
        at=facts.time("at"),
        mine=facts.get("mine") is True,
        pin=facts.text("pin"),
        labels=facts.labels("labels"),
    )


def _followed(facts: "Facts") -> FollowedState:
    figures = facts.get("figures")
    return FollowedState(
        name=facts.text("name"),
        standing=facts.text("standing"),
        figures=read_figures(figures) if figures is not None else None,
        said=facts.text("said"),
        heard_at=facts.time("heard_at"),
    )


def _health(facts: "Facts") -> Health:
    try:
        return Health(facts.text("health"))
    except ValueError:  # a word of a newer release
        return Health.NOT_JUDGED


def _number(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise InvalidInputError(f"the site's answer: {safe(name, 60)}: expected a number from 0 on")
    return value


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _are_digits(value: object) -> bool:
    return isinstance(value, str) and _DIGITS.fullmatch(value) is not None


def _are_labels(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= _MOST_LABELS
        and all(isinstance(one, str) for one in value.values())
    )


class Facts:
    """An object of JSON, whose fields are asked for by their type. A field that is absent is empty."""

    def __init__(self, plain: object, where: str) -> None:
        if not isinstance(plain, Mapping):
            raise InvalidInputError(f"the site's answer: {where or 'it '}is no object of JSON")
        self._plain, self._where = plain, where

    def get(self, name: str) -> object:
        return self._plain.get(name)

    def _expect(self, name: str, wanted: str, holds: Callable[[object], bool]) -> Any:
        value = self._plain.get(name)
        if value is not None and not holds(value):
            raise InvalidInputError(f"the site's answer: {self._where}{name}: expected {wanted}")
        return value

    def text(self, name: str) -> str:
        """A text, made safe and cut."""
        return safe(self._expect(name, "a text", lambda value: isinstance(value, str)) or "", _LONGEST)

    def count(self, name: str) -> int:
        value = self._plain.get(name)
        return 0 if value is None else _number(value, f"{self._where}{name}")

    def digits(self, name: str) -> str:
        """Hexadecimal digits, or an empty text."""
        value: str | None = self._expect(name, "hexadecimal digits", _are_digits)
        return value or ""

    def list(self, name: str, most: int) -> "list[Any]":
        return (
            self._expect(name, f"a list of {most} at most", lambda v: isinstance(v, list) and len(v) <= most)
            or []
        )

    def labels(self, name: str) -> tuple[tuple[str, str], ...]:
        """An object of short texts."""
        found = self._expect(name, f"{_MOST_LABELS} labels at most", _are_labels) or {}
        return tuple((safe(key, 64).casefold(), safe(value, 100)) for key, value in found.items())

    def time(self, name: str) -> datetime | None:
        value = self._expect(name, "a time", lambda value: isinstance(value, str) and len(value) <= 40)
        if value is None:
            return None
        try:
            time = datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise InvalidInputError(f"the site's answer: {self._where}{name}: expected a time") from None
