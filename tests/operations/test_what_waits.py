"""For whom requests wait: what SQL narrows down is what the rule says of each request, whatever has happened."""

import random

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Permission, Role
from pilothouse.domain.promotion.request_rules import RequestAct, obstacle_to
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.promotion import freezes, promotions, request_lists, teams
from pilothouse.operations.promotion.attached import documents
from pilothouse.operations.workspace import workspaces

PEOPLE = ("ada", "oscar", "pat", "pia", "sam", "vera")
MODELS = {
    "delay": {"approvals": 2, "four_eyes": True},
    "other": {"approvals": 1, "four_eyes": False, "teams": {"risk": 1}},
    "third": {"approvals": 1, "four_eyes": True, "documents": ["report"]},
    "fourth": {"approvals": 2, "four_eyes": False, "documents": ["report"], "teams": {"risk": 1}},
}


def by_rule(example: Example, name: str) -> list[int]:
    actor = example.actor(name)
    return sorted(
        request.id
        for request in promotions.list_requests(example.services, actor, RequestStatus.OPEN)
        if actor.allows(Permission.DECIDE, request.model)
        and obstacle_to(RequestAct.APPROVE, request, actor, example.services.now()) is None
    )


def step(example: Example, draw: random.Random) -> str:
    """Something that may happen; what it was."""
    services, ada = example.services, example.actor("ada")
    person, model = draw.choice(PEOPLE), draw.choice(list(MODELS))
    actor, target = example.actor(person), draw.choice(("ewr", "jfk"))
    open_ones = promotions.list_requests(services, ada, RequestStatus.OPEN)
    request = draw.choice(open_ones) if open_ones else None
    match draw.randrange(10):
        case 0 | 1:
            reference = f"{model}/{draw.randrange(1, 3)}"
            promotions.request_promotion(
                services, example.actor(draw.choice(("sam", "oscar"))), reference, [target]
            )
        case 2 | 3 | 4 if request:
            promotions.approve(services, actor, request.id, request.shown_digest)
        case 5 if request:
            documents.attach(services, example.actor("sam"), request.id, "report", "r.pdf", draw.randbytes(9))
        case 6:
            teams.add_member(services, ada, "risk", person, "hired")
        case 7:
            teams.remove_member(services, ada, "risk", person, "left")
        case 8:
            if draw.random() < 0.5:
                freezes.set_freeze(services, ada, "f", "00:00", "23:59", "UTC", reason="x", model=model)
            else:
                freezes.lift_freeze(services, ada, "f", "over")
        case 9:
            example.add_version(model)
    return "done"


@pytest.mark.parametrize("seed", range(6))
def test_sql_and_the_rule_say_the_same_after_every_step(example: Example, seed: int) -> None:
    draw, done, waited = random.Random(seed), 0, 0
    ada = example.actor("ada")
    workspaces.grant_role(example.services, ada, "sam", Role.APPROVER)
    for name, promotion in MODELS.items():
        example.apply(name, promotion=promotion)
        example.add_version(name, by=draw.choice(("sam", "oscar")))
    workspaces.grant_role(example.services, ada, "vera", Role.APPROVER, model="other")
    for _ in range(60):
        try:
            done += bool(step(example, draw))
        except PilothouseError:
            continue  # refused: nothing has happened
        for name in PEOPLE:
            actor = example.actor(name)
            numbers = [one.id for one in promotions.waiting_for(example.services, actor)]
            assert numbers == by_rule(example, name), (name, done)
            waited += len(numbers)
    assert done > 10
    assert waited > 10


def test_who_approved_and_can_complete_is_waited_for(example: Example) -> None:
    services, ada, pat = example.services, example.actor("ada"), example.actor("pat")
    teams.add_member(services, ada, "risk", "pia", "hired")
    example.apply(promotion={"approvals": 1, "teams": {"risk": 1}})
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/1", ["ewr"])
    promotions.approve(services, pat, request.id, request.shown_digest)
    assert promotions.waiting_for(services, pat) == []

    teams.add_member(services, ada, "risk", "pat", "moved")

    assert [one.id for one in promotions.waiting_for(services, pat)] == [request.id]
    assert request_lists.count_items(services, pat) == {"delay": 1}
    deployed = promotions.approve(services, pat, request.id, request.shown_digest)
    assert deployed.status is RequestStatus.DEPLOYED
    assert promotions.waiting_for(services, pat) == []
