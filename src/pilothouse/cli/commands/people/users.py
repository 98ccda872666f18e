"""Commands about users and their keys."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, reason_option, say, show_table, shown_group
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.time_parsing import parse_moment
from pilothouse.domain.identity.ssh_keys import PublicKey, read_key
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.operations.identity import users as operations
from pilothouse.presentation.texts import ABSENT, time_text

_FILE = click.Path(dir_okay=False, allow_dash=True)
_LONGEST_FILE = 65_536


@shown_group
def users(session: Session) -> None:
    """Users: people who come with a key of their own. Without a command, list them."""
    listed = operations.list_users(session.services, session.actor)
    if printed_as_json(session, listed):
        return
    show_table(
        ("user", "subject", "keys", "since (UTC)", "disabled"),
        (
            (
                one.user.name,
                one.user.subject or ABSENT,
                one.valid_keys,
                time_text(one.user.created_at),
                f"{time_text(one.user.disabled_at)} by {one.user.disabled_by}: {one.user.disabled_why}"
                if one.user.disabled_at
                else "-",
            )
            for one in listed
        ),
        empty="nobody is a user yet: add one with pilothouse users add NAME --key FILE",
    )


@users.command("add")
@click.argument("name")
@click.option("--key", "key_file", type=_FILE, help="Their public key; - reads it from the input.")
@click.option("--subject", default="", help="Who they are elsewhere, e.g. an e-mail address.")
@click.pass_obj
def add(session: Session, name: str, key_file: str | None, subject: str) -> None:
    """Add the user NAME, with a key if one is given. Roles are granted with pilothouse grant."""
    keys = [_read_key(key_file)] if key_file is not None else []
    operations.add_user(session.services, session.actor, name, subject=subject, keys=keys)
    say(f"{name} is a user" + (f", with the key {keys[0].fingerprint}" if keys else ", without a key yet"))


@users.command("disable")
@click.argument("name")
@reason_option
@click.pass_obj
def disable(session: Session, name: str, reason: str) -> None:
    """Let NAME in no more: their keys stop at once, their open consoles end."""
    operations.disable_user(session.services, session.actor, name, reason)
    say(f"{name} is disabled")


@users.command("enable")
@click.argument("name")
@reason_option
@click.pass_obj
def enable(session: Session, name: str, reason: str) -> None:
    """Let NAME in again, with the keys that were not revoked."""
    operations.enable_user(session.services, session.actor, name, reason)
    say(f"{name} is a user again")


@users.command("keys")
@click.argument("name")
@click.option(
    "--add", "key_file", type=_FILE, help="Bind this public key to NAME; - reads it from the input."
)
@click.option("--authority", is_flag=True, help="The key to add signs certificates that name NAME.")
@click.option("--valid-after", metavar="TIME", help="The key to add is valid from then on (UTC).")
@click.option("--valid-before", metavar="TIME", help="The key to add is valid until then (UTC).")
@click.option("--revoke", "fingerprint", metavar="FINGERPRINT", help="Let this key in no more.")
@click.option("--reason", default="", help="Why it is revoked, for the record.")
@json_option
@click.pass_obj
def keys(
    session: Session,
    name: str,
    key_file: str | None,
    authority: bool,
    valid_after: str | None,
    valid_before: str | None,
    fingerprint: str | None,
    reason: str,
) -> None:
    """List the keys of NAME, add one, or revoke one."""
    if key_file is not None and fingerprint is not None:
        raise click.UsageError("--add and --revoke are two calls")
    if key_file is None and (authority or valid_after or valid_before):
        raise click.UsageError("--authority and the times are of a key to --add")
    if fingerprint is not None:
        operations.revoke_key(session.services, session.actor, name, fingerprint, reason)
        say(f"{fingerprint} is revoked")
        return
    if key_file is not None:
        use = KeyUse.AUTHORITY if authority else KeyUse.KEY
        terms = operations.KeyTerms(use, _time(valid_after), _time(valid_before))
        added = operations.add_key(session.services, session.actor, name, _read_key(key_file), terms)
        say(f"{added.fingerprint} is a {added.kind} of {name}")
        return
    listed = operations.keys_of(session.services, session.actor, name)
    if printed_as_json(session, listed):
        return
    now = session.services.now()
    show_table(
        ("key", "type", "as", "comment", "added (UTC)", "by", "state"),
        (
            (
                k.fingerprint,
                k.key_type,
                k.kind,
                k.comment or ABSENT,
                time_text(k.added_at),
                k.added_by,
                _state(k, now),
            )
            for k in listed.keys
        ),
        empty=f"{name} has no key yet",
    )
    if listed.user.disabled_at:
        say(f"{name} is disabled: none of these lets anybody in")


def _state(key: UserKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked {time_text(key.revoked_at)} by {key.revoked_by}: {key.revoked_why}"
    if key.valid_after and now < key.valid_after:
        return f"from {time_text(key.valid_after)} on"
    if key.valid_before:
        return f"{'until' if now < key.valid_before else 'over since'} {time_text(key.valid_before)}"
    return "in force"


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_moment(text, datetime.now(UTC))


def _read_key(name: str) -> PublicKey:
    if name == "-":
        return read_key(sys.stdin.read(_LONGEST_FILE))
    try:
        with Path(name).open(encoding="utf-8") as file:
            return read_key(file.read(_LONGEST_FILE))
    except FileNotFoundError:
        raise NotFoundError(f"{name}: there is no such file") from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{name}: not a text, so no public key") from None
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from None
