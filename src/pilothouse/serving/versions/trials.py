"""Trials: challengers of roll-outs, loaded beside the live versions by a thread of their own.

A challenger may take as long as it likes to load, and may fail: the live version is followed and answers meanwhile. One that
ends the process while it is loaded is not loaded again by the next one.
"""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import DesiredTrial, DesiredVersion, TrialReport
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.serving.prediction.calls import Work, call_together_or_alone
from pilothouse.serving.prediction.vital_threads import vital_thread
from pilothouse.serving.versions.live_versions import CANARY, SHADOW, LoadedArm, LoadedTrial, LoadedVersion
from pilothouse.serving.versions.version_loader import CannotFetchError, CannotLoadError, VersionLoader
from pilothouse.system.files import write_atomically

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0
"""Seconds before a challenger that failed is loaded again; they double up to the longest."""
_LOOK_EVERY_S = 0.5
"""Seconds between two looks whether one is to be loaded again."""
_ENDS_AT_MOST = 2
"""Ends of the process at the load of one challenger, from which on it is not tried again: one may have another cause."""


class Trials:
    """Thread that loads the challengers that are desired. Its methods are for the follower's thread."""

    def __init__(self, folder: Path, hub: HubClient, stopping: threading.Event) -> None:
        """``hub`` is for this thread alone; all ends with ``stopping``."""
        self._hub, self._stopping = hub, stopping
        self._loader = VersionLoader(folder, hub, _answer_here, stopping, beside=True)
        self._mark = folder / "challenger.json"
        self._changed = threading.Condition()
        self._wanted: dict[DesiredVersion, tuple[DesiredTrial, tuple[str, ...]]] = {}
        self._loaded: dict[DesiredVersion, LoadedVersion] = {}
        self._failed: dict[DesiredVersion, str] = {}
        self._unfetched: dict[DesiredVersion, str] = {}
        """Challengers that the hub was away for: that is said, and is no failure of theirs."""
        self._retry_at: dict[DesiredVersion, tuple[float, float]] = {}
        """Moment of the next try of a challenger, by the monotonic clock, and the pause before it."""
        self._thread = vital_thread(self._run, "trials")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End with the process; a load that is under way is left, and is not what ends it. ``stopping`` is set."""
        with self._changed:
            self._changed.notify_all()
        self._thread.join(1.0)
        if self._thread.is_alive():
            self._mark.unlink(missing_ok=True)

    def desire(self, trials: Sequence[DesiredTrial], private: Mapping[str, tuple[str, ...]]) -> None:
        """Have the challengers of these trials loaded, and forget all others. ``private``: columns by model."""
        with self._changed:
            self._wanted = {trial.version: (trial, private.get(trial.version.model, ())) for trial in trials}
            for known in (self._loaded, self._failed, self._unfetched, self._retry_at):
                for version in known.keys() - self._wanted.keys():
                    del known[version]
            self._changed.notify_all()

    @property
    def are_loading(self) -> bool:
        """True while there is news to come: a challenger that is neither loaded nor has failed."""
        with self._changed:
            return any(v not in self._loaded and v not in self._failed for v in self._wanted)

    def loaded(self, version: DesiredVersion) -> LoadedVersion | None:
        """Challenger that is loaded; None while it is not."""
        return self._loaded.get(version)

    def beside(self, live: Mapping[str, LoadedVersion]) -> dict[str, LoadedTrial]:
        """Trials that can go on beside these live versions, by model."""
        with self._changed:
            wanted, loaded = dict(self._wanted), dict(self._loaded)
        found: dict[str, LoadedTrial] = {}
        for version, (trial, private) in wanted.items():
            champion, challenger = live.get(version.model), loaded.get(version)
            if champion is None or challenger is None or champion.version == version:
                continue
            if not _has_place(trial):
                continue
            loaded_one = replace(challenger, private=private)
            known = found.get(version.model)
            if known is None:  # whichever is loaded: one that is not there holds up none of the others
                found[version.model] = _beside(trial, champion, loaded_one)
            elif _shares(known, trial):
                found[version.model] = _with_arm(known, trial, champion, loaded_one)
        return found

    def reports(self, beside: Mapping[str, LoadedTrial]) -> list[TrialReport]:
        """State of every desired trial, of which ``beside`` go on."""
        with self._changed:
            wanted, failed, loaded = dict(self._wanted), dict(self._failed), set(self._loaded)
            unfetched = dict(self._unfetched)
        reports = []
        for version, (trial, _) in wanted.items():
            going = beside.get(version.model)
            reason, state = failed.get(version, ""), "loading"
            if reason:
                state = "failed"
            elif going is not None and version in (tried := _unfit_of(going)):
                state, reason = "answers", tried[version]
            elif version in unfetched:
                reason = unfetched[version]
            elif version in loaded:
                reason = "no other version of the model is live, or another is tried"
            reports.append(
                TrialReport(trial.rollout, version.model, version.version, trial.mode, state, reason)
            )
        return reports

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping.is_set():
                    break
                due = self._due()
                if due is None:
                    self._changed.wait(_LOOK_EVERY_S if self._retry_at else None)
                    continue
                trial, private = self._wanted[due]
            self._load(trial, private)
        self._hub.close()

    def _due(self) -> DesiredVersion | None:
        now = time.monotonic()
        for version in self._wanted:
            if version not in self._loaded and self._retry_at.get(version, (0.0, 0.0))[0] <= now:
                return version
        return None

    def _load(self, trial: DesiredTrial, private: tuple[str, ...]) -> None:
        version = trial.version
        try:
            _check_kind(trial)
            self._put_mark(trial)
            try:
                loaded = self._loader.load(version, private)
            finally:
                self._mark.unlink(missing_ok=True)
        except CannotFetchError as error:
            self._fail(version, one_line(str(error)), self._unfetched)
            return
        except Exception as error:  # whatever it is: the live version answers on
            if not isinstance(error, CannotLoadError):
                log.exception("models:/%s/%d could not be tried", version.model, version.version)
            self._fail(version, one_line(str(error)) or type(error).__name__, self._failed)
            return
        with self._changed:
            if version in self._wanted:
                self._loaded[version] = loaded
                self._failed.pop(version, None)
                self._unfetched.pop(version, None)
                log.info("models:/%s/%d is in a trial (%s)", version.model, version.version, trial.mode)

    def _fail(self, version: DesiredVersion, reason: str, noted: dict[DesiredVersion, str]) -> None:
        """Plan the next try of a challenger, and note the reason."""
        with self._changed:
            if version not in self._wanted:
                return
            _, before = self._retry_at.get(version, (0.0, 0.0))
            pause = min(before * 2, _LONGEST_RETRY_S) if before else _FIRST_RETRY_S
            self._retry_at[version] = time.monotonic() + pause, pause
            if noted.get(version) != reason:
                log.error(
                    "models:/%s/%d, in a trial, cannot be loaded: %s", version.model, version.version, reason
                )
            noted[version] = reason

    def _put_mark(self, trial: DesiredTrial) -> None:
        """Note on disk that a challenger is being loaded. Raises CannotLoadError where the process has ended at it twice."""
        name, ended = _name(trial), 0
        with contextlib.suppress(OSError, ValueError, TypeError):
            before, times = json.loads(self._mark.read_bytes())
            ended = int(times) if before == name else 0
        if ended >= _ENDS_AT_MOST:
            raise CannotLoadError(
                f"the serving process ended {ended} times while it was being loaded; it is not loaded again"
            )
        try:
            write_atomically(self._mark, json.dumps([name, ended + 1]).encode())
        except OSError as error:
            raise CannotLoadError(f"the process's folder cannot be written: {error.strerror}") from None


def _name(trial: DesiredTrial) -> list[object]:
    return [trial.rollout, trial.version.model, trial.version.version, trial.version.model_digest]


def _check_kind(trial: DesiredTrial) -> None:
    """Raise CannotLoadError for a trial that this release does not know."""
    if trial.mode not in (SHADOW, CANARY):
        raise CannotLoadError(
            f"this release knows no trial of the kind {one_line(trial.mode, 40)}; upgrade the serving process"
        )
    if not 0.0 <= trial.share <= 1.0:
        raise CannotLoadError(f"the share of its trial is {trial.share:g}; expected 0 to 1")


def _answer_here(work: Work) -> None:
    """Have a request of a measurement answered by the caller's thread: a challenger must not hold up the worker."""
    call_together_or_alone([work])


