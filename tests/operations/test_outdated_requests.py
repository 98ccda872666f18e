"""Open requests that can no longer be decided: how that is known, whom it concerns no more, and how it is asked anew."""

import itertools

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, NotAllowedError
from pilothouse.domain.identity.roles import Permission, Role
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.promotion.request_rules import RequestAct, obstacle_to, state_of
from pilothouse.domain.promotion.request_standing import RequestState, changes_text, ends_text
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.fleet import fleet, health
from pilothouse.operations.promotion import deployments, promotions, request_lists
from pilothouse.operations.workspace import workspaces
from pilothouse.store.promotion import requests

PEOPLE = ("ada", "oscar", "pat", "pia", "sam", "vera")


def ask(example: Example, reference: str, name: str = "sam", **rest: object) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor(name), reference, **rest)  # type: ignore[arg-type]


def sign(example: Example, request: PromotionRequest, name: str = "pat") -> PromotionRequest:
    return promotions.approve(example.services, example.actor(name), request.id, request.evidence_digest)


def read(example: Example, number: int) -> PromotionRequest:
    return promotions.get_request(example.services, example.actor("vera"), number)


def waiting(example: Example, name: str = "pat") -> list[int]:
    return [request.id for request in promotions.waiting_for(example.services, example.actor(name))]


def file_copies(example: Example, number: int, count: int) -> None:
    """More open requests like the one of that number, each for the next target."""
    with example.services.registry.transaction() as connection:
        columns = (
            "model_id, version_id, requested_by, trained_by, reason, recorded_at, expires_at, policy, policy_digest, "
            "evidence, evidence_digest"
        )
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"INSERT INTO promotion_requests (id, {columns}) SELECT r.id + n.i, {columns} "
            "FROM n, promotion_requests r WHERE r.id = ?",
            (count, number),
        )
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id) SELECT r.id, r.model_id, "
            "(SELECT mt.target_id FROM model_targets mt WHERE mt.model_id = r.model_id AND mt.position = r.id - ?) "
            "FROM promotion_requests r WHERE r.id > ?",
            (number, number),
        )


def outdate(example: Example) -> PromotionRequest:
    """A request of version 3 that compares with version 2, in whose place version 1 is live again on both targets."""
    for number in (1, 2):
        example.add_version()
        sign(example, ask(example, f"delay/{number}"))
    example.add_version()
    request = ask(example, "delay/3", reason="summer rows")
    example.pass_time(hours=1)
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")
    return request


def test_a_request_whose_incumbent_changed_waits_for_nobody_and_says_what_changed(example: Example) -> None:
    request = outdate(example)

    shown = read(example, request.id)

    assert state_of(shown, example.time) is RequestState.OUTDATED
    assert (
        changes_text(shown.outdated_by, shown.version)
        == "compared with v2 on ewr, jfk; v1 is live there since 2026-05-03"
    )
    assert waiting(example) == []
    assert promotions.count_waiting(example.services, example.actor("pat")) == {}
    (row,) = health.overview(example.services, example.actor("pat"))
    assert (row.waiting_for_me, row.open_requests) == (0, 0)
    assert fleet.fleet(example.services, example.actor("pat")).roll_outs == ()
    page, mine = request_lists.requests_page(
        example.services, example.actor("pat"), Query(where=request_lists.OPEN)
    )
    assert ([r.id for r in page.rows], mine) == ([request.id], frozenset())
    with pytest.raises(ConflictError, match=r"request 3 is outdated.*request --again 3"):
        sign(example, request)


def test_a_request_holds_again_once_what_it_compares_with_is_live_again(example: Example) -> None:
    request = outdate(example)
    example.pass_time(hours=1)
    second = ask(example, "delay/2", targets=["ewr"])
    assert read(example, request.id).status is RequestStatus.SUPERSEDED
    third = ask(example, "delay/3", targets=["jfk"])
    sign(example, second)

    assert read(example, third.id).outdated_by == ()
    assert waiting(example) == [third.id]


def test_a_change_on_one_of_many_targets_is_enough_and_is_named(example: Example) -> None:
    for number in (1, 2):
        example.add_version()
        sign(example, ask(example, f"delay/{number}"))
    example.add_version()
    request = ask(example, "delay/3")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", targets=["jfk"], reason="slow")

    shown = read(example, request.id)

    assert changes_text(shown.outdated_by, 3) == "compared with v2 on jfk; v1 is live there since 2026-05-03"


def test_a_request_for_a_target_that_is_gone_waits_no_more(example: Example) -> None:
    example.add_version()
    request = ask(example, "delay/1")
    example.apply(targets=[{"name": "ewr"}])

    shown = read(example, request.id)

    assert changes_text(shown.outdated_by, 1) == "the model file names jfk no more"
    assert waiting(example) == []
    again = promotions.request_again(example.services, example.actor("sam"), request.id)
    assert (again.targets, waiting(example)) == (("ewr",), [again.id])


