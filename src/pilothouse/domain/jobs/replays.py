"""Replay of a version over recorded production traffic: what it found, as values, and in one line.

``against`` is the version with which ``version`` is compared, as a rule the one that is live. A result keeps the
prediction ids and the answers of recorded rows, never their features: a page reads those from telemetry while they are stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.model_spec import Task

KIND = "replay"
MOST_ROWS = 2_000_000
"""Rows beyond which a replay draws a sample, so that its step stays within the memory of a small machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTraffic:
    """Traffic that was asked for, and what of it is stored. Times are microseconds since 1970, UTC."""

    since_us: int
    until_us: int
    targets: tuple[str, ...]
    days: int
    """Days of the span."""
    days_served: int
    """Those with traffic."""
    days_stored: int
    """Those of which rows are stored."""
    rows_served: int
    rows_stored: int
    kept_s: int | None
    """Seconds after their arrival for which rows are kept; None: for good."""
    sample: int | None = None
    """Rows drawn, each version, target and day in its proportion; None: every stored row."""
    seed: int = 0
    private: tuple[str, ...] = ()
    """Columns that are never stored."""
    not_sliced: tuple[str, ...] = ()
    """Slices of the model file that are no stored features."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    rows: int
    why: str


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    """Replayed rows that a version answered then, and of how many the replayed version decides otherwise."""

    version: int
    rows: int
    changed: int


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Rows that ``against`` answered then, answered by it again: how many scores are equal to the bit."""

    rows: int
    equal: int
    largest: float
    """Largest difference of a score."""
    why: tuple[LeftOut, ...] = ()
    """Rows that differ, by the cause as far as it is known."""


@dataclass(frozen=True, slots=True)
class ChangedWay:
    """Rows decided ``then`` and ``now`` like this."""

    then: str
    now: str
    rows: int


@dataclass(frozen=True, slots=True)
class ReplaySlice:
    """Rows of one value of ``by`` (target, region, month, score band, or a feature).

    ``against`` and ``version`` are the accuracy, of a regression the mean absolute error, on its ``known`` rows with outcomes;
    None without any. Rows that one of them was trained on are among them."""

    by: str
    value: str
    rows: int
    changed: int
    known: int
    against: float | None
    version: float | None


@dataclass(frozen=True, slots=True)
class FigurePair:
    """A metric of both versions on the same rows. ``difference`` > 0: the replayed version is better; 95 % interval."""

    metric: str
    against: float
    version: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class OutcomeFigures:
    """Figures on rows with known outcomes that neither version was trained on."""

    known: int
    """Rows with known outcome."""
    rows: int
    """Those of them that are newer than anything either was trained on."""
    blocks: str
    """What the interval draws: ``24 whole days drawn again``."""
    figures: tuple[FigurePair, ...] = ()
    """The primary metric first."""
    why: str = ""
    """Why there are none."""


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Rows by score: ``edges`` (one more than bins) and both versions' counts."""

    edges: tuple[float, ...]
    against: tuple[int, ...]
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """Distance of a version's scores on the replayed rows from those on its own hold-out: Jensen–Shannon distance and
    Kolmogorov–Smirnov statistic, both 0 to 1."""

    version: int
    js: float
    ks: float


@dataclass(frozen=True, slots=True)
class CallLatency:
    """Durations of calls of one row, both versions in turn, on this machine in this run; milliseconds."""

    calls: int
    against_p50: float
    against_p95: float
    version_p50: float
    version_p95: float


@dataclass(frozen=True, slots=True)
class MetInput:
    """Rows in which a feature of the replayed version is missing, and in which it has a category that is not learnt."""

    feature: str
    missing: int
    unseen: int


