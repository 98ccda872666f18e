"""Page of metrics of a serving process."""

from collections.abc import Iterable, Iterator, Mapping

from pilothouse import __version__
from pilothouse.domain.formats.openmetrics import Family, Labels, page
from pilothouse.serving.pages.route import Standing
from pilothouse.serving.pages.traffic import BUCKETS_S, VersionTraffic
from pilothouse.serving.versions.live_versions import Roster

_OUTCOMES = ("paired", "dropped", "failed", "unfit")
"""What may become of a request in the shadow."""


def metrics_page(roster: Roster, standing: Standing, *, openmetrics: bool) -> bytes:
    """Body of the page."""
    return page(_families(roster, standing), openmetrics=openmetrics)


def _families(roster: Roster, standing: Standing) -> Iterator[Family]:
    versions = {
        _labels(model, number): counts
        for (model, number), counts in sorted(standing.traffic.versions.items())
    }
    for (
        loaded
    ) in roster.live.values():  # from the first scrape on, so that a rate can be taken of the first request
        versions.setdefault(_labels(loaded.version.model, loaded.version.version), VersionTraffic())

    def counter(name: str, text: str, samples: Iterable[tuple[Labels, float]]) -> Family:
        return Family(name, "counter", text, tuple(("_total", labels, value) for labels, value in samples))

    def gauge(name: str, text: str, value: float, unit: str = "") -> Family:
        return Family(name, "gauge", text, (("", {}, value),), unit)

    of_versions = [(dict(labels), counts) for labels, counts in versions.items()]
    yield counter(
        "pilothouse_requests",
        "Requests that reached a version, answered or failed.",
        ((labels, counts.answered + counts.failed) for labels, counts in of_versions),
    )
    yield counter(
        "pilothouse_rows", "Rows predicted.", ((labels, counts.rows) for labels, counts in of_versions)
    )
    yield counter(
        "pilothouse_errors",
        "Requests to a version that were answered with an error, by status.",
        (
            ({**labels, "status": str(status)}, count)
            for labels, counts in of_versions
            for status, count in sorted(counts.errors.items())
        ),
    )
    yield counter(
        "pilothouse_refused_requests",
        "Requests that reached no version, by status.",
        (({"status": str(status)}, count) for status, count in sorted(standing.traffic.refused.items())),
    )
    yield Family(
        "pilothouse_request_duration_seconds",
        "histogram",
        "Time from a request's head to its answer, of requests that did not fail.",
        tuple(sample for labels, counts in of_versions for sample in _histogram(labels, counts)),
        "seconds",
    )
    yield counter(
        "pilothouse_rejected_rows",
        "Predictions that the hub did not take.",
        ((dict(_labels(*version)), count) for version, count in sorted((standing.rejected or {}).items())),
    )
    yield counter(
        "pilothouse_shadow_requests",
        "Requests that the challenger of a trial answered too, or not and why.",
        (
            (
                {
                    **dict(_labels(stream.model, stream.challenger)),
                    "rollout": str(stream.rollout),
                    "champion": str(stream.champion),
                    "outcome": outcome,
                },
                count,
            )
            for stream, counts in sorted(standing.shadows.items(), key=lambda item: str(item[0]))
            for outcome, count in zip(_OUTCOMES, (counts.paired, *counts.alone), strict=True)
        ),
    )
    yield Family(
        "pilothouse_trial",
        "info",
        "Versions that are tried beside the live one, and how.",
        tuple(
            ("_info", {**dict(_labels(model, arm.named.version.version)), "mode": trial.mode}, 1)
            for model, trial in sorted(roster.trials.items())
            for arm in trial.challengers
        ),
    )
    yield counter(
        "pilothouse_dropped_spans",
        "Spans of requests that were dropped: too many waited, or the hub did not take them.",
        (({}, standing.spans_dropped),),
    )
    yield gauge("pilothouse_open_requests", "Requests that are being answered.", standing.waiting)
    yield gauge("pilothouse_spool_segments", "Segments that wait for the hub.", standing.segments)
    yield gauge("pilothouse_spool_bytes", "Bytes that wait for the hub.", standing.spooled_bytes, "bytes")
    yield gauge("pilothouse_ready", "1 while every deployed model answers.", int(roster.ready))
    yield Family(
        "pilothouse_live_version",
        "info",
        "Version that answers for a model.",
        tuple(
            ("_info", dict(_labels(model, loaded.version.version)), 1)
            for model, loaded in sorted(roster.live.items())
        ),
    )
    yield Family("pilothouse_build", "info", "Release.", (("_info", {"version": __version__}, 1),))


def _labels(model: str, number: int) -> tuple[tuple[str, str], ...]:
    return ("model", model), ("version", str(number))


def _histogram(labels: Mapping[str, str], counts: VersionTraffic) -> Iterator[tuple[str, Labels, float]]:
    total = 0
    for bound, count in zip((*map(str, BUCKETS_S), "+Inf"), counts.buckets, strict=True):
        total += count
        yield "_bucket", {**labels, "le": bound}, total
    yield "_sum", labels, counts.answered_ns / 1e9
    yield "_count", labels, total
