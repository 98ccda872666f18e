"""Facts of a roll-out: gathered from registry and telemetry, for the rule that says what comes next."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pilothouse.domain.formats.wire import TrialReport
from pilothouse.domain.monitoring.monitoring import ServingState
from pilothouse.domain.promotion.freezes import freeze_of, freeze_text
from pilothouse.domain.rollouts.rollout import PlaceState, Rollout, RolloutTarget
from pilothouse.domain.rollouts.rules import ALERTS_AGAINST, Breach, Facts, PlaceFacts, named
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.rollouts.evidence import Found, champions, judged
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import deployments
from pilothouse.store.governance import freezes
from pilothouse.store.models import targets
from pilothouse.store.promotion import rollout_facts, rollouts
from pilothouse.store.promotion.rollout_facts import ServedPlace

_ENDS_AGAINST = 3
"""Ends of a serving process since the version is live or tried, where there were fewer in as long a time before."""
_LOOKED_BACK = timedelta(hours=1)
_DOWN_AGAINST = timedelta(minutes=2)
"""Time for which a process that has ended, and is started again and again, does not come up: its ends are one outage then."""


_FIRST_REPORT = timedelta(minutes=1)
"""Time that a serving process has to report for the first time, where the daemon starts them: after that nobody serves."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the daemon knows of serving processes beyond what is on record. ``starts``: it starts them, so that one which has
    not reported yet may come; ``trials``: what each target last said of its trials."""

    starts: bool = False
    trials: Mapping[str, Sequence[TrialReport]] = field(default_factory=dict)

    def trial(self, rollout: Rollout, target: str) -> TrialReport | None:
        """What a target says of a roll-out's trial; None where it has said nothing of it."""
        return self.arm(rollout, target, rollout.version)

    def arm(self, rollout: Rollout, target: str, version: int) -> TrialReport | None:
        """What a target says of one version of a roll-out's trial."""
        said = self.trials.get(target, ())
        return next((one for one in said if (one.rollout, one.version) == (rollout.id, version)), None)


UNKNOWN = Serving()


def gather(
    services: Services, connection: Connection, rollout: Rollout, now: datetime, serving: Serving = UNKNOWN
) -> Facts:
    """Facts of an unfinished roll-out as they are on record, with the evidence that is folded."""
    served = {place.target: place for place in rollout_facts.places(connection, rollout.id)}
    clocks = services.event_clocks(rollout.model)
    breaches = list(_breaches(connection, rollout, served, serving, now))
    rows = rollouts.evidence(connection, rollout.id)
    found = Found()
    if not (
        breaches and rollout.state.is_open
    ):  # a fault of the tests keeps none from going back by what is known
        found = judged(services, rollout, rows)
    places, champion = _places(rollout, served, clocks, serving, now), champions(rollout, rows)
    return Facts(
        now=now,
        places={name: replace(place, champion=champion.get(name)) for name, place in places.items()},
        blocked=blocked(connection, rollout, served, now),
        is_frozen=freeze_of(freezes.in_force(connection), rollout.model, now) is not None,
        breaches=(*breaches, *([found.harm] if found.harm else [])),
        arm_breaches=dict(found.harm_of_arms) | dict(_arm_breaches(connection, rollout, serving)),
        evidence=found.step,
        arms=found.arms,
    )


def _arm_breaches(connection: Connection, rollout: Rollout, serving: Serving) -> Iterator[tuple[int, Breach]]:
    """Faults of versions that are tried beside the roll-out's own."""
    for arm in rollout.tried:
        for one in rollout.targets:
            said = serving.arm(rollout, one.target, arm.version) if one.state.is_trial else None
            if said is not None and said.state == "failed":
                yield (
                    arm.version,
                    Breach("not loaded", f"{one.target} cannot load it: {said.reason}", one.target),
                )
        for alert in rollout_facts.alerts_against_arm(connection, rollout.id, arm.version, ALERTS_AGAINST):
            figures = {**alert.figures, "alert": alert.id}
            why = f"alert {alert.id} on {alert.target}: {alert.summary}"
            yield arm.version, Breach("alert", why, alert.target, figures)


