"""Where a version stands, in words: the act that got it there, and what can be done with it now."""

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.imported.logged import left_out_text
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.domain.models.version_stage import Standing, VersionStage
from pilothouse.presentation.texts import count_text, size_text, time_text

EQUAL = "every answer equal to the bit with scikit-learn's"
"""What the comparison of a portable form with the model that scikit-learn has trained has shown."""


def standing_text(standing: Standing) -> str:
    """``rolled back 2026-05-03 14:05 by oscar: too slow``, ``requested … by sam (request 7): summer rows``."""
    stage = standing.stage
    verb = {
        VersionStage.CANDIDATE: "trained",
        VersionStage.REFUSED: "trained",
        VersionStage.LIVE: "activated",
        VersionStage.RETIRED: "a newer version went live",
    }.get(stage, "")
    act = " ".join(filter(None, (verb, time_text(standing.since) if standing.since else "", _by(standing))))
    separator = ", " if verb else " "
    return f"{stage}{separator if act else ''}{act}{_reason(standing)}"


def portable_text(form: PortableForm) -> str:
    """``12 kB, every answer equal to the bit with scikit-learn's on 10,400 rows``, or ``tied to scikit-learn 1.9.x: why``."""
    return form.tied or f"{size_text(form.bytes)}, {EQUAL} on {count_text(form.rows)} rows"


def advice(number: int, standing: Standing, origin: str = "") -> str:
    """What can be done with a version, by its stage. ``origin`` says where it comes from, as ``that job 7 trained``."""
    version = f"version {number} {origin}".rstrip()
    match standing.stage:
        case VersionStage.CANDIDATE:
            return f"Look at {version}: compare it, ask for its promotion."
        case VersionStage.REFUSED:
            return (
                f"Look at {version}: a gate refused it, so it cannot be promoted; see which, and train again."
            )
        case VersionStage.REQUESTED if standing.outdated:
            return f"Ask anew for {version}: request {standing.request} is outdated."
        case VersionStage.REQUESTED:
            return f"Decide request {standing.request}, which asks for the promotion of {version}."
        case VersionStage.REJECTED:
            return f"See why {version} was rejected{_act(standing)}, and train again."
        case VersionStage.LIVE:
            return f"See whether {version} does better: it is live since {standing.since:%Y-%m-%d}."
        case VersionStage.ROLLED_BACK:
            return f"See why {version} was rolled back{_act(standing)}, and train again."
        case VersionStage.REPLACED | VersionStage.RETIRED:
            return f"Nothing is to be done with {version}: a newer one has been live since."


def history_note(standing: Standing) -> str:
    """What somebody who asks for a version's promotion should know of it; empty where there is nothing."""
    match standing.stage:
        case VersionStage.REQUESTED:
            return f"Request {standing.request} of it is open, {_since(standing)}."
        case VersionStage.REJECTED:
            return f"It was rejected{_act(standing)}."
        case VersionStage.ROLLED_BACK:
            return f"It was rolled back{_act(standing)}."
        case VersionStage.REPLACED:
            return f"It was live and replaced{_act(standing)}."
        case VersionStage.RETIRED:
            return f"A newer version went live{_act(standing)}."
        case _:
            return ""


def _act(standing: Standing) -> str:
    """`` by pat on 2026-05-03 (request 7): too few rows``."""
    day = f" on {standing.since:%Y-%m-%d}" if standing.since else ""
    return f" {_by(standing)}{day}{_reason(standing)}" if standing.by else f"{day}{_reason(standing)}"


def _since(standing: Standing) -> str:
    return f"since {standing.since:%Y-%m-%d}, made {_by(standing)}" if standing.since else _by(standing)


def _by(standing: Standing) -> str:
    return f"by {standing.by}" if standing.by else ""


def _reason(standing: Standing) -> str:
    number = f" (request {standing.request})" if standing.request is not None else ""
    return (
        number
        + (", outdated" if standing.outdated else "")
        + (f": {standing.reason}" if standing.reason else "")
    )


def classes_text(classes: Sequence[str]) -> str:
    """``no, yes: a score is the probability of yes``; of more than two classes, the classes alone."""
    named = ", ".join(classes)
    return f"{named}: a score is the probability of {classes[1]}" if len(classes) == 2 else named


def logged_text(plain: Mapping[str, Any]) -> str:
    """``with MLflow: 15 parameters, 9 metrics, 10 files (--json has them)`` of what training code logged."""
    runs = [one for one in plain.get("runs", []) if isinstance(one, dict)]
    counts = [
        f"{sum(len(run.get('params', {})) for run in runs)} parameters",
        f"{sum(len(run.get('metrics', {})) for run in runs)} metrics",
        f"{len(plain.get('files', []))} files",
    ]
    if data_sets := sum(len(run.get("data_sets", [])) for run in runs):
        counts.append(f"{data_sets} data {'sets' if data_sets > 1 else 'set'}")
    fault = f"; not all could be read: {safe(str(plain['fault']), 200)}" if plain.get("fault") else ""
    lost = left_out_text(plain)
    return f"with MLflow: {', '.join(counts)} (--json has them){fault}{f'; {lost}' if lost else ''}"
