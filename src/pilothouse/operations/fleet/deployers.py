"""Commands of the user's that bring versions to platforms of others: asked until each target runs what it should.

A command is given one JSON document on its standard input and says by its exit code whether it could do it. What it was asked
for is on record before it runs, so that a daemon that is killed asks again: a command must bear being asked twice. What runs
is reported as a serving process would report it, and a target whose command fails answers nothing. A run is broken off where
something else is wanted by then: no roll-back waits for a deployment or a probe that hangs.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.formats.wire import (
    DesiredState,
    DesiredTrial,
    DesiredVersion,
    ServingReport,
    TrialReport,
)
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.target_file import Deployer
from pilothouse.operations.authorisation import changing
from pilothouse.operations.fleet.processes import Pulse, note_serving_end
from pilothouse.operations.promotion.deployments import desired_state
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployer_states
from pilothouse.store.deployed.deployer_states import DeployerState
from pilothouse.store.models import targets
from pilothouse.store.promotion import canary_spans
from pilothouse.system.controlled_process import CLEAN_ENVIRONMENT, ending_text
from pilothouse.system.processes import kill_group
from pilothouse.system.programs.bounded_command import CommandEnd, run_bounded

_FORM = 1
"""Number of the form of the document that a command is given."""
_LONGEST_PAUSE = timedelta(seconds=60)
_QUICKEST, _SLOWEST = timedelta(seconds=0.2), timedelta(seconds=1)
"""Time between two looks at what is not ready yet."""
_LONGEST_MESSAGE = 300
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
"""With the folders of administration: podman looks for iptables there."""
_ONE = "a command tries one version beside the live one: this one answers nothing there"
_SHADOW = "a command has no shadow: nothing answers copies there"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a target should run of a model."""

    version: DesiredVersion
    trial: DesiredTrial | None

    @property
    def canary(self) -> DesiredTrial | None:
        return self.trial if self.trial is not None and self.trial.mode == "canary" else None

    @property
    def plain(self) -> dict[str, Any]:
        """As it is on record, by which it is known whether something else is wanted."""
        canary = self.canary
        of_canary = [canary.rollout, canary.version.version, canary.share] if canary is not None else None
        return {
            "version": self.version.version,
            "digest": self.version.model_digest,
            "canary": of_canary,
        }


