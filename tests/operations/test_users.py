"""Users and their keys: bound once, ended once, in force only together."""

import sqlite3
from datetime import timedelta

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.ssh_keys import PublicKey, key_of, read_key
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.operations.identity import users
from pilothouse.operations.identity.users import KeyTerms
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.store import workspace
from pilothouse.store.log import row_agreement
from support.ssh_keys import ED25519_KEYS


def key(number: int = 0) -> PublicKey:
    return read_key(ED25519_KEYS[number])


def in_force(example: Example, number: int = 0, **later: float) -> UserKey | None:
    with example.services.registry.read() as connection:
        return users.key_in_force(connection, key(number).fingerprint, example.time + timedelta(**later))


def actions(example: Example) -> list[tuple[str, str]]:
    return [(e.action, e.subject) for e in audits.show(example.services, example.actor("aud"))]


def test_a_user_is_added_with_a_key_that_is_in_force_from_then_on(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat", subject="pat@example.org", keys=[key()])

    found = in_force(example)
    assert found is not None
    assert (found.user, found.kind, found.key, found.added_by) == ("pat", KeyUse.KEY, key(), "ada")
    assert in_force(example, seconds=-1) is None
    assert in_force(example, 1) is None
    (listed,) = users.list_users(example.services, ada)
    assert (listed.user.subject, listed.valid_keys, listed.keys) == ("pat@example.org", 1, (found,))
    assert actions(example)[:2] == [("key.added", "pat"), ("user.added", "pat")]


def test_a_disabled_users_keys_are_in_force_no_more_until_they_come_back(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat", keys=[key()])
    example.pass_time(hours=1)
    users.disable_user(example.services, ada, "pat", "left the company")

    assert in_force(example) is None
    assert in_force(example, minutes=-1) is not None, "what they signed before counts"
    with pytest.raises(ConflictError, match="disabled already, by ada: left the company"):
        users.disable_user(example.services, ada, "pat", "again")
    with pytest.raises(ConflictError, match="users enable pat"):
        users.add_user(example.services, ada, "pat")
    assert users.keys_of(example.services, ada, "pat").valid_keys == 0

    example.pass_time(hours=1)
    users.enable_user(example.services, ada, "pat", "came back")
    assert in_force(example) is not None
    assert in_force(example, minutes=-1) is None, "what happened meanwhile stays"
    with pytest.raises(ConflictError, match="not disabled"):
        users.enable_user(example.services, ada, "pat", "again")
    entry = audits.show(example.services, ada)[0]
    assert entry.detail["before"] == {"disabled_by": "ada", "disabled_why": "left the company"}


def test_a_revoked_key_is_over_and_may_be_bound_again(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat", keys=[key(), key(1)])
    example.pass_time(hours=1)
    users.revoke_key(example.services, ada, "pat", key().fingerprint, "laptop lost")

    assert in_force(example) is None
    assert in_force(example, 1) is not None
    with pytest.raises(NotFoundError, match="no key of pat in force"):
        users.revoke_key(example.services, ada, "pat", key().fingerprint, "again")
    example.pass_time(hours=1)
    users.add_key(example.services, ada, "pat", key(), KeyTerms())
    assert in_force(example) is not None


def test_a_key_is_one_persons_an_authority_may_be_several_peoples(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat", keys=[key()])
    users.add_user(example.services, ada, "pia")
    for use in KeyUse:
        with pytest.raises(ConflictError, match="is a key of pat already"):
            users.add_key(example.services, ada, "pia", key(), KeyTerms(use))

    for name in ("pat", "pia"):
        users.add_key(example.services, ada, name, key(1), KeyTerms(KeyUse.AUTHORITY))
    with pytest.raises(ConflictError, match="is a certificate authority of pat already"):
        users.add_key(example.services, ada, "pia", key(1), KeyTerms())
    with pytest.raises(ConflictError, match="authority of pia already"):
        users.add_key(example.services, ada, "pia", key(1), KeyTerms(KeyUse.AUTHORITY))
    assert in_force(example, 1) is None, "an authority is nobody's own key"


def test_a_key_is_in_force_within_its_time_only(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat")
    terms = KeyTerms(
        valid_after=example.time + timedelta(days=1), valid_before=example.time + timedelta(days=2)
    )
    added = users.add_key(example.services, ada, "pat", key(), terms)

    for hours, expected in ((0, False), (23, False), (24, True), (47, True), (48, False)):
        assert (in_force(example, hours=hours) is not None) is expected
        assert added.is_valid(example.time + timedelta(hours=hours)) is expected
    over = KeyTerms(valid_before=example.time)
    with pytest.raises(InvalidInputError, match="is over"):
        users.add_key(example.services, ada, "pat", key(1), over)


def test_who_may_and_what_is_refused(example: Example) -> None:
    ada = example.actor("ada")
    with pytest.raises(NotAllowedError):
        users.add_user(example.services, example.actor("oscar"), "eve", keys=[key()])
    with pytest.raises(InvalidInputError, match="not a user name"):
        users.add_user(example.services, ada, 'x",command="sh')
    with pytest.raises(InvalidInputError, match="daemon's own name"):
        users.add_user(example.services, ada, "Daemon")
    with pytest.raises(ConflictError, match="differs only by case from pat"):
        users.add_user(example.services, ada, "Pat")
    with pytest.raises(NotFoundError, match="no user here"):
        users.add_key(example.services, ada, "pat", key(), KeyTerms())
    users.add_user(example.services, ada, "pat", keys=[key()])
    for call in (users.disable_user, users.enable_user):
        with pytest.raises(InvalidInputError, match="needs a reason"):
            call(example.services, ada, "pat", " ")
    with pytest.raises(InvalidInputError, match="needs a reason"):
        users.revoke_key(example.services, ada, "pat", key().fingerprint, "")


def test_a_users_name_is_known_to_roles(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "zoe")
    with pytest.raises(ConflictError, match="differs only by case from zoe"):
        workspaces.grant_role(example.services, ada, "Zoe", example.actor("pat").grants[0].role)


def test_under_dual_control_nobody_adds_a_key_of_their_own(example: Example) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "ada", keys=[key()])
    with example.services.registry.transaction() as connection:
        workspace.set_setting(connection, "dual_control", "yes")

    with pytest.raises(NotAllowedError, match="another admin adds it"):
        users.add_key(example.services, ada, "ada", key(1), KeyTerms())
    users.add_user(example.services, ada, "pat", keys=[key(2)])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET name = 'eve'",
        "UPDATE users SET disabled_at = NULL, disabled_by = NULL, disabled_why = NULL WHERE disabled_at > 0",
        "DELETE FROM users",
        "UPDATE user_keys SET public_key = 'AAAA', fingerprint = 'SHA256:x'",
        "UPDATE user_keys SET user = 'eve'",
        "UPDATE user_keys SET valid_before = 9e15",
        "DELETE FROM user_keys",
    ],
)
def test_no_row_is_changed_or_deleted(example: Example, statement: str) -> None:
    ada = example.actor("ada")
    users.add_user(example.services, ada, "pat", keys=[key()])
    users.add_user(example.services, ada, "pia", keys=[key(1)])
    users.disable_user(example.services, ada, "pia", "left")
    with (
        pytest.raises(ConflictError, match=r"never changes|permanent"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute(statement)


def test_a_key_put_in_past_the_log_is_found(example: Example) -> None:
    users.add_user(example.services, example.actor("ada"), "pat")
    with sqlite3.connect(example.services.paths.registry) as connection:
        connection.execute(
            "INSERT INTO user_keys (user, kind, key_type, public_key, fingerprint, hardware, comment, added_at, added_by) "
            "VALUES ('pat', 'key', 'ssh-ed25519', ?, ?, 0, '', 1, 'ada')",
            (key().public_key, key().fingerprint),
        )
    with example.services.registry.read() as connection:
        found = [str(line) for line in row_agreement.differences(connection)]
    assert found == [f"the key of pat, {key().fingerprint} was inserted"]


def test_keys_survive_as_they_were_written(example: Example) -> None:
    users.add_user(example.services, example.actor("ada"), "pat", keys=[key()])
    stored = users.keys_of(example.services, example.actor("aud"), "pat").keys[0]
    assert key_of(stored.key_type, stored.public_key, stored.comment) == key()
