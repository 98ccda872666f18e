"""Page of stored predictions: of one, or of those of a trace."""

from collections.abc import Iterator, Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.monitoring.stored_predictions import StoredPrediction
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.texts import ABSENT, value_text


def prediction_page(found: Sequence[StoredPrediction], most: int) -> list[Line]:
    """What is stored of each. ``most``: as many of a trace are shown at most."""
    lines = [line for one in found for line in _of(one)]
    if len(found) == most:
        lines.append(text_line(f"the first {most} predictions of the trace are shown", "warn"))
    return lines


def _of(one: StoredPrediction) -> Iterator[Line]:
    trace = f"{one.trace_id}, span of the caller {one.parent_id}" if one.trace_id else ABSENT
    answer = f"{safe(one.label)}, score {one.score:.6g}" if one.label else f"{one.score:.6g}"
    facts = [
        ("version", f"{version_uri(one.model, one.version)} on {one.target}"),
        ("time of the event", one.event_at.isoformat(sep=" ", timespec="milliseconds")),
        ("arrived", one.received_at.isoformat(sep=" ", timespec="milliseconds")),
        ("answer", answer),
        ("outcome", "not known" if one.outcome is None else value_text(one.outcome)),
        ("trace", trace),
    ]
    yield from section(f"Prediction {safe(one.id)}", pairs(facts))
    yield from section(
        "Features as they were served",
        pairs((name, value_text(value)) for name, value in one.features.items()),
    )
