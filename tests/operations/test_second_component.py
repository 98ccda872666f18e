"""Second components of decisions: what the policy asks for is there, is the person's own, and is over this very request."""

import dataclasses
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    PilothouseError,
)
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.users import KeyUse
from pilothouse.domain.promotion.statements import Component, parse_statement
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import promotions, signature_checks, statements
from pilothouse.operations.promotion.components import Passphrase, SecondComponent, Signed
from pilothouse.operations.workspace import audits, workspaces
from support.soft_keys import SoftKey, agent, keygen

SECRET = "correct horse battery"
WRONG = "incorrect horse battery"


@pytest.fixture
def key(example: Example) -> SoftKey:
    """The key of pat, in a workspace that asks for one; sam and pia have others."""
    soft = SoftKey()
    ask_for(example, Component.KEY)
    bind(example, "pat", soft)
    return soft


def ask_for(example: Example, component: Component) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), signature=component, reason="a bank"
    )


def bind(example: Example, name: str, soft: SoftKey, **terms: object) -> None:
    services, ada = example.services, example.actor("ada")
    if name not in [one.user.name for one in users.list_users(services, ada)]:
        users.add_user(services, ada, name)
    users.add_key(services, ada, name, read_key(soft.line), users.KeyTerms(**terms))  # type: ignore[arg-type]


def asked(example: Example) -> PromotionRequest:
    number = example.add_version().number
    return promotions.request_promotion(
        example.services, example.actor("sam"), f"delay/{number}", reason="better"
    )


def printed(
    example: Example, request: PromotionRequest, name: str = "pat", verdict: str = "approve", **rest: str
) -> bytes:
    done = statements.print_statement(example.services, example.actor(name), request.id, verdict, **rest)
    return done.text.encode()


def approve(
    example: Example,
    request: PromotionRequest,
    component: SecondComponent | None,
    name: str = "pat",
    reason: str = "",
) -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor(name), request.id, request.evidence_digest, reason, component
    )


def is_open(example: Example, request: PromotionRequest) -> bool:
    now = promotions.get_request(example.services, example.actor("pat"), request.id)
    return now.status is RequestStatus.OPEN and not now.decisions


# --- a key ---------------------------------------------------------------------------------------------------------


def test_a_signature_over_the_printed_statement_decides(example: Example, key: SoftKey) -> None:
    request = asked(example)
    data = printed(example, request, reason="größer ist besser")
    statement = parse_statement(data)
    assert (statement.request, statement.name, statement.key) == (request.id, "pat", key.public.fingerprint)
    assert (statement.evidence, statement.policy) == (request.evidence_digest, request.policy_digest)
    head = audits.head(example.services, example.actor("aud"))
    assert statement.log.count == head.count - 1  # the entry that says that it was printed came after

    done = approve(example, request, Signed(key.sshsig(data)))

    assert done.status is RequestStatus.DEPLOYED
    (decision,) = done.decisions
    assert decision.reason == "größer ist besser"
    assert decision.signature is not None
    assert decision.signature.statement.encode() == data
    assert (decision.signature.kind, decision.signature.fingerprint) == (
        Component.KEY,
        key.public.fingerprint,
    )
    entry = next(
        e for e in audits.show(example.services, example.actor("aud")) if e.action == "request.approved"
    )
    assert entry.detail["second_component"]["key"] == key.public.fingerprint
    audits.verify(example.services, example.actor("aud"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n").rstrip(),
        lambda text: f"  {text}  ",
        lambda text: "\n".join(f"  {line}" for line in text.splitlines()),
    ],
)
def test_a_paste_is_taken_and_stored_as_ssh_keygen_writes_it(
    example: Example, key: SoftKey, spoil: object
) -> None:
    request = asked(example)
    text = key.sshsig(printed(example, request))
    done = approve(example, request, Signed(spoil(text)))  # type: ignore[operator]
    assert done.decisions[0].signature is not None
    assert done.decisions[0].signature.signature == text


