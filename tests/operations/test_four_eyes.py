"""Four eyes are of persons: nobody with a part in a version approves it, under whatever name."""

import random
import sqlite3
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from fixtures.registries import Example, raised
from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.identity.roles import DAEMON, Actor, Role
from pilothouse.domain.listing import Query
from pilothouse.domain.records import PromotionRequest, RequestStatus, Version
from pilothouse.operations.automation import schedules
from pilothouse.operations.jobs import trainings
from pilothouse.operations.promotion import promotions, request_lists
from pilothouse.operations.workspace import audits, person_records, workspaces
from pilothouse.store.log import row_agreement

NIGHTLY = {"schedule": [{"name": "nightly", "cron": "0 3 * * *"}]}


@pytest.fixture
def example(example: Example) -> Example:
    """Everybody may approve, so that nothing but four eyes stands in the way."""
    for name in ("sam", "oscar", "vera"):
        workspaces.grant_role(example.services, example.actor("ada"), name, Role.APPROVER)
    return example


def ask(example: Example, reference: str = "delay", by: str = "oscar", **rest: Any) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor(by), reference, **rest)


def sign(example: Example, request: PromotionRequest, name: str) -> PromotionRequest:
    return promotions.approve(
        example.services, example.actor(name), request.id, request.evidence_digest, "fine"
    )


def able(example: Example, request: PromotionRequest) -> tuple[str, ...]:
    now = promotions.get_request(example.services, example.actor("aud"), request.id)
    assert now.in_force is not None
    return now.in_force.can_approve


def apply(example: Example, by: str, **tables: Any) -> None:
    """Put a model file in force in somebody's name."""
    example.apply(by=by, **tables)


def add_started(example: Example, trigger_key: str, by: str = "daemon") -> Version:
    """A version of a training that a schedule or trigger started."""
    return example.add_version(by=by, trigger_key=trigger_key)


def test_whoever_applied_the_model_file_does_not_approve(example: Example) -> None:
    apply(example, "pat", description="new")
    example.add_version(by="sam")
    request = ask(example)

    with pytest.raises(
        NotAllowedError,
        match=r"^pat applied the model file that delay/1 was trained with, and the policy says four eyes",
    ):
        sign(example, request, "pat")
    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED


def test_whoever_applied_a_change_since_what_is_live_does_not_approve(example: Example) -> None:
    example.add_version()
    sign(example, ask(example), "pia")
    apply(example, "pat", description="one")
    apply(example, "vera", description="two")
    example.add_version(by="sam")
    apply(example, "pia", description="later than the training")
    request = ask(example, "delay/2")

    with pytest.raises(NotAllowedError, match=r"pat applied a change of the model file since delay/1"):
        sign(example, request, "pat")
    assert able(example, request) == ("pia",)
    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED


def test_whoever_made_changed_or_resumed_the_schedule_does_not_approve(example: Example) -> None:
    apply(example, "pat", automation=NIGHTLY)
    apply(example, "vera", automation={"schedule": [{"name": "nightly", "cron": "0 4 * * *"}]})
    apply(
        example, "sam", automation={"schedule": [{"name": "nightly", "cron": "0 4 * * *"}]}, description="x"
    )
    example.add_version(by="sam")
    live = ask(example)
    assert sign(example, live, "pia").status is RequestStatus.DEPLOYED
    (schedule,) = schedules.list_schedules(example.services, example.actor("aud"))
    schedules.pause_schedule(example.services, example.actor("oscar"), schedule.id, "now not")
    schedules.resume_schedule(example.services, example.actor("oscar"), schedule.id)
    add_started(example, f"schedule:{schedule.id}:2026-05-03T04:00:00+00:00")
    request = promotions.request_promotion(example.services, DAEMON, "delay/2")

    for name, verb in (("pat", "made or changed"), ("vera", "made or changed"), ("oscar", "paused")):
        with pytest.raises(
            NotAllowedError, match=f"^{name} {verb} the schedule nightly, which started the training"
        ):
            sign(example, request, name)
    assert able(example, request) == ("pia",)
    assert sign(example, request, "pia").status is RequestStatus.DEPLOYED