@dataclass(frozen=True, slots=True)
class ReplayExample:
    """A row whose answer changed, by its prediction id."""

    prediction: str
    target: str
    answered_by: int
    at_us: int
    score_then: float
    score_now: float
    label_then: str
    label_now: str
    outcome: str
    """Empty where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFindings:
    """Findings of the step."""

    task: Task
    rows: int
    first_us: int
    last_us: int
    left_out: tuple[LeftOut, ...]
    answered_by: tuple[AnsweredBy, ...]
    check: SelfCheck
    changed: int
    """Rows that are decided otherwise; of a regression, answers that moved by more than ``tolerance``."""
    tolerance: float | None
    ways: tuple[ChangedWay, ...]
    moved_p50: float
    moved_p95: float
    moved_most: float
    """Absolute differences of the two scores."""
    slices: tuple[ReplaySlice, ...]
    outcomes: OutcomeFigures
    scores: ScoreCounts
    drift: tuple[ScoreDrift, ...]
    latency: CallLatency | None
    inputs: tuple[MetInput, ...]
    examples: tuple[ReplayExample, ...]
    scored_s: float
    """Seconds in which both versions answered all rows."""


@dataclass(frozen=True, slots=True)
class TrafficReplay:
    """Result of a replay."""

    model: str
    version: int
    against: int
    traffic: RecordedTraffic
    found: ReplayFindings


def read_replay(plain: object) -> TrafficReplay | None:
    """Replay in the result of a job, or None where it holds none."""
    result = plain.get(KIND) if isinstance(plain, Mapping) else None
    return read_dataclass(TrafficReplay, result, KIND, []) if isinstance(result, Mapping) else None


def is_worse(replay: TrafficReplay) -> bool:
    """True where the replayed version is shown to be worse: the whole interval of the primary metric lies below 0."""
    return bool(replay.found.outcomes.figures) and replay.found.outcomes.figures[0].high < 0


def replay_line(replay: TrafficReplay) -> str:
    """``on 41,212 rows of 1–28 Nov 2026 it would have decided 312 otherwise (0.8 %); on 38,900 with known outcomes auc 0.742
    against 0.731, better by 0.011 [0.004, 0.018]``."""
    found = replay.found
    changed = f"{found.changed:,}" if found.changed else "none"
    share = f" ({share_text(found.changed, found.rows)})" if found.changed else ""
    did = "decided" if found.tolerance is None else "moved"
    otherwise = "otherwise" if found.tolerance is None else f"by more than {found.tolerance:.3g}"
    of = days_text(found.first_us, found.last_us)
    text = f"on {found.rows:,} rows of {of} it would have {did} {changed} {otherwise}{share}"
    return f"{text}; {outcome_text(found.outcomes)}"


def outcome_text(outcomes: OutcomeFigures) -> str:
    """The primary metric of both versions, or why there is none."""
    if not outcomes.figures:
        return outcomes.why or "no outcomes are known"
    first = outcomes.figures[0]
    if first.low > 0:
        verdict = f"better by {first.difference:.3g}"
    elif first.high < 0:
        verdict = f"worse by {-first.difference:.3g}"
    else:
        verdict = f"not told apart, {first.difference:+.3g}"
    low, high = (first.low, first.high) if first.high >= 0 or first.low > 0 else (-first.high, -first.low)
    return (
        f"on {outcomes.rows:,} with known outcomes {first.metric} {first.version:.3f} against {first.against:.3f}, "
        f"{verdict} [{low:.3g}, {high:.3g}]"
    )


def stored_text(traffic: RecordedTraffic) -> str:
    """``of 31 days asked for, rows of 24 are stored (41,212 of 52,300 rows); rows are kept for 30 days``."""
    kept = (
        "rows are kept for good"
        if traffic.kept_s is None
        else f"rows are kept for {traffic.kept_s / 86_400:g} days"
    )
    quiet = (
        f", {traffic.days - traffic.days_served} had no traffic" if traffic.days_served < traffic.days else ""
    )
    days = f"of {traffic.days} days asked for, rows of {traffic.days_stored} are stored{quiet}"
    return f"{days} ({traffic.rows_stored:,} of {traffic.rows_served:,} rows); {kept}"


def check_text(replay: TrafficReplay) -> str:
    """Whether the version in use answers again as it did then."""
    check = replay.found.check
    if not check.rows:
        return f"none of these rows was answered by v{replay.against}, so that its answers cannot be checked"
    if check.equal == check.rows:
        return f"v{replay.against} answers all {check.rows:,} rows that it answered then equal to the bit"
    why = "; ".join(f"{part.rows:,}: {part.why}" for part in check.why)
    return f"v{replay.against} answers {check.rows - check.equal:,} of {check.rows:,} rows otherwise than then ({why})"


def most_changed(replay: TrafficReplay, most: int = 3) -> str:
    """``port S 45.7 % of 619, target north 18.4 % of 581``: the slices with the largest shares, of those with a hundredth of
    the rows or more; empty where nothing changed."""
    found = replay.found
    large = [one for one in found.slices if one.changed and one.rows * 100 >= found.rows]
    large.sort(key=lambda one: (-one.changed / one.rows, one.by, one.value))
    return ", ".join(
        f"{one.by} {one.value} {share_text(one.changed, one.rows)} of {one.rows:,}" for one in large[:most]
    )


def share_text(part: int, whole: int) -> str:
    """``0.8 %``; what is not nothing is never shown as 0."""
    share = 100 * part / whole if whole else 0.0
    return f"{share:.1f} %" if share >= 0.05 or not part else "< 0.1 %"


def days_text(first_us: int, last_us: int) -> str:
    """``1–28 Nov 2026``, ``28 Oct – 3 Nov 2026``: the days from the first row to the last, UTC."""
    first, last = from_us(first_us), from_us(last_us)
    if first.date() == last.date():
        return _day(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{_day(last)}"
    return f"{_day(first).removesuffix(f' {last.year}')} – {_day(last)}"


def _day(time: datetime) -> str:
    return f"{time.day} {time:%b %Y}"


def replay_lines(result: Mapping[str, Any]) -> list[str]:
    """Lines that tell the result of a job."""
    replay = read_replay(result)
    if replay is None:
        return []
    who = f"v{replay.version} against v{replay.against} on {', '.join(replay.traffic.targets)}"
    return [f"{who}: {replay_line(replay)}", check_text(replay), stored_text(replay.traffic)]
