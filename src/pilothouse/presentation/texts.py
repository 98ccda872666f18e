"""Times, figures and records as text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, MINUTE_S
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.models.evaluation import smallest_change

if TYPE_CHECKING:
    from pilothouse.domain.audit.lineage import LineageNode
    from pilothouse.domain.monitoring.findings import EstimateFinding, PerformanceFinding, Window
    from pilothouse.domain.promotion.policies import EffectivePolicy
    from pilothouse.domain.records import Job
    from pilothouse.domain.replay import Replay

ABSENT = "–"


def time_text(time: datetime | None) -> str:
    """``2013-06-04 14:05`` in UTC (every time in the product is)."""
    return time.strftime("%Y-%m-%d %H:%M") if time else ABSENT


def day_text(time: datetime | None) -> str:
    """``2013-06-04``."""
    return time.strftime("%Y-%m-%d") if time else ABSENT


def replay_text(replay: "Replay") -> str:
    """How far a replay of past data is, and whether more of it comes."""
    if replay.running:
        clocks = ", ".join(f"{model} {clock}" for model, clock in replay.clocks)
        return f"▶ demo: day {replay.day} of {replay.days} ({clocks})"
    newest = max((clock for _, clock in replay.clocks), default=None)
    if replay.ended:
        return f"■ demo: the replay ended on {newest}: no more traffic comes"
    return (
        f"■ demo: the replay stopped at day {replay.day} of {replay.days} ({newest}): no more traffic comes"
    )


def beside_estimate(estimate: "EstimateFinding", measured: "PerformanceFinding | None") -> tuple[str, str]:
    """The measured figure of an estimate's window, and whether it lies in the band."""
    if measured is None:
        return ABSENT, "no outcomes yet"
    band, value = estimate.measured, measured.measured.value
    inside = band.low <= value <= band.high
    return f"{value:.3f}", "in the band" if inside else "outside the band"


def estimate_text(estimate: "EstimateFinding") -> str:
    """``≈0.618``, or that its band excludes nothing."""
    return "≈ cannot tell" if estimate.verdict == "cannot tell" else f"≈{figure(estimate.value)}"


def estimate_note(estimate: "EstimateFinding") -> str:
    """What an estimate says of a change, why, and what it rests on."""
    band = f"the band reaches from {figure(estimate.low)} to {figure(estimate.high)}"
    reference = estimate.reference
    if reference is None:
        return ""
    smallest = smallest_change(estimate.metric, reference)
    least, against = f"the smallest change that counts ({smallest:.2g})", f"the reference {figure(reference)}"
    wide = estimate.measured.high - estimate.measured.low > smallest
    why = {
        "cannot tell": f"{band}, {'wider than' if wide else 'about'} {least} beside {against}",
        "no loss": f"{band}, which excludes a loss of {least} against {against}",
    }.get(estimate.verdict, f"{band}, all of it on one side of {against}")
    weights = sorted(estimate.weights.items(), key=lambda pair: -pair[1])
    shares = ", ".join(f"{FORECASTS.get(name, name)} {weight:.0%}" for name, weight in weights)
    learnt = f"mean of forecasts, weighted by how each did in {counted(estimate.record, 'earlier window')}: {shares}"
    if not estimate.record:
        learnt = "no earlier window had its outcomes when this was estimated, to learn from"
    return f"{estimate.verdict}: {why}" + (f"; {learnt}" if shares else "")


FORECASTS = {
    "unchanged": "the reference",
    "inputs": "the estimate from inputs",
    "measured": "the figures measured lately",
    "corrected": "the estimate from inputs less its errors of late",
    "last": "the figure measured last",
    "last corrected": "the estimate from inputs less its last error",
}
"""Forecasts of which an estimate is the mean."""


def window_text(start: datetime, end: datetime) -> str:
    """``2013-06-03 – 06-10``: the window's first day and the day it ends before."""
    if (end - start) < timedelta(days=1):
        return f"{start:%Y-%m-%d %H:%M} – {end:%H:%M}"
    return f"{start:%Y-%m-%d} – {end:%m-%d}"


def window_moment(window: "Window", time: datetime) -> str:
    """The date of a time about a window; with the time of day where that is shorter than a day."""
    return day_text(time) if window.end - window.start >= timedelta(days=1) else time_text(time)


def ago_text(time: datetime | None, now: datetime) -> str:
    """``3m ago``, ``in 2d``: the distance to ``now`` in one unit."""
    if time is None:
        return ABSENT
    seconds = int((now - time).total_seconds())
    span = span_text(abs(seconds))
    return f"{span} ago" if seconds >= 0 else f"in {span}"


def age_text(time: datetime | None, now: datetime) -> str:
    """``3m ago``; ``–`` for a time more than a minute ahead of ``now``, since the event clocks of several models differ
    when the past is shown."""
    if time is None or time - now > timedelta(minutes=1):
        return ABSENT
    return ago_text(min(time, now), now)