def test_whoever_made_the_trigger_or_set_the_alerts_does_not_approve(example: Example) -> None:
    trigger = {"trigger": [{"name": "fresh", "on": "data"}]}
    apply(example, "pat", automation=trigger)
    apply(example, "vera", automation={**trigger, "retrain_on": ["data_drift"]})
    apply(example, "sam", automation={**trigger, "retrain_on": ["data_drift"]}, description="x")
    example.add_version(by="sam")
    assert sign(example, ask(example), "pia").status is RequestStatus.DEPLOYED

    add_started(example, "trigger:fresh:abc")
    by_trigger = promotions.request_promotion(example.services, DAEMON, "delay/2")
    with pytest.raises(NotAllowedError, match=r"^pat made or changed the trigger fresh"):
        sign(example, by_trigger, "pat")
    assert able(example, by_trigger) == ("oscar", "pia", "vera")

    example.add_version(by="daemon", alert_id=raised(example, "data_drift").id)
    by_alert = promotions.request_promotion(example.services, DAEMON, "delay/3")
    with pytest.raises(
        NotAllowedError, match=r"^vera set the alerts that start trainings, as that of delay/3"
    ):
        sign(example, by_alert, "vera")
    assert able(example, by_alert) == ("oscar", "pat", "pia")


def test_whoever_ran_the_training_again_is_its_trainer_with_the_one_before(example: Example) -> None:
    job = trainings.start_training(example.services, example.actor("oscar"), "delay")
    example.add_version(by="sam", retry_of=job.id)
    request = ask(example, by="sam")

    with pytest.raises(NotAllowedError, match=f"oscar started the training of delay/1 .job {job.id}."):
        sign(example, request, "oscar")


def test_owners_and_git_authors_of_the_code_who_are_known_do_not_approve(example: Example) -> None:
    code = {"owners": ["pat", "svc"], "authors": ["Pia Lee <p.lee@example.org>", "V. <Vera@example.org>"]}
    example.add_version(by="sam", code=code)
    request = ask(example)

    with pytest.raises(NotAllowedError, match=r"pat owns files of the code of delay/1"):
        sign(example, request, "pat")
    with pytest.raises(NotAllowedError, match=r"vera wrote commits of the code of delay/1"):
        sign(example, request, "vera")
    assert able(example, request) == ("pia",), "whose name in git is another one"


def test_withdrawing_and_having_another_ask_does_not_make_a_second_pair(example: Example) -> None:
    example.add_version(by="sam")
    first = ask(example, by="oscar")
    promotions.withdraw(example.services, example.actor("oscar"), first.id)
    again = promotions.request_again(example.services, example.actor("ada"), first.id)

    with pytest.raises(NotAllowedError, match=rf"oscar requested delay/1 before \(request {first.id}\)"):
        sign(example, again, "oscar")
    assert sign(example, again, "pat").status is RequestStatus.DEPLOYED


@pytest.mark.parametrize("second", ["case", "joined", "renamed"])
def test_a_second_name_of_the_trainer_does_not_approve(example: Example, second: str) -> None:
    ada, name = example.actor("ada"), {"case": "pat", "joined": "pia", "renamed": "samuel"}[second]
    example.add_version(by="PAT" if second == "case" else "sam")
    if second == "joined":
        person_records.join(example.services, ada, "pia", "sam", "one person")
    request = ask(example)
    actor = example.actor(name)
    if second == "renamed":
        promotions.comment(
            example.services, workspaces.identify(example.services, "sam", uid=7), request.id, "x"
        )
        workspaces.grant_role(example.services, ada, "samuel", Role.APPROVER)
        actor = workspaces.identify(example.services, "samuel", uid=7)

    assert promotions.waiting_for(example.services, actor) == []
    with pytest.raises(NotAllowedError, match="trained delay/1, and the policy says four eyes"):
        promotions.approve(example.services, actor, request.id, request.evidence_digest)


