"""What a version is compared with in production, as one artifact: its training days, its hold-out, its performance there."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.evaluation import MetricValue
from pilothouse.statistics.arrays import AnyArray, Floats, Ints
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.estimation import loss_estimation
from pilothouse.statistics.estimation.loss_estimation import LossModel
from pilothouse.statistics.performance.outcomes import OutcomeProfile, check_metric, realised_over_days
from pilothouse.statistics.profiles import outcome_profile, profile_storage
from pilothouse.statistics.profiles.classes import class_codes
from pilothouse.statistics.profiles.placement import place
from pilothouse.statistics.profiles.profile import Profile, cells_of, merge_all, profile_rows, with_score_of
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.statistics.significance.calibration import Calibration, calibrate

FEWEST_ROWS = 500
FEWEST_DAYS = 14
"""A target with fewer training rows or days of its own is compared with all targets pooled."""


@dataclass(frozen=True, slots=True, eq=False)
class DatedRows:
    """Scored rows with the day of each: ``days`` int64[n] counts days in any order (days since 1970, for instance).

    Columns as for ``profile.profile_rows``, ``labels`` and ``truth`` as for ``outcomes.profile_outcomes``.
    """

    days: Ints
    numeric: Mapping[str, Floats]
    categorical: Mapping[str, AnyArray]
    scores: Floats
    labels: AnyArray
    truth: AnyArray

    def where(self, rows: AnyArray) -> "DatedRows":
        """Some of the rows, by a mask or by numbers."""
        return DatedRows(
            self.days[rows],
            {name: values[rows] for name, values in self.numeric.items()},
            {name: values[rows] for name, values in self.categorical.items()},
            self.scores[rows],
            self.labels[rows] if len(self.labels) else self.labels,
            self.truth[rows],
        )

    def by_day(self) -> list[tuple[int, "DatedRows"]]:
        """The rows of each day that has any, in the order of days."""
        order = np.argsort(self.days, kind="stable")
        days, starts = np.unique(self.days[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(days) else []
        return [(int(day), self.where(rows)) for day, rows in zip(days, parts, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class TargetReference:
    """The reference of one target, or of all pooled. Profiles are one a day that has rows, in order.

    ``performance`` is the hold-out's primary metric with its interval over days (``outcomes.realised_over_days``). What is
    learnt for estimates without truth: of several classes ``hits``, the hold-out's rows and those answered rightly, int64
    [days, bins of the score]; of a regression ``losses``. None in references that were made before these were.
    """

    training_days: tuple[int, ...]
    training: tuple[Profile, ...]
    holdout_days: tuple[int, ...]
    holdout: tuple[Profile, ...]
    outcomes: tuple[OutcomeProfile, ...]
    performance: MetricValue
    hits: tuple[Ints, Ints] | None = None
    losses: LossModel | None = None

    @property
    def rows(self) -> int:
        """Training rows."""
        return sum(day.rows for day in self.training)

    def profile(self, specification: ProfileSpecification) -> Profile:
        """What windows are judged against: the features of training and the score of the hold-out (of training, where no
        row is held out), since a model is too sure of rows that it was trained on."""
        training = merge_all(specification, self.training)
        if not self.holdout:
            return training
        return with_score_of(specification, training, merge_all(specification, self.holdout))

    def outcome_profile(self, specification: ProfileSpecification) -> OutcomeProfile:
        """The hold-out's outcomes, all days."""
        return outcome_profile.merge_all(specification, self.outcomes)

    def calibrate(
        self, specification: ProfileSpecification, window_days: int, *, seed: int = 0
    ) -> Calibration:
        """What windows of ``window_days`` do by themselves, by this reference's days (see ``calibration.calibrate``)."""
        return calibrate(
            specification, self.training, window_days, score_days=len(self.holdout) or None, seed=seed
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A version's reference: all targets ``pooled``, and each target that has rows of its own."""

    metric: str
    pooled: TargetReference
    targets: dict[str, TargetReference]

    def for_target(self, name: str) -> TargetReference:
        """The target's own reference, or the pooled one where the target is unknown, or has too few rows or days."""
        own = self.targets.get(name)
        if own is None or own.rows < FEWEST_ROWS or len(own.training) < FEWEST_DAYS:
            return self.pooled
        return own


def target_reference(
    specification: ProfileSpecification, metric: str, training: DatedRows, holdout: DatedRows
) -> TargetReference:
    """Profile training and hold-out rows by day. Raises InvalidInputError for a metric that cannot be watched."""
    check_metric(specification, metric)
    days = [(day, _profile(specification, rows)) for day, rows in training.by_day()]
    held = [(day, rows, _profile(specification, rows)) for day, rows in holdout.by_day()]
    outcomes = tuple(
        outcome_profile.profile_outcomes(specification, rows.scores, rows.labels, rows.truth)
        for _, rows, _ in held
    )
    return TargetReference(
        tuple(day for day, _ in days),
        tuple(profile for _, profile in days),
        tuple(day for day, _, _ in held),
        tuple(profile for _, _, profile in held),
        outcomes,
        realised_over_days(specification, outcomes, metric),
        _hits(specification, [rows for _, rows, _ in held]),
        _losses(specification, holdout),
    )


def _hits(specification: ProfileSpecification, days: Sequence[DatedRows]) -> tuple[Ints, Ints] | None:
    if specification.task != "multiclass" or not days:
        return None
    classes, bins = specification.classes, specification.score.bins
    rows, right = np.zeros((2, len(days), bins), np.int64)
    for i, day in enumerate(days):
        true, answered = class_codes(classes, day.truth), class_codes(classes, day.labels)
        where = place(specification.score, day.scores)
        usable = (true >= 0) & (answered >= 0) & (where < bins)
        rows[i] = np.bincount(where[usable], minlength=bins)
        right[i] = np.bincount(where[usable & (true == answered)], minlength=bins)
    return rows, right


def _losses(specification: ProfileSpecification, holdout: DatedRows) -> LossModel | None:
    if specification.task != "regression" or not len(holdout.scores):
        return None
    categorical = {name: values.tolist() for name, values in holdout.categorical.items()}
    cells = cells_of(specification, holdout.numeric, categorical, holdout.scores)
    truth = np.asarray(holdout.truth, np.float64)
    return loss_estimation.learn_losses(specification, holdout.days, cells, holdout.scores - truth)


def build_reference(
    specification: ProfileSpecification,
    metric: str,
    training: DatedRows,
    holdout: DatedRows,
    targets: Mapping[str, tuple[AnyArray, AnyArray]],
) -> Reference:
    """The reference of a version. ``targets`` gives each target's rows as two masks, of training and of the hold-out."""
    own = {
        name: target_reference(specification, metric, training.where(train), holdout.where(held))
        for name, (train, held) in targets.items()
    }
    return Reference(metric, target_reference(specification, metric, training, holdout), own)


def _profile(specification: ProfileSpecification, rows: DatedRows) -> Profile:
    categorical: Mapping[str, Sequence[object]] = {k: v.tolist() for k, v in rows.categorical.items()}
    return profile_rows(specification, rows.numeric, categorical, rows.scores)


def encode(specification: ProfileSpecification, reference: Reference) -> bytes:
    """Compact bytes of a reference, marked with its specification."""
    header = {
        "of": specification.digest[:16],
        "metric": reference.metric,
        "pooled": _plain(specification, reference.pooled),
        "targets": {name: _plain(specification, own) for name, own in reference.targets.items()},
    }
    return pack("R", header, {})


def decode(specification: ProfileSpecification, data: bytes) -> Reference:
    """Read what ``encode`` wrote. Raises IntegrityError for damage, or a reference of another specification."""
    header, _ = unpack("R", data)
    if header.get("of") != specification.digest[:16]:
        raise IntegrityError(
            f"a reference was made under specification {header.get('of')!s}…; expected {specification.digest[:16]}…"
        )
    try:
        targets = {name: _target(specification, plain) for name, plain in header["targets"].items()}
        return Reference(header["metric"], _target(specification, header["pooled"]), targets)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"a stored reference is damaged: {error!r}; restore it from a backup") from None


