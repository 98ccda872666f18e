"""Comparison of a candidate with every live version, on rows that neither was trained on."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.models.evaluation import GateOutcome, GateResult
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.training.data.rows import Rows
from pilothouse.training.gates import comparison_gate, nothing_to_compare
from pilothouse.training.models.scoring import Scored, load_predictor, score


@dataclass(frozen=True, slots=True)
class Incumbent:
    """Live version: the targets on which it runs, and the time of the newest row that it was trained on (µs since 1970,
    UTC)."""

    number: int
    targets: tuple[str, ...]
    trained_until_us: int
    model: Path
    schema: Path


def compare_with_live(
    spec: ModelSpec,
    incumbents: Sequence[Incumbent],
    holdout: Rows,
    candidate: Scored,
    seed: int,
    forms: Collection[bytes] = (),
) -> list[GateResult]:
    """Gate result for each incumbent, on the hold-out's rows of its targets; none where the gate is switched off.

    ``forms`` are the candidate's own files: an incumbent with one of them is the same model.
    """
    if spec.gates.comparison is None:
        return []
    if not incumbents:
        return [nothing_to_compare()]
    return [
        _verdict(spec, incumbent, holdout, candidate, seed, is_same=incumbent.model.read_bytes() in forms)
        for incumbent in incumbents
    ]


def _verdict(
    spec: ModelSpec, incumbent: Incumbent, holdout: Rows, candidate: Scored, seed: int, *, is_same: bool
) -> GateResult:
    """Gate result for one incumbent, on rows of its targets that are newer than its training."""
    gate = spec.gates.comparison
    assert gate is not None
    chosen = holdout.times > incumbent.trained_until_us
    matches = [target.match for target in spec.targets if target.name in incumbent.targets]
    if matches and all(matches):
        chosen &= np.logical_or.reduce([holdout.matching(match) for match in matches])
    rows = holdout.where(chosen)
    where = f"of {', '.join(incumbent.targets)}" if matches and all(matches) else "of all targets"
    name = f"comparison.v{incumbent.number}"
    try:
        predictor = load_predictor(incumbent.model, incumbent.schema)
        of_incumbent = score(predictor, rows)
    except PilothouseError as error:
        return GateResult(
            name, GateOutcome.NOT_COMPARABLE, f"v{incumbent.number} cannot score these rows: {error}"
        )
    if of_incumbent.classes != candidate.classes:
        reason = f"v{incumbent.number} knows other classes: {', '.join(of_incumbent.classes)}"
        return GateResult(name, GateOutcome.NOT_COMPARABLE, reason)
    metric = gate.metric or spec.primary_metric
    result = comparison_gate(
        gate, metric, incumbent.number, candidate.where(chosen), of_incumbent, where=where, seed=seed
    )
    if is_same:  # also where too few rows are newer for a comparison
        return replace(
            result, reason=f"the model file is identical to that of v{incumbent.number}; {result.reason}"
        )
    return result
