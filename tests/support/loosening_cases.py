"""For each key of a model file a change that loosens it, or for a key that never does, a change."""

import json
from copy import deepcopy
from typing import Any

BASE: dict[str, Any] = {
    "name": "demo",
    "task": "binary",
    "owner": "team",
    "description": "a demo",
    "data": {
        "source": "../../data/rows.parquet",
        "target": "late",
        "timestamp": "at",
        "features": ["distance", "carrier"],
        "categoricals": ["carrier"],
        "exclude": [],
        "private": [],
        "slices": ["carrier", "distance"],
        "outcome_delay": "1d",
        "holdout": "14d",
        "lookback": "90d",
    },
    "contract": {
        "carrier": {"type": "text"},
        "distance": {"type": "number", "minimum": 0.0, "maximum": 5000.0},
    },
    "training": {
        "estimator": "sklearn.linear_model.LogisticRegression",
        "parameters": {"C": 1.0},
        "seed": 7,
        "preprocessing": {"impute": "mean"},
        "search": {"parameters": {"C": [0.1, 1.0]}, "candidates": 2, "folds": 2},
    },
    "gates": {
        "metric": [
            {"metric": "auc", "minimum": 0.6, "maximum": 0.99, "slice": "carrier", "minimum_rows": 100}
        ],
        "comparison": {
            "margin": 0.01,
            "metric": "auc",
            "confidence": 0.9,
            "minimum_rows": 200,
            "block": "1d",
        },
        "latency": {"p95_ms": 50.0, "repeats": 50},
        "data": {
            "minimum_rows": 50,
            "maximum_missing": 0.2,
            "maximum_duplicates": 0.05,
            "leakage_auc": 0.999,
        },
        "model_size_mb": 10.0,
        "portable": True,
        "function": "gate.py:check",
    },
    "promotion": {
        "approvals": 2,
        "four_eyes": True,
        "automatic": False,
        "expires": "7d",
        "signature": "key",
        "teams": {"risk": 2},
        "documents": ["validation report", "bias review"],
        "plan": "careful",
        "replay": "28d",
    },
    "targets": [
        {"name": "ewr", "region": "us-east", "match": {"carrier": "AA"}},
        {"name": "jfk", "match": {"carrier": "UA"}},
    ],
    "monitoring": {
        "window": "7d",
        "step": "7d",
        "performance_window": "28d",
        "performance_step": "7d",
        "metric": "auc",
        "minimum_rows": 300,
        "fire": 2,
        "of": 3,
        "false_alarm_rate": 0.01,
        "latency_factor": 3.0,
        "silence": "1h",
        "ignore": [],
        "keep_rows": "90d",
    },
    "automation": {
        "retrain_on": [],
        "cooldown": "14d",
        "budget_per_30d": 4,
        "budget_per_day": 6,
        "request": False,
        "schedule": [{"name": "weekly", "cron": "0 3 * * mon", "timezone": "UTC"}],
        "trigger": [{"name": "upstream", "on": "version", "model": "other"}],
    },
    "inventory": {
        "risk_tier": "high",
        "intended_use": "planning",
        "validator": "bo",
        "next_review": "2036-03-31",
    },
}
GATE = "def check(holdout, predictions, metrics):\n    return metrics['auc']['value'] > 0.6, 'auc'\n"

AUTOMATIC = {
    "approvals": 0,
    "four_eyes": False,
    "automatic": True,
    "signature": "none",
    "teams": {},
    "documents": [],
}

