"""Values that break a contract, for the page of an alert: read anew from the stored rows, so that they go with these."""

from dataclasses import replace

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_explanation import AlertExplanation, ExplainedFeature
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import QualityFinding
from pilothouse.operations.monitoring.contract_checks import check_columns
from pilothouse.sqlite import Connection
from pilothouse.telemetry import Stream

_ROWS_READ = 200_000
"""Rows in the segments that are decoded for an example, evenly spread: a page is not kept waiting by a window of millions."""


def with_examples(
    telemetry: Connection, explanation: AlertExplanation, stream: Stream, spec: ModelSpec
) -> AlertExplanation:
    """A value of each feature that is outside of its contract in the window that explains the alert. None where its rows are
    not stored any more, or where the contract is another now."""
    shown = explanation.explained_by
    rules = {
        one.finding.feature: one.finding.rule
        for one in explanation.features
        if isinstance(one.finding, QualityFinding) and one.finding.rule
    }
    if not rules or shown is None:
        return explanation
    contract = {name: rule for name, rule in (spec.contract or {}).items() if name in rules}
    checked = check_columns(
        telemetry, stream, contract, Span(to_us(shown.since), to_us(shown.end)), read=_ROWS_READ
    )

    def with_example(one: ExplainedFeature) -> ExplainedFeature:
        name = one.finding.feature
        is_same = (
            name in checked
            and isinstance(one.finding, QualityFinding)
            and checked[name].rule == one.finding.rule
        )
        return replace(one, example=checked[name].example) if is_same else one

    return replace(explanation, features=tuple(map(with_example, explanation.features)))
