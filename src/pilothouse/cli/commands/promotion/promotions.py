"""Commands about promotion: requests, withdrawal, comments."""

from collections.abc import Sequence

import click

from pilothouse.cli.output import (
    json_option,
    limit_option,
    optional_reason_option,
    printed_as_json,
    read_pages,
    say,
    say_rest,
    say_solo,
    show_rows,
    targets_option,
)
from pilothouse.cli.session import Session
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.promotion.request_standing import RequestState
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations import catalogue
from pilothouse.operations.promotion import promotions, request_lists
from pilothouse.presentation.pages.request_page import approvers_text, left_out_text, warnings_of
from pilothouse.presentation.tables.work_rows import request_table
from pilothouse.presentation.texts import counted


@click.command()
@click.argument("reference", required=False)
@targets_option("Only there (again for more); all of the model's otherwise.")
@optional_reason_option
@click.option(
    "--again",
    "number",
    type=int,
    metavar="REQUEST",
    help="In place of REFERENCE: ask anew for what request REQUEST asked for, which is outdated, expired or withdrawn.",
)
@click.option(
    "--beside",
    "beside",
    type=int,
    multiple=True,
    metavar="VERSION",
    help="Another version of the model that the plan's canaries try too, for as large a share (again for more).",
)
@json_option
@click.pass_obj
def request(
    session: Session,
    reference: str | None,
    targets: tuple[str, ...],
    reason: str,
    number: int | None,
    beside: tuple[int, ...],
) -> None:
    """Ask for the promotion of a version that passed its gates."""
    if (reference is None) is (number is None):
        raise click.UsageError("name a version (REFERENCE), or a request with --again REQUEST")
    if number is not None and (targets or reason or beside):
        raise click.UsageError(
            "--again takes targets, reason and the versions beside it from the request: leave them out"
        )
    asked: Sequence[str] = targets
    if number is not None:
        asked = promotions.get_request(session.services, session.actor, number).targets
        filed = promotions.request_again(session.services, session.actor, number)
    else:
        assert reference is not None
        filed = promotions.request_promotion(
            session.services, session.actor, reference, targets=targets or None, reason=reason, beside=beside
        )
    if printed_as_json(session, filed):
        return
    existing = catalogue.get_model(session.services, session.actor, filed.model).targets
    if text := left_out_text(asked or existing, filed, existing):
        say(text)
    for text in warnings_of(filed):
        say(text)
    if filed.status is RequestStatus.OPEN:
        needs = counted(filed.approvals_needed, "approval")
        say(f"request {filed.id} is open; needs {needs}; {approvers_text(filed)}")
        say(f"next: pilothouse evidence {filed.id}, pilothouse approve {filed.id} --evidence DIGEST")
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
@optional_reason_option
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
