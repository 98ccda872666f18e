"""The start of somebody whom sshd let in: only with what sshd says, and only with a key in force of that very name."""

from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import AccessEndedError, NotAllowedError
from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.users import KeyUse
from pilothouse.operations import automation_switch
from pilothouse.operations.authorisation import reading
from pilothouse.operations.identity import trusted_starts, users
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import sessions, workspaces
from support.ssh_keys import ED25519_KEYS, certify, make_key, needs_ssh_keygen, public


@pytest.fixture
def said(example: Example, tmp_path: Path) -> dict[str, str]:
    """What sshd says of pat, who came with her key."""
    users.add_user(
        example.services,
        example.actor("ada"),
        "pat",
        subject="pat@example.org",
        keys=[read_key(ED25519_KEYS[0])],
    )
    file = tmp_path / "auth"
    file.touch(mode=0o600)
    file.write_text(f"publickey {' '.join(ED25519_KEYS[0].split()[:2])}\n")
    return {"SSH_CONNECTION": "10.0.0.7 50022 10.0.0.1 22", "SSH_USER_AUTH": str(file)}


def test_a_start_knows_the_key_the_subject_and_the_address(example: Example, said: dict[str, str]) -> None:
    start = trusted_starts.begin(example.services, "pat", said)

    fingerprint = read_key(ED25519_KEYS[0]).fingerprint
    assert start.identity == Identity(IdentityKind.SSH_KEY, "pat@example.org", fingerprint)
    assert (start.name, start.address, start.valid_until) == ("pat", "10.0.0.7", None)
    actor = trusted_starts.actor_of(example.services, start)
    assert (actor.name, actor.role_names, actor.identity) == ("pat", "approver", start.identity)


def test_what_sshd_did_not_say_is_refused(example: Example, said: dict[str, str], tmp_path: Path) -> None:
    file = Path(said["SSH_USER_AUTH"])

    def refuses(words: str, name: str = "pat", **changed: str) -> None:
        with pytest.raises(NotAllowedError, match=words):
            trusted_starts.begin(example.services, name, {**said, **changed})

    refuses("no user here", "eve")
    users.add_user(example.services, example.actor("ada"), "pia", keys=[read_key(ED25519_KEYS[1])])
    refuses("is no key of pia in force", "pia")
    refuses("by sshd alone", SSH_CONNECTION="")
    refuses("ExposeAuthInfo yes", SSH_USER_AUTH="")
    refuses("cannot be read", SSH_USER_AUTH=str(tmp_path / "missing"))
    link = tmp_path / "link"
    link.symlink_to(file)
    refuses("cannot be read", SSH_USER_AUTH=str(link))
    file.chmod(0o644)
    refuses("did not write for this session")
    file.chmod(0o600)
    for text, words in (
        ("password\n", "without a public key"),
        ("publickey ssh-ed25519 AAAA\n", "is none"),
        ("publickey ssh-ed25519-cert-v01@openssh.com AAAA\n", "is none"),
        (f"publickey {ED25519_KEYS[1]}\n", "is no key of pat in force"),
        (f"publickey {ED25519_KEYS[0]}\npublickey {ED25519_KEYS[1]}\n", "is no key of pat in force"),
    ):
        file.write_text(text)
        refuses(words)


def test_somebody_disabled_does_nothing_more_whatever_they_hold(
    example: Example, said: dict[str, str]
) -> None:
    ada = example.actor("ada")
    start = trusted_starts.begin(example.services, "pat", said)
    actor = trusted_starts.actor_of(example.services, start)
    users.disable_user(example.services, ada, "pat", "left")

    for call in (
        lambda: promotions.list_requests(example.services, actor),
        lambda: automation_switch.pause(example.services, actor, "x"),
        lambda: sessions.open_session(example.services, actor, "xterm"),
        lambda: trusted_starts.actor_of(example.services, start),
        lambda: trusted_starts.begin(example.services, "pat", said),
        lambda: workspaces.identify(example.services, "pat"),
    ):
        with pytest.raises(AccessEndedError, match="pat is disabled, by ada: left"):
            call()


