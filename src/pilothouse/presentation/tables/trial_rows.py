"""The candidates of a search as a table, the search in a line, and two candidates side by side."""

import math
from collections.abc import Mapping, Sequence

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.model_spec import SearchSpec
from pilothouse.domain.records import Job
from pilothouse.domain.search import TrialLine, TrialState
from pilothouse.presentation.cells import Cell, Tone, cell, job_cell
from pilothouse.presentation.documents import Line, aligned, section, text_line
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import (
    ABSENT,
    counted,
    figure,
    parameter_text,
    parameters_text,
    signed_figure,
    span_text,
)

_STATES: Mapping[TrialState | JobStatus, tuple[str, Tone]] = {
    TrialState.BEST: ("● best", "good"),
    TrialState.TRIED: ("● tried", ""),
    TrialState.DROPPED: ("◌ stopped early", "dim"),
    TrialState.WAITING: ("○ waiting", "dim"),
    JobStatus.RUNNING: ("▶ running", "info"),
    JobStatus.CANCELLED: ("◌ cancelled", "dim"),
}


def trial_table(trials: Sequence[TrialLine], metric: str) -> Table:
    """The best first: score, the lowest and highest of its folds, parameters."""
    ranks = {t.candidate: rank for rank, t in enumerate(trials, 1) if t.mean is not None}
    return table_of(
        trials,
        {
            ">RANK": lambda t: cell(ranks.get(t.candidate), "strong"),
            ">TRIAL": lambda t: cell(t.candidate + 1),
            "STATE": state_cell,
            f">{metric.upper()}": lambda t: cell(figure(t.mean), "strong"),
            "FOLDS !1": lambda t: cell(folds_text(t)),
            "PARAMETERS ~20": lambda t: cell(parameters_text(t.parameters)),
            ">TOOK !2": lambda t: cell(None if t.seconds is None else span_text(t.seconds)),
            "JOBS ~4 !3": lambda t: cell(" ".join(map(str, t.jobs)), "dim"),
        },
        key=lambda t: t.candidate,
        empty="no trials",
    )


def state_cell(trial: TrialLine) -> Cell:
    """``◌ stopped early``; a job that ended badly shows its own status."""
    text, tone = _STATES.get(trial.state, (f"✖ {safe(trial.state)}", "bad"))
    return Cell(text, tone)


def folds_text(trial: TrialLine) -> str:
    """``0.702–0.731 of 3``: folds are too few and too much alike for an interval, so the lowest and the highest are shown."""
    known = [score for score in trial.scores.values() if score is not None]
    if not known:
        return ABSENT
    span = figure(known[0]) if len(known) == 1 else f"{figure(min(known))}–{figure(max(known))}"
    return f"{span} of {len(trial.scores)}"


def trial_cells(trial: TrialLine) -> list[Cell]:
    """``trial 3  learning_rate=0.1 max_iter=240   jobs 10 13``: a candidate in full."""
    cells = [
        Cell(f"trial {trial.candidate + 1}  ", "strong"),
        Cell(safe(parameters_text(trial.parameters), LINE_LIMIT)),
        Cell(f"   job{'' if len(trial.jobs) == 1 else 's'} {' '.join(map(str, trial.jobs))}", "dim"),
    ]
    return [*cells, Cell(f"   {safe(trial.error, LINE_LIMIT)}", "bad")] if trial.error else cells


def search_line(job: Job, search: SearchSpec | None, trials: Sequence[TrialLine], metric: str) -> list[Cell]:
    """``● succeeded  8 candidates by auc, 3 folds, the worse half stops after each   14 trials``."""
    cells = [Cell(" "), job_cell(job)]
    if search is not None:
        how = "the worse half stops after each" if search.early_stopping else "each on all of them"
        cells.append(
            Cell(
                f"   up to {search.candidates} candidates by {safe(metric)}, {search.folds} folds, {how}",
                "dim",
            )
        )
    done = sum(len(t.jobs) for t in trials)
    if done:
        cells.append(Cell(f"   {counted(done, 'trial')}"))
    if job.message and not job.status.ended:
        cells.append(Cell(f"   {safe(job.message)}", "info"))
    return cells


def empty_text(job: Job, search: SearchSpec | None) -> str:
    """Why there is no trial (yet), and what to do."""
    if search is None:
        return (
            f"job {job.id} searches nothing: name values to try under [training.search.parameters] in the model.toml of "
            f"{safe(job.model)}, apply it, and train (t)"
        )
    reused = job.result.get("reused", {}).get("search")
    if reused:
        return f"job {job.id} did not search again, for nothing had changed: its search is that of {safe(str(reused))}"
    if job.status.ended:
        return f"job {job.id} {job.status} before its search began: j shows its log"
    return "no trial yet: they are queued once the rows are laid out"


def two_trials(first: TrialLine, second: TrialLine, metric: str) -> list[Line]:
    """Parameters and scores of two candidates beside each other, fold by fold; what differs stands out."""
    names = sorted({*first.parameters, *second.parameters})
    parameters = [
        _beside(name, _known(first.parameters, name), _known(second.parameters, name)) for name in names
    ]
    folds = sorted({*first.scores, *second.scores})
    scores = [_scored(f"fold {fold + 1}", first.scores.get(fold), second.scores.get(fold)) for fold in folds]
    both = [f for f in folds if first.scores.get(f) is not None and second.scores.get(f) is not None]
    if both:
        means = [math.fsum(t.scores[f] or 0.0 for f in both) / len(both) for t in (first, second)]
        scores.append(_scored(f"mean of {'it' if len(both) == 1 else f'the {len(both)} of both'}", *means))
    head = (
        Cell(""),
        Cell(f"trial {first.candidate + 1}", "strong"),
        Cell(f"trial {second.candidate + 1}", "strong"),
    )
    return [
        *section("Parameters", aligned([(*head, Cell("")), *parameters])),
        *section(
            f"{metric} by fold, 1 is the oldest", aligned([(*head, Cell("difference", "dim")), *scores])
        ),
        text_line(
            "Both were scored on the same rows of each fold. A fold is one piece of time: a difference in one may be random "
            "variation.",
            "dim",
        ),
    ]


def _known(parameters: Mapping[str, object], name: str) -> str:
    return parameter_text(parameters[name]) if name in parameters else ABSENT


def _beside(name: str, a: str, b: str) -> tuple[Cell, ...]:
    tone: Tone = "info" if a != b else "dim"
    return (Cell(safe(name), "strong" if a != b else "dim"), Cell(safe(a)), Cell(safe(b), tone), Cell(""))


def _scored(name: str, a: float | None, b: float | None) -> tuple[Cell, ...]:
    difference = "" if a is None or b is None else signed_figure(b - a, 4)
    return (Cell(name, "dim"), cell(figure(a)), cell(figure(b)), Cell(difference))
