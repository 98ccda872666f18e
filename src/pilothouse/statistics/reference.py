"""Reference of a version: its training days, its hold-out and its performance there, stored as one artifact."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.findings import finite_or_none
from pilothouse.statistics.arrays import AnyArray, Floats, Ints
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.estimation import loss_estimation
from pilothouse.statistics.estimation.loss_estimation import LossModel
from pilothouse.statistics.performance.outcomes import check_metric, measured_over_days
from pilothouse.statistics.profiles import outcome_profile, profile_storage
from pilothouse.statistics.profiles.classes import class_codes
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile
from pilothouse.statistics.profiles.placement import bins_of
from pilothouse.statistics.profiles.profile import Profile, cells_of, merge_all, profile_rows, with_score_of
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.statistics.significance.calibration import Calibration, calibrate

FEWEST_ROWS = 500
"""Training rows of its own below which a target is compared with all targets pooled."""
YEAR_DAYS = 364
"""Days of a year, in whole weeks."""
SEASON_DAYS = 21
"""Days around those of the year before that are of the same season."""
FEWEST_DAYS = 14
"""Training days of its own below which a target is compared with all targets pooled."""


@dataclass(frozen=True, slots=True, eq=False)
class DatedRows:
    """Scored rows with the day of each: ``days`` int64[n] (days since 1970, for instance; only their order and
    equality matter).

    ``numeric``, ``categorical`` and ``scores`` are as for ``profile.profile_rows``, ``labels`` and ``outcomes``
    (predicted classes and outcomes) as for ``outcome_profile.profile_outcomes``; ``labels`` is empty for a
    regression.
    """

    days: Ints
    numeric: Mapping[str, Floats]
    categorical: Mapping[str, AnyArray]
    scores: Floats
    labels: AnyArray
    outcomes: AnyArray

    def where(self, rows: AnyArray) -> "DatedRows":
        """Rows selected by a mask bool[n] or by row numbers int64[k], in the order of the selection."""
        return DatedRows(
            self.days[rows],
            {name: values[rows] for name, values in self.numeric.items()},
            {name: values[rows] for name, values in self.categorical.items()},
            self.scores[rows],
            self.labels[rows] if len(self.labels) else self.labels,
            self.outcomes[rows],
        )

    def by_day(self) -> list[tuple[int, "DatedRows"]]:
        """(day, rows) of each day that has any, by increasing day; an empty list without rows."""
        order = np.argsort(self.days, kind="stable")
        days, starts = np.unique(self.days[order], return_index=True)
        parts = np.split(order, starts[1:]) if len(days) else []
        return [(int(day), self.where(rows)) for day, rows in zip(days, parts, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class TargetReference:
    """Reference of one target, or of all pooled. Profiles are one a day that has rows, by increasing day.

    ``performance`` is the hold-out's primary metric with its interval over days (``outcomes.measured_over_days``).
    Profiles that were read from storage are decoded each time they are asked for. Estimates without outcomes are learnt
    from the rest: for several classes ``hits``, the hold-out's rows and those answered rightly, int64[days, bins of the
    score]; for a regression ``losses``. Both are None in references written before they existed.
    """

    training_days: tuple[int, ...]
    training: Sequence[Profile]
    holdout_days: tuple[int, ...]
    holdout: Sequence[Profile]
    outcomes: tuple[OutcomeProfile, ...]
    performance: MetricValue
    hits: tuple[Ints, Ints] | None = None
    losses: LossModel | None = None

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return sum(profile_storage.sizes_of(self.training))

    @property
    def rows_a_day(self) -> float:
        """Rows a day from its first day to its last, those held out among them; 0 without rows."""
        days = (*self.training_days, *self.holdout_days)
        rows = self.rows + sum(profile_storage.sizes_of(self.holdout))
        return rows / (max(days) - min(days) + 1) if days else 0.0

    def profile(self, specification: ProfileSpecification) -> Profile:
        """Profile that windows are judged against: the features of training and the score of the hold-out (of
        training, where no row is held out), since a model is overconfident on the rows that it was fitted to."""
        training = merge_all(specification, self.training)
        if not self.holdout:
            return training
        return with_score_of(specification, training, merge_all(specification, self.holdout))

    def season(self, specification: ProfileSpecification, first_day: int, last_day: int) -> Profile | None:
        """Profile of the same season of the year before some days: of the training days at most SEASON_DAYS from theirs. None
        where fewer than half of these have rows."""
        first, last = first_day - YEAR_DAYS - SEASON_DAYS, last_day - YEAR_DAYS + SEASON_DAYS
        inside = [i for i, day in enumerate(self.training_days) if first <= day <= last]
        if 2 * len(inside) < last - first + 1:
            return None
        return merge_all(specification, (self.training[i] for i in inside))

    def calibrate(
        self, specification: ProfileSpecification, window_days: int, *, seed: int = 0
    ) -> Calibration:
        """Nulls of each column for windows of ``window_days`` days, learnt from this reference's days
        (``calibration.calibrate``). Deterministic for a ``seed``."""
        return calibrate(
            specification, self.training, window_days, score_days=len(self.holdout) or None, seed=seed
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Reference of a version: ``pooled`` over all targets, and one for each target that has rows of its own."""

    metric: str
    pooled: TargetReference
    targets: dict[str, TargetReference]

    def for_target(self, name: str) -> TargetReference:
        """Reference of a target, or the pooled one where the target is unknown or has fewer than FEWEST_ROWS rows or
        FEWEST_DAYS days."""
        own = self.targets.get(name)
        return self.pooled if own is None or self.why_pooled(name) else own

    def why_pooled(self, name: str) -> str:
        """Reason why a target is compared with all rows; empty where it is compared with its own."""
        own = self.targets.get(name)
        if own is None:
            return f"none are marked as those of {name}"
        if own.rows < FEWEST_ROWS or len(own.training) < FEWEST_DAYS:
            days = f"{len(own.training):,} day{'' if len(own.training) == 1 else 's'}"
            return f"{name} has {own.rows:,} on {days}, and it takes {FEWEST_ROWS:,} on {FEWEST_DAYS}"
        return ""


