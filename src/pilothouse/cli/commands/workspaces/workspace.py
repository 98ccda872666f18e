"""Commands about the workspace: init, apply, status, backup, doctor."""

from contextlib import closing
from pathlib import Path

import click

from pilothouse.cli.commands.models import first_models, templates
from pilothouse.cli.output import (
    json_option,
    plain,
    printed_as_json,
    say,
    say_glass,
    say_solo,
    say_unwatched,
    show_hung,
    show_pairs,
    show_table,
)
from pilothouse.cli.progress import step
from pilothouse.cli.session import Session
from pilothouse.domain.audit.inventory import open_items_text
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.monitoring.monitoring import Health, ModelOverview
from pilothouse.operations import automation_switch
from pilothouse.operations.promotion import break_glass, request_lists
from pilothouse.operations.workspace import workspaces, write_state
from pilothouse.presentation import texts
from pilothouse.presentation.pages.feed import late_text, waiting_texts
from pilothouse.system.workspace_place import os_user
from pilothouse.transparency.notes import check_name as check_key_name

EXIT_CODES = {
    Health.DEGRADED: 10,
    Health.NOT_JUDGED: 11,
    Health.NO_DATA: 12,
    Health.NO_TRAFFIC: 13,
    Health.CRITICAL: 20,
    Health.DOWN: 21,
}
"""Exit codes of ``status`` by the worst health; 0 for the others. Suspected is one of them: models that have not changed are
suspected now and then, and a line for cron would send mail for nothing."""
EXIT_DEAD_CHANNEL = 22
"""Exit code of ``status`` where a receiver of alerts takes nothing, as of ``alerts outbox``, and no model is critical or
down."""
EXIT_UNWATCHED = 14
"""Exit code of ``status`` where nobody keeps the states true and nothing is known to be worse than not judged."""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--admin", help="The first admin; the system's user otherwise.")
@click.option("--demo", is_flag=True, help="A workspace in which --as NAME is let through.")
@click.option(
    "--solo", is_flag=True, help="For one person: four eyes is off until somebody else is made approver."
)
@click.option(
    "--origin", default="", help="The name of its log for strangers; made of host and folder otherwise."
)
@first_models.options
@click.option("--name", help="With --from: the model's name; the file's otherwise.")
@templates.option
@json_option
@click.pass_obj
def init(
    session: Session,
    /,
    folder: Path,
    admin: str | None,
    demo: bool,
    solo: bool,
    origin: str,
    file: str | None,
    yes: bool,
    plan: bool,
    name: str | None,
    template: str | None,
    **more: str | None,
) -> None:
    """Make a workspace in FOLDER (this one otherwise), with --from FILE or --template NAME also a first model."""
    root, admin = session.workspace or folder, admin or os_user()
    if origin:
        check_key_name(origin)
    if template is not None:
        if file or name or plan or any(more.values()):
            raise click.UsageError(
                "--template brings data and model: --from and its options do not go with it"
            )
        wanted = templates.wanted(session, template)
        if wanted is None:
            return
        workspaces.check_new(root)
        templates.check_room(root, wanted)
        workspaces.initialise(root, admin, demo=demo, solo=solo)
        _say_made(root, admin, solo=solo, demo=demo)
        _make_log_key(root, admin, origin)
        templates.write(session, root, wanted, admin)
        return
    if file is None:
        if name or yes or plan or any(more.values()):
            raise click.UsageError(
                "--target, --name, --yes, --plan, --query and --credentials go with --from FILE"
            )
        workspaces.initialise(root, admin, demo=demo, solo=solo)
        _say_made(root, admin, solo=solo, demo=demo)
        _make_log_key(root, admin, origin)
        say(
            "describe targets in targets.toml and models in models/NAME/model.toml, then run pilothouse apply"
        )
        return
    workspaces.check_new(root)
    first = first_models.looked_at(root, file, name, admin, yes=yes, **more)
    if not first_models.wanted(session, first, yes=yes, plan=plan):
        return
    workspaces.initialise(root, admin, demo=demo, solo=solo)
    _say_made(root, admin, solo=solo, demo=demo)
    _make_log_key(root, admin, origin)
    first_models.write(session, first)


def _make_log_key(root: Path, admin: str, origin: str) -> None:
    """Make the key that signs the log's heads, and say under which name strangers know the log."""
    from pilothouse.composition import open_workspace
    from pilothouse.operations.transparency import log_keys

    services = open_workspace(root)
    try:
        key = log_keys.make(services, workspaces.identify(services, admin), origin)
        say(f"its log is {key.name}; pilothouse log status shows the key that verifies its heads")
    finally:
        services.close()


def _say_made(root: Path, admin: str, *, solo: bool, demo: bool) -> None:
    say(f"workspace made in {root}; {admin} is its admin")
    if admin != (you := os_user()):
        how = (
            "or anybody with --as " + admin
            if demo
            else "and nobody else can: make it anew if that is no user here"
        )
        say(
            f"you are {you} and hold no role in it: the system's user {admin} grants you one "
            f"(pilothouse grant {you} ROLE), {how}"
        )
    if solo:
        say(texts.solo_text(admin))