def test_a_newline_that_an_editor_added_to_the_statement_is_part_of_what_was_signed(
    example: Example, key: SoftKey
) -> None:
    request = asked(example)
    data = printed(example, request) + b"\n"
    done = approve(example, request, Signed(key.sshsig(data)))
    assert done.decisions[0].signature is not None
    assert done.decisions[0].signature.statement.encode() == data


def test_an_older_printed_statement_counts_too(example: Example, key: SoftKey) -> None:
    request = asked(example)
    first = printed(example, request, reason="the first")
    printed(example, request, reason="the second")
    assert approve(example, request, Signed(key.sshsig(first))).decisions[0].reason == "the first"


def test_a_decision_without_the_component_is_refused_by_program_and_registry(
    example: Example, key: SoftKey
) -> None:
    request = asked(example)
    with pytest.raises(NotAllowedError, match="needs a signature by an SSH key") as caught:
        approve(example, request, None)
    assert "\n" not in str(caught.value)
    with pytest.raises(NotAllowedError, match="needs a signature by an SSH key"):
        promotions.reject(example.services, example.actor("pat"), request.id, "no")
    with (
        pytest.raises(ConflictError, match="the policy asks for a second component"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute(
            "INSERT INTO decisions (request_id, actor, verdict, reason, evidence_digest, policy_digest, recorded_at) "
            "VALUES (?, 'pat', 'approve', '', ?, ?, 1)",
            (request.id, request.evidence_digest, request.policy_digest),
        )
    assert is_open(example, request)


@pytest.mark.parametrize(("column", "value"), [("kind", "'passphrase'"), ("actor", "'pia'")])
def test_the_registry_refuses_another_signature_under_a_decision(
    example: Example, key: SoftKey, column: str, value: str
) -> None:
    """Whatever part of the program forgets to look."""
    request = asked(example)
    data = printed(example, request)
    columns = {
        "request_id": str(request.id),
        "actor": "'pat'",
        "kind": "'key'",
        "statement": f"'{data.decode()}'",
        "signature": "'s'",
        "fingerprint": f"'{key.public.fingerprint}'",
        "key_id": "1",
        "verified_at": "1800000000000000",
    } | {column: value}
    with pytest.raises(ConflictError), example.services.registry.transaction() as connection:
        connection.execute(
            f"INSERT INTO decision_signatures ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"
        )


def test_a_signature_without_a_decision_is_refused_by_the_registry(example: Example, key: SoftKey) -> None:
    request = asked(example)
    data = printed(example, request).decode()
    with (
        pytest.raises(ConflictError, match="FOREIGN KEY"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute(
            "INSERT INTO decision_signatures (request_id, actor, kind, statement, signature, fingerprint, key_id, verified_at) "
            "VALUES (?, 'pat', 'key', ?, 's', ?, 1, 1800000000000000)",
            (request.id, data, key.public.fingerprint),
        )


def test_another_persons_key_is_refused(example: Example, key: SoftKey) -> None:
    request, other = asked(example), SoftKey()
    bind(example, "pia", other)
    data = printed(example, request)
    forged = dataclasses.replace(parse_statement(data), key=other.public.fingerprint).to_bytes()
    with pytest.raises(NotAllowedError, match=r"names the key .* has signed it"):
        approve(example, request, Signed(other.sshsig(data)))
    with pytest.raises(NotAllowedError, match="by pia's key, not by one of pat's"):
        approve(example, request, Signed(other.sshsig(forged), forged))
    with pytest.raises(NotAllowedError, match="in the name of pat, not pia"):
        approve(example, request, Signed(key.sshsig(data), data), "pia")
    stranger = SoftKey()
    unknown = dataclasses.replace(parse_statement(data), key=stranger.public.fingerprint).to_bytes()
    with pytest.raises(NotAllowedError, match="is not on record for pat"):
        approve(example, request, Signed(stranger.sshsig(unknown), unknown))
    assert is_open(example, request)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request": 99}, "for request 99"),
        ({"evidence": "f" * 64}, "on the evidence"),
        ({"policy": "f" * 64}, "under the policy"),
        ({"targets": ("ewr",)}, "for the targets ewr, not ewr jfk"),
        ({"version": 9}, "for the version 9"),
        ({"model": "other"}, "for the model other"),
        ({"verdict": "reject"}, "its verdict is reject"),
    ],
)
def test_a_statement_about_something_else_is_refused(
    example: Example, key: SoftKey, change: dict[str, object], words: str
) -> None:
    request = asked(example)
    statement = dataclasses.replace(parse_statement(printed(example, request)), **change)  # type: ignore[arg-type]
    data = statement.to_bytes()
    with pytest.raises(NotAllowedError, match=words):
        approve(example, request, Signed(key.sshsig(data), data))
    assert is_open(example, request)


def test_a_statement_for_another_request_that_was_printed_counts_there_alone(
    example: Example, key: SoftKey
) -> None:
    first = asked(example)
    signature = key.sshsig(printed(example, first))
    second = asked(example)
    printed(example, second)
    with pytest.raises(NotAllowedError, match="over none of the statements on request 2"):
        approve(example, second, Signed(signature))


def test_another_namespace_and_a_changed_byte_are_refused(example: Example, key: SoftKey) -> None:
    request = asked(example)
    data = printed(example, request)
    with pytest.raises(NotAllowedError, match="namespace 'file'"):
        approve(example, request, Signed(key.sshsig(data, "file")))
    text = key.sshsig(data)
    lines = text.splitlines()
    swapped = "A" if lines[3][10] != "A" else "B"
    changed = "\n".join([*lines[:3], lines[3][:10] + swapped + lines[3][11:], *lines[4:]])
    with pytest.raises(PilothouseError):
        approve(example, request, Signed(changed))
    spaced = data.replace(b'","', b'", "', 1)
    with pytest.raises(InvalidInputError, match="the statement was changed"):
        approve(example, request, Signed(key.sshsig(spaced), spaced))
    assert is_open(example, request)


def test_an_expired_a_revoked_and_a_disabled_key_are_refused(example: Example, key: SoftKey) -> None:
    services, ada = example.services, example.actor("ada")
    late = SoftKey()
    bind(example, "pia", late, valid_before=example.time + timedelta(hours=1))
    request = asked(example)
    signed = Signed(key.sshsig(printed(example, request)))
    expiring = Signed(late.sshsig(printed(example, request, "pia")))

    example.pass_time(hours=2)
    with pytest.raises(NotAllowedError, match="expired at"):
        approve(example, request, expiring, "pia")
    users.disable_user(services, ada, "pat", "left")
    with pytest.raises(NotAllowedError, match="pat is disabled"):
        approve(example, request, signed)
    users.enable_user(services, ada, "pat", "back")
    users.revoke_key(services, ada, "pat", key.public.fingerprint, "lost the laptop")
    with pytest.raises(NotAllowedError, match=r"was revoked on .*: lost the laptop"):
        approve(example, request, signed)
    assert is_open(example, request)


def test_a_statement_of_yesterday_of_tomorrow_and_of_another_log_is_refused(
    example: Example, key: SoftKey
) -> None:
    request = asked(example)
    data = printed(example, request)
    statement = parse_statement(data)
    for change, words in (
        ({"time": example.time + timedelta(hours=1)}, "in the future"),
        ({"log": dataclasses.replace(statement.log, hash="f" * 64)}, "another audit log"),
        ({"log": dataclasses.replace(statement.log, count=10_000)}, "another audit log"),
    ):
        other = dataclasses.replace(statement, **change).to_bytes()
        with pytest.raises(ConflictError, match=words):
            approve(example, request, Signed(key.sshsig(other), other))
    example.pass_time(hours=25)
    with pytest.raises(ConflictError, match="more than a day old"):
        approve(example, request, Signed(key.sshsig(data)))


def test_the_reason_is_that_of_the_signed_statement(example: Example, key: SoftKey) -> None:
    request = asked(example)
    data = printed(example, request, reason="signed words")
    with pytest.raises(ConflictError, match="reason differs"):
        approve(example, request, Signed(key.sshsig(data)), reason="other words")
    assert (
        approve(example, request, Signed(key.sshsig(data)), reason="signed words").decisions[0].reason
        == "signed words"
    )


def test_a_rejection_is_signed_too(example: Example, key: SoftKey) -> None:
    request = asked(example)
    data = printed(example, request, verdict="reject", reason="it leaks")
    done = promotions.reject(
        example.services, example.actor("pat"), request.id, "it leaks", Signed(key.sshsig(data))
    )
    assert done.status is RequestStatus.REJECTED
    assert done.decisions[0].signature is not None


def test_a_hardware_key_can_be_demanded(example: Example, key: SoftKey) -> None:
    ask_for(example, Component.HARDWARE_KEY)
    request = asked(example)
    with pytest.raises(PilothouseError, match=r"has no key that can sign this: .* users keys pat --add"):
        printed(example, request)
    hardware = SoftKey(hardware=True)
    bind(example, "pat", hardware)
    data = printed(example, request)
    assert parse_statement(data).key == hardware.public.fingerprint
    in_file = dataclasses.replace(parse_statement(data), key=key.public.fingerprint).to_bytes()
    with pytest.raises(NotAllowedError, match="needs a signature by a hardware key"):
        approve(example, request, Signed(key.sshsig(in_file), in_file))
    with pytest.raises((NotAllowedError, InvalidInputError), match="without touching"):
        approve(example, request, Signed(hardware.sshsig(data, flags=0)))
    done = approve(example, request, Signed(hardware.sshsig(data)))
    assert done.decisions[0].signature is not None
    assert done.decisions[0].signature.kind is Component.HARDWARE_KEY


def test_the_one_of_several_keys_is_named(example: Example, key: SoftKey) -> None:
    other = SoftKey()
    bind(example, "pat", other)
    request = asked(example)
    with pytest.raises(ConflictError, match="several keys"):
        printed(example, request)
    data = printed(example, request, key=other.public.fingerprint)
    assert approve(example, request, Signed(other.sshsig(data))).status is RequestStatus.DEPLOYED


def test_a_certificate_of_an_authority_on_record_signs(example: Example, tmp_path: Path) -> None:
    example.time = datetime.now(UTC)
    ask_for(example, Component.KEY)
    authority, laptop = SoftKey(), SoftKey()
    ca, path = authority.write(tmp_path / "ca"), laptop.write(tmp_path / "laptop")
    bind(example, "pat", authority, use=KeyUse.AUTHORITY)
    keygen("-q", "-s", str(ca), "-I", "pat 1", "-n", "pat", "-V", "-1m:+1h", str(path.with_suffix(".pub")))
    request = asked(example)
    data = printed(example, request, key=laptop.public.fingerprint)
    bare = Signed(laptop.sshsig(data))
    with pytest.raises(NotAllowedError, match="not on record for pat"):
        approve(example, request, bare)
    certificate = str(tmp_path / "laptop-cert.pub")
    sign = ("-Y", "sign", "-f", certificate, "-n", "approval@pilothouse")
    signed = Signed(keygen(*sign, stdin=data).stdout.decode())
    example.pass_time(hours=2)
    with pytest.raises(InvalidInputError, match="expired"):
        approve(example, request, signed)
    example.pass_time(hours=-2)
    bind(example, "pia", laptop)
    with pytest.raises(NotAllowedError, match="by pia's key"):
        approve(example, request, signed)
    services, ada = example.services, example.actor("ada")
    users.revoke_key(services, ada, "pia", laptop.public.fingerprint, "bound to the wrong name")
    bind(example, "pat", laptop)
    users.revoke_key(services, ada, "pat", laptop.public.fingerprint, "lost")
    with pytest.raises(NotAllowedError, match=r"was revoked on .*: lost"):
        approve(example, request, signed)
    other = SoftKey()
    path = other.write(tmp_path / "other")
    keygen("-q", "-s", str(ca), "-I", "pat 2", "-n", "pat", "-V", "-1m:+1h", str(path.with_suffix(".pub")))
    data = printed(example, request, key=other.public.fingerprint)
    sign = ("-Y", "sign", "-f", str(tmp_path / "other-cert.pub"), "-n", "approval@pilothouse")
    signed = Signed(keygen(*sign, stdin=data).stdout.decode())
    assert approve(example, request, signed).status is RequestStatus.DEPLOYED


def test_an_agent_signs_in_one_go(example: Example, key: SoftKey, tmp_path: Path) -> None:
    request = asked(example)
    other = SoftKey().write(tmp_path / "other")
    with agent(other, key.write(tmp_path / "pats")) as sock:
        offered = statements.agent_key(example.services, example.actor("pat"), request.id, sock)
        assert offered.key == key.public
        signed = statements.sign_with_agent(
            example.services,
            example.actor("pat"),
            request.id,
            "approve",
            "fine",
            request.evidence_digest,
            sock,
        )
        assert approve(example, request, signed).decisions[0].reason == "fine"
        bind(example, "pia", SoftKey())
        with pytest.raises(PilothouseError, match="holds no key of pia"):
            statements.agent_key(example.services, example.actor("pia"), request.id, sock)


def test_thirty_at_once_are_one_decision(example: Example, key: SoftKey) -> None:
    request = asked(example)
    signed = Signed(key.sshsig(printed(example, request)))
    ends: list[object] = []
    start = threading.Barrier(30)

    def decide() -> None:
        services = open_workspace(example.root)
        services.now = lambda: example.time
        start.wait()
        try:
            promotions.approve(services, example_actor, request.id, request.evidence_digest, component=signed)
            ends.append("done")
        except PilothouseError as error:
            ends.append(error)
        finally:
            services.close()

    example_actor = example.actor("pat")
    threads = [threading.Thread(target=decide) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end for end in ends if end == "done"] == ["done"]
    assert all(isinstance(end, ConflictError | NotAllowedError) for end in ends if end != "done"), ends
    done = promotions.get_request(example.services, example.actor("pat"), request.id)
    assert len(done.decisions) == 1


# --- the policy ----------------------------------------------------------------------------------------------------


def test_a_model_tightens_and_never_loosens(example: Example) -> None:
    example.apply(promotion={"signature": "key"})
    assert asked(example).policy.signature is Component.KEY
    ask_for(example, Component.HARDWARE_KEY)
    assert asked(example).policy.signature is Component.HARDWARE_KEY
    ask_for(example, Component.PASSPHRASE)
    example.apply(promotion={"signature": "none"})
    assert asked(example).policy.signature is Component.PASSPHRASE


def test_a_policy_that_asks_for_nothing_has_the_digest_of_before(example: Example) -> None:
    request = asked(example)
    assert set(request.policy.to_plain()) == {"approvals", "automatic", "expires", "four_eyes"}


def test_a_policy_that_was_tightened_since_holds_for_open_requests(example: Example) -> None:
    request = asked(example)
    ask_for(example, Component.PASSPHRASE)
    now = promotions.get_request(example.services, example.actor("pat"), request.id)
    assert now.in_force is not None
    assert any("decided with a passphrase since" in text for text in now.in_force.tightened)
    with pytest.raises(NotAllowedError, match="needs a passphrase"):
        approve(example, request, None)


def test_nothing_deploys_by_itself_where_decisions_are_signed(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(
        services, ada, approvals=0, four_eyes=False, allow_automatic=True, reason="tests"
    )
    example.apply(promotion={"approvals": 0, "four_eyes": False, "automatic": True})
    assert asked(example).status is RequestStatus.DEPLOYED
    ask_for(example, Component.PASSPHRASE)
    assert asked(example).status is RequestStatus.OPEN


# --- a passphrase --------------------------------------------------------------------------------------------------


@pytest.fixture
def secret(example: Example) -> None:
    ask_for(example, Component.PASSPHRASE)
    passphrases.set_passphrase(example.services, example.actor("pat"), SECRET)


@pytest.mark.usefixtures("secret")
def test_the_passphrase_decides_and_is_nowhere(example: Example) -> None:
    request = asked(example)
    done = approve(example, request, Passphrase(SECRET), reason="fine")
    signature = done.decisions[0].signature
    assert signature is not None
    assert (signature.kind, signature.signature, signature.fingerprint) == (Component.PASSPHRASE, None, None)
    assert parse_statement(signature.statement.encode()).reason == "fine"
    example.services.registry.close()
    for path in (example.root / "state").glob("registry.db*"):
        assert SECRET.encode() not in path.read_bytes()
    assert SECRET not in repr(Passphrase(SECRET))


@pytest.mark.usefixtures("secret")
def test_five_wrong_tries_lock_it_and_another_admin_unlocks(example: Example) -> None:
    request = asked(example)
    for left in (4, 3, 2, 1):
        with pytest.raises(NotAllowedError, match=f"wrong passphrase: {left} more"):
            approve(example, request, Passphrase(WRONG))
    with pytest.raises(NotAllowedError, match="locked after 5 wrong tries"):
        approve(example, request, Passphrase(WRONG))
    with pytest.raises(NotAllowedError, match="locked after 5 wrong tries"):
        approve(example, request, Passphrase(SECRET))
    with pytest.raises(NotAllowedError, match="locked after 5 wrong tries"):
        passphrases.set_passphrase(example.services, example.actor("pat"), SECRET + "2", SECRET)
    assert is_open(example, request)
    entries = [
        e for e in audits.show(example.services, example.actor("aud")) if e.action == "passphrase.wrong"
    ]
    assert [entry.detail["wrong"] for entry in entries] == [5, 4, 3, 2, 1]
    assert entries[0].detail["locked"]
    passphrases.unlock(example.services, example.actor("ada"), "pat", "she called")
    assert approve(example, request, Passphrase(SECRET)).status is RequestStatus.DEPLOYED
    audits.verify(example.services, example.actor("aud"))


@pytest.mark.usefixtures("secret")
def test_a_right_try_forgets_the_wrong_ones(example: Example) -> None:
    for _ in range(2):
        request = asked(example)
        for _ in range(4):
            with pytest.raises(NotAllowedError, match="wrong"):
                approve(example, request, Passphrase(WRONG))
        approve(example, request, Passphrase(SECRET))


@pytest.mark.usefixtures("secret")
def test_a_dozen_guesses_at_once_are_five(example: Example) -> None:
    request = asked(example)
    actor, ends, start = example.actor("pat"), [], threading.Barrier(12)

    def guess() -> None:
        services = open_workspace(example.root)
        services.now = lambda: example.time
        start.wait()
        try:
            promotions.approve(
                services, actor, request.id, request.evidence_digest, component=Passphrase(WRONG)
            )
        except NotAllowedError as error:
            ends.append(str(error))
        finally:
            services.close()

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("wrong passphrase" in end for end in ends) == 4
    assert sum("is locked after" in end for end in ends) == 8
    assert passphrases.standing(example.services, actor).wrong == 5


@pytest.mark.usefixtures("secret")
def test_nobody_unlocks_or_takes_their_own_and_a_taken_one_is_set_anew(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    passphrases.set_passphrase(services, ada, SECRET)
    with pytest.raises(NotAllowedError, match="not do this for themself"):
        passphrases.take_away(services, ada, "ada", "forgotten")
    with pytest.raises(ConflictError, match="not locked"):
        passphrases.unlock(services, ada, "pat", "why not")
    with pytest.raises(NotAllowedError, match="is asked for before another"):
        passphrases.set_passphrase(services, example.actor("pat"), "another passphrase")
    passphrases.take_away(services, ada, "pat", "forgotten")
    assert not passphrases.standing(services, example.actor("pat")).is_set
    with pytest.raises(NotAllowedError, match="has set no passphrase yet"):
        approve(example, asked(example), Passphrase(SECRET))
    passphrases.set_passphrase(services, example.actor("pat"), "another passphrase")
    approve(example, asked(example), Passphrase("another passphrase"))


@pytest.mark.usefixtures("secret")
def test_a_passphrase_is_not_enough_where_a_key_is_asked_for(example: Example) -> None:
    ask_for(example, Component.KEY)
    request = asked(example)
    with pytest.raises(NotAllowedError, match="a passphrase is not enough"):
        approve(example, request, Passphrase(SECRET))


def tamper(example: Example, *statements: str) -> None:
    """Change the file as whoever owns it can: triggers are taken out, and put back afterwards."""
    owned = sqlite3.connect(example.root / "state" / "registry.db", isolation_level=None)
    triggers = owned.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        owned.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        owned.execute(statement)
    for _, sql in triggers:
        owned.execute(sql)
    owned.close()


@pytest.mark.usefixtures("secret")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO passphrases SELECT 2, 'pia', n, r, p, salt, digest, 'pia', 1 FROM passphrases WHERE id = 1",
        "UPDATE passphrases SET name = 'pia', set_by = 'pia'",
        "DELETE FROM passphrase_tries WHERE id = 1",
        "UPDATE passphrase_tries SET outcome = 'right'",
    ],
)
def test_a_passphrase_that_was_planted_or_unlocked_past_pilothouse_proves_nothing(
    example: Example, statement: str
) -> None:
    request = asked(example)
    for _ in range(5):
        with pytest.raises(NotAllowedError):
            approve(example, request, Passphrase(WRONG))
    tamper(example, statement)
    with pytest.raises(IntegrityError, match="past Pilothouse, so nothing is changed that rests on it"):
        approve(example, request, Passphrase(SECRET), "pia" if "pia" in statement else "pat")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE user_keys SET user = 'pia' WHERE user = 'pat'",
        "UPDATE user_keys SET revoked_at = NULL, revoked_by = NULL, revoked_why = NULL",
        "INSERT INTO user_keys SELECT 99, 'pia', kind, key_type, public_key, fingerprint, hardware, comment, valid_after, "
        "valid_before, added_at, added_by, NULL, NULL, NULL FROM user_keys WHERE user = 'pat'",
    ],
)
def test_a_key_that_was_bound_past_pilothouse_signs_nothing(
    example: Example, key: SoftKey, statement: str
) -> None:
    bind(example, "pia", SoftKey())
    request = asked(example)
    data = printed(example, request)
    users.revoke_key(example.services, example.actor("ada"), "pat", key.public.fingerprint, "lost the laptop")
    tamper(example, statement)
    name = "pia" if "pia" in statement else "pat"
    data = dataclasses.replace(parse_statement(data), name=name).to_bytes()
    with pytest.raises(IntegrityError, match="past Pilothouse, so nothing is changed that rests on it"):
        approve(example, request, Signed(key.sshsig(data), data), name)


