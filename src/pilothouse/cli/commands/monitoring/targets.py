"""Commands about targets: what answers where, what differs from what should, and tokens of other machines."""

from datetime import timedelta

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    plain,
    printed_as_json,
    reason_option,
    say,
    say_unwatched,
    show_table,
    with_unwatched,
)
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.monitoring.monitoring import TargetState
from pilothouse.domain.records import Target
from pilothouse.operations.fleet import places as place_operations
from pilothouse.operations.fleet import remote_tokens
from pilothouse.operations.fleet import targets as target_operations
from pilothouse.operations.fleet.places import Place
from pilothouse.presentation import texts
from pilothouse.presentation.tables.registry_rows import serving_text


@group(invoke_without_command=True)
@click.option("--write", is_flag=True, help="Add the targets that only model files describe to targets.toml.")
@json_option
@click.pass_context
def targets(context: click.Context, write: bool) -> None:
    """Each model on each target: what should answer, what does, and how it is."""
    if context.invoked_subcommand is not None:
        return
    session: Session = context.obj
    from pilothouse.operations.fleet import health
    from pilothouse.operations.workspace import target_files

    if write:
        added = target_files.write_targets_file(session.services, session.actor)
        if not printed_as_json(session, added):
            say(f"targets.toml: added {', '.join(added)}" if added else "targets.toml lacks no target")
        return
    described = {
        target.name: target for target in target_operations.list_targets(session.services, session.actor)
    }
    states = health.target_states(session.services, session.actor)
    places = place_operations.list_places(session.services, session.actor)
    if session.as_json:
        records = [
            _described(state, described.get(state.target)) | _placed(state, places.get(state.target))
            for state in states
        ]
        printed_as_json(session, with_unwatched(session, records))
        return
    show_table(
        ("target", "region", "product", "unit", "environment", "labels", "model", "version", "serving", "health", "since",
         "why", "place", "clock", "sent", "differs"),
        (
            (s.target, s.region, s.product, s.business_unit, *_labels(described.get(s.target)), s.model,
             s.deployment.version if s.deployment else "–", serving_text(s), s.health,
             texts.time_text(s.since), texts.without_place(s.why, s.target), *_place_cells(s, places.get(s.target)))
            for s in states
        ),
        empty="no targets: describe them in targets.toml and select them in models/NAME/model.toml",
    )  # fmt: skip
    say_unwatched(session)


def _labels(target: Target | None) -> tuple[str, str]:
    """Environment and labels as columns."""
    if target is None:
        return "", ""
    return target.environment, " ".join(f"{key}={value}" for key, value in sorted(target.labels.items()))


def _described(state: TargetState, target: Target | None) -> dict[str, object]:
    """State of a model on a target, with what is described of the target alone; the port that is described where no
    process says one."""
    if target is None:
        return plain(state)  # type: ignore[no-any-return]
    of_target = {
        "environment": target.environment,
        "labels": target.labels,
        "port": state.port or target.port,
    }
    return plain(state) | of_target  # type: ignore[no-any-return]


def _place_cells(state: TargetState, place: Place | None) -> tuple[str, str, str, str]:
    """Where a target is, how its clock is, what it has sent to the hub, and what differs of the model there."""
    if place is None:
        return "", "", "", ""
    differs = next((one for one in place.differences if one.model == state.model), None)
    clock = "" if place.clock is None else ("▲ " if place.clock.matters else "") + place.clock.text
    return (
        place.kind,
        clock,
        place.sent.text if place.sent is not None else "",
        f"{differs.text}, since {texts.time_text(differs.since)}" if differs is not None else "",
    )


def _placed(state: TargetState, place: Place | None) -> dict[str, object]:
    if place is None:
        return {}
    differs = next((one for one in place.differences if one.model == state.model), None)
    return {
        "place": place.kind,
        "clock": plain(place.clock) if place.clock is not None else None,
        "remote_tokens": place.tokens,
        "difference": plain(differs) if differs is not None else None,
        "sent": plain(place.sent) if place.sent is not None else None,
    }


@targets.command("token")
@click.argument("target")
@click.option(
    "--for", "valid", default="90d", show_default=True, metavar="TIME", help="For how long, e.g. 12h or 90d."
)
@json_option
@click.pass_obj
def targets_token(session: Session, target: str, valid: str) -> None:
    """Make a token for the serving process of a remote TARGET and print it once, alone on stdout.

    Tokens of before stay in force until they end or are revoked: put the new one in place, then revoke the old one.
    """
    made = remote_tokens.issue(
        session.services, session.actor, target, timedelta(seconds=parse_duration(valid))
    )
    if printed_as_json(session, {**plain(made.record), "token": made.token}):
        return
    say(f"remote token {made.record.id} of {target}, valid until {texts.time_text(made.record.ends_at)} UTC")
    click.echo(made.token)


@targets.command("tokens")
@click.argument("target", required=False)
@json_option
@click.pass_obj
def targets_tokens(session: Session, target: str | None) -> None:
    """List the tokens of remote targets, the newest first: who made each, and whether it is in force."""
    found = remote_tokens.list_tokens(session.services, session.actor, target)
    now = session.services.now()
    if printed_as_json(session, [{**plain(one), "state": one.state_at(now)} for one in found]):
        return
    show_table(
        ("token", "target", "state", "by", "made", "ends", "revoked"),
        (
            (
                one.id,
                one.target,
                one.state_at(now),
                one.issued_by,
                texts.time_text(one.recorded_at),
                texts.time_text(one.ends_at),
                f"{one.revoked_by}, {texts.time_text(one.revoked_at)}" if one.revoked_at else "",
            )
            for one in found
        ),
        empty="no tokens of remote targets: pilothouse targets token TARGET makes one",
    )


@targets.command("revoke")
@click.argument("number", type=int)
@reason_option
@click.pass_obj
def targets_revoke(session: Session, number: int, reason: str) -> None:
    """Revoke a remote token by its NUMBER: the next request with it is refused."""
    revoked = remote_tokens.revoke(session.services, session.actor, number, reason)
    say(
        f"remote token {number} of {revoked.target} is revoked; its process serves on, and nothing of it is taken in"
    )