class TargetDeployer:
    """The command of one target. ``turn`` is called again and again, from one thread at a time; ``is_stopping`` says that the
    daemon ends: a run is then broken off, and asked for again by the next one."""

    def __init__(
        self, services: Services, pulse: Pulse, target: str, is_stopping: Callable[[], bool]
    ) -> None:
        self._services, self._pulse, self._target = services, pulse, target
        self._is_stopping = is_stopping
        self._ready: dict[str, int] = {}
        """Versions that answered last, by model."""
        self._probed: dict[str, datetime] = {}
        self._begun = False
        self._dead = ""
        """Why the target answers nothing, as it was last put on record; empty while it answers."""
        self._wants: Mapping[str, _Wanted] = {}
        """What the target should run of each model, as the turn under way has read it."""

    def turn(self, deployer: Deployer) -> float:
        """Do what is next for each model on the target, then report; returns the seconds until more is to be done, unless the
        registry changes before. Raises PilothouseError where the registry fails."""
        desired = desired_state(self._services, self._target)
        self._wants = _wants(desired)
        with self._services.registry.read() as connection:
            known = deployer_states.states(connection, self._target)
        if not self._begun:
            self._end_left_over(known)
            self._begun = True
        states: dict[str, DeployerState] = {}
        # what is on record as wanted comes last: a command that hangs for one model holds up no change of another
        for model in sorted(self._wants, key=lambda model: _is_known(self._wants[model], known.get(model))):
            state = self._step(deployer, self._wants[model], known.get(model))
            if self._is_broken_off():
                return 0.0
            states[model] = state
        trials = {model: wanted.trial for model, wanted in self._wants.items() if wanted.trial is not None}
        self._report(states, trials, [trial for trial in desired.trials if trial.place > 0])
        now = self._services.now()
        paces = [_pace(now - one.changed_at) for one in states.values() if one.state == "deployed"]
        return min(paces, default=_SLOWEST).total_seconds()

    def _is_broken_off(self) -> bool:
        """True where the daemon ends, or the target should run something else by now."""
        if self._is_stopping():
            return True
        try:
            now = _wants(desired_state(self._services, self._target))
        except PilothouseError:  # the next turn meets it too, and says it
            return False
        return _plain(now) != _plain(self._wants)

    def _end_left_over(self, known: Mapping[str, DeployerState]) -> None:
        """End runs that a daemon of before has left running: the same is asked for again."""
        for state in known.values():
            if state.process is not None:
                kill_group(state.process, 1.0)

    def _step(self, deployer: Deployer, wanted: _Wanted, state: DeployerState | None) -> DeployerState:
        model, now = wanted.version.model, self._services.now()
        if state is None or dict(state.wanted) != wanted.plain:
            return self._deploy(deployer, wanted, 1)
        since = now - state.changed_at
        if state.state == "running":  # it was broken off
            return self._deploy(deployer, wanted, state.attempts)
        if state.state == "failed" and state.action != "probe":
            pause = min(_LONGEST_PAUSE, timedelta(seconds=2 ** min(state.attempts, 6)))
            return self._deploy(deployer, wanted, state.attempts + 1) if since >= pause else state
        probed = self._probed.get(model, state.changed_at)
        every = _pace(since) if state.state == "deployed" else timedelta(seconds=deployer.probe_every)
        if model in self._probed and now - probed < every:
            return state
        return self._probe(deployer, wanted, state)

    def _deploy(self, deployer: Deployer, wanted: _Wanted, attempt: int) -> DeployerState:
        model, now = wanted.version.model, self._services.now()
        with self._services.registry.read() as connection:
            kind = deployer_states.last_kind(connection, model, self._target)
        action = "rollback" if kind == "rollback" and wanted.canary is None else "deploy"
        state = DeployerState(wanted.plain, action, "running", attempt, "", None, now, now)
        self._put(model, state)
        self._probed.pop(model, None)
        try:
            for version in filter(None, (wanted.version, wanted.canary.version if wanted.canary else None)):
                for digest in version.digests:
                    self._services.artifacts.open_verified(digest)[0].close()
            fault = self._fault(self._run(deployer, wanted, state), deployer)
        except (OSError, PilothouseError) as error:
            fault = getattr(error, "strerror", None) or str(error)
        if fault and self._is_broken_off():
            return state
        return self._ended(model, state, fault)

    def _probe(self, deployer: Deployer, wanted: _Wanted, state: DeployerState) -> DeployerState:
        model = wanted.version.model
        asked = replace(state, action="probe")
        try:
            fault = self._fault(self._run(deployer, wanted, asked), deployer)
        except OSError as error:
            fault = error.strerror or str(error)
        now = self._services.now()
        self._probed[model] = now
        if fault and self._is_broken_off():
            return state
        late = now - state.began_at >= timedelta(seconds=deployer.ready_within)
        if not fault:
            self._ready[model] = wanted.version.version
            if state.state == "ready":
                return state
            ready = replace(state, state="ready", message="", changed_at=now)
            self._put(model, ready, told="deployer.ready")
            return ready
        if state.state == "deployed" and not late:
            return state
        if state.state == "failed" and now - state.changed_at >= timedelta(seconds=deployer.ready_within):
            return self._deploy(deployer, wanted, state.attempts + 1)
        if state.state == "failed":
            return state
        within = f"not within {format_duration(deployer.ready_within)}: " if state.state == "deployed" else ""
        failed = replace(
            asked, state="failed", message=_message(f"the probe failed: {within}{fault}"), changed_at=now
        )
        self._put(model, failed, told="deployer.failed")
        return failed

    def _ended(self, model: str, state: DeployerState, fault: str) -> DeployerState:
        now = self._services.now()
        done = replace(state, state="failed" if fault else "deployed", changed_at=now)
        done = replace(done, message=_message(f"{state.action} failed: {fault}") if fault else "")
        # a fault that comes again and again is told once
        told = "deployer.failed" if fault else "deployer.deployed"
        self._put(model, done, told=told if state.attempts == 1 or not fault else "")
        return done

    def _put(self, model: str, state: DeployerState, *, told: str = "") -> None:
        clocks = self._services.event_clocks(model)
        if not told:
            with self._services.registry.transaction() as connection:
                self._record(connection, model, state, clocks)
            return
        with changing(self._services, DAEMON, Permission.RUN_DAEMON) as change:
            self._record(change.connection, model, state, clocks)
            version = state.wanted["version"]
            detail = {"model": model, "version": version, "action": state.action, "attempt": state.attempts}
            change.record(told, self._target, {**detail, **({"why": state.message} if state.message else {})})

    def _record(
        self, connection: Connection, model: str, state: DeployerState, clocks: Mapping[str, datetime]
    ) -> None:
        """Put a state on record, and with it since when, or until when, a canary has its share there."""
        deployer_states.put(connection, self._target, model, state)
        of_canary = state.wanted["canary"] if state.state == "ready" else None
        canary = (int(of_canary[0]), float(of_canary[2])) if of_canary else None
        canary_spans.follow(connection, model, self._target, canary, self._services.now(), clocks)

    def _run(self, deployer: Deployer, wanted: _Wanted, state: DeployerState) -> CommandEnd:
        model = wanted.version.model

        def started(name: ProcessName) -> None:
            if state.action != "probe":
                self._put(model, replace(state, process=name))

        return run_bounded(
            deployer.command,
            json.dumps(self._document(wanted, state)).encode() + b"\n",
            folder=self._services.paths.root,
            environment=_environment(deployer),
            timeout_s=float(deployer.timeout),
            on_started=started,
            is_stopping=self._is_broken_off,
        )

    def _document(self, wanted: _Wanted, state: DeployerState) -> dict[str, Any]:
        """What the command is given."""
        with self._services.registry.read() as connection:
            target = next(t for t in targets.all_targets(connection) if t.name == self._target)
        canary = wanted.canary
        return {
            "form": _FORM,
            "action": state.action,
            "target": self._target,
            "labels": {
                "region": target.region,
                "product": target.product,
                "business_unit": target.business_unit,
                "environment": target.environment,
                **target.labels,
            },
            **self._version(wanted.version),
            "canary": {**self._version(canary.version), "share": canary.share, "rollout": canary.rollout}
            if canary is not None
            else None,
            "attempt": state.attempts,
            "key": canonical_digest([self._target, wanted.version.model, wanted.plain])[:16],
        }

    def _version(self, version: DesiredVersion) -> dict[str, Any]:
        def file(digest: str) -> dict[str, str]:
            return {"path": str(self._services.artifacts.path(digest).absolute()), "digest": digest}

        return {
            "model": version.model,
            "version": version.version,
            "artifact": file(version.model_digest),
            "schema": file(version.schema_digest),
            "portable": file(version.portable_digest) if version.portable_digest else None,
        }

    def _fault(self, end: CommandEnd, deployer: Deployer) -> str:
        """What is wrong, in one line; empty where the command has done it."""
        if end.code == 0:
            return ""
        how = ending_text(end.code) if end.code is not None else f"over {format_duration(deployer.timeout)}"
        return f"{how}: {end.last_line}" if end.last_line else how

    def _report(
        self,
        states: Mapping[str, DeployerState],
        trials: Mapping[str, DesiredTrial],
        others: Sequence[DesiredTrial],
    ) -> None:
        """Say what runs as a serving process would; a target of which one model has failed answers nothing."""
        failed = [state.message for state in states.values() if state.state == "failed"]
        if failed:
            if self._dead != failed[0]:
                self._pulse.forget(self._target)
                note_serving_end(self._services, self._target, failed[0])
                self._dead = failed[0]
            return
        self._dead = ""
        said = [
            TrialReport(
                trial.rollout,
                model,
                trial.version.version,
                trial.mode,
                "answers" if trial.mode == "shadow" or states[model].state == "ready" else "loading",
                _SHADOW if trial.mode == "shadow" else "",
            )
            for model, trial in trials.items()
            if model in states
        ]
        said += [
            TrialReport(one.rollout, one.version.model, one.version.version, one.mode, "answers", _ONE)
            for one in others
            if one.version.model in states
        ]
        loaded = {
            model: int(state.wanted["version"]) if state.state == "ready" else self._ready[model]
            for model, state in states.items()
            if state.state == "ready" or model in self._ready
        }
        self._pulse.take_report(ServingReport(self._target, 0, 0, loaded, {}, 0, trials=said))


def _pace(since: timedelta) -> timedelta:
    """Time between two probes of what was brought there ``since``: a quarter of that, between a fifth of a second and one."""
    return min(_SLOWEST, max(_QUICKEST, since / 4))


def _wants(desired: DesiredState) -> dict[str, _Wanted]:
    trials = {trial.version.model: trial for trial in desired.trials if trial.place == 0}
    return {one.model: _Wanted(one, trials.get(one.model)) for one in desired.versions}


def _plain(wants: Mapping[str, _Wanted]) -> dict[str, Any]:
    return {model: wanted.plain for model, wanted in wants.items()}


def _is_known(wanted: _Wanted, state: DeployerState | None) -> bool:
    return state is not None and dict(state.wanted) == wanted.plain


def _message(text: str) -> str:
    return safe(text, limit=_LONGEST_MESSAGE)


def _environment(deployer: Deployer) -> dict[str, str]:
    """Clean environment, with the variables that are named."""
    passed = {name: os.environ[name] for name in deployer.environment if name in os.environ}
    home = {"HOME": os.environ["HOME"]} if "HOME" in os.environ else {}
    return {**CLEAN_ENVIRONMENT, "PATH": _PATH, **home, **passed}