def _beside(trial: DesiredTrial, champion: LoadedVersion, challenger: LoadedVersion) -> LoadedTrial:
    share = trial.share if trial.mode == CANARY else 0.0
    return LoadedTrial(
        trial.rollout,
        trial.mode,
        share,
        trial.salt.encode(),
        replace(champion, rollout=trial.rollout, share=share),
        (_arm(trial, share, champion, challenger),),
        arms=trial.arms if trial.mode == CANARY else 1,
        outside=champion if trial.arms > 1 else None,
    )


def _arm(trial: DesiredTrial, share: float, champion: LoadedVersion, challenger: LoadedVersion) -> LoadedArm:
    tried = replace(challenger, rollout=trial.rollout, share=share)
    return LoadedArm(trial.place, tried, challenger, unfit(champion.schema, challenger.schema))


def _has_place(trial: DesiredTrial) -> bool:
    """True of a challenger at one of the places of its trial; a shadow has one."""
    return trial.place == 0 or (trial.mode == CANARY and 0 < trial.place < trial.arms)


def _shares(known: LoadedTrial, trial: DesiredTrial) -> bool:
    """True of a further challenger of a canary, which shares the requests with others as the hub says of all."""
    is_same = (trial.rollout, trial.mode, trial.share) == (known.rollout, CANARY, known.share)
    return is_same and known.arms == trial.arms and trial.place not in {a.place for a in known.challengers}


def _with_arm(
    known: LoadedTrial, trial: DesiredTrial, champion: LoadedVersion, challenger: LoadedVersion
) -> LoadedTrial:
    arms = (*known.challengers, _arm(trial, trial.share, champion, challenger))
    return replace(known, challengers=tuple(sorted(arms, key=lambda arm: arm.place)))


def _unfit_of(trial: LoadedTrial) -> dict[DesiredVersion, str]:
    """Challengers that answer in a trial, each with the reason why it answers nothing; empty where it does."""
    return {arm.named.version: arm.unfit for arm in trial.challengers}


def unfit(champion: InputSchema, challenger: InputSchema) -> str:
    """Reason why a challenger cannot answer what was read for the champion; empty where it can.

    It may do without inputs that the champion has. Categories that it has not learned are missing to it, as they will be once
    it is live.
    """
    if (champion.task, champion.classes) != (challenger.task, challenger.classes):
        return "it answers with other classes than the live version"
    kinds = {column.name: column.kind for column in champion.columns}
    for column in challenger.columns:
        if column.name not in kinds:
            return f"it needs the input {one_line(column.name, 80)}, which the live version does not take"
        if kinds[column.name] != column.kind:
            return (
                f"it reads the input {one_line(column.name, 80)} as a {column.kind}, "
                f"the live version as a {kinds[column.name]}"
            )
    lost = sorted({*champion.missing} - {*challenger.missing})
    if lost:
        return f"it takes {one_line(repr(lost[0]), 80)} as a value, which is missing to the live version"
    return ""
