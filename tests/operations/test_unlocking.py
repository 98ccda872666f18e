"""A console unlocks by a key of its user's own, which signs a challenge of that lock and of nothing else."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import InvalidInputError, NotAllowedError, PilothouseError
from pilothouse.domain.identity import unlocking
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.unlocking import Challenge
from pilothouse.domain.identity.users import KeyUse
from pilothouse.domain.promotion import statements as decisions
from pilothouse.operations.authorisation import changing
from pilothouse.operations.identity import idle_lock, passphrases, users
from pilothouse.operations.workspace import audits
from pilothouse.signing import sshsig
from pilothouse.signing.agent import AgentKey
from support.soft_keys import SoftKey, agent, keygen, openssh

PHRASE = "seven old bicycles"


def bind(example: Example, name: str, soft: SoftKey, **terms: object) -> None:
    ada = example.actor("ada")
    if name not in [one.user.name for one in users.list_users(example.services, ada)]:
        users.add_user(example.services, ada, name)
    users.add_key(example.services, ada, name, read_key(soft.line), users.KeyTerms(**terms))  # type: ignore[arg-type]


@pytest.fixture
def key(example: Example) -> SoftKey:
    soft = SoftKey()
    bind(example, "pat", soft)
    return soft


@pytest.fixture
def pat(example: Example) -> Actor:
    return example.actor("pat")


def challenge(example: Example, nonce: str = "a" * 64, session: int = 7) -> Challenge:
    return Challenge("pat", session, nonce, example.time, "b" * 64)


def checked(example: Example, pat: Actor, asked: Challenge, text: str) -> dict[str, str]:
    with changing(example.services, pat, Permission.READ) as change:
        return idle_lock.checked(change, asked, text)


def newest(example: Example) -> tuple[str, dict[str, object]]:
    entry = audits.show(example.services, example.actor("ada"), limit=1)[0]
    return entry.action, entry.detail


def test_a_real_agent_unlocks_and_it_is_on_record_by_which_key(
    example: Example, key: SoftKey, pat: Actor, tmp_path: Path
) -> None:
    with agent(key.write(tmp_path / "id")) as socket:
        found = idle_lock.ways(example.services, pat, socket)
        assert (found.passphrase, found.key, found.why_no_key) == (False, key.public.fingerprint, "")
        idle_lock.unlock_with_agent(example.services, pat, 7, socket)
    action, detail = newest(example)
    assert action == "session.unlocked"
    assert (detail["by"], detail["key"]) == ("key", key.public.fingerprint)


def test_what_unlocks_nothing_is_said(example: Example, pat: Actor, tmp_path: Path) -> None:
    assert idle_lock.ways(example.services, pat, "").why_no_key == "no SSH key is bound to pat"
    soft, other = SoftKey(), SoftKey()
    bind(example, "pat", soft)
    assert "connect with ssh -A" in idle_lock.ways(example.services, pat, "").why_no_key
    with agent(other.write(tmp_path / "id")) as socket:
        found = idle_lock.ways(example.services, pat, socket)
        assert (found.key, "holds no key of pat" in found.why_no_key) == ("", True)
    passphrases.set_passphrase(example.services, pat, PHRASE)
    assert idle_lock.ways(example.services, pat, "").passphrase


def test_a_signature_of_another_namespace_challenge_or_byte_is_refused(
    example: Example, key: SoftKey, pat: Actor
) -> None:
    asked = challenge(example)
    for text, words in (
        (key.sshsig(asked.to_bytes(), decisions.NAMESPACE), "of the namespace 'approval@pilothouse'"),
        (key.sshsig(asked.to_bytes(), "file"), "of the namespace 'file'"),
        (key.sshsig(challenge(example, "c" * 64).to_bytes(), unlocking.NAMESPACE), "not over these bytes"),
        (key.sshsig(challenge(example, session=8).to_bytes(), unlocking.NAMESPACE), "not over these bytes"),
        ("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", "signature"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            checked(example, pat, asked, text)
    right = key.sshsig(asked.to_bytes(), unlocking.NAMESPACE)
    assert checked(example, pat, asked, right)["key"] == key.public.fingerprint


def test_a_refused_signature_is_on_record_and_unlocks_nothing(
    example: Example, key: SoftKey, pat: Actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that answers with a signature which it was given for a decision."""

    def sign(_path: str, _held: AgentKey, message: bytes, _namespace: str) -> str:
        return key.sshsig(message, decisions.NAMESPACE)

    monkeypatch.setattr(idle_lock.agent, "sign", sign)
    with (
        agent(key.write(tmp_path / "id")) as socket,
        pytest.raises(NotAllowedError, match="of the namespace"),
    ):
        idle_lock.unlock_with_agent(example.services, pat, 7, socket)
    action, detail = newest(example)
    assert (action, "of the namespace" in str(detail["why"])) == ("session.unlock_refused", True)