CHANGES: dict[str, tuple[str, Any]] = {
    "task": ("task", "regression"),
    "owner": ("owner", "others"),
    "description": ("description", "other words"),
    "data.source": ("data.source", "../../data/./rows.parquet"),
    "data.target": ("data.target", "early"),
    "data.timestamp": ("data.timestamp", "other_at"),
    "data.features": ("data.features", ["carrier"]),
    "data.query": ("data.query", "SELECT 1"),
    "data.timezone": ("data.timezone", "Europe/Berlin"),
    "data.categoricals": ("data.categoricals", []),
    "data.exclude": ("data.exclude", ["note"]),
    "data.private": ("data.private", ["distance"]),
    "data.slices": ("data.slices", ["carrier"]),
    "data.outcome_delay": ("data.outcome_delay", "2d"),
    "data.holdout": ("data.holdout", "21d"),
    "data.lookback": ("data.lookback", "80d"),
    "data.missing": ("data.missing", ["-999"]),
    "data.csv.delimiter": ("data.csv.delimiter", ";"),
    "data.csv.decimal": ("data.csv.decimal", ","),
    "data.csv.thousands": ("data.csv.thousands", " "),
    "data.csv.encoding": ("data.csv.encoding", "latin-1"),
    "data.connection.credentials": ("data.connection", {"credentials": "env:OTHER"}),
    "data.connection.version": ("data.connection", {"version": 3}),
    "data.connection.timeout": ("data.connection", {"timeout": "5m"}),
    "data.csv.quote": ("data.csv.quote", "'"),
    "contract.type": ("contract.carrier.type", "integer"),
    "contract.nullable": ("contract.carrier.nullable", True),
    "contract.minimum": ("contract.distance.minimum", -5.0),
    "contract.maximum": ("contract.distance.maximum", 9000.0),
    "contract.values": ("contract.carrier.values", ["AA"]),
    "contract.unique": ("contract.carrier.unique", True),
    "contract.pattern": ("contract.carrier.pattern", "[A-Z]+"),
    "contract.tolerance": ("contract.carrier.tolerance", 0.5),
    "training.estimator": ("training.estimator", "sklearn.linear_model.RidgeClassifier"),
    "training.parameters": ("training.parameters.C", 2.0),
    "training.function": ("training.function", "train.py:fit"),
    "training.preprocessing.impute": ("training.preprocessing.impute", "median"),
    "training.preprocessing.scale": ("training.preprocessing.scale", "none"),
    "training.preprocessing.categories": ("training.preprocessing.categories", "ordinal"),
    "training.search.parameters": ("training.search.parameters.C", [0.2, 1.0]),
    "training.search.candidates": ("training.search.candidates", 3),
    "training.search.folds": ("training.search.folds", 3),
    "training.search.early_stopping": ("training.search.early_stopping", False),
    "training.seed": ("training.seed", 8),
    "training.timeout": ("training.timeout", "2h"),
    "training.cpu_time": ("training.cpu_time", "2h"),
    "training.memory_mb": ("training.memory_mb", 2_048),
    "training.threads": ("training.threads", 1),
    "training.concurrency": ("training.concurrency", 1),
    "training.retries": ("training.retries", 1),
    "training.retry_after": ("training.retry_after", "1m"),
    "training.retry_on": ("training.retry_on", ["lost"]),
    "gates.metric.metric": ("gates.metric.0.metric", "accuracy"),
    "gates.metric.minimum": ("gates.metric.0.minimum", 0.5),
    "gates.metric.maximum": ("gates.metric.0.maximum", 1.0),
    "gates.metric.slice": ("gates.metric.0.slice", None),
    "gates.metric.minimum_rows": ("gates.metric.0.minimum_rows", 900),
    "gates.comparison.margin": ("gates.comparison.margin", 0.05),
    "gates.comparison.metric": ("gates.comparison.metric", "accuracy"),
    "gates.comparison.confidence": ("gates.comparison.confidence", 0.99),
    "gates.comparison.minimum_rows": ("gates.comparison.minimum_rows", 9_000),
    "gates.comparison.block": ("gates.comparison.block", "7d"),
    "gates.comparison.require": ("gates.comparison.require", "not worse"),
    "gates.latency.p95_ms": ("gates.latency.p95_ms", 500.0),
    "gates.latency.repeats": ("gates.latency.repeats", 5),
    "gates.data.minimum_rows": ("gates.data.minimum_rows", 5),
    "gates.data.maximum_missing": ("gates.data.maximum_missing", 0.9),
    "gates.data.maximum_duplicates": ("gates.data.maximum_duplicates", 0.9),
    "gates.data.leakage_auc": ("gates.data.leakage_auc", 1.0),
    "gates.model_size_mb": ("gates.model_size_mb", None),
    "gates.portable": ("gates.portable", False),
    "gates.function": ("gates.function", None),
    "promotion.approvals": ("promotion.approvals", 1),
    "promotion.four_eyes": ("promotion.four_eyes", False),
    "promotion.automatic": ("promotion.automatic", True),
    "promotion.expires": ("promotion.expires", "30d"),
    "promotion.replay": ("promotion.replay", "1d"),
    "promotion.teams": ("promotion.teams", {"risk": 1}),
    "promotion.documents": ("promotion.documents", ["bias review"]),
    "promotion.signature": ("promotion.signature", "passphrase"),
    "promotion.plan": ("promotion.plan", None),
    "targets.name": ("targets.1.name", "lga"),
    "targets.region": ("targets.0.region", "eu"),
    "targets.product": ("targets.0.product", "arrivals"),
    "targets.business_unit": ("targets.0.business_unit", "ops"),
    "targets.match": ("targets.0.match.carrier", "UA"),
    "monitoring.window": ("monitoring.window", "14d"),
    "monitoring.step": ("monitoring.step", "3d"),
    "monitoring.performance_window": ("monitoring.performance_window", "56d"),
    "monitoring.performance_step": ("monitoring.performance_step", "14d"),
    "monitoring.metric": ("monitoring.metric", "accuracy"),
    "monitoring.minimum_rows": ("monitoring.minimum_rows", 1_000_000),
    "monitoring.fire": ("monitoring.fire", 3),
    "monitoring.of": ("monitoring.of", 2),
    "monitoring.false_alarm_rate": ("monitoring.false_alarm_rate", 0.0001),
    "monitoring.latency_factor": ("monitoring.latency_factor", 90.0),
    "monitoring.silence": ("monitoring.silence", "90d"),
    "monitoring.ignore": ("monitoring.ignore", ["distance"]),
    "monitoring.keep_rows": ("monitoring.keep_rows", "1d"),
    "automation.retrain_on": ("automation.retrain_on", ["performance"]),
    "automation.cooldown": ("automation.cooldown", "1d"),
    "automation.budget_per_30d": ("automation.budget_per_30d", 40),
    "automation.budget_per_day": ("automation.budget_per_day", 60),
    "automation.request": ("automation.request", True),
    "automation.schedule.name": ("automation.schedule.0.name", "other"),
    "automation.schedule.cron": ("automation.schedule.0.cron", "0 4 * * *"),
    "automation.schedule.every": ("automation.schedule.0", {"name": "weekly", "every": "1h"}),
    "automation.schedule.at": ("automation.schedule.0", {"name": "weekly", "at": "2036-12-24T06:00"}),
    "automation.schedule.timezone": ("automation.schedule.0.timezone", "Europe/Berlin"),
    "automation.schedule.action": ("automation.schedule.0.action", "train"),
    "automation.schedule.jitter": ("automation.schedule.0.jitter", "1m"),
    "automation.schedule.catch_up": ("automation.schedule.0.catch_up", "all"),
    "automation.trigger.name": ("automation.trigger.0.name", "another"),
    "automation.trigger.on": ("automation.trigger.0", {"name": "upstream", "on": "data"}),
    "automation.trigger.model": ("automation.trigger.0.model", "third"),
    "automation.trigger.state": ("automation.trigger.0.state", "candidate"),
    "automation.trigger.quiet": ("automation.trigger.0.quiet", "1s"),
    "automation.trigger.every": ("automation.trigger.0.every", "2m"),
    "automation.trigger.cooldown": ("automation.trigger.0.cooldown", "1s"),
    "inventory.risk_tier": ("inventory.risk_tier", "low"),
    "inventory.intended_use": ("inventory.intended_use", "pricing"),
    "inventory.not_intended_for": ("inventory.not_intended_for", ["medicine"]),
    "inventory.limits": ("inventory.limits", ["no snow"]),
    "inventory.users": ("inventory.users", ["dispatch"]),
    "inventory.validator": ("inventory.validator", "cy"),
    "inventory.next_review": ("inventory.next_review", "2037-03-31"),
    "inventory.retired": ("inventory.retired", ""),
}
"""Path and value by key. ``name`` is left out: another name is another model."""

