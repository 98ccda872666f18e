"""Domain values as table cells: text, and a tone that a screen may colour. A state is always a word or a glyph too."""

from collections.abc import Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.version_stage import VersionStage
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.promotion.request_standing import RequestState
from pilothouse.domain.records import AlertStatus, Job
from pilothouse.presentation.cell import Cell, Tone, cell
from pilothouse.presentation.texts import ABSENT, figure, signed_figure

__all__ = [
    "HEALTH", "Cell", "Tone", "against_reference", "alert_cell", "cell", "gate_cell", "gate_glyph", "health_cell", "job_cell",
    "metric_cells", "progress_bar", "request_cell", "sparkline", "stage_cell",
]  # fmt: skip

HEALTH: dict[Health, tuple[str, Tone]] = {
    Health.DOWN: ("▼", "bad"),
    Health.CRITICAL: ("✖", "bad"),
    Health.DEGRADED: ("▲", "warn"),
    Health.NO_TRAFFIC: ("◌", "warn"),
    Health.NOT_JUDGED: ("?", "info"),
    Health.NO_DATA: ("○", "dim"),
    Health.SUSPECTED: ("△", "warn"),
    Health.HEALTHY: ("●", "good"),
    Health.NOT_DEPLOYED: ("·", "dim"),
}
"""Glyph and tone of each health; its name stands beside the glyph wherever there is room."""

_JOBS: dict[JobStatus, tuple[str, Tone]] = {
    JobStatus.QUEUED: ("○", "dim"),
    JobStatus.RUNNING: ("▶", "info"),
    JobStatus.SUCCEEDED: ("●", "good"),
    JobStatus.CANCELLED: ("◌", "dim"),
}
_REQUESTS: dict[RequestState, tuple[str, Tone]] = {
    RequestState.OPEN: ("◆", "info"),
    RequestState.OUTDATED: ("▲", "warn"),
    RequestState.APPROVED: ("◐", "info"),
    RequestState.DEPLOYED: ("●", "good"),
    RequestState.COMPLETED: ("●", "good"),
    RequestState.ROLLED_BACK: ("◌", "dim"),
    RequestState.REPLACED: ("◌", "dim"),
    RequestState.REJECTED: ("✖", "bad"),
}
_STAGES: dict[VersionStage, tuple[str, Tone]] = {
    VersionStage.CANDIDATE: ("○", "info"),
    VersionStage.REFUSED: ("✖", "bad"),
    VersionStage.REQUESTED: ("◆", "info"),
    VersionStage.REJECTED: ("✖", "bad"),
    VersionStage.LIVE: ("●", "good"),
    VersionStage.REPLACED: ("◌", "dim"),
    VersionStage.ROLLED_BACK: ("▲", "warn"),
    VersionStage.RETIRED: ("·", "dim"),
}
_ALERTS: dict[AlertStatus, tuple[str, Tone]] = {
    AlertStatus.OPEN: ("▲", "warn"),
    AlertStatus.ACKNOWLEDGED: ("◐", "info"),
    AlertStatus.RESOLVED: ("●", "dim"),
}


def health_cell(health: Health) -> Cell:
    """``▲ degraded``."""
    glyph, tone = HEALTH[health]
    return Cell(f"{glyph} {health}", tone)


def job_cell(job: Job) -> Cell:
    """``▶ running``; ``▲ refused by a gate: auc`` where a training has succeeded and its version has not."""
    if job.refused_by:
        more = f" +{len(job.refused_by) - 1}" if len(job.refused_by) > 1 else ""
        return Cell(f"▲ refused by a gate: {safe(job.refused_by[0])}{more}", "warn")
    glyph, tone = _JOBS.get(job.status, ("✖", "bad"))
    return Cell(f"{glyph} {job.status}", tone)


def request_cell(state: RequestState) -> Cell:
    """``◆ open``, ``▲ outdated``."""
    glyph, tone = _REQUESTS.get(state, ("◌", "dim"))
    return Cell(f"{glyph} {state}", tone)


def alert_cell(status: AlertStatus, severity: str) -> Cell:
    """``▲ open``; ``✖ open`` where it is critical."""
    glyph, tone = _ALERTS[status]
    if status is AlertStatus.OPEN and severity == "critical":
        glyph, tone = "✖", "bad"
    return Cell(f"{glyph} {status}", tone)


def stage_cell(stage: VersionStage) -> Cell:
    """``● live``, ``✖ refused``."""
    glyph, tone = _STAGES[stage]
    return Cell(f"{glyph} {stage}", tone)


def gate_glyph(outcome: str) -> str:
    return {"passed": "●", "failed": "✖", "not comparable": "◌"}.get(outcome, "?")


def gate_cell(outcome: str, doubt: str = "") -> Cell:
    """``✖ failed``; ``▲ passed, worse`` and ``▲ passed, few rows`` where ``doubt`` says what stands beside the verdict."""
    if doubt:
        return Cell(f"▲ {safe(outcome)}, {doubt}", "warn")
    tones: dict[str, Tone] = {"passed": "good", "failed": "bad", "not comparable": "dim"}
    return Cell(f"{gate_glyph(outcome)} {safe(outcome)}", tones.get(outcome, ""))


def metric_cells(metric: MetricValue | None) -> tuple[str, str]:
    """A metric's value and its interval as two cells: ``0.712``, ``0.701 to 0.723``."""
    if metric is None:
        return ABSENT, ABSENT
    return figure(metric.value), f"{figure(metric.low)} to {figure(metric.high)}"


def against_reference(now: float | None, reference: float | None, higher_is_better: bool) -> Cell:
    """``−0.050``: the difference of a figure to its reference, in a warning tone where it is worse."""
    if now is None or reference is None:
        return Cell(ABSENT, "dim")
    difference = now - reference
    worse = difference < 0 if higher_is_better else difference > 0
    return Cell(signed_figure(difference), "warn" if worse else "good")


_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 12) -> str:
    """The last ``width`` values as bars between their own minimum and maximum; flat where all are equal."""
    shown = [v for v in values if v == v][-width:]
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    if high == low:
        return _BARS[3] * len(shown)
    return "".join(_BARS[round((v - low) / (high - low) * 7)] for v in shown)


def progress_bar(fraction: float, width: int = 8) -> str:
    """``████░░░░`` for a share between 0 and 1."""
    filled = round(max(0.0, min(1.0, fraction)) * width)
    return "█" * filled + "░" * (width - filled)