@pytest.mark.parametrize("by", ["frozen policy", "model file in force", "workspace"])
def test_the_registry_asks_by_each_policy(example: Example, by: str) -> None:
    """Whatever part of the program forgets to look."""
    if by == "frozen policy":
        example.apply(promotion={"signature": "key"})
        request = asked(example)
        example.apply()
    else:
        request = asked(example)
        if by == "workspace":
            ask_for(example, Component.KEY)
        else:
            example.apply(promotion={"signature": "key"})
    with (
        pytest.raises(ConflictError, match="the policy asks for a second component"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute(
            "INSERT INTO decisions (request_id, actor, verdict, reason, evidence_digest, policy_digest, recorded_at) "
            "VALUES (?, 'pat', 'approve', '', ?, ?, 1)",
            (request.id, request.evidence_digest, request.policy_digest),
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET reason = 'other words'",
        "UPDATE decisions SET actor = 'pia'; UPDATE decision_signatures SET actor = 'pia'",
        "UPDATE decision_signatures SET statement = replace(statement, 'approve', 'reject')",
        "UPDATE decision_signatures SET statement = replace(statement, 'fine', 'good')",
        "UPDATE decision_signatures SET key_id = 2",
        "UPDATE user_keys SET fingerprint = 'SHA256:other' WHERE id = 1",
    ],
)
def test_the_doctor_finds_a_decision_that_its_signature_is_not_over(
    example: Example, key: SoftKey, statement: str
) -> None:
    bind(example, "pia", SoftKey())
    vera = example.actor("vera")
    assert signature_checks.examine(example.services, vera) == "no decision is signed by a key"
    request = asked(example)
    approve(example, request, Signed(key.sshsig(printed(example, request, reason="fine"))))
    assert signature_checks.examine(example.services, vera) == "1 signature of a decision holds"
    tamper(example, *statement.split(";"))
    with pytest.raises(IntegrityError, match=r"request 1: the signature of \w+ does not hold"):
        signature_checks.examine(example.services, vera)
