"""Commands about breaking the glass: deploy alone in an emergency, and look at what others so deployed."""

from datetime import timedelta

import click

from pilothouse.cli.output import json_option, printed_as_json, reason_option, say, say_unwatched, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.promotion.break_glass import REVIEWERS, Review
from pilothouse.operations.promotion import break_glass as operations
from pilothouse.presentation.break_glass import looked, standing


@click.group("break-glass")
def break_glass() -> None:
    """Deploy without the approvals in an emergency; two others look at it, and its time ends."""


@break_glass.command("deploy")
@click.argument("reference")
@click.option(
    "--on", "targets", multiple=True, help="Only there (again for more); all of the model's otherwise."
)
@click.option(
    "--for", "lasts", default="4h", show_default=True, help="After that the daemon takes it back: 5m to 3d."
)
@click.option("--reason", required=True, help="Why nobody else can be asked, for the record.")
@json_option
@click.pass_obj
def break_glass_deploy(
    session: Session, reference: str, targets: tuple[str, ...], lasts: str, reason: str
) -> None:
    """Put the version REFERENCE live at once, alone."""
    glass = operations.break_glass(
        session.services,
        session.actor,
        reference,
        targets or None,
        reason=reason,
        lasts=timedelta(seconds=parse_duration(lasts)),
    )
    if not printed_as_json(session, glass):
        say(
            f"break-glass {glass.id}: {glass.model} v{glass.version} is live on {', '.join(glass.targets)} "
            f"{standing(glass)}; then the daemon takes it back, unless {REVIEWERS} others let it stand "
            f"(pilothouse break-glass review {glass.id} --keep)"
        )
        say_unwatched(session)


@break_glass.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only what two others have not looked at.")
@json_option
@click.pass_obj
def break_glass_list(session: Session, open_only: bool) -> None:
    """List deployments by breaking the glass."""
    glasses = operations.list_broken(session.services, session.actor, open_only=open_only)
    if printed_as_json(session, glasses):
        return
    show_table(
        ("no", "at", "by", "version", "on", "reason", "stands", "reviews"),
        (
            (
                glass.id,
                f"{glass.recorded_at:%Y-%m-%d %H:%M}",
                glass.actor,
                f"{glass.model}/{glass.version}",
                ", ".join(glass.targets),
                glass.reason,
                standing(glass),
                "; ".join(f"{r.actor}: {r.verdict} ({r.reason})" for r in glass.reviews) or "none yet",
            )
            for glass in glasses
        ),
        empty="nobody has broken the glass",
    )


@break_glass.command("review")
@click.argument("number", type=int)
@click.option("--keep", "verdict", flag_value=str(Review.KEEP), help="It stays.")
@click.option("--take-back", "verdict", flag_value=str(Review.TAKE_BACK), help="Go back at once.")
@reason_option
@click.pass_obj
def break_glass_review(session: Session, number: int, verdict: str | None, reason: str) -> None:
    """Look at break-glass NUMBER as another person."""
    if verdict is None:
        raise click.UsageError("say what becomes of it: --keep or --take-back")
    glass = operations.review(session.services, session.actor, number, Review(verdict), reason)
    missing = REVIEWERS - looked(glass)
    say(
        f"break-glass {number}: {standing(glass)}"
        + (f"; {missing} more must look at it" if missing > 0 else "; closed")
    )
