"""Where the rows went: the bins and categories whose share has changed most, in the window that explains an alert."""

from dataclasses import replace

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_explanation import AlertExplanation
from pilothouse.domain.monitoring.monitoring import DistributionBin
from pilothouse.operations.monitoring.baselines import reference_profile
from pilothouse.operations.monitoring.window_closing import grids
from pilothouse.operations.services import Services
from pilothouse.statistics.distances.shares import changed_shares
from pilothouse.statistics.profiles.profile import histogram, merge_all
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.windows.readings import DRIFT


def with_shares(
    services: Services, explanation: AlertExplanation, stream: Stream, spec: ModelSpec
) -> AlertExplanation:
    """The shares of the column's bins in the window that explains the alert, from stored profiles."""
    column, shown = explanation.shares_of, explanation.explained_by
    if not column or shown is None:
        return explanation
    base = reference_profile(services, stream.model, stream.version, stream.target)
    if base is None or column not in base[0].by_name:
        return explanation
    specification, reference, why_pooled = base
    level = grids(spec)[DRIFT].level
    with services.telemetry.read() as telemetry:
        if services.telemetry.specification(telemetry, stream.id).digest != specification.digest:
            return explanation
        parts = rollup.read(telemetry, specification, stream.id, level, to_us(shown.since), to_us(shown.end))
    current = merge_all(specification, [part.profile for part in parts])
    referred = histogram(specification, reference, column)
    rows = int(referred.counts.sum()) + referred.missing  # of the score those of the hold-out alone
    shares = changed_shares(
        specification.by_name[column],
        referred,
        histogram(specification, current, column),
    )
    return replace(
        explanation,
        shares=tuple(DistributionBin(s.label, s.reference, s.window) for s in shares),
        compared_with=f"{explanation.compared_with}{whose_rows(stream.target, why_pooled, spec)}, {rows:,} rows",
    )


def whose_rows(target: str, why_pooled: str, spec: ModelSpec) -> str:
    """Whose rows they are. A model of one target has no others to pool."""
    if not why_pooled:
        return f" of {target}"
    return f" of all targets ({why_pooled})" if len(spec.targets) > 1 else ""
