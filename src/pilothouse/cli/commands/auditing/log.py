"""Commands about the transparency log: its heads, proofs, tiles, anchors and witnesses."""

from pathlib import Path

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    output_option,
    output_stream,
    printed_as_json,
    say,
    show_hung,
    show_pairs,
    show_rows,
)
from pilothouse.cli.session import Session
from pilothouse.domain.audit.log_anchors import AnchorKind, AnchorState, LogStatus
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.operations.transparency import anchors as operations
from pilothouse.operations.transparency import delivery, heads, proofs
from pilothouse.presentation.tables.log_rows import NOTHING_KEEPS, anchor_table, log_facts
from pilothouse.transparency.notes import encode


@group()
def log() -> None:
    """Signed heads of the audit log, their proofs, and who keeps them."""


@log.command()
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Show the log's key, its newest signed head, and how far each anchor is."""
    state = heads.status(session.services, session.actor)
    if printed_as_json(session, _facts(state)):
        return
    for text in state.contradictions:
        show_hung(safe(f"✖ {text}", limit=2_000))
    show_pairs((name, shown.text) for name, shown in log_facts(state))
    _show_anchors(session, state)


def _facts(state: LogStatus) -> dict[str, object]:
    return {
        "origin": state.origin or None,
        "key": state.key or None,
        "rows": state.rows,
        "signed_size": state.signed_size,
        "signed_root": state.signed_root or None,
        "signed_at": state.signed_at,
        "quorum": state.quorum,
        "cosigned_size": state.cosigned_size,
        "contradictions": state.contradictions,
        "anchors": [_anchor_facts(one, state.signed_size) for one in state.anchors],
    }


def _anchor_facts(state: AnchorState, newest: int) -> dict[str, object]:
    anchor, delivery = state.anchor, state.delivery
    return {
        "name": anchor.name, "kind": anchor.kind, "place": anchor.place, "key": anchor.key or None,
        "state": state.standing(newest), "holds": state.held.size, "holds_since": state.held.since,
        "contradiction": state.contradiction or None,
        "sent_size": delivery.sent_size, "sent_at": delivery.sent_at, "tried_at": delivery.tried_at,
        "failing_since": delivery.failing_since, "error": delivery.error,
    }  # fmt: skip


def _show_anchors(session: Session, state: LogStatus) -> None:
    show_rows(anchor_table(state, session.services.now()), empty=NOTHING_KEEPS)


@log.command()
@click.option("--sign", is_flag=True, help="Sign the head of all rows now, and send it to the anchors.")
@json_option
@click.pass_obj
def checkpoint(session: Session, sign: bool) -> None:
    """Print the newest signed head, with the signatures of witnesses."""
    tried: list[AnchorState] = []
    if sign:
        heads.sign(session.services, session.actor)
        tried = delivery.deliver(session.services, session.actor, at_once=True)
    head = heads.newest(session.services, session.actor)
    facts = {
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "root": encode(head.checkpoint.root),
    }
    if not printed_as_json(
        session,
        {**facts, "note": str(head), "sent": [_anchor_facts(one, head.checkpoint.size) for one in tried]},
    ):
        click.echo(str(head), nl=False)
    failed = [one for one in tried if one.delivery.failures]
    for one in failed:
        say(f"{one.anchor.name}: {one.delivery.error}")
    if failed:
        raise UnavailableError(
            f"{len(failed)} of {len(tried)} anchors did not take the head; the daemon tries again"
        )


@log.command()
@click.argument("seq", type=click.IntRange(min=1))
@output_option
@click.pass_obj
def proof(session: Session, seq: int, output: Path) -> None:
    """Prove that audit row SEQ is in the log, to somebody who has the log's key and no Pilothouse."""
    with output_stream(output) as stream:
        stream.write(str(proofs.row_proof(session.services, session.actor, seq)))