def _plain(specification: ProfileSpecification, own: TargetReference) -> dict[str, Any]:
    of = own.performance
    return {
        "training_days": own.training_days,
        "training": [profile_storage.encode(specification, day) for day in own.training],
        "holdout_days": own.holdout_days,
        "holdout": [profile_storage.encode(specification, day) for day in own.holdout],
        "outcomes": [outcome_profile.encode(specification, day) for day in own.outcomes],
        "performance": [of.metric, *(_or_none(x) for x in (of.value, of.low, of.high)), of.rows],
        "hits": own.hits and pack("H", {}, {"rows": own.hits[0].ravel(), "right": own.hits[1].ravel()}),
        "losses": own.losses and loss_estimation.encode(own.losses),
    }


def _target(specification: ProfileSpecification, plain: dict[str, Any]) -> TargetReference:
    metric, value, low, high, rows = plain["performance"]
    figures = [math.nan if x is None else float(x) for x in (value, low, high)]
    return TargetReference(
        tuple(plain["training_days"]),
        tuple(profile_storage.decode(specification, day) for day in plain["training"]),
        tuple(plain["holdout_days"]),
        tuple(profile_storage.decode(specification, day) for day in plain["holdout"]),
        tuple(outcome_profile.decode(specification, day) for day in plain["outcomes"]),
        MetricValue(metric, figures[0], figures[1], figures[2], rows),
        _decode_hits(specification, plain.get("hits")),
        loss_estimation.decode(specification, plain["losses"]) if plain.get("losses") else None,
    )


def _decode_hits(specification: ProfileSpecification, data: bytes | None) -> tuple[Ints, Ints] | None:
    if data is None:
        return None
    _, arrays = unpack("H", data)
    rows, right = (arrays[name].reshape(-1, specification.score.bins) for name in ("rows", "right"))
    return rows, right


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
