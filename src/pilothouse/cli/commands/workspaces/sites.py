"""Commands about sites: what this workspace says of itself to others, and what others say."""

import click

from pilothouse.cli.output import json_option, printed_as_json, show_pairs, show_rows
from pilothouse.cli.session import Session
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.sites.answers import SiteAnswer, answer_plain, figures_plain
from pilothouse.domain.sites.readings import Reading, schema_text


@click.group()
def site() -> None:
    """Several workspaces: what each says of itself."""


@site.command()
@json_option
@click.pass_obj
def state(session: Session) -> None:
    """Print what this workspace says of itself to a console of several. An older schema is named, and not upgraded."""
    found = _answer(session)
    if printed_as_json(session, answer_plain(found)):
        return
    if found.figures is None:
        show_pairs([("schema", schema_text(found))])
        return
    show_pairs(
        (name.replace("_", " "), value) for name, value in figures_plain(found.figures).items() if value != ""
    )


def _answer(session: Session) -> SiteAnswer:
    from pilothouse.operations.sites import site_states
    from pilothouse.sites import local

    if session.start is None:  # the trusted start has opened it already
        other = local.other_schema(session.root)
        if other is not None:
            return other
    return site_states.answer(session.services, session.actor)


@site.command()
@click.argument("place", nargs=-1, required=True)
@json_option
@click.pass_obj
def ask(session: Session, place: tuple[str, ...]) -> int:
    """Ask workspaces what they are: folders, or ssh://USER@HOST/PATH. Exit code 7 where one is away or refuses."""
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime

    from pilothouse.presentation.tables.site_rows import sites_table
    from pilothouse.sites import asking

    if session.start is not None:
        raise NotAllowedError(
            "site ask is refused over SSH: it opens folders by their paths, and connections"
        )
    sites = asking.sites_of(place)
    with ThreadPoolExecutor(max_workers=4) as threads:
        readings = list(threads.map(lambda one: asking.ask(one, Reading(site=one.name)), sites))
    if not printed_as_json(session, [_plain(one) for one in readings]):
        show_rows(sites_table(readings, datetime.now(UTC)), empty="no site was named")
    return 0 if all(one.standing.opens for one in readings) else 7


def _plain(reading: Reading) -> dict[str, object]:
    return {
        "site": reading.site,
        "standing": reading.standing,
        "said": reading.said,
        "heard_at": reading.heard_at,
        "answer": answer_plain(reading.answer) if reading.answer else None,
    }
