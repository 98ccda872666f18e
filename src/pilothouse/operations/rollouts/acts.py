"""Acts of a roll-out, each one change in the caller's transaction: a daemon that is killed has done all of it or nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.monitoring.incidents import ROLLOUT
from pilothouse.domain.records import RollBackStep
from pilothouse.domain.rollouts.plan import StepKind
from pilothouse.domain.rollouts.rollout import (
    STATE_IN,
    PlaceState,
    Rollout,
    RolloutEvent,
    RolloutState,
)
from pilothouse.domain.rollouts.rules import (
    Act,
    Breach,
    CatchUp,
    Complete,
    DropArm,
    Enter,
    GoBack,
    Leave,
    MoveOn,
    Pass,
    Pause,
    Stand,
    catch_up_step,
    named,
)
from pilothouse.operations.alerts import alerts
from pilothouse.operations.authorisation import Change
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.promotion.accounted_rows import check_version
from pilothouse.operations.promotion.activation import put_live
from pilothouse.operations.promotion.deployments import go_back
from pilothouse.operations.rollouts import evidence
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.promotion import requests, rollouts


def carry_out(services: Services, change: Change, rollout: Rollout, act: Act) -> None:
    """Carry out an act other than waiting."""
    match act:
        case Enter(targets, passed_over):
            _enter(services, change, rollout, targets, passed_over)
        case CatchUp(targets):
            _catch_up(services, change, rollout, targets)
        case Pass(why):
            _pass(change, rollout, why)
        case Complete():
            text = f"v{rollout.version} is live on {named([one.target for one in rollout.targets])}"
            end(change, rollout, RolloutState.COMPLETED, text)
        case Pause(why):
            rollouts.pause(change.connection, rollout.id, why)
            record(change, rollout, "paused", why)
        case GoBack(breach):
            _go_back(services, change, rollout, breach)
        case DropArm(version, breach):
            rollouts.end_arm(change.connection, rollout.id, version, breach.why, at=change.at)
            record(
                change, rollout, "arm out", f"v{version}: {breach.why}", {**breach.figures, "arm": version}
            )
        case Stand(why):
            rollouts.stand(change.connection, rollout.id, since=change.at)
            record(change, rollout, "stands", why)
        case MoveOn(since):
            stand_no_more(change, rollout, since, "the freeze is over")
        case Leave(targets, was_champion):
            of = (
                f"the version beside which v{rollout.version} was tried"
                if was_champion
                else f"v{rollout.version}"
            )
            why = f"another version is live on {named(targets)} in place of {of}: the others stay as they are"
            trials = _end_trials(change, rollout)
            ended = {"state": str(PlaceState.BACK), "targets": trials} if trials else {}
            end(change, rollout, RolloutState.ABORTED, why, {"taken": list(targets), **ended})


def stand_no_more(change: Change, rollout: Rollout, since: datetime, why: str) -> None:
    """Let the step's patience and least time go on from where they were at that time."""
    began = max(since, rollout.entered_at or since)
    us = max(0, round((change.at - began).total_seconds() * 1_000_000))
    rollouts.stood(change.connection, rollout.id, us)
    record(
        change,
        rollout,
        "moves on",
        f"{why}: it stood still for {format_duration(us // 1_000_000)}",
        {"stood_us": us},
    )


def record(
    change: Change, rollout: Rollout, what: str, text: str, figures: Mapping[str, Any] | None = None
) -> None:
    """Write an event of a roll-out, and its audit row."""
    event = RolloutEvent(
        what=what,
        actor=change.actor.name,
        recorded_at=change.at,
        wave=rollout.wave,
        step=rollout.step,
        text=text,
        figures=dict(figures or {}),
    )
    rollouts.add_event(change.connection, rollout.id, event)
    detail = {
        "version": version_uri(rollout.model, rollout.version),
        "wave": rollout.wave,
        "step": rollout.step,
        "why": text,
        **event.figures,
    }
    change.record(f"rollout.{what.replace(' ', '_')}", f"roll-out {rollout.id}", detail)


def end(
    change: Change,
    rollout: Rollout,
    state: RolloutState,
    why: str,
    figures: Mapping[str, Any] | None = None,
) -> None:
    """End a roll-out whose targets are in their last states."""
    rollouts.end(change.connection, rollout.id, state, why=why, by=change.actor.name, at=change.at)
    record(change, rollout, str(state), why, {**(figures or {}), "before": str(rollout.state)})


def take_back(services: Services, change: Change, rollout: Rollout, why: str) -> dict[str, Any]:
    """Take every touched target back to the version that was live there before: trials end, and what is live is replaced in
    one swap. Where somebody has put another version live since, that stays. Which one was before is what a roll-back by hand
    finds: not one that somebody rolled back while the roll-out waited, nor one put live by breaking the glass alone. Returns
    the figures of the event; they name the targets on which nothing was live before, where the version stays."""
    now = {one.target: one.version for one in deployments.live(change.connection, model=rollout.model)}
    live = [
        one
        for one in rollout.targets
        if one.state is PlaceState.LIVE and now.get(one.target) == rollout.version
    ]
    trials = [one.target for one in rollout.targets if one.state.is_trial]
    before = deployments.versions_before(change.connection, rollout.model)
    back = [
        one
        for one in live
        if one.before not in (None, rollout.version) and (rollout.model, one.target) in before
    ]
    steps = [
        RollBackStep(rollout.model, one.target, rollout.version, before[rollout.model, one.target])
        for one in back
    ]
    if steps:
        go_back(services, change, rollout.model, steps, why)
    targets = [*trials, *(step.target for step in steps)]
    rollouts.set_targets(change.connection, rollout.id, PlaceState.BACK, dict.fromkeys(targets), at=change.at)
    stay = [one.target for one in live if one not in back]
    return {
        "state": str(PlaceState.BACK),
        "targets": targets,
        **({"nothing_before": stay} if stay else {}),
    }


