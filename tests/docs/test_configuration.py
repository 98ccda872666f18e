"""docs/configuration.md names every key of a model file with its default, and no other."""

import dataclasses
import json
import re
import types
import typing
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.model_spec import METRICS, Duration, ModelSpec
from pilothouse.domain.models.target_file import TargetFile, load_targets
from pilothouse.domain.models.target_selection import TargetSelection
from pilothouse.domain.outbox.happenings import NOTICES
from pilothouse.domain.outbox.settings import AlertSettings
from pilothouse.domain.outbox.settings_file import load_settings
from pilothouse.domain.rollouts.plan_file import PlanFile

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \|[^|]+\|([^|]*)\|", DOCUMENT.read_text(), flags=re.MULTILINE)
    return {key: default.strip() for key, default in rows}


def actual(kind: Any = ModelSpec, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint, key = hints[field.name], f"{prefix}{field.name}"
        inner = next((part for part in unwrap(hint) if dataclasses.is_dataclass(part)), None)
        if inner is not None:
            found |= actual(inner, f"{key}.")
        else:
            found[key] = default_text(field, hint)
    return found


def unwrap(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType, tuple, dict):
        return [part for inner in get_args(hint) for part in unwrap(inner)]
    return [hint]


def default_text(field: dataclasses.Field[Any], hint: Any) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "`{}`"
    value = field.default
    if value is dataclasses.MISSING:
        return ""
    if value is None:
        return "none"
    if hint is Duration:
        return f'`"{format_duration(value)}"`'
    if value == ():
        return "`[]`"
    return f"`{json.dumps(value)}`"


def test_every_key_is_documented_with_its_default() -> None:
    assert documented() == actual() | actual(TargetSelection, "targets.") | actual(TargetFile) | actual(
        PlanFile
    )


def test_metrics_are_documented() -> None:
    rows = re.findall(
        r"^\| ([a-z0-9_]+) \| (higher|lower) \| ([a-z, ]+) \|$", DOCUMENT.read_text(), flags=re.MULTILINE
    )
    assert {name: (better, tuple(tasks.split(", "))) for name, better, tasks in rows} == METRICS


def test_the_example_is_a_model_file() -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)
    spec = load_spec(examples[1], "bike-demand/model.toml", load_targets(examples[0]))
    assert (spec.name, [target.name for target in spec.targets]) == ("bike-demand", ["dc"])
    other = load_targets(
        '[[target]]\nname = "ewr"\nregion = "us-east"\nenvironment = "production"\n'
        'labels = { tier = "gold", airport = "EWR" }\n'
    )
    selecting = examples[1][: examples[1].index("[targets]")] + examples[2]
    assert load_spec(selecting, "model.toml", other).targets[0].match == {"origin": "EWR"}


def test_every_key_of_receivers_and_routes_is_documented_and_the_example_is_read() -> None:
    page = (DOCUMENT.parent / "alerts.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+)` \|[^|]+\|([^|]*)\|", page, flags=re.MULTILINE)
    written = {
        key: default.strip() for key, default in rows if key.split(".")[0] in ("receiver", "route", "quiet")
    }
    found = actual(AlertSettings)
    assert written.keys() == found.keys()
    in_words = {"quiet.days", "quiet.passes", "route.group_by"}
    assert {key: text for key, text in written.items() if key not in in_words} == {
        key: text for key, text in found.items() if key not in in_words
    }
    (example,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert [route.name for route in load_settings(example).route] == ["everything", "people"]
    assert set(
        re.findall(r"`([a-z_]+\.[a-z_]+)`", page.partition("## What is told")[2].partition("Labels for")[0])
    ) == {*NOTICES}