def test_a_signature_for_unlocking_is_no_decision(example: Example, key: SoftKey) -> None:
    """Whatever its bytes are: even over a statement on a request."""
    statement = b'{"form":"pilothouse/decision/1"}'
    signature = sshsig.parse(key.sshsig(statement, unlocking.NAMESPACE))
    with pytest.raises(InvalidInputError, match="of the namespace 'unlock@pilothouse'"):
        signature.check(statement, decisions.NAMESPACE)
    assert unlocking.NAMESPACE != decisions.NAMESPACE
    assert unlocking.FORM != decisions.FORM
    with pytest.raises(PilothouseError):
        decisions.parse_statement(challenge(example).to_bytes())


def test_the_key_has_to_be_the_users_and_in_force_now(example: Example, pat: Actor) -> None:
    ada, services = example.actor("ada"), example.services
    soft, of_pia, late = SoftKey(), SoftKey(), SoftKey()
    bind(example, "pat", soft)
    bind(example, "pia", of_pia)
    bind(example, "pat", late, valid_before=example.time + timedelta(hours=1))

    def refuses(by: SoftKey, words: str) -> None:
        asked = challenge(example)
        with pytest.raises(NotAllowedError, match=words):
            checked(example, pat, asked, by.sshsig(asked.to_bytes(), unlocking.NAMESPACE))

    refuses(SoftKey(), "is not on record for pat")
    refuses(of_pia, "by pia's key, not by one of pat's")
    example.pass_time(hours=2)
    refuses(late, "expired at")
    users.revoke_key(services, ada, "pat", soft.public.fingerprint, "laptop lost")
    refuses(soft, "was revoked on .*laptop lost")
    users.disable_user(services, ada, "pat", "left")
    refuses(late, "pat is disabled, by ada: left")


def test_a_certificate_of_an_authority_on_record_unlocks(
    example: Example, pat: Actor, tmp_path: Path
) -> None:
    authority, own = SoftKey(), SoftKey()
    bind(example, "pat", authority, use=KeyUse.AUTHORITY)
    signer, private = authority.write(tmp_path / "authority"), own.write(tmp_path / "id")
    valid = (
        f"{example.time - timedelta(hours=1):%Y%m%d%H%M%SZ}:{example.time + timedelta(hours=1):%Y%m%d%H%M%SZ}"
    )
    keygen("-q", "-s", str(signer), "-I", "pat", "-n", "pat", "-V", valid, str(private.with_suffix(".pub")))
    with agent() as socket:
        environment = {"SSH_AUTH_SOCK": socket, "PATH": "/usr/bin:/bin"}
        subprocess.run([openssh("ssh-add"), str(private)], env=environment, check=True, capture_output=True)
        found = idle_lock.ways(example.services, pat, socket)
        assert found.key == own.public.fingerprint
        idle_lock.unlock_with_agent(example.services, pat, 7, socket)
        assert newest(example)[1]["key"] == own.public.fingerprint
        example.pass_time(hours=2)
        with pytest.raises(NotAllowedError, match="expired at"):
            idle_lock.unlock_with_agent(example.services, pat, 7, socket)