def _enter(
    services: Services, change: Change, rollout: Rollout, targets: Sequence[str], passed_over: Sequence[str]
) -> None:
    current = rollout.current
    assert current is not None
    wave, step = current
    _take(services, change, rollout, targets, step.kind, step.share)
    rollouts.enter(change.connection, rollout.id, at=change.at)
    state = STATE_IN[step.kind]
    text = f"wave {wave.name}, {step.title}: {named(targets) or 'no target answers'}"
    figures = {"state": str(state), "targets": list(targets), **({"share": step.share} if step.share else {})}
    record(change, rollout, "entered", text, figures)
    if passed_over:
        rollouts.set_targets(
            change.connection,
            rollout.id,
            PlaceState.PASSED_OVER,
            dict.fromkeys(passed_over),
            at=change.at,
        )
        record(
            change,
            rollout,
            "passed over",
            f"{named(passed_over)} does not answer: it catches up when it does",
            {"state": str(PlaceState.PASSED_OVER), "targets": list(passed_over)},
        )


def _catch_up(services: Services, change: Change, rollout: Rollout, targets: Sequence[str]) -> None:
    wanted = {one.target: one for one in rollout.targets if one.target in targets}
    by_step: dict[tuple[StepKind, float | None], list[str]] = {}
    for name, one in wanted.items():
        step = catch_up_step(rollout, one)
        by_step.setdefault((step.kind, step.share), []).append(name)
    for (kind, share), names in by_step.items():
        _take(services, change, rollout, names, kind, share)
        figures = {"state": str(STATE_IN[kind]), "targets": names, **({"share": share} if share else {})}
        record(change, rollout, "caught up", f"{named(names)} answers again: {kind}", figures)


def _take(
    services: Services,
    change: Change,
    rollout: Rollout,
    targets: Sequence[str],
    kind: StepKind,
    share: float | None,
) -> None:
    """Put targets into the state of a step; live is the one swap that there is."""
    if not targets:
        return
    if kind is StepKind.LIVE:
        version = require_version(change.connection, version_uri(rollout.model, rollout.version))
        check_version(change.connection, version, targets)
        put_live(
            services,
            change,
            version,
            targets,
            kind=rollout.kind,
            reason=_allowed(change, rollout),
            request_id=rollout.request_id,
        )
    clocks = services.event_clocks(rollout.model)
    live = {one.target: one.effective_at for one in deployments.live(change.connection, model=rollout.model)}
    # before its first event the clock of a target stands where its live version took effect
    entered: dict[str, datetime | None] = {
        target: clocks.get(target) or live.get(target) for target in targets
    }
    rollouts.set_targets(change.connection, rollout.id, STATE_IN[kind], entered, at=change.at, share=share)
    evidence.begin(services, change, rollout, targets, kind)


def _allowed(change: Change, rollout: Rollout) -> str:
    """Why the version goes live: its roll-out, and who approved that."""
    request = requests.find(change.connection, rollout.request_id)
    names = request.approved_by if request is not None else ()
    return f"roll-out {rollout.id}" + (f", approved by {named(names)}" if names else "")


def _pass(change: Change, rollout: Rollout, why: str) -> None:
    wave, step = rollout.after()
    rollouts.move(change.connection, rollout.id, wave, step)
    place = f"{rollout.current[1].title} of {rollout.current[0].name}: " if rollout.current else ""
    record(change, rollout, "passed", f"{place}{why}", {"to": [wave, step]})


def _go_back(services: Services, change: Change, rollout: Rollout, breach: Breach) -> None:
    """Take every target back, open an incident, and mark the version: only a new request tries it again."""
    why = f"roll-out {rollout.id} of v{rollout.version} goes back: {breach.why}"
    figures = take_back(services, change, rollout, why)
    end(
        change,
        rollout,
        RolloutState.ROLLED_BACK,
        breach.why,
        {**breach.figures, **figures, "found": breach.kind},
    )
    if not deployments.holds(change.connection, rollout.model):  # trials alone went back
        deployments.set_hold(change.connection, rollout.model, reason=why, by=change.actor.name, at=change.at)
        change.record("hold.set", rollout.model, {"reason": why})
    target = breach.target or next(iter(figures["targets"]), rollout.targets[0].target)
    clock = services.event_clocks(rollout.model).get(target)
    alerts.open_alert(
        services,
        NewAlert(
            model=rollout.model,
            version=rollout.version,
            target=target,
            kind=ROLLOUT,
            subject=f"roll-out {rollout.id}",
            severity="critical",
            effective_at=clock or change.at,
            summary=f"v{rollout.version} was rolled back on {named(figures['targets']) or 'no target'}: {breach.why}",
            explanation=f"Roll-out {rollout.id} (request {rollout.request_id}) took every touched target back to the version "
            f"that was live there before, because of what was found on {target}: {breach.why}. No version of "
            f"{rollout.model} is deployed without hands until the hold is lifted; v{rollout.version} goes out again only by "
            "a new request.",
            figures={
                name: float(value) for name, value in breach.figures.items() if isinstance(value, int | float)
            },
        ),
    )


def _end_trials(change: Change, rollout: Rollout) -> list[str]:
    """End the trials of a roll-out that is left; returns their targets."""
    trials = [one.target for one in rollout.targets if one.state.is_trial]
    rollouts.set_targets(change.connection, rollout.id, PlaceState.BACK, dict.fromkeys(trials), at=change.at)
    return trials