def test_one_that_is_live_already_says_so(example: Example) -> None:
    example.add_version()
    example.add_version()
    sign(example, ask(example, "delay/1", targets=["ewr"]))
    sign(example, ask(example, "delay/2", targets=["ewr"]))
    request = ask(example, "delay/1", targets=["ewr"])
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    assert (
        changes_text(read(example, request.id).outdated_by, 1) == "v1 is live on ewr already since 2026-05-03"
    )
    with pytest.raises(ConflictError, match="is live already on ewr"):
        promotions.request_again(example.services, example.actor("sam"), request.id)
    assert read(example, request.id).status is RequestStatus.OPEN


def test_asking_anew_supersedes_in_one_transaction_with_fresh_evidence(example: Example) -> None:
    request = outdate(example)

    again = promotions.request_again(example.services, example.actor("oscar"), request.id)

    assert read(example, request.id).status is RequestStatus.SUPERSEDED
    assert (again.status, again.targets, again.reason) == (RequestStatus.OPEN, ("ewr", "jfk"), "summer rows")
    assert again.evidence["incumbents"] == {"ewr": 1, "jfk": 1}
    assert (again.requested_by, again.version) == ("oscar", 3)
    assert waiting(example) == [again.id]
    assert sign(example, again).status is RequestStatus.DEPLOYED


def test_a_version_that_was_never_compared_with_what_is_live_now_is_not_asked_for_anew(
    example: Example,
) -> None:
    for number in (1, 2):
        example.add_version()
        sign(example, ask(example, f"delay/{number}"))
    example.add_version(incumbents=(2,))
    request = ask(example, "delay/3")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    with pytest.raises(ConflictError, match=r"was not compared with version 1.*train again"):
        promotions.request_again(example.services, example.actor("sam"), request.id)

    assert read(example, request.id).status is RequestStatus.OPEN


def test_four_eyes_count_who_asked_anew(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "oscar", Role.APPROVER)
    request = outdate(example)
    again = promotions.request_again(example.services, example.actor("oscar"), request.id)

    with pytest.raises(NotAllowedError, match=r"oscar requested .* four eyes"):
        sign(example, again, "oscar")


def test_who_may_not_request_may_not_ask_anew(example: Example) -> None:
    request = outdate(example)

    with pytest.raises(
        NotAllowedError, match=r"vera may not ask anew for request 3 of delay: it needs the role"
    ):
        promotions.request_again(example.services, example.actor("vera"), request.id)


def test_a_request_that_holds_is_not_asked_anew_and_one_that_is_decided_is_not_either(
    example: Example,
) -> None:
    example.add_version()
    request = ask(example, "delay/1")
    sam = example.actor("sam")
    with pytest.raises(ConflictError, match="nothing needs asking anew"):
        promotions.request_again(example.services, sam, request.id)
    promotions.reject(example.services, example.actor("pat"), request.id, "too few rows")
    with pytest.raises(ConflictError, match="rejected already"):
        promotions.request_again(example.services, sam, request.id)


def test_an_expired_and_a_withdrawn_request_can_be_asked_anew(example: Example) -> None:
    example.add_version()
    first = ask(example, "delay/1", reason="the first")
    example.pass_time(days=8)
    assert state_of(read(example, first.id), example.time) is RequestState.EXPIRED
    assert waiting(example) == []
    second = promotions.request_again(example.services, example.actor("sam"), first.id)
    assert (second.reason, read(example, first.id).status) == ("the first", RequestStatus.SUPERSEDED)
    promotions.withdraw(example.services, example.actor("sam"), second.id)

    third = promotions.request_again(example.services, example.actor("sam"), second.id)

    assert (third.status, read(example, second.id).status) == (RequestStatus.OPEN, RequestStatus.WITHDRAWN)


def test_an_outdated_request_does_not_keep_the_daemon_from_retraining(example: Example) -> None:
    example.add_version()
    request = ask(example, "delay/1")
    with example.services.registry.read() as connection:
        assert requests.newest_decidable(connection, "delay", example.time) == request.id
    sign(example, request)
    example.add_version()
    sign(example, ask(example, "delay/2"))
    example.add_version()
    ask(example, "delay/3")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")

    with example.services.registry.read() as connection:
        assert requests.newest_decidable(connection, "delay", example.time) is None


def test_what_waits_by_sql_is_what_the_rule_says_of_each_request(example: Example) -> None:
    workspaces.grant_role(example.services, example.actor("ada"), "sam", Role.APPROVER)
    for name, four_eyes, approvals in (("delay", True, 2), ("other", False, 2), ("third", True, 1)):
        example.apply(name, promotion={"four_eyes": four_eyes, "approvals": approvals})
        example.add_version(name, by="oscar" if name == "other" else "sam")
    workspaces.grant_role(example.services, example.actor("ada"), "vera", Role.APPROVER, model="other")
    for name, person in (("delay", "sam"), ("other", "sam"), ("third", "oscar")):
        ask(example, name, person, targets=["ewr"])
        ask(example, name, person, targets=["jfk"])
    for number in (1, 3):
        sign(example, read(example, number), "pia")
    sign(example, read(example, 6), "pat")
    promotions.reject(example.services, example.actor("pat"), 2, "no")

    for days, name in itertools.product((0, 9), PEOPLE):
        if days:
            example.pass_time(days=days)
        actor = example.actor(name)
        by_rule = [
            number
            for number in range(1, 7)
            if (request := read(example, number)).status is RequestStatus.OPEN
            and actor.allows(Permission.DECIDE, request.model)
            and obstacle_to(RequestAct.APPROVE, request, actor, example.time) is None
        ]
        assert waiting(example, name) == by_rule, name
        if name == "pia" and not days:
            assert by_rule == [4, 5]