def test_one_person_with_two_names_approves_once(example: Example) -> None:
    workspaces.set_workspace_policy(example.services, example.actor("ada"), approvals=2, reason="audit")
    person_records.join(example.services, example.actor("ada"), "pia", "pat", "one person")
    example.add_version()
    request = ask(example)
    sign(example, request, "pat")

    with pytest.raises(NotAllowedError, match="pia has decided on request 1 already"):
        sign(example, request, "pia")
    assert sign(example, request, "vera").status is RequestStatus.DEPLOYED


def test_an_approval_does_not_count_once_its_person_is_known_to_have_a_part(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(example.services, ada, approvals=2, reason="audit")
    example.add_version(by="sam")
    request = ask(example)
    sign(example, request, "pia")
    person_records.join(example.services, ada, "pia", "sam", "one person")

    now = promotions.get_request(example.services, ada, request.id)
    assert (now.approvals, now.decisions[0].void) == (0, "four eyes: sam trained delay/1")
    assert sign(example, request, "pat").status is RequestStatus.OPEN
    assert sign(example, request, "vera").status is RequestStatus.DEPLOYED


def test_two_approvals_of_one_person_found_later_are_one(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(example.services, ada, approvals=3, reason="audit")
    example.add_version(by="sam")
    request = ask(example)
    sign(example, request, "pia")
    sign(example, request, "pat")
    person_records.join(example.services, ada, "pia", "pat", "one person")

    now = promotions.get_request(example.services, ada, request.id)
    assert (now.approvals, now.decisions[1].void) == (1, "pat and pia are one person")
    assert sign(example, request, "vera").status is RequestStatus.OPEN


def test_an_approval_of_somebody_who_may_no_longer_approve_does_not_count(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(example.services, ada, approvals=2, reason="audit")
    example.add_version(by="sam")
    request = ask(example)
    sign(example, request, "pia")
    workspaces.revoke_role(example.services, ada, "pia", Role.APPROVER)

    now = promotions.get_request(example.services, ada, request.id)
    assert (now.approvals, now.decisions[0].void) == (0, "pia may no longer approve")
    with pytest.raises(NotAllowedError):
        promotions.comment(example.services, example.actor("pia"), request.id, "let me")
    assert sign(example, request, "pat").status is RequestStatus.OPEN
    assert sign(example, request, "vera").status is RequestStatus.DEPLOYED


def test_a_target_added_later_is_asked_for_by_the_rules_of_then(example: Example) -> None:
    example.add_version(by="sam")
    sign(example, ask(example), "pia")
    apply(example, "pat", targets=[{"name": "ewr"}, {"name": "jfk"}, {"name": "lga"}])
    workspaces.set_workspace_policy(example.services, example.actor("ada"), approvals=2, reason="audit")
    request = ask(example, "delay/1")

    assert request.targets == ("lga",)
    assert sign(example, request, "pia").status is RequestStatus.OPEN
    with pytest.raises(NotAllowedError, match="sam"):
        sign(example, request, "sam")
    assert sign(example, request, "pat").status is RequestStatus.DEPLOYED


def test_who_can_approve_is_named_and_nobody_is_said(example: Example) -> None:
    example.add_version(by="sam")
    request = ask(example)
    assert able(example, request) == ("pat", "pia", "vera")
    for name in ("pat", "pia", "vera"):
        workspaces.revoke_role(example.services, example.actor("ada"), name, Role.APPROVER)
    assert able(example, request) == ()


def test_the_authors_are_in_the_log_and_one_that_is_gone_is_found(example: Example) -> None:
    apply(example, "pat", description="new")
    example.add_version(by="sam")
    request = ask(example)
    made = next(e for e in audits.show(example.services, example.actor("aud")) if e.action == "request.made")
    assert ["pat", "applied the model file that delay/1 was trained with"] in made.detail["with_part"]
    with sqlite3.connect(example.services.paths.registry) as connection:
        connection.execute("DROP TRIGGER request_authors_refuses_delete")
        connection.execute("DELETE FROM request_authors WHERE name = 'pat'")
    with example.services.registry.read() as connection:
        lines = [str(line) for line in row_agreement.differences(connection)]
    part = "applied the model file that delay/1 was trained with"
    assert lines == [f"request {request.id}: its author pat, who {part} was deleted"]


@pytest.mark.parametrize("seed", range(6))
def test_what_waits_for_somebody_is_what_they_can_approve(example: Example, seed: int) -> None:
    """Over random histories; the list, the counts and the attempt itself agree for everybody."""
    chance = random.Random(seed)
    people = ["sam", "oscar", "vera", "pat", "pia", "ada"]
    ada = example.actor("ada")
    example.add_version()
    joined, seen = False, set()
    for _ in range(25):
        name = chance.choice(people)
        match chance.randrange(9):
            case 0:
                apply(
                    example,
                    name,
                    gates={"metric": [{"metric": "auc", "minimum": chance.choice([0.5, 0.6, 0.7])}]},
                    promotion={"four_eyes": chance.random() < 0.8, "approvals": chance.choice([1, 2])},
                )
            case 1 | 2:
                example.add_version(by=name, auc=chance.choice([0.55, 0.65, 0.75]))
            case 3:
                workspaces.set_workspace_policy(
                    example.services,
                    ada,
                    four_eyes=chance.random() < 0.5,
                    approvals=chance.choice([0, 1, 2]),
                    reason="x",
                )
            case 4 if not joined:
                person_records.join(example.services, ada, *chance.sample(people, 2), "x")
                joined = True
            case 5:
                example.pass_time(hours=chance.choice([1, 60]))
            case 6 | 7:
                with suppress(ConflictError, NotAllowedError):
                    ask(
                        example,
                        by=chance.choice(["sam", "oscar", "ada"]),
                        targets=[chance.choice(["ewr", "jfk"])],
                    )
            case _:
                for request in promotions.list_requests(example.services, ada, RequestStatus.OPEN, limit=1):
                    with suppress(ConflictError, NotAllowedError):
                        sign(example, request, name)
        for name in people:
            seen |= _agree(example, example.actor(name))
    assert seen == {True, False}


class _UndoneError(Exception):
    """Ends the attempt of an approval."""


def _agree(example: Example, actor: Actor) -> set[bool]:
    """Whether each open request can be approved, held against what is said to wait."""
    waiting = {request.id for request in promotions.waiting_for(example.services, actor)}
    _, mine = request_lists.requests_page(example.services, actor, Query(after=1))
    assert waiting == mine
    assert sum(promotions.count_waiting(example.services, actor).values()) == len(waiting)
    outcomes = set()
    for request in promotions.list_requests(example.services, actor, RequestStatus.OPEN):
        outcomes.add(_approvable(example, actor, request))
        assert (request.id in waiting) is _approvable(example, actor, request), (actor.name, request)
    return outcomes


def _approvable(example: Example, actor: Actor, request: PromotionRequest) -> bool:
    """Try to approve, in a transaction that is undone."""
    registry, before = example.services.registry, example.services.registry.transaction

    try:
        with before() as connection:
            registry.transaction = lambda: nullcontext(connection)  # type: ignore[method-assign]
            try:
                promotions.approve(example.services, actor, request.id, request.evidence_digest)
            except (ConflictError, NotAllowedError):
                return False
            raise _UndoneError
    except _UndoneError:
        return True
    finally:
        registry.transaction = before  # type: ignore[method-assign]
