"""Spans of requests: which are recorded, and that there is no work where none are wanted."""

import pytest

from pilothouse.domain.formats.trace_context import context_of
from pilothouse.serving.delivery.request_spans import MOST, RequestSpans

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def header(value: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), (b"traceparent", value.encode())]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"00-{TRACE}-{PARENT}-01", (TRACE, PARENT, True)),
        (f"00-{TRACE}-{PARENT}-00", (TRACE, PARENT, False)),
        (f"00-{TRACE}-{PARENT}-03", (TRACE, PARENT, True)),
        (f"01-{TRACE}-{PARENT}-01-more", (TRACE, PARENT, True)),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        ("\x1b[31m", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_the_standard_says(value: str, found: object) -> None:
    assert context_of(header(value)) == found


def test_two_of_them_are_none() -> None:
    assert context_of(header(f"00-{TRACE}-{PARENT}-01") * 2) is None
    assert context_of([]) is None


def test_the_caller_decides_and_of_the_others_a_share_is_recorded() -> None:
    spans = RequestSpans()
    spans.share = 0.0
    assert spans.begin(None) is None
    spans.share = 1.0
    assert spans.begin(context_of(header(f"00-{TRACE}-{PARENT}-00"))) is None
    begun = spans.begin(context_of(header(f"00-{TRACE}-{PARENT}-01")))
    assert begun is not None
    assert (begun.trace, begun.parent) == (TRACE, PARENT)
    own = spans.begin(None)
    assert own is not None
    assert (len(own.trace), own.parent) == (32, "")


def test_what_waits_is_bounded_and_taken_once() -> None:
    spans = RequestSpans()
    spans.share = 1.0
    for _ in range(MOST + 5):
        begun = spans.begin(None)
        assert begun is not None
        spans.end(begun, ("delay", 1), 1, 200)
    assert len(spans.take()) == MOST
    assert spans.take() == []
    assert spans.dropped == 5
