"""Answers of two versions to recorded rows, block by block, in arrays of one entry a row."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.jobs.replays import MetInput
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Predictor
from pilothouse.training.replay.recorded import UNKNOWN_CLASS, Block, Origin, Texts, read_file

NONE = -1
"""Code of a row without a label or outcome."""
MOST_VALUES = 200
"""Values of a slice that are told apart; further ones are one."""
OTHERS = "other values"


@dataclass(slots=True)
class Names:
    """Texts by number, in the order in which they came."""

    listed: list[str] = field(default_factory=list)
    most: int | None = None
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """Number of a text; that of OTHERS once there are ``most`` of them."""
        if text not in self._numbers:
            if self.most is not None and len(self.listed) >= self.most and text != OTHERS:
                return self.number(OTHERS)
            self._numbers[text] = len(self.listed)
            self.listed.append(text)
        return self._numbers[text]

    def codes(self, texts: Texts, missing: int | str = NONE) -> Any:
        """Number of each row's text; of a missing one ``missing``, or that of the text ``missing``."""
        none = self.number(missing) if isinstance(missing, str) else missing
        table = [none if text is None else self.number(text) for text in texts.vocabulary]
        return np.array(table or [none], np.int32)[texts.codes] if len(texts.codes) else np.empty(0, np.int32)


@dataclass(slots=True, eq=False, kw_only=True)
class Answers:
    """Rows that both versions have answered. ``then`` and the labels beside it are what was answered on record; labels and
    outcomes of a classification are numbers of ``classes``, −1 unknown. Each of ``slices`` is a number of its names."""

    origins: list[Origin]
    classes: Names
    slice_names: dict[str, Names]
    origin: Any
    times: Any
    batches: Any
    places: Any
    then: Any
    against: Any
    version: Any
    then_labels: Any
    against_labels: Any
    version_labels: Any
    outcomes: Any
    slices: dict[str, Any]
    inputs: list[MetInput]
    scored_s: float = 0.0

    @property
    def rows(self) -> int:
        return len(self.times)


@dataclass(slots=True)
class _Met:
    """Missing and unseen values of the replayed version's features."""

    missing: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)

    def count(self, predictor: Predictor, columns: InputColumns, block: Block) -> None:
        for name, values in columns.numeric.items():
            self.missing[name] = self.missing.get(name, 0) + int(np.isnan(values).sum())
        for name in columns.categorical:
            texts, known = block.categorical[name], predictor.known_categories.get(name)
            counts = np.bincount(texts.codes, minlength=len(texts.vocabulary)).tolist()
            words = {"", *predictor.schema.missing}
            for text, rows in zip(texts.vocabulary, counts, strict=True):
                if text is None or (predictor.schema.missing and text in words):
                    self.missing[name] = self.missing.get(name, 0) + rows
                elif known is not None and text not in known:
                    self.unseen[name] = self.unseen.get(name, 0) + rows

    def inputs(self) -> list[MetInput]:
        names = dict.fromkeys([*self.unseen, *self.missing])
        met = [MetInput(name, self.missing.get(name, 0), self.unseen.get(name, 0)) for name in names]
        return sorted(
            (m for m in met if m.missing or m.unseen), key=lambda m: (-m.unseen, -m.missing, m.feature)
        )


