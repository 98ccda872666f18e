"""The replay that is asked for before a version is requested: by its model file (``promotion.replay``), by the workspace's
policy, or by both; the longer time counts."""

from collections.abc import Sequence
from dataclasses import replace

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.formats.time_units import SECOND_US, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.jobs.replays import MOST_ROWS, TrafficReplay, read_replay
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import changing, clean_text
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.promotion.evidence import incumbents
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.work import jobs

_SHORTEST = 86_400
"""Seconds of a day, the least that a policy asks for, as a model file."""


def replay_asked(connection: Connection, model: str) -> int | None:
    """Seconds of recorded traffic that a model's versions answer before they are requested; None: none."""
    asked = (spec_of_model(connection, model).promotion.replay, workspace.policy(connection).replay)
    return max((int(one) for one in asked if one), default=None)


def set_floor_replay(services: Services, actor: Actor, seconds: int, reason: str) -> WorkspacePolicy:
    """Ask for so many seconds of replayed traffic of every model, or with 0 for none. Raises InvalidInputError (less than a
    day) or NotAllowedError."""
    reason = clean_text(reason, "the reason")
    if seconds and seconds < _SHORTEST:
        raise InvalidInputError(
            f"replay: found {format_duration(seconds)}; expected a day or more, or 0 for none"
        )
    with changing(services, actor, Permission.SET_POLICY) as change:
        before = workspace.policy(change.connection)
        after = replace(before, replay=seconds or None)
        workspace.add_policy(change.connection, after, by=change.actor.name, at=change.at)
        detail = {"reason": reason, "before": {"replay": before.replay}, "after": {"replay": after.replay}}
        change.record("policy.set", "workspace", detail)
        return workspace.policy(change.connection)


def missing_replays(
    services: Services, connection: Connection, version: Version, targets: Sequence[str]
) -> dict[int, list[str]]:
    """Live versions against which a version has yet to be replayed, each with the targets on which it is live.

    Nothing is missing where neither model file nor policy asks for a replay, nothing is live on a target, or it was never
    asked there. A replay counts that covers as much time as is asked for, ends no longer than that before the newest event, and
    took every stored row or as many as a replay takes at most: a sample of one row, which anybody may draw, shows nothing.
    """
    length = replay_asked(connection, version.model)
    if length is None:
        return {}
    done = [read_replay(job.result) for job in jobs.replays_of(connection, version.model, version.id)]
    missing: dict[int, list[str]] = {}
    clocks = services.event_clocks(version.model)
    for target, number in incumbents(connection, version.model, targets).items():
        if number is None or number == version.number or target not in clocks:
            continue
        since_us = to_us(clocks[target]) - length * SECOND_US
        if not any(
            replay and _covers(replay, number, target, length * SECOND_US, since_us) for replay in done
        ):
            missing.setdefault(number, []).append(target)
    return missing


def check_replayed(
    services: Services, connection: Connection, version: Version, targets: Sequence[str]
) -> None:
    """Raise ConflictError where a replay is asked for and has not been made."""
    missing = missing_replays(services, connection, version, targets)
    if not missing:
        return
    length, own = (
        replay_asked(connection, version.model),
        spec_of_model(connection, version.model).promotion.replay,
    )
    assert length is not None
    by = "promotion.replay" if length == own else "the workspace's policy"
    uri = version_uri(version.model, version.number)
    number, names = next(iter(missing.items()))
    raise ConflictError(
        f"{uri} has not been replayed against version {number}, live on {', '.join(names)}, over {format_duration(length)} "
        f"of recorded traffic ({by}): run pilothouse replay {uri} --against {version.model}/{number} first"
    )


def _covers(replay: TrafficReplay, against: int, target: str, length_us: int, since_us: int) -> bool:
    traffic = replay.traffic
    return (
        replay.against == against
        and target in traffic.targets
        and (traffic.sample is None or traffic.sample >= MOST_ROWS)
        and traffic.until_us - traffic.since_us >= length_us
        and traffic.until_us > since_us
    )
