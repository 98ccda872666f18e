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
        "a monitor found something in enough of its newest windows, beyond chance, or a roll-out went back",
        ("alert",),
        "read what was found; pilothouse ack NUMBER says that you look at it",
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
        "what is next stands below; until it has ended, pilothouse rollout pause, go-on, abort",
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
    "rollout": "a roll-out took its version back; mend what it found, then pilothouse lift-hold lets others go out",
}  # fmt: skip
_CHECKS = {
    "sqlite": "the library or the file system cannot hold a registry safely; put state on a local disk",
    "registry": "the file registry.db is damaged; stop everything, restore a backup (docs/reliability.md)",
    "telemetry": "the file telemetry.db is damaged; models and decisions are elsewhere, restore a backup",
    "stored rows": "stored rows, windows or packed hours are not as they were written; restore telemetry.db from a backup",
    "audit chain": "an entry of the log was changed or is gone; keep the files as they are and compare with anchors",
    "records": "rows that decide are not what the log says; somebody wrote to the file past the program",
    "signatures": "a decision's signature does not verify with the key of its signer",
    "transparency": "an anchor or witness holds another log than this one, or has had no head for long",
    "incidents": "a list of incidents is not what its alerts say; report it, the alerts themselves are right",
    "versions": "the list of versions is not what became of them; report it, requests and deployments are right",
    "states": "a state is not what follows from the facts; pilothouse doctor --repair-states writes them anew",
    "seal": "the workspace is older than its newest seal: an old copy was put in its place",
    "artifacts": "a file that a record names is gone or has other bytes; restore it from a backup",
    "erasures": "an erasure was interrupted; pilothouse erase finish carries it out",
    "portable": "a portable form is damaged or missing; pilothouse upgrade --convert makes it anew",
    "scikit-learn": "live versions need another scikit-learn than is installed; pilothouse upgrade --check",
    "clients": "who may ask a target cannot be settled: a token or a certificate is missing, over or readable by others",
    "hub": "the door for other machines does not open, or refuses a target; the finding names it",
    "orphans": "something on record belongs to nothing; report it, it does no harm",
    "kept copy": "the registry that was kept before an upgrade is no way back; pilothouse backup makes one",
    "secrets": "a file with a secret can be read by others; chmod 600",
    "clock": "the wall clock is before the newest entry of the log; set the clock (NTP)",
    "writing": "the workspace is read-only, or a reader keeps its write-ahead log from shrinking; end old consoles",
    "disk": "the disk is nearly full; pilothouse gc, pilothouse retention, or more room",
    "rights": "the workspace's folder can be written or read by others; chmod -R go-rwx",
    "isolation": "a promise of confinement is not held by this kernel; docs/security.md says which layer holds what",
    "daemon": "it does not run, or is of another release; pilothouse daemon start, or restart",
    "cluster": "the scheduler of [execution] does not answer, or its workers are of another release",
    "serving": "a serving process does not answer, or with another version than is live",
}  # fmt: skip
EXITS = {
    "0": "done; status: healthy, suspected, or nothing is deployed",
    "1": "failed, or the answer is no: a gate refused, rows were rejected, something differs; the output says which",
    "2": "wrong input or usage, or a faulty file; diff: the files differ from what is in force",
    "3": "there is no such model, version, number, file or workspace",
    "4": "not allowed: the role or the policy forbids it; pilothouse can NAME … says which grant is missing",
    "5": "conflict: the state has moved on; look again, then decide again",
    "6": "integrity: something is not what was recorded; doctor: a check failed",
    "7": "unavailable: daemon, hub, lock or disk; try again, or pilothouse doctor",
    "10": "status: a model is degraded",
    "11": "status: a model is not judged",
    "12": "status: a model has no data",
    "13": "status: a live target has no traffic",
    "14": "status: nothing watches: no daemon, or the workspace is read-only",
    "20": "status: a model is critical",
    "21": "status: a model is down: a target answers nothing",
    "22": "a receiver takes no alerts; pilothouse alerts outbox says what it answered",
    "70": "an internal error; the line names a file with the details, to be reported",
    "130": "interrupted by Ctrl-C",
}  # fmt: skip
_ACTS = {
    "alert": "an alert opened, or somebody took it up or closed it",
    "alerts": "alerts.toml came into force, or receivers were sent a test",
    "alias": "a name such as @champion went to another version",
    "anchor": "what keeps the log's heads takes none, or takes them again",
    "automation": "all automation was paused or goes on",
    "clock": "the wall clock was set back; the log keeps its order",
    "condition": "a condition of an approval was confirmed",
    "daemon": "the daemon started, ended, or was replaced by another release",
    "deployment": "another version is live on a target, or none",
    "document": "a file was attached to a request",
    "documents": "the documents of a request that was asked anew went with it",
    "dual_control": "changes of access and rules need two admins from now on, or no longer",
    "erasure": "rows of a person are erased for good",
    "evidence": "somebody took the evidence of a request away",
    "files": "files that nothing names were removed",
    "freeze": "a time in which nothing is promoted was set or lifted",
    "glass": "somebody deployed alone in an emergency, or looked at that",
    "hold": "automatic deployment stands still on a target after a roll-back, or may run again",
    "hub": "the door for other machines failed, opened, or refused a target",
    "idle_lock": "the time after which a console locks was set",
    "import": "an import from MLflow: what it read and took",
    "incident": "somebody took up, named or closed an incident",
    "integrations": "integrations.toml came into force",
    "job": "a job was queued, started, cancelled, tried again, or ended",
    "key": "a key was bound to a user's name, or revoked",
    "latency": "how long a version takes on a target was measured, to be compared with",
    "legal_hold": "the deletion of predictions was stopped, or that was lifted",
    "log": "the log's own key, anchors, witnesses or quorum",
    "message": "a message about an alert was given up, or is tried again",
    "model": "a model came on record, its file came into force, or it was reviewed",
    "monitoring": "windows of the past were judged",
    "notebook_run": "a program began or ended a run",
    "outbox": "the outbox goes on after a restore",
    "passphrase": "a passphrase was set, used wrong, or let in again",
    "person": "a name came on record as a person",
    "persons": "two names are one person from now on",
    "plans": "plans.toml came into force",
    "policy": "the workspace's policy was set",
    "process": "a serving process went down, or answers again",
    "promotion": "a version that passed its gates was not asked for by itself; the detail says why",
    "proposal": "a change that two admins decide was proposed, accepted or rejected",
    "receiver": "a receiver of alerts takes none, or takes them again",
    "remote_token": "a token of a target on another machine was issued or revoked",
    "request": "a promotion was asked for, remarked on, decided, or has ended",
    "retention": "the time for which predictions are kept was set",
    "role": "a role was granted or revoked",
    "rollout": "a roll-out began, took a step, stood still, or ended",
    "rows": "stored rows are not what was recorded of them",
    "schedule": "a schedule's time came, or it was paused or goes on",
    "session": "somebody's console opened, closed, locked or was unlocked",
    "signing_key": "the key that signs what the workspace writes out was made",
    "silence": "messages are held back, or that has ended",
    "site": "a site is followed, no longer, fails, or contradicts itself",
    "solo": "the workspace of one person has another approver: four eyes is on",
    "statement": "somebody printed what is signed to decide",
    "states": "the states of deployments were written anew",
    "step": "what a training step left behind was kept",
    "target": "a target is described otherwise",
    "targets": "targets.toml came into force",
    "team": "somebody joined or left a team",
    "telemetry": "predictions or outcomes were taken in, tried again, or deleted",
    "token": "a target's token for the hub was issued",
    "trigger": "a trigger started a training, waits, cannot look at its source, or can again",
    "user": "a user was added, disabled or let in again",
    "version": "a version came on record, was converted, replayed, reproduced or taken away as a file",
    "witness": "a witness signs the log's heads",
    "workspace": "the workspace was made, backed up, upgraded, closed for writing or opened again",
    "wrapper": "a login service is trusted to hand over names, or no longer",
}  # fmt: skip
"""By the word before the dot of what an entry of the audit log says was done: ``role.granted``."""
_ACT = re.compile(r"([a-z_]+)\.[a-z_]+")
CODES = {
    "gate": (
        "a test that a version must pass before anybody may ask for it",
        _GATES,
        "docs/configuration.md",
    ),
    "end of a job": ("how a job ended", _ENDS, "docs/automation.md"),
    "alert": ("what a monitor or a roll-out found", _ALERTS, "docs/monitoring.md"),
    "check of the doctor": (
        "what pilothouse doctor examines; where it says WRONG",
        _CHECKS,
        "docs/reliability.md",
    ),
    "exit code": ("what a command says to the shell that ran it", EXITS, "docs/command-line.md"),
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
    lower = text.lower().removeprefix("exit ").removeprefix("code ")
    wanted = {lower, lower.replace("-", " ")}
    found = [
        Code(family, what, members[name], where)
        for family, (what, members, where) in CODES.items()
        for name in members
        if name in wanted or (name == "metric" and lower.startswith("metric."))
    ]
    act = _ACT.fullmatch(lower)
    if act and not found and act[1] in _ACTS:
        what = "what an entry of the audit log says was done"
        where = "pilothouse audit show; docs/transparency.md"
        return [Code("act on record", what, _ACTS[act[1]], where)]
    return found


def forms() -> list[tuple[str, str]]:
    """Every form that can be explained: the form, and what it is."""
    return [
        *((f"{letter}-NUMBER", kind.name) for letter, kind in NUMBERED.items()),
        ("MODEL/NUMBER", "version"),
        ("PRODUCER.BATCH.ROW, or a trace id of 32 hexadecimal digits", "stored prediction"),
        *((", ".join(members), family) for family, (_, members, _) in CODES.items()),
        ("NOUN.VERB as pilothouse audit show prints it, e.g. role.granted", "act on record"),
    ]
