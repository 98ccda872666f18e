"""Roles for some targets, denials, and the explanation of what somebody may do."""

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Permission, Role
from pilothouse.domain.identity.scopes import TargetChoice
from pilothouse.domain.records import Target
from pilothouse.operations.identity import permissions, users
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.store.log import audit_agreement
from pilothouse.store.models import targets

EAST = TargetChoice.of({"region": "us-east"})


@pytest.fixture(autouse=True)
def _described(example: Example) -> None:
    describe(example)


def describe(example: Example) -> None:
    """Regions of both targets, which a model file leaves out."""
    with example.services.registry.transaction() as connection:
        targets.put_targets(
            connection,
            [Target("ewr", "us-east", "", ""), Target("jfk", "us-west", "", "")],
            at=example.time,
        )


def test_an_approver_for_a_region_approves_there_alone(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.grant_role(services, ada, "eve", Role.APPROVER, targets=EAST)
    example.add_version()
    both = promotions.request_promotion(services, example.actor("sam"), "delay/1")
    with pytest.raises(NotAllowedError, match=r"eve may not .* pilothouse can eve approve delay says which"):
        promotions.approve(services, example.actor("eve"), both.id, both.evidence_digest)
    assert "eve" not in promotions.get_request(services, ada, both.id).in_force.can_approve  # type: ignore[union-attr]

    assert promotions.waiting_for(services, example.actor("eve")) == []
    east = promotions.request_promotion(services, example.actor("sam"), "delay/1", ["ewr"])
    assert promotions.count_waiting(services, example.actor("eve")) == {"delay": 1}
    assert "eve" in promotions.get_request(services, ada, east.id).in_force.can_approve  # type: ignore[union-attr]
    done = promotions.approve(services, example.actor("eve"), east.id, east.evidence_digest)
    assert str(done.status) == "deployed"


def test_a_denial_is_granted_explained_and_revoked(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.grant_role(services, ada, "oscar", Role.OPERATOR, targets=EAST, deny=True)
    with pytest.raises(ConflictError, match="is no operator for all models, on targets with region us-east"):
        workspaces.grant_role(services, ada, "oscar", Role.OPERATOR, targets=EAST, deny=True)

    def can(*on: str) -> permissions.Explanation:
        return permissions.explain(services, ada, "oscar", "rollback", "delay", on)

    assert (can("jfk").allowed, can("ewr").allowed, can().allowed) == (True, False, False)
    assert can("ewr").sentence == (
        "no: oscar may not roll back a deployment of delay on ewr: a grant denies it, and that wins"
    )
    assert [(one.verdict, one.grant) for one in can("ewr").grants] == [
        ("allows", "operator for all models"),
        ("denies", "no operator for all models, on targets with region us-east"),
    ]
    entry = audits.show(services, ada)[0]
    assert entry.detail["deny"] is True
    assert entry.detail["targets"] == {"region": "us-east"}
    with services.registry.read() as connection:
        assert list(audit_agreement.disagreements(connection)) == []

    with pytest.raises(NotFoundError, match="is not no operator for all models: see"):
        workspaces.revoke_role(services, ada, "oscar", Role.OPERATOR, deny=True)
    workspaces.revoke_role(services, ada, "oscar", Role.OPERATOR, targets=EAST, deny=True)
    assert can("ewr").allowed
    with services.registry.read() as connection:
        assert list(audit_agreement.disagreements(connection)) == []


def test_an_explanation_names_what_each_grant_lacks(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    example.apply("other")
    describe(example)
    workspaces.grant_role(services, ada, "eve", Role.APPROVER, targets=EAST)
    workspaces.grant_role(services, ada, "eve", Role.APPROVER, model="other")
    workspaces.grant_role(services, ada, "eve", Role.VIEWER)

    found = permissions.explain(services, ada, "eve", "approve", "delay")
    assert not found.allowed
    assert {one.why for one in found.grants} == {
        "not in its scope: jfk",
        "it is for other",
        "the role is not about it",
    }
    assert "it needs the role approver" in found.sentence
    assert permissions.explain(services, ada, "eve", "approve", "delay", ["ewr"]).allowed
    stranger = permissions.explain(services, ada, "nobody", "read")
    assert (stranger.allowed, stranger.grants[0].grant) == (
        True,
        "viewer, since reading is open to everybody",
    )
    users.add_user(services, ada, "eve")
    users.disable_user(services, ada, "eve", "left")
    assert permissions.explain(services, ada, "eve", "read").sentence == "no: eve is disabled, by ada: left"
    for wrong, kind in ((("fly",), InvalidInputError), (("train", "nothing"), NotFoundError)):
        with pytest.raises(kind):
            permissions.explain(services, ada, "eve", *wrong)
    with pytest.raises(NotFoundError, match="no target"):
        permissions.explain(services, ada, "eve", "train", "delay", ["mars"])


def test_somebody_with_a_scoped_role_reads_where_reading_is_open(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.grant_role(services, ada, "eve", Role.OPERATOR, model="delay")
    assert permissions.explain(services, ada, "eve", "read").allowed
    workspaces.set_open_reading(services, ada, allowed=False)
    assert not permissions.explain(services, ada, "eve", "read").allowed
    workspaces.grant_role(services, ada, "eve", Role.VIEWER)
    assert permissions.explain(services, ada, "eve", "read").allowed


def test_reading_has_no_scope(example: Example) -> None:
    ada = example.actor("ada")
    for given in ({"targets": EAST}, {"deny": True, "model": "delay"}):
        with pytest.raises(InvalidInputError, match="about reading"):
            workspaces.grant_role(example.services, ada, "eve", Role.VIEWER, **given)  # type: ignore[arg-type]


def test_the_last_admin_is_neither_denied_nor_disabled(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.grant_role(services, ada, "eve", Role.ADMIN, targets=EAST)
    for deny in ({"model": "delay"}, {}):
        with pytest.raises(ConflictError, match="ada is the last admin"):
            workspaces.grant_role(services, ada, "ada", Role.ADMIN, deny=True, **deny)  # type: ignore[arg-type]
    users.add_user(services, ada, "ada")
    with pytest.raises(ConflictError, match="ada is the last admin"):
        users.disable_user(services, ada, "ada", "x")
    workspaces.grant_role(services, ada, "zoe", Role.ADMIN)
    users.disable_user(services, example.actor("zoe"), "ada", "left")
    assert not example.actor("zoe").allows(Permission.DECIDE)
