"""Commands about promotion: request, evidence, approve, reject."""

import click

from pilothouse.cli.output import WIDE, json_option, printed_as_json, say, show_lines, show_rows
from pilothouse.cli.session import Session
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.promotion import promotions
from pilothouse.presentation.pages.request_page import request_page
from pilothouse.presentation.tables.work_rows import request_table


@click.command()
@click.argument("reference")
@click.option(
    "--target", "targets", multiple=True, help="Only there (again for more); all of the model's otherwise."
)
@click.option("--reason", default="", help="Why, for the record.")
@json_option
@click.pass_obj
def request(session: Session, reference: str, targets: tuple[str, ...], reason: str) -> None:
    """Ask for the promotion of a version that passed its gates."""
    promotion_request = promotions.request_promotion(
        session.services, session.actor, reference, targets=targets or None, reason=reason
    )
    if printed_as_json(session, promotion_request):
        return
    say(f"request {promotion_request.id} is {promotion_request.status}; approvers see it in their inbox")


@click.command()
@click.option("--status", type=click.Choice([str(status) for status in RequestStatus]), help="Only these.")
@json_option
@click.pass_obj
def requests(session: Session, status: str | None) -> None:
    """List promotion requests, newest first."""
    records = promotions.list_requests(
        session.services, session.actor, status=RequestStatus(status) if status else None
    )
    if printed_as_json(session, records):
        return
    mine = frozenset(request.id for request in promotions.waiting_for(session.services, session.actor))
    show_rows(
        request_table(records, mine, session.services.now(), exact=True),
        empty="no requests: ask for a promotion with pilothouse request models:/NAME/NUMBER",
    )


@click.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def evidence(session: Session, number: int) -> None:
    """Show a request with the evidence on which it is decided."""
    promotion_request = promotions.get_request(session.services, session.actor, number)
    if printed_as_json(session, promotion_request):
        return
    click.echo(f"request {promotion_request.id}")
    show_lines(request_page(promotion_request, widest=WIDE))


@click.command()
@click.argument("number", type=int)
@click.option(
    "--evidence",
    "digest",
    required=True,
    metavar="DIGEST",
    help="The digest of the evidence that you read (at least its first 12 digits), from pilothouse evidence NUMBER.",
)
@click.option("--reason", default="", help="Remark for the record.")
@json_option
@click.pass_obj
def approve(session: Session, number: int, digest: str, reason: str) -> None:
    """Approve request NUMBER on the evidence that you read."""
    shown = promotions.get_request(session.services, session.actor, number)
    if len(digest) < 12 or not shown.evidence_digest.startswith(digest):
        raise ConflictError(
            f"request {number}: the evidence named ({digest}) is not the one on file; "
            f"read it with pilothouse evidence {number} and name its digest (at least 12 digits)"
        )
    promotion_request = promotions.approve(
        session.services, session.actor, number, evidence_digest=shown.evidence_digest, reason=reason
    )
    if printed_as_json(session, promotion_request):
        return
    signed = f"{promotion_request.approvals} of {promotion_request.approvals_needed} approvals"
    say(f"request {number} is {promotion_request.status}: {signed}")


@click.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; the requester reads it.")
@click.pass_obj
def reject(session: Session, number: int, reason: str) -> None:
    """Reject request NUMBER."""
    promotion_request = promotions.reject(session.services, session.actor, number, reason=reason)
    say(f"request {number} is {promotion_request.status}")


@click.command()
@click.argument("number", type=int)
@click.option("--reason", default="", help="Why, for the record.")
@click.pass_obj
def withdraw(session: Session, number: int, reason: str) -> None:
    """Withdraw request NUMBER."""
    promotion_request = promotions.withdraw(session.services, session.actor, number, reason=reason)
    say(f"request {number} is {promotion_request.status}")


@click.command()
@click.argument("number", type=int)
@click.argument("text")
@click.pass_obj
def comment(session: Session, number: int, text: str) -> None:
    """Remark on request NUMBER."""
    promotions.comment(session.services, session.actor, number, text)
    say(f"remark kept with request {number}")
