"""A stored prediction with everything that is kept of it, and the predictions of a trace."""

from dataclasses import replace

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.trace_context import trace_asked
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.stored_predictions import StoredPrediction
from pilothouse.operations.authorisation import reading
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.telemetry.rows import found_rows

MOST = 100
"""Predictions of one trace that are shown at most."""


def find(services: Services, actor: Actor, text: str) -> list[StoredPrediction]:
    """The prediction of an id; where there is none and the text is a trace id or a ``traceparent``, the predictions of that
    trace, ``MOST`` of them. Without columns that are private now. Raises NotFoundError where nothing is stored of it."""
    trace = trace_asked(text)
    with reading(services, actor):
        pass
    with services.telemetry.read() as connection:
        one = found_rows.by_id(connection, text.strip())
        found = [one] if one is not None else found_rows.by_trace(connection, trace, MOST) if trace else []
    if not found:
        raise NotFoundError(
            f"no prediction of trace {trace} is stored: its request may have had no model's answer, or retention has deleted it"
            if trace
            else f"no prediction {one_line(text, 80)!r} is stored: expected the id that its answer gave, or a trace id of 32 "
            "hexadecimal digits; retention may have deleted it, or it has not arrived yet"
        )
    with reading(services, actor) as connection:
        specs = {row.model: spec_in_force(connection, row.model) for row in found}
    private = {model: spec.data.private if spec else () for model, spec in specs.items()}
    return [
        replace(
            row,
            features={name: value for name, value in row.features.items() if name not in private[row.model]},
        )
        for row in found
    ]
