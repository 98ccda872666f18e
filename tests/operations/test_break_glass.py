"""Breaking the glass: alone and at once, for a time, until two others have looked at it."""

from datetime import timedelta

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.listing import Query
from pilothouse.domain.promotion.break_glass import BrokenGlass, Emergency, Review
from pilothouse.domain.promotion.glass_statements import MEANING
from pilothouse.domain.promotion.statements import Component
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import (
    break_glass,
    deployments,
    glass_components,
    promotions,
    request_lists,
    signature_checks,
)
from pilothouse.operations.promotion.components import Passphrase, Signed
from pilothouse.operations.workspace import audits, person_records, workspaces
from pilothouse.presentation.break_glass import glass_text, signed_text, superseded_text
from pilothouse.sqlite import driver
from pilothouse.store.governance import broken_glass
from support.soft_keys import SoftKey


@pytest.fixture
def example(example: Example) -> Example:
    """Version 1 is live by two people; version 2 has passed its gates; the workspace lets people break the glass."""
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay", reason="first")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    example.add_version()
    workspaces.set_break_glass(example.services, example.actor("ada"), allowed=True, reason="nights")
    return example


def break_it(example: Example, by: str = "oscar", **options: object) -> BrokenGlass:
    return break_glass.break_glass(
        example.services,
        example.actor(by),
        "delay/2",
        **{"reason": "all delays are 0", **options},  # type: ignore[arg-type]
    )


def live(example: Example) -> dict[str, int]:
    found = deployments.list_deployments(example.services, example.actor("vera"))
    return {deployment.target: deployment.version for deployment in found}


def review(example: Example, name: str, verdict: Review = Review.KEEP) -> BrokenGlass:
    return break_glass.review(example.services, example.actor(name), 1, verdict, "looked at it")


def test_one_person_deploys_at_once_and_the_record_says_so(example: Example) -> None:
    glass = break_it(example, targets=["jfk"])
    assert live(example) == {"ewr": 1, "jfk": 2}
    (deployment,) = [
        d for d in deployments.list_deployments(example.services, example.actor("vera")) if d.target == "jfk"
    ]
    assert (deployment.kind, deployment.actor, deployment.request_id) == (
        "break-glass",
        "oscar",
        glass.request_id,
    )
    entry = next(e for e in audits.show(example.services, example.actor("aud")) if e.action == "glass.broken")
    assert entry.detail["approvals_needed"] == 1
    assert entry.detail["reason"] == "all delays are 0"
    assert (
        glass_text(glass)
        == "GLASS BROKEN by oscar until 05-03 16:00 UTC, 0 of 2 have looked: request 2, delay v2 on jfk"
    )
    assert audits.differing_rows(example.services, example.actor("aud")) == []


def test_a_request_that_is_open_for_the_same_is_what_is_deployed(example: Example) -> None:
    request = promotions.request_promotion(
        example.services, example.actor("sam"), "delay/2", ["jfk"], reason="better"
    )
    promotions.comment(example.services, example.actor("pat"), request.id, "looks right")
    assert break_it(example, targets=["jfk"]).request_id == request.id
    assert live(example) == {"ewr": 1, "jfk": 2}
    found = break_glass.of_request(example.services, example.actor("vera"), request.id)
    assert found is not None
    assert found.id == 1


def test_a_workspace_allows_it_or_nobody_does_it(example: Example) -> None:
    workspaces.set_break_glass(example.services, example.actor("ada"), allowed=False)
    with pytest.raises(NotAllowedError, match="lets nobody break the glass"):
        break_it(example)
    assert live(example) == {"ewr": 1, "jfk": 1}
    assert audits.differing_rows(example.services, example.actor("aud")) == []


@pytest.mark.parametrize("name", ["sam", "vera", "aud", "ada"])
def test_the_role_is_asked(example: Example, name: str) -> None:
    with pytest.raises(NotAllowedError):
        break_it(example, name)


def test_a_version_that_failed_a_gate_is_deployed_by_no_emergency(example: Example) -> None:
    example.add_version(passed=False)
    with pytest.raises(NotAllowedError, match="failed a gate"):
        break_glass.break_glass(example.services, example.actor("oscar"), "delay/3", reason="night")