def blocked(
    connection: Connection, rollout: Rollout, served: Mapping[str, ServedPlace], now: datetime
) -> str:
    """Why no step forward is taken now; empty where one may be."""
    if frozen := freeze_of(freezes.in_force(connection), rollout.model, now):
        return f"{rollout.model} is {freeze_text(*frozen)}"
    if held := deployments.holds(connection, rollout.model):
        return f"a hold is set on {rollout.model} ({held[0].reason}): pilothouse lift-hold {rollout.model} --reason … ends it"
    automation = workspace.automation(connection)
    if automation.paused:
        return f"automation is paused by {automation.actor}: {automation.reason}"
    spec = spec_of_model(connection, rollout.model)
    if spec.inventory is not None and spec.inventory.retired:
        return f"{rollout.model} is retired ({spec.inventory.retired}): it takes no deployment"
    named_now = targets.targets_of(connection, rollout.model)
    left_out = [
        one.target
        for one in rollout.targets
        if one.state is not PlaceState.LIVE and one.target not in named_now
    ]
    if left_out:
        return (
            f"the model file of {rollout.model} names {named(left_out)} no longer: "
            "request the version for the targets that are left, which takes the place of this roll-out, or abort it"
        )
    unheard = [place.target for place in served.values() if place.serving is ServingState.NOT_HEARD]
    if unheard:
        return f"the serving process of {unheard[0]} has not been heard of since the daemon started"
    return ""


def _places(
    rollout: Rollout,
    served: Mapping[str, ServedPlace],
    clocks: Mapping[str, datetime],
    serving: Serving,
    now: datetime,
) -> dict[str, PlaceFacts]:
    """Facts by target."""
    places: dict[str, PlaceFacts] = {}
    for one in rollout.targets:
        place = served[one.target]
        is_live = one.state is PlaceState.LIVE and place.live == rollout.version
        is_recent = one.entered_at is not None and now - one.entered_at < _FIRST_REPORT
        to_come = serving.starts and is_recent and place.serving is ServingState.NOT_REPORTED
        loads = to_come or place.serving in (ServingState.LOADING, ServingState.FAILED)
        places[one.target] = PlaceFacts(
            answers=place.serving is not ServingState.DOWN,
            ready=not (is_live and loads) and not (one.state.is_trial and _loads(serving, rollout, one)),
            live=place.live,
            clock=clocks.get(one.target),
            tries=place.kind != "elsewhere",
        )
    return places


def _loads(serving: Serving, rollout: Rollout, one: RolloutTarget) -> bool:
    """True where a target has yet to load the version that it tries; where nobody hears of it, nobody knows."""
    said = serving.trial(rollout, one.target)
    return serving.starts and (said is None or said.state == "loading" or said.mode != one.state)


def _breaches(
    connection: Connection,
    rollout: Rollout,
    served: Mapping[str, ServedPlace],
    serving: Serving,
    now: datetime,
) -> Iterator[Breach]:
    """Faults of the version, the surest first."""
    live = [one for one in rollout.targets if one.state is PlaceState.LIVE]
    for one in live:
        place = served[one.target]
        if place.live == rollout.version and place.serving is ServingState.FAILED:
            why = place.fault or "its serving process said so"
            yield Breach("not loaded", f"{one.target} cannot load {rollout.uri}: {why}", one.target)
    for one in rollout.targets:
        said = serving.trial(rollout, one.target) if one.state.is_trial else None
        if said is not None and said.state == "failed":
            yield Breach("not loaded", f"{one.target} cannot load {rollout.uri}: {said.reason}", one.target)
    for alert in rollout_facts.alerts_against(connection, rollout.id, ALERTS_AGAINST):
        figures = {**alert.figures, "alert": alert.id}
        yield Breach("alert", f"alert {alert.id} on {alert.target}: {alert.summary}", alert.target, figures)
    for one in rollout.touched:  # a challenger runs in the process that answers
        if one.entered_at is None or served[one.target].kind == "elsewhere":
            continue
        down = rollout_facts.down_since(connection, one.target, one.entered_at)
        if down is not None and now - down >= _DOWN_AGAINST:
            yield Breach(
                "process",
                f"the serving process of {one.target} has ended since {rollout.uri} is {_word(one)} there, and has not come "
                f"up again in {round((now - down).total_seconds())} seconds",
                one.target,
                {"down_s": (now - down).total_seconds()},
            )
        ends = rollout_facts.process_ends(connection, one.target, one.entered_at, now)
        if ends < _ENDS_AGAINST:
            continue
        length = max(now - one.entered_at, _LOOKED_BACK)
        before = rollout_facts.process_ends(connection, one.target, one.entered_at - length, one.entered_at)
        if before < ends:
            yield Breach(
                "process",
                f"the serving process of {one.target} has ended {ends} times since {rollout.uri} is {_word(one)} there, "
                f"and {before} times in the {round(length.total_seconds() / 60)} minutes before",
                one.target,
                {"ends": ends, "ends_before": before},
            )


def _word(one: RolloutTarget) -> str:
    return "live" if one.state is PlaceState.LIVE else "tried"