NOT_ON_THESE_ROWS = (
    "task",
    "data.target",
    "data.timestamp",
    "data.query",
    "data.connection.credentials",
    "data.connection.version",
    "data.categoricals",
    "data.exclude",
    "training.function",
)
"""Keys whose change makes another file invalid, or needs other rows: compared as specifications alone."""


def changed(plain: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value replaced; without it where ``value`` is None. ``targets.0.name``: an entry by its place."""
    copy = deepcopy(plain)
    table: Any = copy
    *parts, last = path.split(".")
    for part in parts:
        table = table[int(part)] if isinstance(table, list) else table.setdefault(part, {})
    if isinstance(table, list):
        table[int(last)] = value
    elif value is None:
        del table[last]
    else:
        table[last] = value
    return copy


def base_of(key: str, *, unattended: bool) -> dict[str, Any]:
    """The file before the change of a key; with versions that go live without hands where the key counts only then."""
    plain = deepcopy(BASE)
    if unattended:
        plain["promotion"] |= AUTOMATIC
    if key == "data.private":
        plain["data"] |= {"features": ["carrier"], "slices": ["carrier"]}
        del plain["contract"]["distance"]
    if key == "gates.comparison.require":
        plain["gates"]["comparison"]["require"] = "better"
    if key == "inventory.retired":
        plain["inventory"]["retired"] = "replaced"
    if key == "automation.schedule.action":
        plain["automation"]["schedule"][0]["action"] = "multivariate"
    return plain


def toml_text(plain: dict[str, Any]) -> str:
    """A model file, each table on one line."""
    return "".join(f"{key} = {_toml(value)}\n" for key, value in plain.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