@pytest.mark.parametrize("lasts", [timedelta(minutes=4), timedelta(hours=73)])
def test_its_time_has_bounds(example: Example, lasts: timedelta) -> None:
    with pytest.raises(InvalidInputError, match="five minutes to 3 days"):
        break_it(example, lasts=lasts)


def test_a_reason_is_asked(example: Example) -> None:
    with pytest.raises(InvalidInputError, match="reason"):
        break_it(example, reason="  ")


def test_when_its_time_ends_the_daemon_goes_back(example: Example) -> None:
    break_it(example, lasts=timedelta(hours=1))
    assert break_glass.take_back_expired(example.services) == []
    example.pass_time(hours=1)
    (expired,) = break_glass.take_back_expired(example.services)
    assert expired.id == 1
    assert live(example) == {"ewr": 1, "jfk": 1}
    assert break_glass.take_back_expired(example.services) == []
    (glass,) = break_glass.list_broken(example.services, example.actor("vera"), open_only=True)
    assert (glass.state, glass.taken_back_by) == ("taken back", "daemon")
    assert glass.closed_at is None, "two others must still look at it"
    assert deployments.list_holds(example.services, example.actor("vera"))


def test_two_others_let_it_stand(example: Example) -> None:
    break_it(example)
    assert review(example, "pat").closed_at is None
    glass = review(example, "pia")
    assert glass.closed_at is not None
    assert glass.state == "kept"
    example.pass_time(days=30)
    assert break_glass.take_back_expired(example.services) == []
    assert live(example) == {"ewr": 2, "jfk": 2}
    with pytest.raises(ConflictError, match="closed"):
        break_glass.review(example.services, example.actor("ada"), 1, Review.KEEP, "late")


def test_one_review_alone_does_not_let_it_stand(example: Example) -> None:
    break_it(example)
    review(example, "pat")
    example.pass_time(days=1)
    break_glass.take_back_expired(example.services)
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_who_says_take_back_goes_back_at_once(example: Example) -> None:
    break_it(example)
    glass = review(example, "pat", Review.TAKE_BACK)
    assert live(example) == {"ewr": 1, "jfk": 1}
    assert glass.closed_at is None
    assert review(example, "pia").closed_at is not None
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_who_broke_it_does_not_review_it_under_any_name(example: Example) -> None:
    break_it(example, "pat")
    with pytest.raises(NotAllowedError, match="two others"):
        review(example, "pat")
    workspaces.grant_role(example.services, example.actor("ada"), "patricia", Role.APPROVER)
    person_records.join(example.services, example.actor("ada"), "pat", "patricia", "one person")
    with pytest.raises(NotAllowedError, match="two others"):
        review(example, "patricia")


def test_nobody_reviews_it_twice(example: Example) -> None:
    break_it(example)
    review(example, "pat")
    with pytest.raises(NotAllowedError, match="another person is needed"):
        review(example, "pat")


def test_what_was_deployed_since_is_left_alone(example: Example) -> None:
    break_it(example)
    example.add_version(incumbents=(2,))
    request = promotions.request_promotion(
        example.services, example.actor("sam"), "delay/3", ["jfk"], reason="regular"
    )
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    example.pass_time(hours=5)
    break_glass.take_back_expired(example.services)
    assert live(example) == {"ewr": 1, "jfk": 3}


def test_the_table_itself_wants_two_others(example: Example) -> None:
    break_it(example)
    review(example, "pat")
    with (
        example.services.registry.transaction() as connection,
        pytest.raises(driver.IntegrityError, match="closed by two others"),
    ):
        connection.execute("UPDATE broken_glass SET closed_at = recorded_at")


def test_one_that_is_not_there_is_named(example: Example) -> None:
    with pytest.raises(NotFoundError, match="break-glass 1"):
        review(example, "pat")


