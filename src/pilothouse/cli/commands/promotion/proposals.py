"""Commands about proposals under dual control."""

from datetime import UTC, datetime

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, reason_option, say, show_table
from pilothouse.cli.session import Session
from pilothouse.operations.identity import proposals as operations


@click.command(context_settings={"ignore_unknown_options": True})
@reason_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, required=True, metavar="-- COMMAND...")
@click.pass_context
def propose(ctx: click.Context, reason: str, words: tuple[str, ...]) -> None:
    """Propose a command that another admin runs: pilothouse propose --reason R -- grant pat approver."""
    session: Session = ctx.obj
    _parsed(ctx, words)
    proposal = operations.propose(session.services, session.actor, words, reason)
    say(
        f"proposal {proposal.id}: {proposal.command}; another admin runs it with pilothouse proposals accept {proposal.id}, "
        f"until {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    )


@group()
def proposals() -> None:
    """Commands that wait for a second person (dual control)."""


@proposals.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only what can be accepted now.")
@json_option
@click.pass_obj
def proposals_list(session: Session, open_only: bool) -> None:
    """List proposals."""
    found = operations.list_proposals(session.services, session.actor, open_only=open_only)
    if printed_as_json(session, found):
        return
    now = datetime.now(UTC)
    show_table(
        ("no", "by", "at", "command", "reason", "state", "decided by"),
        (
            (p.id, p.proposed_by, f"{p.recorded_at:%Y-%m-%d %H:%M}", p.command, p.reason, p.standing(now), p.decided_by or "–")
            for p in found
        ),
        empty="nothing is proposed",
    )  # fmt: skip


@proposals.command("accept")
@click.argument("number", type=int)
@click.option("--reason", default="", help="Remark for the record.")
@click.pass_context
def proposals_accept(ctx: click.Context, number: int, reason: str) -> None:
    """Run proposal NUMBER, as another admin than who made it."""
    session: Session = ctx.obj
    with operations.accepting(session.services, session.actor, number, reason) as proposal:
        say(f"proposal {number} of {proposal.proposed_by}: {proposal.command}")
        command, parsed = _parsed(ctx, proposal.words)
        with parsed:
            command.invoke(parsed)
    if proposal.words[0] == "erase":
        from pilothouse.cli.commands.auditing.erase import carry_out_accepted

        carry_out_accepted(session)


@proposals.command("reject")
@click.argument("number", type=int)
@reason_option
@click.pass_obj
def proposals_reject(session: Session, number: int, reason: str) -> None:
    """Reject proposal NUMBER, or withdraw it where it is yours."""
    proposal = operations.reject(session.services, session.actor, number, reason)
    say(f"proposal {number} is {proposal.status}")


def _parsed(ctx: click.Context, words: tuple[str, ...]) -> tuple[click.Command, click.Context]:
    """Command of these words with its parsed arguments. Raises click.UsageError or InvalidInputError."""
    from pilothouse.domain.promotion.proposals import check_words

    check_words(words)
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    parent, command = root, group.get_command(root, words[0])
    left = list(words)
    while command is not None:
        parsed = command.make_context(left[0], left[1:], parent=parent)
        if not isinstance(command, click.Group):
            return command, parsed
        name, below, left = command.resolve_command(parsed, [*parsed._protected_args, *parsed.args])
        assert name is not None
        parent, command, left = parsed, below, [name, *left]
    raise click.UsageError(f"there is no command {' '.join(words)}")
