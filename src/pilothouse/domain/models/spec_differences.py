"""Differences between two specifications of a model, as lines for people."""

from collections.abc import Iterator
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.models.spec_keys import STORED_KEYS

_DURATIONS = frozenset(
    {"outcome_delay", "holdout", "lookback", "timeout", "cpu_time", "retry_after", "block", "expires", "replay", "window",
     "step", "performance_window", "performance_step", "silence", "keep_rows", "cooldown", "every", "jitter", "quiet"}
)  # fmt: skip
_FILE_KEYS = {stored: key for key, stored in STORED_KEYS.items()}

TARGETS = "targets"
"""Key of a specification under which its targets are listed: compared by name, not by place."""


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """A line for each setting that differs between two specifications as plain data: ``training.seed: 0 → 1``."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            name = _FILE_KEYS.get(key, key)
            key_path = f"{path}.{name}" if path else str(name)
            yield from differences(before.get(key), after.get(key), key_path)
    elif path == TARGETS:
        yield from _target_differences(before, after)
    elif isinstance(before, list) and isinstance(after, list) and _are_tables(*before, *after):
        for i in range(max(len(before), len(after))):
            old, new = (items[i] if i < len(items) else None for items in (before, after))
            yield from differences(old, new, f"{path}[{i}]")
    elif canonical_json(before) != canonical_json(after):  # 1 == 1.0 == True, and to an estimator they differ
        yield f"{path}: {_shown(before, path)} → {_shown(after, path)}"


def _target_differences(before: list[Any], after: list[Any]) -> Iterator[str]:
    old, new = ({target["name"]: target for target in targets} for targets in (before, after))
    for words, names in (("new", new.keys() - old.keys()), ("gone", old.keys() - new.keys())):
        if names:
            yield f"{TARGETS}: {words}: {', '.join(sorted(names))}"
    for name in old.keys() & new.keys():
        yield from differences(old[name], new[name], f"{TARGETS}.{name}")
    if old.keys() == new.keys() and list(old) != list(new):
        yield f"{TARGETS}: in another order"


def _are_tables(*items: Any) -> bool:
    return all(isinstance(item, dict) for item in items)


def _shown(value: Any, path: str) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and path.rpartition(".")[2] in _DURATIONS:
        return format_duration(value)
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item, "") for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(
            f"{key} = {_shown(item, key)}" for key, item in value.items() if item not in (None, "", {})
        )
        return f"{{ {inner} }}"
    return str(value)


def summary(spec: ModelSpec) -> Iterator[str]:
    """What a new model is, a line each."""
    yield f"task: {spec.task}"
    yield f"data.source: {spec.data.source}"
    yield f"training: {spec.training.estimator or spec.training.function}"
    yield f"targets: {', '.join(target.name for target in spec.targets)}"