def answer_all(
    paths: Sequence[Path],
    against: Predictor,
    version: Predictor,
    slices: Sequence[str],
    rows: int,
    said: Callable[[int], None],
    threads: Executor,
) -> Answers:
    """Have both versions answer every row of the files, of which there are ``rows`` at most: columns are made at that length
    once, for what grows block by block leaves holes in the memory. ``slices``: features that are cut by; ``said`` is called
    with the rows done; ``threads`` answer, each by one of the versions. Raises IntegrityError where a version gives no finite
    number for a row."""
    classes = Names()
    for name in (*against.schema.classes, *version.schema.classes):
        classes.number(name)
    names = {name: Names(most=MOST_VALUES) for name in slices}
    origins: list[Origin] = []
    columns: dict[str, Any] = {}
    met, scored_s, done = _Met(), 0.0, 0
    for path in paths:
        origin, blocks = read_file(path)
        origins.append(origin)
        to_classes = np.array([*map(classes.number, origin.classes), NONE], np.int32)
        for block in blocks:
            answered, took = _answer(block, against, version, met, threads)
            scored_s += took
            of_block = {
                "against": answered["against"],
                "version": answered["version"],
                "origin": np.full(block.rows, len(origins) - 1, np.int16),
                "times": block.times,
                "batches": block.batches,
                "places": block.places.astype(np.int32),
                "then": block.scores,
                **_cut(block, names),
            }
            if against.schema.classes:
                of_block["outcomes"] = to_classes[
                    np.where(block.outcomes == UNKNOWN_CLASS, -1, block.outcomes.astype(np.int64))
                ]
                of_block["then_labels"] = (
                    classes.codes(block.labels) if block.labels else np.full(block.rows, NONE, np.int32)
                )
                of_block |= _labels(classes, against, version, answered)
            else:
                of_block["outcomes"] = block.outcomes
            for name, values in of_block.items():
                if name not in columns:
                    columns[name] = np.empty(rows, values.dtype)
                columns[name][done : done + block.rows] = values
            done += block.rows
            said(done)
    whole = {name: values[:done] for name, values in columns.items()}
    no_labels = np.empty(0, np.int32)
    kept = ("origin", "times", "batches", "places", "then", "against", "version", "outcomes")
    labels = ("then_labels", "against_labels", "version_labels")
    return Answers(
        origins=origins,
        classes=classes,
        slice_names=names,
        **{name: whole[name] for name in kept},
        **{name: whole.get(name, no_labels) for name in labels},
        slices={name: whole[f"slice:{name}"] for name in names},
        inputs=met.inputs(),
        scored_s=scored_s,
    )


def _answer(
    block: Block, against: Predictor, version: Predictor, met: _Met, threads: Executor
) -> tuple[dict[str, Any], float]:
    """Scores and probabilities of both, and the seconds that they took."""
    columns = block.input_of(version.schema)
    of_against = columns if against.schema == version.schema else block.input_of(against.schema)
    began = time.perf_counter()
    predictions = threads.map(Predictor.predict_columns, (against, version), (of_against, columns))
    answered: dict[str, Any] = {}
    for side, predictor, prediction in zip(
        ("against", "version"), (against, version), predictions, strict=True
    ):
        bad = int((~np.isfinite(prediction.scores)).sum())
        if bad:
            raise IntegrityError(
                f"{predictor.schema.model}: the {side} model answers {bad} rows with no finite number"
            )
        answered[side] = prediction.scores
        if prediction.probabilities is not None:
            answered[f"{side}_all"] = prediction.probabilities
    took = time.perf_counter() - began
    met.count(version, columns, block)
    return answered, took


def _labels(
    classes: Names, against: Predictor, version: Predictor, answered: dict[str, Any]
) -> dict[str, Any]:
    """Label of each row by both."""
    labels = {}
    for side, predictor in (("against", against), ("version", version)):
        codes = np.array([classes.number(name) for name in predictor.schema.classes], np.int32)
        labels[f"{side}_labels"] = codes[answered[f"{side}_all"].argmax(axis=1)]
    return labels


def _cut(block: Block, names: dict[str, Names]) -> dict[str, Any]:
    """Number of each row's value of the features that are cut by."""
    cut = {}
    for name, own in names.items():
        if name in block.categorical:
            cut[f"slice:{name}"] = own.codes(block.categorical[name], "missing").astype(np.int16)
        elif name in block.numeric:
            distinct, place = np.unique(block.numeric[name], return_inverse=True)
            texts = [own.number(category_text(value) or "missing") for value in distinct.tolist()]
            cut[f"slice:{name}"] = np.array(texts, np.int16)[place]
        else:
            cut[f"slice:{name}"] = np.full(block.rows, own.number("missing"), np.int16)
    return cut