def test_a_revoked_key_ends_what_was_begun_with_it_and_nothing_else(
    example: Example, said: dict[str, str]
) -> None:
    ada, services = example.actor("ada"), example.services
    actor = trusted_starts.actor_of(services, trusted_starts.begin(services, "pat", said))
    users.add_key(services, ada, "pat", read_key(ED25519_KEYS[1]), users.KeyTerms())
    users.revoke_key(services, ada, "pat", read_key(ED25519_KEYS[0]).fingerprint, "laptop lost")

    with pytest.raises(AccessEndedError, match="in force no more, by ada: laptop lost"):
        promotions.list_requests(services, actor)
    other = Identity(IdentityKind.SSH_KEY, "", read_key(ED25519_KEYS[1]).fingerprint)
    with reading(services, Actor("pat", identity=other)):
        pass
    with reading(services, example.actor("pat")):
        pass


def test_the_time_of_a_key_is_known_to_the_start(example: Example, said: dict[str, str]) -> None:
    ada, services = example.actor("ada"), example.services
    until = example.time + timedelta(hours=1)
    users.revoke_key(services, ada, "pat", read_key(ED25519_KEYS[0]).fingerprint, "another time")
    example.pass_time(minutes=1)
    users.add_key(services, ada, "pat", read_key(ED25519_KEYS[0]), users.KeyTerms(valid_before=until))

    assert trusted_starts.begin(services, "pat", said).valid_until == until
    example.pass_time(hours=1)
    with pytest.raises(NotAllowedError, match="in force"):
        trusted_starts.begin(services, "pat", said)


@needs_ssh_keygen
@pytest.mark.parametrize("first", ["certificate", "authority"])
def test_a_start_by_certificate_ends_with_what_ends_first(
    example: Example, said: dict[str, str], tmp_path: Path, first: str
) -> None:
    ada, services = example.actor("ada"), example.services
    soon, later = example.time + timedelta(hours=1), example.time + timedelta(hours=2)
    ends = {"certificate": later, "authority": later, first: soon}
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    terms = users.KeyTerms(use=KeyUse.AUTHORITY, valid_before=ends["authority"])
    users.add_key(services, ada, "pat", read_key(public(authority)), terms)
    valid = f"{example.time - timedelta(hours=1):%Y%m%d%H%M%SZ}:{ends['certificate']:%Y%m%d%H%M%SZ}"
    certificate = certify(authority, own, "pat", valid=valid).read_text()
    Path(said["SSH_USER_AUTH"]).write_text(f"publickey {' '.join(certificate.split()[:2])}\n")

    start = trusted_starts.begin(services, "pat", said)
    assert start.valid_until == soon
    pat = trusted_starts.actor_of(services, start)
    example.pass_time(hours=1)
    for act in (
        lambda: trusted_starts.actor_of(services, start),
        lambda: promotions.list_requests(services, pat),
        lambda: automation_switch.pause(services, pat, "why"),
    ):
        with pytest.raises(AccessEndedError, match="the time of the certificate is over that pat came with"):
            act()


def test_identity_is_on_sessions_decisions_and_grants(example: Example, said: dict[str, str]) -> None:
    services = example.services
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    pat = trusted_starts.actor_of(services, trusted_starts.begin(services, "pat", said))
    promotions.approve(services, pat, request.id, request.evidence_digest)
    sessions.open_session(services, pat, "xterm", address="10.0.0.7")

    (decision,) = promotions.get_request(services, pat, request.id).decisions
    (session,) = sessions.list_sessions(services, pat)
    assert decision.identity == session.identity == pat.identity
    assert session.address == "10.0.0.7"
    workspaces.grant_role(services, example.actor("ada"), "zoe", pat.grants[0].role)
    with services.registry.read() as connection:
        row = connection.execute("SELECT identity FROM grants WHERE actor = 'zoe'").fetchone()
    assert row["identity"] == '{"kind":"account","subject":"ada"}'
