"""Every key of a model file, with the direction in which it becomes looser, and why.

Looser is what makes it easier to get a version live, or harder to hear that it fails. Where no direction is certain, any
change counts. A key that never loosens says why not.
"""

import dataclasses
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, NamedTuple

from pilothouse.domain.models.model_spec import ScheduleSpec
from pilothouse.domain.promotion.statements import Component


class Looser(Enum):
    """Direction in which a key becomes looser."""

    RAISED = auto()
    LOWERED = auto()
    CHANGED = auto()
    """Neither direction is certain."""
    MORE = auto()
    """A list that holds something more."""
    FEWER = auto()
    """A list that lacks something."""
    ON = auto()
    OFF = auto()
    WEAKER = auto()
    """A weaker second component of decisions."""
    FEWER_APPROVALS = auto()
    """A team of which fewer approvals are asked."""
    REPLACED = auto()
    """A name that gives way to another, or to none: what stands behind the names is not compared."""
    NOT_BETTER = auto()
    """``better`` that gives way to another word."""
    LOWER_TIER = auto()
    """A lower risk tier, or none."""
    SHORTER = auto()
    """A shorter time, or none."""
    LATER = auto()
    """A later date, or none."""
    TABLE = auto()
    """Compared together with the other keys of its table, entry by entry."""
    NEVER = auto()


class KeyRule(NamedTuple):
    """Rule of one key. ``why``: what is looser then; of a key that never loosens, why not."""

    looser: Looser
    why: str
    unattended: bool = False
    """True for what counts only where the model file lets versions deploy without hands."""


_LEARNS = KeyRule(Looser.NEVER, "of what a version learns; the gates judge what comes of it")
_NAMED = KeyRule(Looser.NEVER, "a name for readers")
_OTHER_ROWS = KeyRule(Looser.CHANGED, "not comparable: other rows judge a version")
_OTHER_VALUES = KeyRule(Looser.CHANGED, "not comparable: the same rows are read as other values")
_OTHER_WINDOWS = KeyRule(Looser.CHANGED, "not comparable: other windows are watched")
_BOUND = KeyRule(Looser.TABLE, "a worse version passes")
_TIMER = KeyRule(Looser.TABLE, "versions are trained and go live without hands at other times", True)
_CAUSE = KeyRule(Looser.TABLE, "versions are trained and go live without hands for another cause", True)
_CONTRACT = KeyRule(Looser.TABLE, "other rows pass the contract")
_SAID = KeyRule(Looser.NEVER, "a text for readers")
_LIMIT = KeyRule(Looser.NEVER, "a limit of the machine's use")

