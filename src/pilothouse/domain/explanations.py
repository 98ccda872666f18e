"""What an id or a code that a screen prints is, when it comes, and what to do: numbers with a letter, and named codes."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Numbered:
    """Something on record that has a number."""

    name: str
    what: str
    command: tuple[str, ...]
    """Command that shows it, before its number."""
    then: str
    """What to do."""
    where: str
    """View of the console, and document."""


NUMBERED = {
    "A": Numbered(
        "alert",
        "a monitor found something in enough of its newest windows, beyond chance",
        ("alert",),
        "read which feature or figure moved; pilothouse ack NUMBER says that you look at it",
        ":alert NUMBER in the console; docs/monitoring.md",
    ),
    "I": Numbered(
        "incident",
        "alerts that have one cause, with what they cost together",
        ("incident",),
        "do what it lists as next; pilothouse incident NUMBER --resolve REASON ends it",
        ":incidents in the console; docs/monitoring.md",
    ),
    "R": Numbered(
        "request",
        "somebody asks that a version goes live, with frozen evidence",
        ("evidence", "show"),
        "read the evidence, then pilothouse approve or reject",
        ":requests in the console; docs/security.md",
    ),
    "J": Numbered(
        "job",
        "a training or another piece of work, in steps that are confined",
        ("job",),
        "pilothouse logs NUMBER says what it said; pilothouse retry NUMBER runs it again",
        ":jobs in the console; docs/automation.md",
    ),
    "O": Numbered(
        "roll-out",
        "an approved version that goes out in waves, and is taken back where harm is found",
        ("rollout", "show"),
        "wait for its step, or pilothouse rollout pause, go-on, abort",
        ":rollouts in the console; docs/rollouts.md",
    ),
    "S": Numbered(
        "schedule",
        "work that is started at set times, as the model file says",
        ("schedule", "show"),
        "change it in the model file; pilothouse schedule pause holds it",
        ":schedules in the console; docs/automation.md",
    ),
    "E": Numbered(
        "entry of the audit log",
        "an act on record, hashed with the one before it",
        (),
        "nothing: entries never change; pilothouse audit verify examines them all",
        ":audit in the console; docs/transparency.md",
    ),
}  # fmt: skip
"""By the letter before the number: ``A-17``."""

_GATES = {
    "data.schema": "a column of the model file is missing in the rows, or of another kind; mend the source or data.features",
    "data.rows": "too few rows are known; look whether the source was cut off, or lower gates.data.minimum_rows",
    "data.missing": "a feature lacks more values than gates.data.maximum_missing; mend the source",
    "data.duplicates": "more rows stand twice than gates.data.maximum_duplicates; mend the source",
    "data.leakage": "one feature alone tells the target, as one does that is known only afterwards; exclude it",
    "data.contract": "rows break the contract of their columns; pilothouse contract check names them",
    "data.unseen": "the rows held out have categories that the training never saw",
    "metric": "a metric on the rows held out is beyond its bound under [[gates.metric]]; train otherwise",
    "latency": "one row takes longer than gates.latency.p95_ms; take a smaller model",
    "model_size": "the model's file is larger than gates.model_size_mb; take a smaller model",
    "portable": "the version has no portable form that answers equal to the bit (docs/portable.md)",
    "comparison": "the version is worse than what is live, on rows that neither was trained on",
    "adopted": "rows held out are older than the model that was adopted, which may know them; hold newer rows out",
    "function": "the model's own gate.py refused the version; its reason says why",
}  # fmt: skip
_ENDS = {
    "failed": "the step said what was wrong: bad data, a parameter, a source that changed; mend it and retry",
    "user exception": "the model's own code raised; the error names its line; mend train.py or gate.py",
    "crashed": "a step died of a signal; the log names the line of Python at which it did",
    "out of memory": "a step needed more than training.memory_mb; raise it, or read fewer rows",
    "out of cpu time": "a step used more processor time than training.cpu_time",
    "disk full": "the disk had no room; make room and retry",
    "timed out": "a step ran longer than training.timeout, or the deadline of the job passed",
    "cancelled": "somebody ended it, or a job that it comes after did not succeed",
    "lost": "daemon or launcher went away under it and its attempts are used up; pilothouse retry runs it again",
}  # fmt: skip
_ALERTS = {
    "data_drift": "features are distributed otherwise than in the training; retrain if performance falls too",
    "score_drift": "the answers are distributed otherwise than on the rows held out",
    "performance": "outcomes say that the version answers worse than on the rows held out; roll back or retrain",
    "latency": "the slowest of a hundred requests take longer than before on this machine",
    "data_quality": "more values are missing, new or against their contract; look at who sends the rows",
    "errors": "more requests are answered with an error; look at the target's log",
    "silence": "a live target has no traffic; look whether its clients reach it",
}  # fmt: skip
CODES = {
    "gate": (
        "a test that a version must pass before anybody may ask for it",
        _GATES,
        "docs/configuration.md",
    ),
    "end of a job": ("how a job ended", _ENDS, "docs/automation.md"),
    "alert": ("what a monitor found", _ALERTS, "docs/monitoring.md"),
}
"""Families of codes: what one is, its members with what to do, and the document."""
_NUMBER = re.compile(r"([A-Za-z])-?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Code:
    """A named code, and what it means in each family that has it."""

    family: str
    what: str
    meaning: str
    where: str


def numbered(text: str) -> tuple[Numbered, int] | None:
    """Kind and number of an id such as ``A-17``; None for another text."""
    found = _NUMBER.fullmatch(text)
    kind = NUMBERED.get(found[1].upper()) if found else None
    return (kind, int(found[2])) if found and kind else None


def codes(text: str) -> list[Code]:
    """Meanings of a code such as ``data.leakage``, ``metric.auc.origin`` or ``out of memory``; none for an unknown one."""
    wanted = text.lower().replace("-", " ") if " " in text or "-" in text else text.lower()
    return [
        Code(family, what, members[name], where)
        for family, (what, members, where) in CODES.items()
        for name in members
        if wanted == name or (name == "metric" and wanted.startswith("metric."))
    ]


def forms() -> list[tuple[str, str]]:
    """Every form that can be explained: the form, and what it is."""
    return [
        *((f"{letter}-NUMBER", kind.name) for letter, kind in NUMBERED.items()),
        ("MODEL/NUMBER", "version"),
        *((", ".join(members), family) for family, (_, members, _) in CODES.items()),
    ]