@click.command()
@click.option("--plan", is_flag=True, help="Show what would change, and change nothing.")
@json_option
@click.pass_obj
def apply(session: Session, plan: bool) -> None:
    """Read the files of the workspace (targets, plans, integrations, alerts, models) and bring the registry up to them."""
    from pilothouse.cli.commands.workspaces.files import show_change  # what no other command here needs
    from pilothouse.operations.workspace import apply_models

    act = apply_models.plan if plan else apply_models.apply
    changes = act(session.services, session.actor)
    if printed_as_json(session, changes):
        return
    for change in changes:
        show_change(change)
        if plan and change.action in ("create", "update"):
            show_hung(safe(f"  {texts.appliers_text(change.may_apply, change.refusal)}", limit=400), 4)
    if not changes:
        say("no model files: describe targets in targets.toml, then write models/NAME/model.toml")
    elif plan and (changed := [change for change in changes if change.action in ("create", "update")]):
        is_theirs = all(change.permitted for change in changed)
        say("nothing was changed" + ("; run pilothouse apply to do it" if is_theirs else ""))


_DIFFERENCES = 5
"""Targets named that run otherwise than they should."""


@click.command()
@json_option
@click.pass_obj
def status(session: Session) -> int:
    """The fleet's health. Exit code 0 healthy or suspected, 10 degraded, 11 not judged, 12 no data, 13 no traffic,
    14 not watched, 20 critical, 21 down; 22 where alerts do not arrive and it is none of the last two."""
    from pilothouse.operations.automation import automation_activity
    from pilothouse.operations.dossier import inventory
    from pilothouse.operations.fleet import health, places
    from pilothouse.operations.outbox import views as outbox
    from pilothouse.operations.rollouts import views
    from pilothouse.presentation.tables.rollouts import rollout_plain
    from pilothouse.presentation.tables.trigger_rows import look_text

    models = health.overview(session.services, session.actor)
    fleet = models[0].health if models else Health.NOT_DEPLOYED
    watch = health.watch(session.services, session.actor)
    paused = automation_switch.status(session.services, session.actor)
    solo = workspaces.solo_person(session.services)
    reviews = inventory.open_items(session.services, session.actor)
    items = request_lists.waiting_items(session.services, session.actor)
    dead = outbox.dead_channels(session.services, session.actor)
    failing = automation_activity.failing_looks(session.services, session.actor)
    differing = list(places.differing(session.services, session.actor).values())
    on_their_way = views.list_rollouts(session.services, session.actor, unfinished=True)
    if not printed_as_json(
        session,
        {
            "health": fleet,
            "deployments": watch.counts,
            "unwatched": watch.unwatched,
            "automation": paused,
            "solo": solo,
            "broken_glass": [
                plain(one) for one in break_glass.list_broken(session.services, session.actor, open_only=True)
            ],
            "waiting": {
                "requests": items.requests,
                "reviews": [one.id for one in items.reviews],
                "conditions": items.conditions,
            },
            "late_conditions": items.late,
            "dead_channels": dead,
            "failing_triggers": failing,
            "differences": differing,
            "rollouts": [rollout_plain(one) for one in on_their_way],
            "inventory": {entry.model: entry.open_items for entry in reviews},
            "models": models,
        },
    ):
        show_table(
            ("model", "health", "champion", "metric", "now", "as of", "reference", "drifting", "p95 ms", "alerts", "why"),
            (
                (o.model, o.health, o.champion or "–", o.metric, _figure(o), texts.day_text(o.performance_at),
                 texts.figure(o.reference),
                 f"{o.drifted}/{o.features}", texts.figure(o.p95_ms, 1), o.open_alerts, texts.place_once(o.why))
                for o in models
            ),
            empty="no models yet: write models/NAME/model.toml and run pilothouse apply",
        )  # fmt: skip
        say(
            f"fleet: {fleet}"
            + (f"; automation is paused by {paused.actor}: {paused.reason}" if paused.paused else "")
        )
        for differs in differing[:_DIFFERENCES]:
            since = texts.time_text(differs.since)
            say(f"{differs.target}: {differs.model} {differs.text}, since {since}")
        if len(differing) > _DIFFERENCES:
            say(f"… and {len(differing) - _DIFFERENCES:,} more that differ: pilothouse targets")
        for one in on_their_way:
            say(
                f"roll-out {one.id} of {one.uri} is {one.state}: {one.place_text}{f' ({one.why})' if one.why else ''}"
            )
        if dead.text:
            say(f"ALERTS DO NOT ARRIVE: {dead.text} (pilothouse alerts outbox)")
        for name, look in list(failing.items())[:_DIFFERENCES]:
            say(f"trigger {name} cannot look at its source: {look_text(look)}")
        if len(failing) > _DIFFERENCES:
            say(f"… and {len(failing) - _DIFFERENCES:,} more that cannot: pilothouse triggers")
        say_solo(session)
        say_glass(session)
        say_unwatched(session)
        if texts_waiting := waiting_texts(items, session.services.now()):
            say(f"waits for you: {' · '.join(texts_waiting)}")
        if text := late_text(items.late):
            say(f"late conditions: {text} (pilothouse conditions list)")
        if text := open_items_text(reviews):
            say(f"open in the inventory: {text}")
    if dead.failing and EXIT_CODES.get(fleet, 0) < EXIT_CODES[Health.CRITICAL]:
        return EXIT_DEAD_CHANNEL
    if watch.unwatched and fleet is Health.NOT_JUDGED:
        return EXIT_UNWATCHED
    return EXIT_CODES.get(fleet, 0)