def test_what_one_person_put_live_is_nothing_to_go_back_to(example: Example) -> None:
    break_it(example, lasts=timedelta(minutes=5))
    example.add_version(incumbents=(2,))
    break_glass.break_glass(
        example.services, example.actor("oscar"), "delay/3", reason="still", lasts=timedelta(minutes=10)
    )
    example.pass_time(minutes=6)
    break_glass.take_back_expired(example.services)
    assert live(example) == {"ewr": 3, "jfk": 3}
    example.pass_time(minutes=6)
    break_glass.take_back_expired(example.services)
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_a_roll_back_passes_over_what_one_person_put_live(example: Example) -> None:
    break_it(example)
    review(example, "pat", Review.TAKE_BACK)
    review(example, "pia", Review.TAKE_BACK)
    example.add_version(incumbents=(1,))
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/3", reason="better")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="worse")
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_a_roll_back_goes_to_what_two_others_let_stand(example: Example) -> None:
    break_it(example)
    review(example, "pat")
    review(example, "pia")
    example.add_version(incumbents=(2,))
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/3", reason="better")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="worse")
    assert live(example) == {"ewr": 2, "jfk": 2}


def test_names_that_turn_out_to_be_one_person_count_once(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.grant_role(example.services, ada, "oscar2", Role.APPROVER)
    break_it(example)
    review(example, "oscar2")
    person_records.join(example.services, ada, "oscar", "oscar2", "one person")
    glass = review(example, "pat")
    assert glass.closed_at is None
    assert "who broke the glass, are one person" in glass.reviews[0].void
    assert review(example, "pia").state == "kept"


def test_a_review_by_somebody_who_may_no_longer_does_not_count(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "pol", Role.APPROVER)
    break_it(example)
    review(example, "pol")
    workspaces.revoke_role(example.services, example.actor("ada"), "pol", Role.APPROVER)
    assert review(example, "pat").closed_at is None
    assert review(example, "pia").closed_at is not None


def test_who_trained_it_does_not_let_it_stand(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "sam", Role.APPROVER)
    break_it(example)
    with pytest.raises(NotAllowedError, match="four eyes"):
        review(example, "sam")
    review(example, "sam", Review.TAKE_BACK)
    assert live(example) == {"ewr": 1, "jfk": 1}


def test_nobody_lets_stand_what_has_run_out_while_the_daemon_was_away(example: Example) -> None:
    break_it(example)
    example.pass_time(days=2)
    assert review(example, "pat").state == "taken back"
    assert live(example) == {"ewr": 1, "jfk": 1}
    assert review(example, "pia").state == "taken back"


def test_two_that_run_out_at_once_are_both_taken_back(example: Example) -> None:
    for target in ("ewr", "jfk"):
        break_it(example, targets=[target], lasts=timedelta(minutes=5))
    example.pass_time(minutes=6)
    assert [glass.id for glass in break_glass.take_back_expired(example.services)] == [1, 2]
    assert live(example) == {"ewr": 1, "jfk": 1}
    assert audits.differing_rows(example.services, example.actor("aud")) == []


def test_one_that_was_rolled_back_by_hand_is_no_longer_live(example: Example) -> None:
    glass = break_it(example, targets=["jfk"])
    assert glass.live_on == ("jfk",)
    deployments.roll_back(example.services, example.actor("oscar"), "delay", ["jfk"], reason="worse")
    (found,) = break_glass.list_broken(example.services, example.actor("vera"))
    assert found.live_on == ()
    assert "by oscar no longer live, 0 of 2" in glass_text(found)


def ask_for(example: Example, component: Component) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), signature=component, reason="a bank"
    )


def test_a_policy_that_asks_for_a_passphrase_asks_whoever_breaks_the_glass(example: Example) -> None:
    ask_for(example, Component.PASSPHRASE)
    oscar = example.actor("oscar")
    passphrases.set_passphrase(example.services, oscar, "a long enough one")
    assert break_glass.asked_component(example.services, oscar, "delay/2") is Component.PASSPHRASE
    with pytest.raises(NotAllowedError, match="needs a passphrase, as each decision does"):
        break_it(example)
    with pytest.raises(NotAllowedError, match="wrong passphrase"):
        break_it(example, component=Passphrase("another one entirely"))
    assert live(example) == {"ewr": 1, "jfk": 1}

    glass = break_it(example, component=Passphrase("a long enough one"))

    assert glass.signature is not None
    assert glass.signature.kind is Component.PASSPHRASE
    assert MEANING in glass.signature.statement
    assert "oscar broke it with a passphrase" in signed_text(glass)
    (entry,) = [one for one in audits.show(example.services, oscar) if one.action == "glass.broken"]
    assert entry.detail["second_component"]["kind"] == "passphrase"