def span_text(seconds: float) -> str:
    """``45s``, ``3m``, ``5h``, ``12d``: a duration in one unit, rounded down."""
    for unit, size in (("d", DAY_S), ("h", HOUR_S), ("m", MINUTE_S)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def figure(value: float | None, decimals: int = 3) -> str:
    """A number for a table: ``decimals`` where it is small, fewer where it is large."""
    if value is None or value != value:
        return ABSENT
    if abs(value) >= 100 and decimals > 1:
        decimals = 1
    elif abs(value) >= 10 and decimals > 2:
        decimals = 2
    return f"{value:.{decimals}f}".replace("-", "−")


def signed_figure(value: float, decimals: int = 3) -> str:
    """``+0.050``, ``−0.050``."""
    text = figure(value, decimals)
    return text if text.startswith("−") else f"+{text}"


def counted(count: int, noun: str) -> str:
    """``1 trial``, ``14 trials``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def count_text(value: int) -> str:
    """``327,346``."""
    return f"{value:,}"


def size_text(count: int) -> str:
    """``1.4 MB``."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1_000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1_000
    return f"{size:.1f} GB"


def value_text(value: Any) -> str:
    """Any plain value on one line, shortest form."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {value_text(item)}" for key, item in value.items()) or ABSENT
    if isinstance(value, list | tuple):
        return ", ".join(value_text(item) for item in value) or ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ABSENT if value is None or value == "" else str(value)


def parameter_text(value: Any) -> str:
    """A parameter as it was given: 1 and 1.0 are two settings to an estimator (one feature, or all of them)."""
    return repr(value) if isinstance(value, float) else value_text(value)


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """``max_iter=120 learning_rate=0.1``; nested tables in dotted keys."""
    return " ".join(f"{key}={parameter_text(value)}" for key, value in flatten(parameters)) or ABSENT


def flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested tables with dotted keys, in order."""
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def code_text(code: Mapping[str, Any]) -> str:
    """``commit 1a2b3c4d5e6f on main, uncommitted changes``, or the folder's digest where there is no git."""
    commit = code.get("commit")
    if not commit:
        return f"no git; folder {str(code.get('folder_digest') or ABSENT)[:12]}"
    branch = f" on {code['branch']}" if code.get("branch") else ""
    return f"commit {str(commit)[:12]}{branch}{', uncommitted changes' if code.get('dirty') else ''}"


def policy_text(policy: "EffectivePolicy") -> str:
    """``2 approvals, four eyes, expires after 1w``."""
    from pilothouse.domain.models.dataclass_reader import format_duration
    from pilothouse.domain.promotion.documents import names_text
    from pilothouse.domain.promotion.teams import teams_text

    parts = [counted(policy.needed, "approval")]
    if policy.teams:
        parts.append(f"among them {teams_text(policy.teams)}")
    if policy.documents:
        parts.append(f"with {safe(names_text(policy.documents), 2_000)} attached")
    if policy.four_eyes:
        parts.append("four eyes (the approver has no part in the version)")
    if policy.solo:
        parts.append("four eyes off: one person runs this workspace")
    if policy.automatic:
        parts.append("a version that passes every gate deploys by itself")
    if policy.signature.rank:
        parts.append(f"each decision with {policy.signature.words}")
    if policy.expires:
        parts.append(f"expires after {format_duration(policy.expires)}")
    return ", ".join(parts)


def solo_text(solo: str) -> str:
    """The warning of a workspace of one person, for every screen."""
    return f"SOLO: {solo} alone; four eyes is off until another approver is granted"


def result_lines(job: "Job") -> list[str]:
    """The result of an ended job as lines; empty while it runs, and where the result holds nothing to show."""
    kind = KINDS.get(job.kind)
    if kind is None:  # of a newer release
        return []
    if kind.result_lines is None:
        lines = [f"{key}: {value_text(value)}" for key, value in flatten(job.result)]
    else:
        lines = kind.result_lines(job.result, job.version if job.status == "succeeded" else None)
    return [safe(line, LINE_LIMIT) for line in lines]


def appliers_text(able: Sequence[str], refusal: str) -> str:
    """``dana, ada may apply it; petra may not: it needs the role data-scientist or admin``."""
    said = f"{', '.join(able)} may apply it" if able else "nobody may apply it"
    return f"{said}; {refusal}" if refusal else said


def tree_lines(node: "LineageNode", *, depth: int = 40) -> list[str]:
    """A lineage as a tree drawn with lines, one node a line: kind, label and detail."""
    lines = [_node_text(node)]
    _branches(node, "", lines, depth)
    return lines


def _branches(node: "LineageNode", indent: str, lines: list[str], depth: int) -> None:
    if depth == 0 and node.children:
        lines.append(f"{indent}└─ …")
        return
    for i, child in enumerate(node.children):
        last = i == len(node.children) - 1
        lines.append(f"{indent}{'└─' if last else '├─'} {_node_text(child)}")
        _branches(child, indent + ("   " if last else "│  "), lines, depth - 1)


def _node_text(node: "LineageNode") -> str:
    name = f"{node.kind} {node.label}".strip()
    return safe(f"{name}  {node.detail}" if node.detail else name, LINE_LIMIT)


def place_once(why: str) -> str:
    """``crm: auc 0.69 on crm, reference 0.77`` with the place once, before the colon."""
    where, colon, rest = why.partition(": ")
    return f"{where}{colon}{without_place(rest, where)}"


def without_place(why: str, place: str) -> str:
    """``auc 0.69 on crm, reference 0.77`` without its place, for where that stands beside it."""
    return re.sub(rf" on {re.escape(place)}(?![\w-])", "", why, count=1)
