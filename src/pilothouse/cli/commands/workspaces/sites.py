"""Commands about sites: what this workspace says of itself to others, and what others say."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, say, show_pairs, show_rows
from pilothouse.cli.session import Session
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.sites.answers import SiteAnswer, answer_plain, figures_plain
from pilothouse.domain.sites.followed import FollowedLook, FollowedSite, FollowStanding
from pilothouse.domain.sites.one_site import each_told
from pilothouse.domain.sites.readings import Reading, schema_text
from pilothouse.presentation.tables.site_rows import followed_table, sites_table


@click.group()
def site() -> None:
    """Several workspaces: what each says of itself, and sites that watch each other."""


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
@click.option(
    "--new",
    is_flag=True,
    help="Give this workspace, a copy of another, an identity and a log key of its own.",
)
@click.option("--reason", default="", help="Why, with --new; it is on record.")
@json_option
@click.pass_obj
def identity(session: Session, new: bool, reason: str) -> None:
    """Print this workspace's identity, which travels with its files: a restored one keeps it, a copy has the same."""
    from pilothouse.operations.sites import identities

    if new != bool(reason):
        raise click.UsageError("name both, --new and --reason, or neither")
    services, actor = session.services, session.actor
    found = identities.renew(services, actor, reason) if new else identities.identity(services, actor)
    if not printed_as_json(session, {"identity": found}):
        say(
            found
            if not new
            else f"this workspace is {found} from here on; follow it anew where it is followed"
        )


@site.command()
@click.argument("place", nargs=-1, required=True)
@json_option
@click.pass_obj
def ask(session: Session, place: tuple[str, ...]) -> int:
    """Ask workspaces what they are: folders, or ssh://USER@HOST/PATH. Exit code 7 where one is away or refuses."""
    from concurrent.futures import ThreadPoolExecutor
    from datetime import UTC, datetime

    from pilothouse.sites import asking

    if session.start is not None:
        raise NotAllowedError(
            "site ask is refused over SSH: it opens folders by their paths, and connections"
        )
    sites = asking.sites_of(place)
    with ThreadPoolExecutor(max_workers=4) as threads:
        asked = list(threads.map(lambda one: asking.ask(one, Reading(site=one.name)), sites))
    readings = each_told(asked)
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


@site.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--every", metavar="TIME", help="Let the daemon publish there: 60s, 5m, 1h.")
@click.option("--off", is_flag=True, help="Let the daemon publish no more.")
@json_option
@click.pass_obj
def publish(session: Session, folder: Path | None, every: str | None, off: bool) -> None:
    """Write this workspace's signed state, the head of its log and its tiles into FOLDER, for a web server or a mirror."""
    from pilothouse.operations.sites import publishing

    if off != (folder is None) or (off and every):
        raise click.UsageError("name a FOLDER, or --off alone")
    if folder is None:
        publishing.set_publishing(session.services, session.actor, None)
        say("the daemon publishes no more; what lies in the folder stays")
        return
    if every is not None:
        wanted = publishing.Publishing(folder.absolute(), int(parse_duration(every)))
        publishing.set_publishing(session.services, session.actor, wanted)
        say(f"the daemon publishes into {wanted.folder} every {wanted.every_s} s")
    written = publishing.publish(session.services, session.actor, folder)
    if not printed_as_json(session, {"folder": str(folder), "files": written}):
        say(f"{folder} has the state of this workspace; {written:,} files written")
        say("who follows it needs the key that pilothouse log status shows, from you and not from there")


@site.command()
@click.argument("name")
@click.argument("place")
@click.option("--key", required=True, help="Key of its log, as pilothouse log status shows it there.")
@click.option(
    "--stale-after", default="15m", show_default=True, metavar="TIME", help="Age at which its state is stale."
)
@click.pass_obj
def follow(session: Session, name: str, place: str, key: str, stale_after: str) -> None:
    """Follow a site as NAME by what it publishes at PLACE: a folder, a URL, or ssh://USER@HOST/PATH."""
    from pilothouse.operations.sites import following

    if session.start is not None and "://" not in place:
        raise NotAllowedError("files and folders of the server are refused over SSH: name a URL")
    seconds = int(parse_duration(stale_after))
    found = following.follow(session.services, session.actor, name, place, key, stale_after_s=seconds)
    say(f"site {found.name} is followed; the daemon looks at it every minute, pilothouse site look at once")


@site.command()
@click.argument("name")
@click.pass_obj
def unfollow(session: Session, name: str) -> None:
    """Follow a site no more."""
    from pilothouse.operations.sites import following

    found = following.leave(session.services, session.actor, name)
    say(f"site {found.name} is followed no more")


@site.command("list")
@json_option
@click.pass_obj
def list_(session: Session) -> None:
    """List the followed sites with what each was at the last look."""
    from pilothouse.operations.sites import following

    _show(session, following.listed(session.services, session.actor))


@site.command()
@click.argument("name", required=False, default="")
@json_option
@click.pass_obj
def look(session: Session, name: str) -> int:
    """Look at the followed sites now. Exit code 6: one contradicts itself or is not believed; 7: one is not current."""
    from pilothouse.operations.sites import following

    found = following.look(session.services, session.actor, name)
    _show(session, found)
    standings = {look.standing for _, look in found}
    if standings & {FollowStanding.CONTRADICTS, FollowStanding.FORGED}:
        return 6
    return 0 if all(one.is_sound for one in standings) else 7


def _show(session: Session, found: Sequence[tuple[FollowedSite, FollowedLook | None]]) -> None:
    facts = [
        {
            "name": site.name, "place": site.place, "key": site.key, "stale_after_s": site.stale_after_s,
            "standing": look.standing if look else FollowStanding.UNKNOWN, "said": look.said if look else "",
            "since": look.since if look else None, "made_at": look.made_at if look else None,
            "heard_at": look.heard_at if look else None, "tried_at": look.tried_at if look else None,
            "rows": look.head_size if look else 0, "evidence": look.evidence or None if look else None,
        }
        for site, look in found
    ]  # fmt: skip
    if not printed_as_json(session, facts):
        show_rows(
            followed_table(found, session.services.now()), empty="no site is followed: pilothouse site follow"
        )


@site.command()
@click.pass_obj
def unlock(session: Session) -> None:
    """Prove that you are you, by your SSH agent or your passphrase: what unlocks a console of several sites."""
    from pilothouse.cli.commands.people.passphrases import ask_passphrase
    from pilothouse.operations.identity import idle_lock
    from pilothouse.signing.agent import socket_of

    services, actor = session.services, session.actor
    found = idle_lock.ways(services, actor, socket_of())
    if found.key:
        say(f"the SSH agent is asked to sign with {found.key}: confirm there, or touch the key")
        idle_lock.unlock_with_agent(services, actor, None, socket_of())
    elif found.passphrase:
        idle_lock.unlock(services, actor, None, ask_passphrase(f"passphrase of {actor.name}"))
    else:
        raise NotAllowedError(
            f"nothing of {actor.name} unlocks it: no passphrase is set, or it is locked, and {found.why_no_key}"
        )
    say(f"unlocked by {actor.name}")


@site.command()
@click.argument("path", metavar="NAME")
@click.pass_obj
def file(session: Session, path: str) -> None:
    """Print a file as it would be published now: state, checkpoint or a tile. Who follows this site over SSH asks for it."""
    from pilothouse.operations.sites import publishing

    sys.stdout.buffer.write(publishing.published_file(session.services, session.actor, path))