def _figure(model: ModelOverview) -> str:
    """The newest figure; ``then`` where it is of a time before the version went live again."""
    text = texts.figure(model.performance)
    return f"{text} then" if model.of_then and model.performance is not None else text


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def backup(session: Session, file: Path) -> None:
    """Copy the live workspace soundly into FILE (a tar)."""
    from pilothouse.operations.upkeep import backups

    with step() as tell:
        backups.backup(session.services, session.actor, file, tell)
    say(f"{file}: {file.stat().st_size:,} bytes; try it with pilothouse restore {file} FOLDER")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--verify", is_flag=True, help="Only verify the backup; nothing is kept.")
@click.option(
    "--erasures",
    type=click.Path(exists=True, path_type=Path),
    help="Tombstones of erasures since the backup: the folder erasures/ that was kept, or a workspace.",
)
@click.pass_obj
def restore(session: Session, file: Path, folder: Path | None, verify: bool, erasures: Path | None) -> None:
    """Unpack a backup into a new FOLDER and verify it. What was erased since the backup is erased in it again."""
    from pilothouse.operations.erasure import after_restore
    from pilothouse.operations.upkeep import restores

    if verify == (folder is not None):
        raise click.UsageError("name a new folder, or --verify to only examine the backup")
    if folder is None:
        with step() as tell:
            found = restores.verify_backup(file, tell)
        say(f"{file}: sound; its audit log has the head {found.head.count}:{found.head.hash}")
        say(
            f"{after_restore.known_text(found.erasures)} what was erased after {found.made_at} is still in it"
        )
        return
    with step() as tell:
        found = restores.restore(file, folder, tell)
    say(
        f"{folder}: restored and verified; it has the identity of what was backed up: where that one goes on running, give "
        f"this one its own (pilothouse -w {folder} site identity --new --reason …)"
    )
    place = erasures or after_restore.live_workspace(session.workspace, file, found.head)
    if place is None:
        after_restore.note_unknown(folder, found.made_at)
        say(
            f"{after_restore.known_text(found.erasures)} what was erased after {found.made_at} is in it again: pilothouse -w "
            f"{folder} erase take PLACE, with the tombstones that were kept (or --none); pilothouse doctor says so until then"
        )
        return
    from pilothouse.composition import open_workspace

    with closing(open_workspace(folder)) as restored:
        taken = after_restore.take(restored, DAEMON, place)
    say(
        f"{after_restore.known_text(found.erasures)} {len(taken.carried_out):,} of the {taken.found:,} tombstones in {place} "
        "were carried out in it now"
    )


@click.command("read-only")
@click.option("--reason", required=True, help="Why nothing may be written.")
@click.pass_obj
def read_only(session: Session, reason: str) -> None:
    """Let nothing be written until somebody lifts it; serving goes on and keeps what it predicts."""
    say(write_state.make_read_only(session.services, session.actor, reason).message)


@click.command()
@click.option("--reason", required=True, help="Why the workspace may be written again.")
@click.pass_obj
def writable(session: Session, reason: str) -> None:
    """Let the workspace be written again."""
    write_state.make_writable(session.services, session.actor, reason)
    say("the workspace can be written again")


@click.command()
@click.option(
    "--full",
    is_flag=True,
    help="All of a long log, of large databases and of many files, which may take minutes.",
)
@click.option(
    "--repair",
    is_flag=True,
    help="First write the states of all deployments anew from what they follow from.",
)
@json_option
@click.pass_obj
def doctor(session: Session, full: bool, repair: bool) -> int:
    """Check database, chain, artifacts, disk, isolation and daemon. Exit code 6 if something is wrong."""
    from pilothouse.operations.workspace import doctor

    if repair:
        wrong = doctor.repair_states(session.services, session.actor)
        say(f"states written anew; {wrong:,} were not what follows from the facts")
    services, actor = session.services, session.actor
    with step() as tell:
        findings = doctor.diagnose(services, actor, full=full, tell=tell)
    if not printed_as_json(session, findings):
        show_pairs(("ok" if f.ok else "WRONG", f"{f.check}: {f.finding}") for f in findings)
    return 0 if all(f.ok for f in findings) else 6
