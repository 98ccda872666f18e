"""Commands about promotion: request, evidence, approve, reject."""

from typing import Any

import click

from pilothouse.cli.output import (
    WIDE,
    json_option,
    limit_option,
    printed_as_json,
    read_pages,
    say,
    say_rest,
    say_solo,
    show_lines,
    show_rows,
)
from pilothouse.cli.session import Session
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.domain.request_standing import RequestState
from pilothouse.operations.promotion import break_glass, promotions, request_lists
from pilothouse.presentation.pages.request_page import approvers_text, request_page
from pilothouse.presentation.tables.work_rows import request_table
from pilothouse.presentation.texts import counted


@click.command()
@click.argument("reference", required=False)
@click.option(
    "--target", "targets", multiple=True, help="Only there (again for more); all of the model's otherwise."
)
@click.option("--reason", default="", help="Why, for the record.")
@click.option(
    "--again",
    "number",
    type=int,
    metavar="REQUEST",
    help="In place of REFERENCE: ask anew for what request REQUEST asked for, which is outdated, expired or withdrawn.",
)
@json_option
@click.pass_obj
def request(
    session: Session, reference: str | None, targets: tuple[str, ...], reason: str, number: int | None
) -> None:
    """Ask for the promotion of a version that passed its gates."""
    if (reference is None) is (number is None):
        raise click.UsageError("name a version (REFERENCE), or a request with --again REQUEST")
    if number is not None and (targets or reason):
        raise click.UsageError("--again takes the targets and the reason of the request: leave them out")
    if number is not None:
        filed = promotions.request_again(session.services, session.actor, number)
    else:
        assert reference is not None
        filed = promotions.request_promotion(
            session.services, session.actor, reference, targets=targets or None, reason=reason
        )
    if printed_as_json(session, filed):
        return
    if filed.status is RequestStatus.OPEN:
        needs = counted(filed.approvals_needed, "approval")
        say(f"request {filed.id} is open; needs {needs}; {approvers_text(filed)}")
    else:
        say(f"request {filed.id} is {filed.status}: the policy asks for no approval")
    say_solo(session)


@click.command()
@click.option("--status", type=click.Choice([str(state) for state in RequestState]), help="Only these.")
@click.option("--model", help="Only this model's.")
@limit_option
@json_option
@click.pass_obj
def requests(session: Session, status: str | None, model: str | None, limit: int) -> None:
    """List promotion requests, newest first; ▶ marks those that wait for you."""
    where = [(name, value) for name, value in (("status", status), ("model", model)) if value is not None]
    mine: frozenset[int] = frozenset()

    def page(query: Query) -> Page[PromotionRequest]:
        nonlocal mine
        window, mine = request_lists.requests_page(session.services, session.actor, query)
        return window

    records, total = read_pages(page, Query(where=tuple(where)), limit)
    say_rest(len(records), total)
    if printed_as_json(session, records):
        return
    show_rows(
        request_table(records, mine, session.services.now(), exact=True),
        empty="no requests: ask for a promotion with pilothouse request models:/NAME/NUMBER",
    )


@click.command()
@click.argument("number", type=int)
@click.option("--digest", is_flag=True, help="Print its digest alone, to approve what you have read.")
@click.option("--all", "everything", is_flag=True, help="List the packages of the environment too.")
@json_option
@click.pass_obj
def evidence(session: Session, number: int, digest: bool, everything: bool) -> None:
    """Show a request with the evidence on which it is decided."""
    promotion_request = promotions.get_request(session.services, session.actor, number)
    if digest and not session.as_json:
        click.echo(promotion_request.evidence_digest)
        return
    if printed_as_json(session, promotion_request):
        return
    say_solo(session)
    click.echo(f"request {promotion_request.id}")
    again = f"Ask anew with pilothouse request --again {number}."
    now = session.services.now()
    glass = break_glass.of_request(session.services, session.actor, promotion_request.id)
    show_lines(
        request_page(promotion_request, now, again=again, glass=glass, widest=WIDE, packages=everything)
    )


class _EvidenceOption(click.Option):
    """Option that says where its digest is from when it is left out."""

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        try:
            return super().process_value(ctx, value)
        except click.MissingParameter:
            number = ctx.params.get("number", "NUMBER")
            raise click.UsageError(
                f"--evidence is missing, the digest of what you read: it is from pilothouse evidence {number}"
            ) from None


@click.command()
@click.argument("number", type=int)
@click.option(
    "--evidence",
    "digest",
    cls=_EvidenceOption,
    required=True,
    metavar="DIGEST",
    help="The digest of the evidence that you read (at least its first 12 digits), from pilothouse evidence NUMBER.",
)
@click.option("--reason", default="", help="Remark for the record.")
@json_option
@click.pass_obj
def approve(session: Session, number: int, digest: str, reason: str) -> None:
    """Approve request NUMBER on the evidence that you read."""
    promotion_request = promotions.approve(
        session.services, session.actor, number, evidence_digest=digest, reason=reason
    )
    if printed_as_json(session, promotion_request):
        return
    needed = counted(promotion_request.approvals_needed, "approval")
    approved = f"{promotion_request.approvals} of {needed}"
    rules = promotion_request.in_force
    more = [*rules.tightened, approvers_text(promotion_request)] if rules else []
    say("; ".join([f"request {number} is {promotion_request.status}: {approved}", *more]))
    say_solo(session)


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
