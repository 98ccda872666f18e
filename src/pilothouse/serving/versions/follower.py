"""Follower of the desired state: asks the hub, fetches and loads new versions, swaps them in, reports.

Where a version cannot be fetched or loaded, the one before goes on answering and the load is tried again later. State and
artifacts are kept in the folder, so that the process starts while the hub is away.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from pilothouse.domain.errors import IntegrityError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import DesiredState, DesiredVersion, ServingReport
from pilothouse.serving.assignment import KEPT_STATE
from pilothouse.serving.delivery.clock_skew import ClockSkew
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.serving.delivery.request_spans import RequestSpans
from pilothouse.serving.prediction.calls import Work
from pilothouse.serving.prediction.vital_threads import vital_thread
from pilothouse.serving.versions.kept_versions import KeptVersions
from pilothouse.serving.versions.live_versions import LoadedTrial, LoadedVersion, Roster
from pilothouse.serving.versions.trials import Trials
from pilothouse.serving.versions.version_loader import CannotFetchError, CannotLoadError, VersionLoader
from pilothouse.system.files import sync_file, sync_folder, write_atomically

log = logging.getLogger(__name__)

_WAIT_S = 2
"""Seconds for which the hub holds a question for the desired state until there is another."""
_LOOK_S = 0.3
"""Seconds between two questions while trials load, and of a hub that holds none."""
_REPORT_S = 1.5
"""Seconds after which an unchanged report is sent again: after each question that was held."""
_SETTLES_AFTER_S = 5.0
"""Seconds from a change of the desired state until its files are flushed: in a wave, others load meanwhile."""
_LONGEST_PAUSE_S = 2.0
"""Longest pause while the hub is away."""
_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 60.0
"""Seconds before a version that failed is loaded again; they double up to the longest."""


@dataclass(slots=True)
class _Retry:
    """Next try of a version that failed, by the monotonic clock."""

    at: float
    pause: float


class Follower:
    """Thread between the hub and the roster. ``roster`` is replaced whole, never changed, so readers need no lock."""

    def __init__(
        self,
        target: str,
        folder: Path,
        hub: HubClient,
        port: int,
        spooled: Callable[[], int],
        submit: Callable[[Work], None],
        spans: RequestSpans | None = None,
    ) -> None:
        """Follower of a target. ``spooled`` gives the number of segments that wait; ``submit`` takes the requests that a
        new version is measured with."""
        self.roster = Roster()
        self._spans = spans or RequestSpans()
        self._target, self._hub, self._port, self._spooled = target, hub, port, spooled
        self._file = folder / KEPT_STATE
        self._state: DesiredState | None = None
        self._retries: dict[DesiredVersion, _Retry] = {}
        self._unfetched: set[DesiredVersion] = set()
        """Of these, those that the hub was away for."""
        self._kept = KeptVersions()
        self._reported_at = 0.0
        self._reported: ServingReport | None = None
        self._skew = ClockSkew()
        self.on_started: Callable[[], None] = lambda: None
        """Called once, when the first versions are live or could not be loaded."""
        self._pause = 0.0
        """Seconds until the hub is asked again; 0 while it answers."""
        self._is_started = False
        """True once the hub was asked, and answered or was away."""
        self._settle_at = math.inf
        self._recalls = False
        """True while the versions are loaded that the process before this one served."""
        self._able = threading.Event()
        self._stopping = threading.Event()
        self._loader = VersionLoader(folder, hub, submit, self._stopping)
        self._trials = Trials(folder, hub.another(), self._stopping)
        self._thread = vital_thread(self._run, "follower")

    def start(self) -> None:
        self._thread.start()
        self._trials.start()

    def stop(self) -> None:
        """Stop following; live versions stay."""
        self._stopping.set()
        self._hub.leave()
        self._thread.join(5.0)
        self._trials.stop()

    def wait_until_able(self, timeout_s: float) -> None:
        """Wait until every kept version is live, or the hub was asked once; that long at most."""
        self._able.wait(timeout_s)

    def _run(self) -> None:
        self._recall()  # before the hub is asked: it may be away
        if self.roster.ready:
            self._able.set()
        while not self._stopping.is_set():
            try:
                self._follow()
                if self._pause:
                    self._fetch_again()
                self._put_trials()  # what is reported goes on
                self._report()
                self._pause = 0.0
            except PilothouseError as error:
                if not self._pause and not self._stopping.is_set():
                    log.warning("cannot follow the hub; serving on: %s", error)
                self._pause = min(self._pause * 1.5 or _LOOK_S, _LONGEST_PAUSE_S)
            if not self._is_started:
                self._is_started = True
                self._able.set()
                self.on_started()
            self._retry()
            self._drop_kept()
            self._put_trials()
            self._settle()
            self._stopping.wait(self._pause)
        self._hub.close()

    def _recall(self) -> None:
        """Apply the state that was in force when the process last ran."""
        try:
            state = msgspec.msgpack.decode(self._file.read_bytes(), type=DesiredState)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            log.warning("the kept state cannot be read; waiting for the hub: %s", one_line(str(error)))
            return
        self._recalls = True
        self._apply(state)
        self._recalls = False

    def _follow(self) -> None:
        wait_s, asked = self._wait_s(), time.monotonic()
        state = self._hub.desired(self._state.revision if self._state else "", wait_s)
        if state is None:
            if (
                self._is_started
            ):  # a hub of an earlier release has not waited, nor has this process while a trial loads
                self._stopping.wait(max(0.0, _LOOK_S - (time.monotonic() - asked)))
            return
        if state.target != self._target:
            raise IntegrityError(
                f"the hub answers for target {one_line(state.target, 80)}; check the token file"
            )
        try:
            write_atomically(self._file, msgspec.msgpack.encode(state), durably=False)
            self._settle_at = time.monotonic() + _SETTLES_AFTER_S
        except OSError as error:
            log.warning("the desired state cannot be kept on disk: %s", error.strerror)
        self._apply(state)

    def _wait_s(self) -> int:
        """Seconds for which the hub may hold the question: nothing else is to be done meanwhile."""
        if self._pause or not self._is_started or self._trials.are_loading:
            return 0
        next_try = min((retry.at for retry in self._retries.values()), default=math.inf)
        return max(0, min(_WAIT_S, math.ceil(next_try - time.monotonic()) if self._retries else _WAIT_S))

    def _settle(self) -> None:
        """Flush to disk what was written without, once others have loaded too."""
        if time.monotonic() < self._settle_at:
            return
        self._settle_at = math.inf
        try:
            sync_file(self._file)
            sync_folder(self._file.parent)
        except OSError as error:
            log.warning("the desired state cannot be flushed to disk: %s", error.strerror)
        self._loader.settle()

    def _apply(self, state: DesiredState) -> None:
        self._state = state
        self._spans.share = state.traced
        desired = {version.model: version for version in state.versions}
        live, kept = (
            {
                model: _with_private(loaded, _private(state, model))
                for model, loaded in versions.items()
                if model in desired
            }
            for versions in (self.roster.live, self.roster.kept)
        )
        self._retries = {
            version: retry for version, retry in self._retries.items() if version in desired.values()
        }
        failed = {
            model: why for model, why in self.roster.failed.items() if desired.get(model) in self._retries
        }
        self.roster = Roster(True, desired, live, kept, failed, _still(state, self.roster.trials))
        for version in state.versions:
            if not self._answers(version):
                self._load(version)
        # only now: of a challenger that was promoted the loaded model has just been taken over
        private = {trial.version.model: _private(state, trial.version.model) for trial in state.trials}
        self._trials.desire(state.trials, private)
        self._put_trials()
        self._forget_artifacts()

    def _answers(self, version: DesiredVersion) -> bool:
        loaded = self.roster.live.get(version.model)
        return loaded is not None and loaded.version == version

    def _retry(self) -> None:
        now = time.monotonic()
        for version in [version for version, retry in self._retries.items() if retry.at <= now]:
            self._load(version)

    def _fetch_again(self) -> None:
        """Load at once what the hub was away for, now that it is back: the first report is not to say that it has failed."""
        for version in [version for version in self._retries if version in self._unfetched]:
            self._load(version)

    def _load(self, version: DesiredVersion) -> None:
        """Load, measure and swap in a version; where that fails, note the reason and plan the next try."""
        assert self._state is not None
        tried = self._trials.loaded(version)
        try:
            loaded = self._loader.load(
                version,
                _private(self._state, version.model),
                self._state.versions,
                again=self._recalls,
                predictor=tried.predictor if tried else None,
            )
        except CannotLoadError as error:
            (self._unfetched.add if isinstance(error, CannotFetchError) else self._unfetched.discard)(version)
            self._failed(version, str(error))
        else:
            self._unfetched.discard(version)
            self._swap(loaded)

    def _swap(self, loaded: LoadedVersion) -> None:
        model, before = loaded.version.model, self.roster.live.get(loaded.version.model)
        self._retries.pop(loaded.version, None)
        self.roster = replace(
            self.roster,
            live={**self.roster.live, model: loaded},
            kept=self._kept.after_swap(self.roster.kept, before, loaded),
            failed={name: why for name, why in self.roster.failed.items() if name != model},
        )
        log.info("models:/%s/%d is live", model, loaded.version.version)

    def _put_trials(self) -> None:
        """Take what has become of the trials into the roster."""
        trials = self._trials.beside(self.roster.live)
        if trials != self.roster.trials:
            self.roster = replace(self.roster, trials=trials)

    def _drop_kept(self) -> None:
        """Drop versions of before whose time is over."""
        kept = self._kept.remaining(self.roster.kept)
        if kept is not self.roster.kept:
            self.roster = replace(self.roster, kept=kept)

    def _failed(self, version: DesiredVersion, why: str) -> None:
        before = self._retries.get(version)
        pause = min(before.pause * 2, _LONGEST_RETRY_S) if before else _FIRST_RETRY_S
        self._retries[version] = _Retry(time.monotonic() + pause, pause)
        reason = f"version {version.version}: {one_line(why)}"
        if self.roster.failed.get(version.model) != reason:
            log.error("models:/%s/%d cannot be loaded: %s", version.model, version.version, one_line(why))
        self.roster = replace(self.roster, failed={**self.roster.failed, version.model: reason})

    def _forget_artifacts(self) -> None:
        """Remove artifacts that no desired version, trial or live version needs."""
        assert self._state is not None
        tried = [trial.version for trial in self._state.trials]
        live = [loaded.version for loaded in self.roster.live.values()]
        self._loader.forget_but([*self.roster.desired.values(), *tried, *live])

    def _report(self) -> None:
        roster = self.roster
        report = ServingReport(
            target=self._target,
            port=self._port,
            pid=os.getpid(),
            loaded={model: loaded.version.version for model, loaded in roster.live.items()},
            failed=dict(roster.failed),
            spooled_batches=self._spooled(),
            baseline_latency_us={model: loaded.baseline_us for model, loaded in roster.live.items()},
            trials=self._trials.reports(roster.trials),
            clock=self._skew.reading,
        )
        now = time.monotonic()
        changed = self._reported is None or report != replace(
            self._reported, spooled_batches=report.spooled_batches, clock=report.clock
        )
        if changed or now - self._reported_at >= _REPORT_S:
            self._skew.note(self._hub.report(report))
            self._reported, self._reported_at = report, now
            if spans := self._spans.take():  # after it: spans that are not taken have no report sent again
                self._spans.dropped += len(spans)  # until they are
                self._hub.send_spans(spans)
                self._spans.dropped -= len(spans)


def _still(state: DesiredState, trials: Mapping[str, LoadedTrial]) -> dict[str, LoadedTrial]:
    """Trials that are desired as they are: the others end at once, whatever is loaded then. One of which a column was made
    private begins anew: its versions would still keep it."""
    desired = {(one.rollout, one.mode, one.version) for one in state.trials}
    return {
        model: trial
        for model, trial in trials.items()
        if all(
            one.private == _private(state, model)
            for one in (trial.champion, *(arm.version for arm in trial.challengers))
        )
        and all((trial.rollout, trial.mode, arm.named.version) in desired for arm in trial.challengers)
    }


def _private(state: DesiredState, model: str) -> tuple[str, ...]:
    return tuple(sorted(state.private_columns.get(model, [])))


def _with_private(loaded: LoadedVersion, private: tuple[str, ...]) -> LoadedVersion:
    return loaded if loaded.private == private else replace(loaded, private=private)
