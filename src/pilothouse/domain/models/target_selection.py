"""``[targets]`` of a model file: which targets of ``targets.toml`` a model runs on, and which rows are theirs.

A model file may list its targets as ``[[targets]]`` tables instead. Either way a specification holds each target by name,
with the column values that mark its rows: what is stored of a training does not change with ``targets.toml``.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Protocol

from pilothouse.domain.formats.wildcards import fits
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.model_spec import Scalar, TargetSpec
from pilothouse.domain.models.target_file import TARGETS_FILE, TargetDescription

_KEYS = ("name", "region", "product", "business_unit", "environment")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_UNRESOLVED = (TargetSpec("unresolved"),)
"""Targets of a file whose selection has a fault: its other faults are found all the same."""


@dataclass(frozen=True, slots=True)
class TargetSelection:
    """``[targets]``: targets by their names, and all others that fit the selection."""

    names: tuple[str, ...] = ()
    select: dict[str, Any] = field(default_factory=dict)
    """Key to the text or texts of which one fits: every key must. ``*`` stands for any characters, ``!`` before a text
    excludes what it fits."""
    match: dict[str, Scalar] = field(default_factory=dict)
    """Column values that mark a target's rows; ``{name}``, ``{region}``, ``{labels.tier}`` stand for the target's own."""


class _FaultError(Exception):
    """A placeholder that cannot be filled in; the message says why."""


def resolved(
    plain: object, targets: Mapping[str, TargetDescription] | None, problems: list[str]
) -> tuple[TargetSpec, ...]:
    """Targets that a ``[targets]`` table stands for: those it names, then the selected ones by name.

    ``targets`` are those of ``targets.toml``: None where there is no such file, empty where it is faulty and nothing can
    be resolved. Faults are added to ``problems``.
    """
    selection = read_dataclass(TargetSelection, plain, "targets", problems)
    if selection is None:
        return _UNRESOLVED
    faults = list(_shape_faults(selection))
    if targets is None:
        faults.append(
            f"targets: selects among the targets of {TARGETS_FILE}, which is not there; write it, "
            "or list them as [[targets]] tables"
        )
    if faults or not targets:
        problems += faults
        return _UNRESOLVED
    chosen = [targets[name] for name in selection.names if name in targets]
    faults += _unknown_names(selection.names, targets)
    if selection.select:
        fits_all = selector(selection.select)
        fitting = [target for _, target in sorted(targets.items()) if fits_all(target)]
        chosen += [target for target in fitting if target.name not in selection.names]
        if not fitting:
            faults.append(f"targets.select: fits none of the {len(targets)} targets of {TARGETS_FILE}")
    specs = tuple(TargetSpec(t.name, match=_filled(selection.match, t, faults)) for t in chosen)
    problems += dict.fromkeys(faults)
    return _UNRESOLVED if faults else specs


def without_places(problems: Iterable[str]) -> list[str]:
    """Faults of selected targets without the number of the target: the one fault of a selection shows in each."""
    return list(dict.fromkeys(re.sub(r"\btargets\[\d+\]\.match", "targets.match", line) for line in problems))


def _shape_faults(selection: TargetSelection) -> Iterator[str]:
    if not selection.names and not selection.select:
        yield 'targets: expected names or select, e.g. select = { environment = "production" }'
    for name in dict.fromkeys(name for name in selection.names if selection.names.count(name) > 1):
        yield f"targets.names: {name!r} is named twice; expected each target once"
    yield from select_faults("targets.select", selection.select)


def select_faults(path: str, select: Mapping[str, Any]) -> Iterator[str]:
    """One line for each fault of a selection at ``path`` of a file."""
    for key, value in select.items():
        if key == "labels" and isinstance(value, dict):
            for label, texts in value.items():
                yield from _text_faults(f"{path}.labels.{label}", texts)
        elif key in _KEYS:
            yield from _text_faults(f"{path}.{key}", value)
        else:
            yield f"{path}.{key}: unknown key; expected one of {', '.join(_KEYS)}, labels.LABEL"


def _text_faults(path: str, value: object) -> Iterator[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) and text.removeprefix("!") for text in texts):
        yield f"{path}: found {value!r}; expected a text or an array of texts"


def _unknown_names(names: Iterable[str], targets: Mapping[str, TargetDescription]) -> Iterator[str]:
    for i, name in enumerate(names):
        if name not in targets:
            close = difflib.get_close_matches(name, targets, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield f"targets.names[{i}]: {name!r} is not in {TARGETS_FILE}{hint}"


class Selectable(Protocol):
    """What a selection looks at: a target as a file or as the registry describes it."""

    @property
    def labels(self) -> Mapping[str, str]: ...


def selector(select: Mapping[str, Any]) -> Callable[[Selectable], bool]:
    """Test of a target that a faultless selection selects; an empty one selects every target."""
    tests = list(_tests(select))
    return lambda target: all(test(target) for test in tests)


def _tests(select: Mapping[str, Any]) -> Iterator[Callable[[Selectable], bool]]:
    """Tests of a target, all of which a selected one passes."""
    for key, wanted in select.items():
        if key == "labels":
            for label, texts in wanted.items():
                yield _test(lambda target, label=label: target.labels.get(label, ""), texts)  # type: ignore[misc]
        else:
            yield _test(attrgetter(key), wanted)


def _test(value_of: Callable[[Selectable], str], wanted: str | list[str]) -> Callable[[Selectable], bool]:
    """True for a target of whose value one of the texts fits and none excludes. An absent value fits no text."""
    texts = [wanted] if isinstance(wanted, str) else wanted
    excluding = [text[1:] for text in texts if text.startswith("!")]
    including = [text for text in texts if not text.startswith("!")]

    def test(target: Selectable) -> bool:
        value = value_of(target)
        if not value:
            return not including
        if any(fits(pattern, value) for pattern in excluding):
            return False
        return not including or any(fits(pattern, value) for pattern in including)

    return test


def _filled(match: Mapping[str, Scalar], target: TargetDescription, faults: list[str]) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for column, value in match.items():
        try:
            values[column] = _fill(value, target) if isinstance(value, str) else value
        except _FaultError as fault:
            faults.append(f"targets.match.{column}: {fault}")
    return values


def _fill(text: str, target: TargetDescription) -> Scalar:
    """The text with the target's values for its placeholders; a number for one alone that asks for it."""
    whole = re.fullmatch(r"\{([^{}]*):number\}", text)
    if whole is not None:
        value = _value_of(whole[1], target)
        try:
            return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
        except ValueError:
            raise _FaultError(f"{text}: found {value!r} for {target.name}; expected a number") from None

    def piece(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise _FaultError(f"{text!r} has a single {found[0]!r}; write it twice to mean itself")
        name, _, form = found[1].partition(":")
        if form not in ("", "upper"):
            raise _FaultError(
                f"{found[0]}: expected {{{name}}}, {{{name}:upper}} or, by itself, {{{name}:number}}"
            )
        value = _value_of(name, target)
        return value.upper() if form else value

    return _PIECE.sub(piece, text)


def _value_of(name: str, target: TargetDescription) -> str:
    label = name.removeprefix("labels.")
    if label != name:
        if label not in target.labels:
            raise _FaultError(f"{{{name}}}: {target.name} has no label {label} in {TARGETS_FILE}")
        return target.labels[label]
    if name not in _KEYS:
        raise _FaultError(f"{{{name}}}: expected one of {', '.join(_KEYS)}, labels.LABEL")
    value: str = getattr(target, name)
    if not value:
        raise _FaultError(f"{{{name}}}: {target.name} has no {name} in {TARGETS_FILE}")
    return value
