"""Reference that a version is monitored against: one specification, and profiles of each target and of all pooled."""

import numpy as np

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.reference import DatedRows, Reference, build_reference
from pilothouse.training.data.rows import Rows
from pilothouse.training.models.scoring import Scored


def specify(schema: InputSchema, train: DatedRows, holdout: DatedRows) -> ProfileSpecification:
    """Specification of the profiles: bins of the features by the training rows, of the score by training and hold-out."""
    return build_specification(
        schema.task,
        dict(train.numeric),
        {name: values.tolist() for name, values in train.categorical.items()},
        np.concatenate([train.scores, holdout.scores]),
        schema.classes,
    )


def refer(
    spec: ModelSpec,
    specification: ProfileSpecification,
    rows: tuple[Rows, Rows],
    dated: tuple[DatedRows, DatedRows],
) -> Reference:
    """Reference from profiles of training rows and hold-out (the pairs in that order), by day: pooled, and for each
    target with a match."""
    train, holdout = rows
    masks = {
        target.name: (train.matching(target.match), holdout.matching(target.match))
        for target in spec.targets
        if target.match
    }
    return build_reference(specification, spec.primary_metric, dated[0], dated[1], masks)


def rows_a_day(spec: ModelSpec, reference: Reference) -> dict[str, float]:
    """Rows a day of each target in the data. A target without a match has all rows where it is the only one; else its share
    is not known, and it is left out."""
    known = {name: own.rows_a_day for name, own in reference.targets.items() if own.rows_a_day}
    if len(spec.targets) == 1 and not spec.targets[0].match:
        known[spec.targets[0].name] = reference.pooled.rows_a_day
    return known


def dated(schema: InputSchema, rows: Rows, scored: Scored) -> DatedRows:
    """Scored rows with the UTC day of each."""
    columns = rows.columns(schema)
    return DatedRows(
        rows.times // DAY_US,
        columns.numeric,
        {name: np.array(values, dtype=object) for name, values in columns.categorical.items()},
        scored.scores,
        scored.labels,
        rows.outcomes,
    )