def test_a_policy_that_asks_for_a_key_takes_the_persons_own_over_this_very_thing(
    example: Example,
) -> None:
    ask_for(example, Component.KEY)
    services, ada, oscar = example.services, example.actor("ada"), example.actor("oscar")
    keys = {"oscar": SoftKey(), "pat": SoftKey()}
    for name, soft in keys.items():
        users.add_user(services, ada, name)
        users.add_key(services, ada, name, read_key(soft.line), users.KeyTerms())
    emergency = Emergency("delay/2", ("ewr",), "all delays are 0")
    printed = glass_components.print_glass_statement(services, oscar, emergency).text.encode()

    def sign(data: bytes, who: str = "oscar") -> Signed:
        return Signed(keys[who].sshsig(data), data)

    for component, why in (
        (None, "needs a signature by an SSH key"),
        (sign(printed, "pat"), "names the key"),
        (sign(printed.replace(b'"ewr"', b'"jfk"')), "it is for the targets"),
        (sign(printed.replace(b"delays are 0", b"delays are 1")), "its reason is"),
        (sign(printed.replace(b'"seconds":14400', b'"seconds":259200')), "it lasts"),
        (Signed(keys["oscar"].sshsig(printed)), "without its statement"),
        (sign(b'{"form":"pilothouse/break-glass/1"}'), "is none of breaking the glass"),
    ):
        with pytest.raises((NotAllowedError, InvalidInputError), match=why):
            break_it(example, targets=["ewr"], component=component)
    glass = break_it(example, targets=["ewr"], component=sign(printed))
    assert glass.signature is not None
    assert glass.signature.fingerprint == keys["oscar"].public.fingerprint
    assert signature_checks.examine(services, ada) == "1 signature of a decision holds"
    deployments.roll_back(services, oscar, "delay", ["ewr"], reason="over")
    with pytest.raises(ConflictError):  # the same signature does not serve twice
        break_it(example, targets=["ewr"], component=sign(printed))


def test_the_table_itself_wants_the_component(example: Example) -> None:
    ask_for(example, Component.PASSPHRASE)
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/2")
    with (
        pytest.raises(ConflictError, match="a second component of breaking the glass"),
        example.services.registry.transaction() as connection,
    ):
        broken_glass.add(
            connection,
            model="delay",
            request_id=request.id,
            by="oscar",
            reason="night",
            at=example.time,
            expires_at=example.time + timedelta(hours=1),
        )


def test_what_it_supersedes_is_named_and_on_record(example: Example) -> None:
    broader = promotions.request_promotion(example.services, example.actor("sam"), "delay/2")
    glass = break_it(example, targets=["ewr"])
    assert glass.superseded == (broader.id,)
    assert superseded_text(glass).startswith(f"it superseded request {broader.id}, which was open")
    (entry,) = [
        one for one in audits.show(example.services, example.actor("aud")) if one.action == "glass.broken"
    ]
    assert entry.detail["superseded"] == [broader.id]


def test_a_review_that_is_due_waits_for_who_may_review(example: Example) -> None:
    def waits(name: str) -> list[int]:
        items = request_lists.waiting_items(example.services, example.actor(name))
        assert items.by_model == request_lists.count_items(example.services, example.actor(name))
        return [one.id for one in items.reviews]

    glass = break_it(example, "pia")
    assert {name: waits(name) for name in ("pat", "pia", "ada", "oscar", "vera")} == {
        "pat": [1], "pia": [], "ada": [1], "oscar": [], "vera": [],
    }  # fmt: skip
    page, mine = request_lists.requests_page(
        example.services, example.actor("pat"), Query(where=request_lists.OPEN)
    )
    assert [one.id for one in page.rows] == [glass.request_id]
    assert mine == {glass.request_id}
    review(example, "pat")
    assert (waits("pat"), waits("ada")) == ([], [1])
    review(example, "ada")
    assert waits("ada") == []