@log.command()
@click.argument("old", type=click.IntRange(min=0))
@click.argument("new", type=click.IntRange(min=0), required=False)
@json_option
@click.pass_obj
def consistency(session: Session, old: int, new: int | None) -> None:
    """Prove that the log of NEW rows (all by default) begins with that of OLD."""
    found = proofs.consistency(session.services, session.actor, old, new)
    facts = {
        "old": found.old, "new": found.new, "old_root": encode(found.old_root), "new_root": encode(found.new_root),
        "hashes": [encode(one) for one in found.hashes],
    }  # fmt: skip
    if not printed_as_json(session, facts):
        for one in found.hashes:
            click.echo(encode(one))
        say(
            f"{found.old:,} rows: root {encode(found.old_root)}; {found.new:,} rows: root {encode(found.new_root)}"
        )


@log.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@json_option
@click.pass_obj
def tiles(session: Session, folder: Path) -> None:
    """Write the log's tiles into FOLDER, for a web server or a mirror; a later run adds what is new."""
    head, written = proofs.write_tiles(session.services, session.actor, folder)
    if not printed_as_json(session, {"size": head.checkpoint.size, "files": written}):
        say(f"{folder} has the log of {head.checkpoint.size:,} rows; {written:,} files written")


@log.command()
@output_option
@click.pass_obj
def policy(session: Session, output: Path) -> None:
    """Print the keys of the log and its witnesses as a policy file, with how many must have signed a head."""
    with output_stream(output) as stream:
        stream.write(str(proofs.policy(session.services, session.actor)))


@log.command()
@output_option
def verifier(output: Path) -> None:
    """Print the program that verifies a proof on a machine with Python and OpenSSL and without Pilothouse."""
    with output_stream(output) as stream:
        stream.write(proofs.verifier())


@log.command()
@click.argument("least", type=click.IntRange(min=0))
@click.pass_obj
def quorum(session: Session, least: int) -> None:
    """Set how many witnesses must have signed a head."""
    operations.set_quorum(session.services, session.actor, least)
    say(f"{least} witnesses must sign a head" if least else "no witness need sign a head")


@log.group()
def anchors() -> None:
    """What keeps the heads: files of other owners, the system's log."""


@anchors.group("add")
def add_anchor() -> None:
    """Let something take heads."""


@add_anchor.command("file")
@click.argument("name")
@click.argument("path")
@click.pass_obj
def add_file(session: Session, name: str, path: str) -> None:
    """Put each head at the end of the file PATH, which may belong to another owner."""
    operations.check_takes_lines(AnchorKind.FILE, path)
    _say_added(session, operations.add(session.services, session.actor, name, AnchorKind.FILE, path).place)


@add_anchor.command("syslog")
@click.argument("name")
@click.option(
    "--socket", default=operations.SYSLOG, show_default=True, help="The socket of the system's log."
)
@click.pass_obj
def add_syslog(session: Session, name: str, socket: str) -> None:
    """Send each head to the system's log."""
    operations.check_takes_lines(AnchorKind.SYSLOG, socket)
    _say_added(
        session, operations.add(session.services, session.actor, name, AnchorKind.SYSLOG, socket).place
    )


@anchors.command("remove")
@click.argument("name")
@click.pass_obj
def remove_anchor(session: Session, name: str) -> None:
    """Let the anchor NAME, or the witness, take no further head."""
    operations.remove(session.services, session.actor, name)
    say(f"{name} takes no further head; what it has stays what it is")


@anchors.command("list")
@json_option
@click.pass_obj
def list_anchors(session: Session) -> None:
    """List anchors and witnesses with how far each is."""
    state = heads.status(session.services, session.actor)
    if not printed_as_json(session, [_anchor_facts(one, state.signed_size) for one in state.anchors]):
        _show_anchors(session, state)


@log.group("witness")
def witness_group() -> None:
    """Who signs the heads that it has seen."""


@witness_group.command("add")
@click.argument("name")
@click.argument("url")
@click.argument("key")
@click.pass_obj
def add_witness(session: Session, name: str, url: str, key: str) -> None:
    """Send each head to the witness at URL, whose signatures KEY verifies."""
    operations.add(session.services, session.actor, name, AnchorKind.WITNESS, url, key=key)
    _say_added(session, url)


def _say_added(session: Session, place: str) -> None:
    say(f"{place} takes the log's heads: the daemon sends them, pilothouse log checkpoint --sign does it now")