def target_reference(
    specification: ProfileSpecification, metric: str, training: DatedRows, holdout: DatedRows
) -> TargetReference:
    """Reference of one target: its training and hold-out rows profiled by day, and the hold-out's performance by
    ``metric`` (NaN without hold-out rows). Raises InvalidInputError for a metric that outcome profiles of the task do
    not carry, and where lengths or types of columns are wrong."""
    check_metric(specification, metric)
    days = [(day, _profile(specification, rows)) for day, rows in training.by_day()]
    holdout_days = [(day, rows, _profile(specification, rows)) for day, rows in holdout.by_day()]
    outcomes = tuple(
        outcome_profile.profile_outcomes(specification, rows.scores, rows.labels, rows.outcomes)
        for _, rows, _ in holdout_days
    )
    return TargetReference(
        tuple(day for day, _ in days),
        tuple(profile for _, profile in days),
        tuple(day for day, _, _ in holdout_days),
        tuple(profile for _, _, profile in holdout_days),
        outcomes,
        measured_over_days(specification, outcomes, metric),
        _hits(specification, [rows for _, rows, _ in holdout_days]),
        _losses(specification, holdout),
    )


def _hits(specification: ProfileSpecification, days: Sequence[DatedRows]) -> tuple[Ints, Ints] | None:
    """Hold-out rows and those answered rightly by day and bin of the score, int64[days, bins] each; None unless
    multiclass."""
    if specification.task != "multiclass" or not days:
        return None
    classes, bins = specification.classes, specification.score.bins
    rows, right = np.zeros((2, len(days), bins), np.int64)
    for i, day in enumerate(days):
        true, answered = class_codes(classes, day.outcomes), class_codes(classes, day.labels)
        where = bins_of(specification.score, day.scores)
        usable = (true >= 0) & (answered >= 0) & (where < bins)
        rows[i] = np.bincount(where[usable], minlength=bins)
        right[i] = np.bincount(where[usable & (true == answered)], minlength=bins)
    return rows, right


def _losses(specification: ProfileSpecification, holdout: DatedRows) -> LossModel | None:
    if specification.task != "regression" or not len(holdout.scores):
        return None
    categorical = {name: values.tolist() for name, values in holdout.categorical.items()}
    cells = cells_of(specification, holdout.numeric, categorical, holdout.scores)
    values = np.asarray(holdout.outcomes, np.float64)
    return loss_estimation.learn_losses(specification, holdout.days, cells, holdout.scores - values)


def build_reference(
    specification: ProfileSpecification,
    metric: str,
    training: DatedRows,
    holdout: DatedRows,
    targets: Mapping[str, tuple[AnyArray, AnyArray]],
) -> Reference:
    """Reference of a version. ``targets`` gives each target's rows as two selections, of training and of the hold-out
    (masks bool[n] or row numbers). Raises InvalidInputError as ``target_reference`` does."""
    own = {
        name: target_reference(specification, metric, training.where(train_rows), holdout.where(holdout_rows))
        for name, (train_rows, holdout_rows) in targets.items()
    }
    return Reference(metric, target_reference(specification, metric, training, holdout), own)


def _profile(specification: ProfileSpecification, rows: DatedRows) -> Profile:
    categorical: Mapping[str, Sequence[object]] = {k: v.tolist() for k, v in rows.categorical.items()}
    return profile_rows(specification, rows.numeric, categorical, rows.scores)


def encode(specification: ProfileSpecification, reference: Reference) -> bytes:
    """Bytes of a reference (kind "R"), marked with the first 16 digits of its specification's digest."""
    header = {
        "of": specification.digest[:16],
        "metric": reference.metric,
        "pooled": _plain(specification, reference.pooled),
        "targets": {name: _plain(specification, own) for name, own in reference.targets.items()},
    }
    return pack("R", header, {})


def decode(specification: ProfileSpecification, data: bytes) -> Reference:
    """Reference from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes, or a reference of
    another specification."""
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
        "performance": [of.metric, *(finite_or_none(x) for x in (of.value, of.low, of.high)), of.rows],
        "hits": own.hits and pack("H", {}, {"rows": own.hits[0].ravel(), "right": own.hits[1].ravel()}),
        "losses": own.losses and loss_estimation.encode(own.losses),
    }


def _target(specification: ProfileSpecification, plain: dict[str, Any]) -> TargetReference:
    metric, value, low, high, rows = plain["performance"]
    figures = [math.nan if x is None else float(x) for x in (value, low, high)]
    return TargetReference(
        tuple(plain["training_days"]),
        profile_storage.StoredProfiles(specification, plain["training"]),
        tuple(plain["holdout_days"]),
        profile_storage.StoredProfiles(specification, plain["holdout"]),
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
