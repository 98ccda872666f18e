"""``replay`` step: a version answers recorded production rows again, beside the one that it is compared with.

Inputs: ``rows_N`` (files of ``training/replay/recorded``, from 0 on); ``version_model``, ``version_schema``; ``against_model``,
``against_schema``; ``version_holdout``, ``against_holdout`` (predictions on the hold-outs, parquet). Options: ``version``,
``against`` (numbers), ``rows`` (how many the files hold), ``slices`` (features), ``trained_until_us`` (of both), and
``against_packages`` (versions of the libraries with which ``against`` was made). Record: ``found``, the fields of
``domain.jobs.replays.ReplayFindings``; its examples have ``batch`` and ``place`` in place of ``prediction``.
"""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.jobs.replays import LeftOut
from pilothouse.inference.predictor import Predictor
from pilothouse.training.models.scoring import load_predictor
from pilothouse.training.replay import changes, figures
from pilothouse.training.replay.answers import answer_all
from pilothouse.training.replay.recorded import read_file
from pilothouse.training.steps.common import Report, input_path, spec_of, step

EXAMPLES = 10
_MOST_INPUTS = 40
_ROWS = re.compile(r"rows_(\d+)")
_LIBRARIES = ("scikit-learn", "numpy", "scipy")


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Answer, compare, and say what was found."""
    spec, options = spec_of(request), request.options
    against, version = (
        load_predictor(input_path(request, f"{side}_model"), input_path(request, f"{side}_schema"))
        for side in ("against", "version")
    )
    if against.schema.task != version.schema.task:
        raise InvalidInputError(
            f"replay: version {options['against']} is a {against.schema.task} model, version {options['version']} a "
            f"{version.schema.task} model; their answers cannot be compared"
        )
    files = sorted((name for name in request.inputs if _ROWS.fullmatch(name)), key=lambda name: int(name[5:]))
    paths, left_out = _usable([input_path(request, name) for name in files], against, version)
    total, task, metric = int(options["rows"]), version.schema.task, spec.primary_metric
    if not paths:
        raise InvalidInputError(
            f"replay: no recorded row has what both versions need: {left_out[0].why if left_out else 'no rows'}"
        )
    with ThreadPoolExecutor(min(request.threads, 2)) as threads:
        answers = answer_all(
            paths,
            against,
            version,
            options["slices"],
            total,
            lambda done: report(0.8 * done / max(total, 1), f"answered {done:,} of {total:,} rows", {}),
            threads,
        )
    report(0.8, f"comparing the answers to {answers.rows:,} rows", {})
    drift = [
        figures.score_drift(int(options[side]), scores, _optional(request, f"{side}_holdout"))
        for side, scores in (("against", answers.against), ("version", answers.version))
    ]
    outcomes = figures.outcome_figures(
        answers, task, metric, options["trained_until_us"], (against.schema, version.schema), request.seed
    )
    number = int(options["against"])
    decided = changes.decisions_of(answers, number)
    moved = [float(value) for value in np.percentile(decided.moved, (50, 95, 100))]
    report(0.95, "timing single calls", {})
    latency = figures.call_latency(paths, against, version)
    found = {
        "task": task,
        "rows": answers.rows,
        "first_us": int(answers.times.min()),
        "last_us": int(answers.times.max()),
        "left_out": [asdict(part) for part in left_out],
        "answered_by": [asdict(one) for one in changes.tellers(answers, decided)],
        "check": asdict(changes.self_check(answers, number, _unlike(against, options["against_packages"]))),
        "changed": int(decided.changed.sum()),
        "tolerance": decided.tolerance,
        "ways": [asdict(way) for way in changes.ways_of(answers, decided)],
        "moved_p50": moved[0],
        "moved_p95": moved[1],
        "moved_most": moved[2],
        "slices": [asdict(one) for one in changes.slices_of(answers, decided)],
        "outcomes": asdict(outcomes),
        "scores": asdict(changes.score_counts(decided, answers.version)),
        "drift": [asdict(one) for one in drift if one is not None],
        "latency": asdict(latency) if latency else None,
        "inputs": [asdict(one) for one in answers.inputs[:_MOST_INPUTS]],
        "examples": changes.examples_of(answers, decided, EXAMPLES),
        "scored_s": answers.scored_s,
    }
    return StepResult(ok=True, record={"found": found})


def _usable(paths: list[Path], against: Predictor, version: Predictor) -> tuple[list[Path], list[LeftOut]]:
    """Files whose rows have the features of both versions, and why others are left out."""
    usable, left_out = [], []
    for path in paths:
        origin, blocks = read_file(path)
        lacking = dict.fromkeys([*origin.lacks(version.schema), *origin.lacks(against.schema)])
        if not lacking:
            usable.append(path)
            continue
        rows = sum(block.rows for block in blocks)
        named = ", ".join([*lacking][:3]) + (f" and {len(lacking) - 3} more" if len(lacking) > 3 else "")
        left_out.append(LeftOut(rows, f"v{origin.version} on {origin.target} was not asked with {named}"))
    return usable, left_out


def _optional(request: StepRequest, name: str) -> Path | None:
    return Path(request.inputs[name]) if name in request.inputs else None


def _unlike(against: Predictor, packages: dict[str, str]) -> str:
    """Libraries that are not those of the record, where the model is evaluated by them."""
    if against.portable:
        return ""
    now = {name: metadata.version(name) for name in _LIBRARIES}
    other = [
        f"{name} {packages[name]} then, {now[name]} now"
        for name in _LIBRARIES
        if packages.get(name, now[name]) != now[name]
    ]
    return f": {', '.join(other)}" if other else ""