KEYS: dict[str, KeyRule] = {
    "name": KeyRule(Looser.NEVER, "another name is another model"),
    "task": KeyRule(Looser.CHANGED, "not comparable: other metrics judge a version"),
    "owner": _NAMED,
    "description": _NAMED,
    "data.source": _OTHER_ROWS,
    "data.target": KeyRule(Looser.CHANGED, "not comparable: something else is predicted"),
    "data.timestamp": _OTHER_ROWS,
    "data.features": _LEARNS,
    "data.query": _OTHER_ROWS,
    "data.timezone": _OTHER_ROWS,
    "data.connection.credentials": _OTHER_ROWS,
    "data.connection.version": _OTHER_ROWS,
    "data.connection.timeout": _LIMIT,
    "data.categoricals": _LEARNS,
    "data.exclude": _LEARNS,
    "data.private": KeyRule(Looser.MORE, "what is not stored of live versions is not watched"),
    "data.slices": KeyRule(Looser.FEWER, "nobody sees a version fail on it"),
    "data.outcome_delay": KeyRule(Looser.CHANGED, "not comparable: outcomes count at another time"),
    "data.holdout": _OTHER_ROWS,
    "data.lookback": _OTHER_ROWS,
    "data.missing": _OTHER_VALUES,
    "data.csv.delimiter": _OTHER_VALUES,
    "data.csv.decimal": _OTHER_VALUES,
    "data.csv.thousands": _OTHER_VALUES,
    "data.csv.encoding": _OTHER_VALUES,
    "data.csv.quote": _OTHER_VALUES,
    "contract.type": _CONTRACT,
    "contract.nullable": _CONTRACT,
    "contract.minimum": _CONTRACT,
    "contract.maximum": _CONTRACT,
    "contract.values": _CONTRACT,
    "contract.unique": _CONTRACT,
    "contract.pattern": _CONTRACT,
    "contract.tolerance": KeyRule(Looser.RAISED, "an alert takes more rows that break the contract"),
    "training.estimator": _LEARNS,
    "training.parameters": _LEARNS,
    "training.function": _LEARNS,
    "training.preprocessing.impute": _LEARNS,
    "training.preprocessing.scale": _LEARNS,
    "training.preprocessing.categories": _LEARNS,
    "training.search.parameters": _LEARNS,
    "training.search.candidates": _LEARNS,
    "training.search.folds": _LEARNS,
    "training.search.early_stopping": _LEARNS,
    "training.seed": _LEARNS,
    "training.timeout": _LIMIT,
    "training.cpu_time": _LIMIT,
    "training.memory_mb": _LIMIT,
    "training.threads": _LIMIT,
    "training.concurrency": _LIMIT,
    "training.retries": _LIMIT,
    "training.retry_after": _LIMIT,
    "training.retry_on": _LIMIT,
    "gates.metric.metric": _BOUND,
    "gates.metric.minimum": _BOUND,
    "gates.metric.maximum": _BOUND,
    "gates.metric.slice": _BOUND,
    "gates.metric.minimum_rows": KeyRule(Looser.TABLE, "more slices are not judged"),
    "gates.comparison.margin": KeyRule(Looser.RAISED, "a version may be worse than what is live"),
    "gates.comparison.metric": KeyRule(Looser.CHANGED, "not comparable: another metric compares"),
    "gates.comparison.confidence": KeyRule(Looser.TABLE, "a worse version passes more often"),
    "gates.comparison.minimum_rows": KeyRule(Looser.RAISED, "fewer versions are compared"),
    "gates.comparison.block": KeyRule(Looser.CHANGED, "not comparable: other intervals compare"),
    "gates.comparison.require": KeyRule(Looser.NOT_BETTER, "a version need not be better than what is live"),
    "gates.latency.p95_ms": KeyRule(Looser.RAISED, "a slower version passes"),
    "gates.latency.repeats": KeyRule(Looser.LOWERED, "the latency is measured less often"),
    "gates.data.minimum_rows": KeyRule(Looser.LOWERED, "fewer rows suffice"),
    "gates.data.maximum_missing": KeyRule(Looser.RAISED, "more may be missing"),
    "gates.data.maximum_duplicates": KeyRule(Looser.RAISED, "more rows may be there twice"),
    "gates.data.leakage_auc": KeyRule(Looser.RAISED, "a leak passes"),
    "gates.model_size_mb": KeyRule(Looser.RAISED, "a larger version passes"),
    "gates.portable": KeyRule(Looser.OFF, "a version that only its scikit-learn reads passes"),
    "gates.function": KeyRule(Looser.CHANGED, "not comparable: another function judges"),
    "promotion.approvals": KeyRule(Looser.LOWERED, "fewer people agree"),
    "promotion.four_eyes": KeyRule(Looser.OFF, "one person can ask and approve"),
    "promotion.automatic": KeyRule(Looser.ON, "versions go live without hands"),
    "promotion.expires": KeyRule(Looser.RAISED, "older evidence is decided on"),
    "promotion.signature": KeyRule(Looser.WEAKER, "less proves who decided"),
    "promotion.plan": KeyRule(
        Looser.REPLACED, "not comparable: its versions go out by another plan, or at once"
    ),
    "promotion.teams": KeyRule(Looser.FEWER_APPROVALS, "a team is asked less, or not at all"),
    "promotion.documents": KeyRule(Looser.FEWER, "it is approved without a document"),
    "promotion.replay": KeyRule(
        Looser.SHORTER, "a version answers less recorded traffic before it is requested, or none"
    ),
    "targets.name": KeyRule(Looser.TABLE, "no version is compared with what is live there"),
    "targets.region": _NAMED,
    "targets.product": _NAMED,
    "targets.business_unit": _NAMED,
    "targets.match": KeyRule(Looser.TABLE, "not comparable: other rows are its reference"),
    "monitoring.window": _OTHER_WINDOWS,
    "monitoring.step": _OTHER_WINDOWS,
    "monitoring.performance_window": _OTHER_WINDOWS,
    "monitoring.performance_step": _OTHER_WINDOWS,
    "monitoring.metric": KeyRule(Looser.CHANGED, "not comparable: another metric is watched"),
    "monitoring.minimum_rows": KeyRule(Looser.RAISED, "fewer windows have a verdict"),
    "monitoring.fire": KeyRule(Looser.RAISED, "an alert takes more windows"),
    "monitoring.of": KeyRule(Looser.LOWERED, "an alert takes its windows closer together"),
    "monitoring.false_alarm_rate": KeyRule(Looser.LOWERED, "a smaller loss is not significant"),
    "monitoring.latency_factor": KeyRule(Looser.RAISED, "a slower answer is not significant"),
    "monitoring.silence": KeyRule(Looser.RAISED, "an outage is said later"),
    "monitoring.ignore": KeyRule(Looser.MORE, "its drift never alerts"),
    "monitoring.keep_rows": KeyRule(Looser.LOWERED, "outcomes that come later find no row"),
    "automation.retrain_on": KeyRule(Looser.MORE, "more alerts train what goes live without hands", True),
    "automation.cooldown": KeyRule(Looser.LOWERED, "more versions go live without hands", True),
    "automation.budget_per_30d": KeyRule(Looser.RAISED, "more versions go live without hands", True),
    "automation.budget_per_day": KeyRule(Looser.RAISED, "more versions go live without hands", True),
    "automation.request": KeyRule(Looser.ON, "promotions are asked for without hands"),
    **{f"automation.schedule.{field.name}": _TIMER for field in dataclasses.fields(ScheduleSpec)},
    "automation.trigger.name": _CAUSE,
    "automation.trigger.on": _CAUSE,
    "automation.trigger.model": _CAUSE,
    "automation.trigger.state": _CAUSE,
    "automation.trigger.quiet": _CAUSE,
    "automation.trigger.every": _CAUSE,
    "automation.trigger.cooldown": _CAUSE,
    "inventory.risk_tier": KeyRule(Looser.LOWER_TIER, "less is asked of a model of a lower tier"),
    "inventory.intended_use": _SAID,
    "inventory.not_intended_for": _SAID,
    "inventory.limits": _SAID,
    "inventory.users": _SAID,
    "inventory.validator": KeyRule(Looser.CHANGED, "not comparable: somebody else reviews it, or nobody"),
    "inventory.next_review": KeyRule(Looser.LATER, "it is reviewed later"),
    "inventory.retired": KeyRule(Looser.OFF, "a retired model is in use again"),
}
"""Every key of a specification."""