def test_the_list_is_whole_however_many_are_open_and_those_that_wait_come_first(example: Example) -> None:
    example.apply(targets=[{"name": f"t{number:03d}"} for number in range(521)])
    example.apply("mine", targets=[{"name": "t000"}])
    example.add_version()
    example.add_version("mine")
    oldest = ask(example, "mine")
    workspaces.grant_role(example.services, example.actor("ada"), "vera", Role.APPROVER, model="mine")
    ask(example, "delay/1", targets=["t000"])
    file_copies(example, 2, 519)

    vera = example.actor("vera")
    page, mine = request_lists.requests_page(example.services, vera, Query(where=request_lists.OPEN, after=3))
    assert (page.total, [r.id for r in page.rows], mine) == (521, [oldest.id, 521, 520], {oldest.id})
    last, _ = request_lists.requests_page(
        example.services, vera, Query(where=request_lists.OPEN, after=2, from_end=True)
    )
    assert [r.id for r in last.rows] == [3, 2]
    assert len(promotions.list_requests(example.services, vera)) == 521
    assert len(waiting(example)) == 521
    found, _ = request_lists.requests_page(
        example.services, vera, Query(parse_filter("targets=t00* waits!=you"), after=50)
    )
    assert found.total == 10
    for name in ("status", "approved", "model", "version", "by", "asked", "expires", "reason", "targets"):
        sorted_page, _ = request_lists.requests_page(example.services, vera, Query(sort=name, after=5))
        assert sorted_page.total == 521


def test_requests_are_found_by_the_state_in_which_they_are_shown(example: Example) -> None:
    request = outdate(example)
    pat = example.actor("pat")

    def found(typed: str, **rest: object) -> list[int]:
        query = Query(parse_filter(typed), **rest)  # type: ignore[arg-type]
        return [r.id for r in request_lists.requests_page(example.services, pat, query)[0].rows]

    assert found("status=outdated") == [request.id]
    assert found("status=open") == []
    assert found("status=deployed") == [1]
    assert found("status=rolled*") == [2]
    assert found("", unhealthy=True) == [request.id]


def test_a_deployed_request_says_that_its_version_was_rolled_back_or_replaced_since(example: Example) -> None:
    vera = example.actor("vera")
    for number in (1, 2):
        example.add_version()
        sign(example, ask(example, f"delay/{number}"))
        example.pass_time(hours=1)

    def shown() -> list[str]:
        listed = request_lists.requests_page(example.services, vera, Query())[0].rows
        by_state = request_lists.requests_page(example.services, vera, Query(sort="status"))[0].rows
        states = {r.id: state_of(r, example.time) for r in listed}
        assert states == {r.id: state_of(read(example, r.id), example.time) for r in by_state}
        for state in RequestState:  # SQL finds what the rule says
            found = request_lists.requests_page(example.services, vera, Query(where=(("status", state),)))[0]
            assert {r.id for r in found.rows} == {n for n, known in states.items() if known is state}
        return [str(states[number]) for number in sorted(states)]

    assert shown() == ["replaced", "deployed"]
    deployments.roll_back(example.services, example.actor("oscar"), "delay", ["jfk"], reason="slow there")
    assert shown() == ["deployed", "deployed"], "each is live on one target"
    second = read(example, 2)
    assert ends_text(second.ended_by).startswith("rolled back on jfk ")
    assert ends_text(second.ended_by).endswith(" by oscar, v1 went live")
    deployments.roll_back(example.services, example.actor("oscar"), "delay", ["ewr"], reason="slow")
    assert shown() == ["deployed", "rolled back"]
    assert read(example, 1).ended_by == ()
    assert {end.target for end in read(example, 2).ended_by} == {"ewr", "jfk"}


def test_a_rolled_back_request_stays_so_when_another_request_puts_its_version_live(example: Example) -> None:
    for number in (1, 2):
        example.add_version()
        sign(example, ask(example, f"delay/{number}"))
        example.pass_time(hours=1)
    deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="slow")
    example.pass_time(hours=1)

    def shown(number: int) -> tuple[RequestState, list[int]]:
        state = state_of(read(example, number), example.time)
        query = Query(where=(("status", str(state)),))
        found = request_lists.requests_page(example.services, example.actor("vera"), query)[0]
        return state, [one.id for one in found.rows]

    assert shown(2) == (RequestState.ROLLED_BACK, [2])
    sign(example, ask(example, "delay/2", "oscar"))
    assert shown(2) == (RequestState.ROLLED_BACK, [2])
    assert shown(3) == (RequestState.DEPLOYED, [3])
    assert shown(1) == (RequestState.REPLACED, [1])
    assert [end.how for end in read(example, 2).ended_by] == ["rolled back", "rolled back"]
