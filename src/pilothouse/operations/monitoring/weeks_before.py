"""The weeks just before a window, as its target had them, whatever version answered then.

Inputs belong to the target. In the first weeks of a version the weeks before are those of the versions before it: their stored
rows are profiled again under the specification of the new one, piece by piece. Scores are left out, since each version has its
own.

A change that was found under another version in these weeks would be found again by the new one. Where the new version was
trained on days of the change it is no news, and the feature has no past until there are as many weeks since. Where it was not,
the weeks before the change stand for them, and a window that shows it still is one more witness of the same change.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

import numpy as np

from pilothouse.domain.formats.time_units import DAY_S, DAY_US, SECOND_US, from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.drift_comparison import WeeksBefore
from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.operations.monitoring.baselines import Baseline
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Flags, frozen
from pilothouse.statistics.profiles.profile import Profile, empty_profile, merge_all, profile_rows
from pilothouse.statistics.profiles.specification import Column, ProfileSpecification
from pilothouse.statistics.significance.null_windows import RECENT
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake import rollup as rolled
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.rows.columns import Features, Ints, Predictions
from pilothouse.telemetry.rows.retention import deleted_before_us
from pilothouse.telemetry.rows.stored_rows import sampled_rows
from pilothouse.telemetry.windows import readings, revisions
from pilothouse.telemetry.windows.readings import DRIFT, Reading, findings_of

log = logging.getLogger(__name__)

MOST_ROWS = 100_000
"""Stored rows of one version that are profiled again for one window; of more an evenly spread part is taken."""
REACH = 2 * RECENT + 1
"""Windows before one that its past may reach back, beyond a change in the last of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The past of a window: its profile, in which a feature without a past has no rows; by feature the time that it is of, and
    what is to be said of it where other versions answered then. ``goes_on``: features that differed in each of the windows of
    other versions in that time, the newest first."""

    profile: Profile | None = None
    spans: Mapping[str, Span] = field(default_factory=dict)
    notes: Mapping[str, WeeksBefore] = field(default_factory=dict)
    goes_on: Sequence[set[str]] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    """A window in which a feature began to differ under another version."""

    version: int
    span: Span


@dataclass(slots=True)
class _Found:
    """What was found under other versions: changes by feature, and the features that differed in each window, oldest first."""

    changes: dict[str, list[_Change]] = field(default_factory=dict)
    windows: list[tuple[int, set[str]]] = field(default_factory=list)


def past_of(
    services: Services,
    stream: Stream,
    spec: MonitoringSpec,
    base: Baseline,
    level: int,
    span: Span,
    before: Sequence[rolled.Window],
) -> Past:
    """The RECENT windows' time before a window; without a profile where the target is younger. ``before``: windows of the
    version itself in that time."""
    long = spec.window * SECOND_US
    usual = Span(span.start_us - RECENT * long, span.start_us)
    with services.telemetry.read() as connection:
        streams = sorted(list_streams(connection, stream.model, stream.target), key=attrgetter("version"))
        others = [s for s in streams if s.id != stream.id and s.first_event_us < usual.end_us]
        if not _answering(connection, others, usual):
            if stream.first_event_us - DAY_US > usual.start_us:
                return Past()
            return Past(merge_all(base.specification, [window.profile for window in before]))
        found = _found_by(connection, others, span, usual.start_us)
        spans, notes = _spans(services, connection, stream, streams, base, usual, found)
        parts: list[Profile] = []
        for own in sorted(set(spans.values()), key=lambda s: s.start_us):
            columns = [name for name in spans if spans[name] == own]
            last = before if own == usual else _own(connection, base, stream, level, own)
            profile, note = _profile(connection, base, stream, others, last, own)
            notes |= {name: replace(note, found_by=notes[name].found_by) for name in columns}
            if note.lacking:
                spans = {name: of for name, of in spans.items() if of != own}
            else:
                parts.append(_only(profile, _cells_of(base.specification, columns)))
    return Past(
        merge_all(base.specification, parts) if parts else None,
        spans,
        notes,
        [features for _, features in sorted(found.windows, key=lambda w: w[0], reverse=True)],
    )


def rested_on(reading: Reading | None, monitor: str) -> frozenset[tuple[str, str]] | None:
    """The part of a reading of inputs that the judgement of later windows rests on; None without a verdict."""
    if monitor != DRIFT or reading is None or not reading.judged:
        return None
    found = findings_of(reading, DriftFinding)
    return frozenset((f.feature, f.compared_with) for f in found if f.significant)


def resting_on(
    connection: Connection, stream: Stream, spec: MonitoringSpec, span: Span
) -> list[tuple[Stream, Span]]:
    """Closed later windows of inputs on a target whose judgement rests on the findings of a window: those of its own version
    that count it among the last, and those of other versions that have it, or the one after it, in the weeks before."""
    long = spec.window * SECOND_US
    after: list[tuple[Stream, Span]] = []
    telling, counted = [span], 0
    for own, rows, judged in revisions.closed_since(connection, stream.id, DRIFT, span.end_us):
        counted += judged
        if counted == 1 and judged:
            telling.append(own)  # whether a change began in it is told by the window before
        if rows and counted < spec.of:
            after.append((stream, own))
        if counted and counted >= spec.of - 1:
            break
    until_us = telling[-1].end_us + RECENT * long
    for other in list_streams(connection, stream.model, stream.target):
        if other.id == stream.id or other.last_event_us < span.start_us:
            continue
        for window, rows, _ in revisions.closed_since(connection, other.id, DRIFT, span.end_us):
            if window.start_us >= until_us:
                break
            if rows and any(t.start_us < window.start_us < t.end_us + RECENT * long for t in telling):
                after.append((other, window))
    return after


def _spans(
    services: Services,
    connection: Connection,
    stream: Stream,
    streams: Sequence[Stream],
    base: Baseline,
    usual: Span,
    found: _Found,
) -> tuple[dict[str, Span], dict[str, WeeksBefore]]:
    """The time that the past of each feature is of, and what is known of it; no time where it has none."""
    first_us = min(s.first_event_us for s in streams)
    trained_until_us = (base.training_days[1] + 1) * DAY_US
    columns = {
        s.id: services.telemetry.specification(connection, s.id).by_name for s in streams if s.id != stream.id
    }
    answering: dict[Span, list[Stream]] = {}
    spans: dict[str, Span] = {}
    notes: dict[str, WeeksBefore] = {}
    for column in base.specification.features:
        own, note = usual, WeeksBefore()
        changes = found.changes.get(column.name, [])
        learnt = [change for change in changes if change.span.start_us < trained_until_us]
        if learnt:
            note = WeeksBefore(lacking=_learnt_text(learnt[-1], stream.version))
        elif changes:
            note = WeeksBefore(found_by=changes[0].version)
            begun_us = min(change.span.start_us for change in changes)
            before = Span(begun_us - (usual.end_us - usual.start_us), begun_us)
            own = before if first_us - DAY_US <= before.start_us else usual
        if first_us - DAY_US > own.start_us:
            note = replace(note, lacking=f"the target is known since {from_us(first_us):%Y-%m-%d} only")
        if own not in answering:
            answering[own] = _answering(connection, [s for s in streams if s.id != stream.id], own)
        lacking = [_lacking_text(s.version, columns[s.id].get(column.name), column) for s in answering[own]]
        note = replace(note, lacking=note.lacking or max(lacking, default=""))
        notes[column.name] = note
        if not note.lacking:
            spans[column.name] = own
    return spans, notes


def _answering(connection: Connection, streams: Sequence[Stream], span: Span) -> list[Stream]:
    """Streams with rows of a time."""
    return [s for s in streams if rolled.count_rows(connection, s.id, DAY_S, span.start_us, span.end_us)]


def _lacking_text(version: int, before: Column | None, column: Column) -> str:
    """Why a column has no past under a version that had it in another form, or not at all; empty where it has one."""
    if before is None:
        return f"version {version} did not have it"
    return "" if type(before) is type(column) else f"version {version} had it as another type"


def _own(
    connection: Connection, base: Baseline, stream: Stream, level: int, span: Span
) -> list[rolled.Window]:
    return rolled.read(connection, base.specification, stream.id, level, span.start_us, span.end_us)


def _profile(
    connection: Connection,
    base: Baseline,
    own: Stream,
    others: Sequence[Stream],
    windows: Sequence[rolled.Window],
    span: Span,
) -> tuple[Profile, WeeksBefore]:
    """Profile of all rows of a time on a target, each version counting by its rows; nothing where some are gone or damaged.
    ``windows``: those of the version itself."""
    there = _answering(connection, others, span)
    deleted_us = deleted_before_us(connection, own.model, own.target)
    if there and deleted_us is not None and deleted_us > span.start_us:
        gone = f"rows from before {from_us(deleted_us):%Y-%m-%d} are not kept any more"
        return empty_profile(base.specification), WeeksBefore(lacking=gone)
    parts, every = [merge_all(base.specification, [window.profile for window in windows])], 1
    for stream in there:
        lost: list[tuple[int, int]] = []  # segments, and rows of each

        def damaged(segment: int, rows: int, lost: list[tuple[int, int]] = lost) -> None:
            lost.append((segment, rows))

        samples = sampled_rows(connection, stream.id, span.start_us, span.end_us, MOST_ROWS, damaged=damaged)
        sample = merge_all(base.specification, _profiled(base.specification, samples))
        if lost:
            uri = version_uri(stream.model, stream.version)
            log.error("segment %d of %s on %s is damaged: pilothouse doctor", lost[0][0], uri, stream.target)
            rows = sum(rows for _, rows in lost)
            gone = f"{rows:,} stored rows of version {stream.version} are damaged"
            return empty_profile(base.specification), WeeksBefore(lacking=gone)
        if not sample.rows:
            continue
        rows = rolled.count_rows(connection, stream.id, DAY_S, span.start_us, span.end_us)
        times = max(1, round(rows / sample.rows))
        every = max(every, times)
        parts.append(
            replace(
                sample,
                rows=sample.rows * times,
                counts=frozen(sample.counts * times),
                positions=frozen(sample.positions * times),
            )
        )
    note = WeeksBefore(days=_days_by_version(connection, [own, *there], span), every=every)
    return merge_all(base.specification, parts), note


def _profiled(
    specification: ProfileSpecification, samples: Iterable[tuple[Predictions, Features, Ints]]
) -> Iterator[Profile]:
    """Profiles of samples of stored rows, one a segment, without scores."""
    for _, features, chosen in samples:
        numeric = {name: values[chosen] for name, values in features.numeric.items()}
        categorical = {name: texts.take(chosen) for name, texts in features.categorical.items()}
        yield profile_rows(specification, numeric, categorical, np.full(chosen.size, np.nan))


def _cells_of(specification: ProfileSpecification, columns: Iterable[str]) -> Flags:
    """Cells of some columns, bool[cells]."""
    kept = np.zeros(specification.cells, np.bool_)
    for name in columns:
        where = specification.layout[name]
        kept[where.start : where.missing + 1] = True
    return kept


def _only(profile: Profile, kept: Flags) -> Profile:
    chosen = kept[profile.cells]
    cells, counts, positions = (
        frozen(array[chosen]) for array in (profile.cells, profile.counts, profile.positions)
    )
    return Profile(profile.rows, cells, counts, positions, profile.low, profile.high)


def _found_by(connection: Connection, others: Sequence[Stream], span: Span, since_us: int) -> _Found:
    """Windows of other versions that reach into the time between ``since_us`` and a window: in which features differed, and in
    which one began to, from the reference or from the days before it."""
    found = _Found()
    for stream in others:
        differed: set[str] = set()
        last_before = readings.history(connection, stream.id, DRIFT, until_us=since_us, limit=1, judged=True)
        within = readings.history(
            connection, stream.id, DRIFT, after_us=since_us, until_us=span.end_us, judged=True
        )
        for reading in last_before + within:
            differs = {f.feature: f for f in findings_of(reading, DriftFinding) if f.significant}
            window = Span(to_us(reading.window.since), reading.end_us)
            if window.end_us > since_us and window.start_us < span.start_us:
                found.windows.append((window.end_us, set(differs)))
                for name, finding in differs.items():
                    if name not in differed or finding.compared_with == "recent":
                        found.changes.setdefault(name, []).append(_Change(stream.version, window))
            differed = set(differs)
    for changes in found.changes.values():
        changes.sort(key=lambda change: change.span.start_us)
    return found


def _days_by_version(connection: Connection, streams: Sequence[Stream], span: Span) -> dict[int, int]:
    """Days of a time with rows by the version that answered most of them, the newer one of two that answered as many."""
    days: dict[int, int] = {}
    for day_us in range(span.start_us - span.start_us % DAY_US, span.end_us, DAY_US):
        rows = {
            s.version: rolled.count_rows(connection, s.id, DAY_S, day_us, day_us + DAY_US) for s in streams
        }
        version = max(rows, key=lambda v: (rows[v], v))
        if rows[version]:
            days[version] = days.get(version, 0) + 1
    return days


def _learnt_text(change: _Change, version: int) -> str:
    return (
        f"it changed under version {change.version} in the window to {from_us(change.span.end_us):%Y-%m-%d}, which version "
        f"{version} was trained on"
    )