_UNBOUNDED = float("inf")
_TIERS = ("", "low", "medium", "high")


def is_looser(rule: KeyRule, old: Any, new: Any) -> bool:
    """True where the new value of a key that is compared by itself is looser than the old one."""
    return bool(old != new and rule.looser in _TESTS and _TESTS[rule.looser](old, new))


def _raised(old: Any, new: Any) -> bool:
    """No bound is the highest one."""
    return (_UNBOUNDED if new is None else new) > (_UNBOUNDED if old is None else old)


def _weaker(old: Any, new: Any) -> bool:
    """Nothing said is nothing asked."""
    return Component(new or Component.NONE).rank < Component(old or Component.NONE).rank


def _lowered(old: Any, new: Any) -> bool:
    """What is left to the workspace's setting is not comparable with a value."""
    return old is None or new is None or new < old


_TESTS: dict[Looser, Callable[[Any, Any], bool]] = {
    Looser.RAISED: _raised,
    Looser.LOWERED: _lowered,
    Looser.CHANGED: lambda old, new: True,
    Looser.MORE: lambda old, new: not {*new} <= {*old},
    Looser.FEWER: lambda old, new: not {*(old or ())} <= {*(new or ())},
    Looser.ON: lambda old, new: bool(new),
    Looser.OFF: lambda old, new: not new,
    Looser.LOWER_TIER: lambda old, new: _TIERS.index(new or "") < _TIERS.index(old or ""),
    Looser.SHORTER: lambda old, new: (new or 0) < (old or 0),
    Looser.LATER: lambda old, new: not new or new > old,
    Looser.WEAKER: _weaker,
    Looser.FEWER_APPROVALS: lambda old, new: any(
        (new or {}).get(team, 0) < count for team, count in (old or {}).items()
    ),
    Looser.REPLACED: lambda old, new: old is not None,
    Looser.NOT_BETTER: lambda old, new: old == "better",
}
