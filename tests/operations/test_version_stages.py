"""Where versions stand in their life: after each act, in every list, in SQL as in the rule."""

import contextlib
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.registries import START, Example, raised
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.models.version_stage import Standing, VersionStage, standing_of
from pilothouse.domain.records import PromotionRequest, Version
from pilothouse.operations import catalogue, listings
from pilothouse.operations.alerts import incidents
from pilothouse.operations.jobs import jobs
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.presentation.tables.incidents import next_steps
from pilothouse.presentation.version_texts import advice, history_note, standing_text

Stage = VersionStage


def ask(example: Example, number: int, **rest: object) -> PromotionRequest:
    return promotions.request_promotion(example.services, example.actor("sam"), f"delay/{number}", **rest)  # type: ignore[arg-type]


def promote(example: Example, number: int, **rest: object) -> None:
    request = ask(example, number, **rest)
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def roll_back(example: Example, targets: list[str] | None = None) -> None:
    deployments.roll_back(example.services, example.actor("oscar"), "delay", targets, "too slow")


def versions(example: Example) -> list[Version]:
    return catalogue.list_versions(example.services, example.actor("vera"), "delay")


def stages(example: Example) -> list[str]:
    """Stages of versions 1, 2, …; the same in the pages of the list, whole and by filter."""
    by_number = {version.number: version.standing.stage for version in versions(example)}
    vera = example.actor("vera")
    page = listings.versions_page(example.services, vera, Query(after=100))
    assert {version.number: version.standing.stage for version in page.rows} == by_number
    for stage in Stage:
        word = str(stage).partition(" ")[0]
        found = listings.versions_page(
            example.services, vera, Query(parse_filter(f"stage={word}*"), after=100)
        )
        assert {v.number for v in found.rows} == {n for n, s in by_number.items() if s is stage}, stage
    return [str(by_number[number]) for number in sorted(by_number)]


def standing(example: Example, number: int) -> Standing:
    return catalogue.get_version(example.services, example.actor("vera"), f"delay/{number}").standing


def test_a_version_goes_from_candidate_to_rolled_back_and_each_stage_has_its_person_and_time(
    example: Example,
) -> None:
    example.add_version()
    assert standing(example, 1) == Standing(Stage.CANDIDATE, "sam", START)
    example.pass_time(hours=1)
    request = ask(example, 1, reason="the first")
    assert standing(example, 1) == Standing(
        Stage.REQUESTED, "sam", START + timedelta(hours=1), request.id, "the first"
    )
    example.pass_time(hours=1)
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest, "fine")
    assert standing(example, 1) == Standing(Stage.LIVE, "pat", START + timedelta(hours=2), 1, "fine")
    example.add_version()
    promote(example, 2)
    assert (standing(example, 1).stage, standing(example, 1).by) == (Stage.REPLACED, "pat")
    example.pass_time(hours=1)
    roll_back(example)
    assert standing(example, 2) == Standing(
        Stage.ROLLED_BACK, "oscar", START + timedelta(hours=3), None, "too slow"
    )
    assert stages(example) == ["live", "rolled back"]


def test_a_rejected_version_says_who_rejected_it_and_why_until_something_comes_of_it(
    example: Example,
) -> None:
    example.add_version()
    request = ask(example, 1)
    promotions.reject(example.services, example.actor("pat"), request.id, "too few rows at JFK")
    assert standing(example, 1) == Standing(Stage.REJECTED, "pat", START, request.id, "too few rows at JFK")
    promote(example, 1)
    assert stages(example) == ["live"]


def test_a_withdrawn_request_leaves_a_candidate(example: Example) -> None:
    example.add_version()
    request = ask(example, 1)
    promotions.withdraw(example.services, example.actor("sam"), request.id, "wrong one")
    assert stages(example) == ["candidate"]


def test_a_version_whose_open_request_is_outdated_says_so(example: Example) -> None:
    for number in (1, 2):
        example.add_version()
        promote(example, number)
    example.add_version()
    ask(example, 3)
    assert not standing(example, 3).outdated
    roll_back(example)
    assert (standing(example, 3).stage, standing(example, 3).outdated) == (Stage.REQUESTED, True)
    assert advice(3, standing(example, 3)) == "Ask anew for version 3: request 3 is outdated."


def test_what_was_never_live_is_retired_once_a_newer_one_has_been(example: Example) -> None:
    for passed in (True, False, True, True, True):
        example.add_version(passed=passed)
    promotions.reject(example.services, example.actor("pat"), ask(example, 3).id, "no")
    assert stages(example) == ["candidate", "refused", "rejected", "candidate", "candidate"]
    promote(example, 4)
    assert stages(example) == ["retired", "refused", "rejected", "live", "candidate"]
    assert standing(example, 1).by == "pat"


def test_live_on_one_target_is_live_whatever_happened_on_another(example: Example) -> None:
    for _ in range(3):
        example.add_version()
    promote(example, 1)
    promote(example, 2)
    promote(example, 3, targets=["jfk"])
    assert stages(example) == ["replaced", "live", "live"]
    ask(example, 1, targets=["jfk"])
    assert stages(example) == ["requested", "live", "live"]
    example.pass_time(hours=1)
    roll_back(example, ["ewr"])
    assert stages(example) == ["live", "rolled back", "live"]


@pytest.mark.parametrize("seed", range(12))
def test_the_stage_by_sql_is_the_stage_by_the_rule_after_any_history(example: Example, seed: int) -> None:
    dice = random.Random(seed)
    services, pat = example.services, example.actor("pat")
    for _ in range(40):
        example.pass_time(hours=dice.choice((0, 1)))
        act = dice.choice(("train", "ask", "approve", "reject", "withdraw", "roll back"))
        targets = dice.choice((None, ["ewr"], ["jfk"]))
        waiting = promotions.waiting_for(services, pat)
        with contextlib.suppress(PilothouseError):
            if act == "train":
                example.add_version(passed=dice.random() < 0.8)
            elif act == "ask":
                ask(example, dice.randint(1, 8), targets=targets)
            elif act == "roll back":
                roll_back(example, targets)
            elif waiting and act == "approve":
                promotions.approve(services, pat, waiting[0].id, waiting[0].evidence_digest)
            elif waiting and act == "reject":
                promotions.reject(services, pat, waiting[0].id, "no")
            elif waiting:
                promotions.withdraw(services, example.actor("ada"), waiting[0].id)
    example.add_version()
    stages(example)
    by_stage = listings.versions_page(services, pat, Query(sort="stage", after=100)).rows
    assert [v.standing.stage for v in by_stage] == sorted(v.standing.stage for v in by_stage)


@pytest.mark.parametrize(
    ("standing", "text", "step", "note"),
    [
        (Standing(Stage.CANDIDATE, "sam", START), "candidate, trained 2026-05-03 12:00 by sam",
         "Look at version 5 that job 7 trained: compare it, ask for its promotion.", ""),
        (Standing(Stage.REFUSED, "sam", START), "refused, trained 2026-05-03 12:00 by sam",
         "Look at version 5 that job 7 trained: a gate refused it, so it cannot be promoted; see which, and train again.", ""),
        (Standing(Stage.REQUESTED, "sam", START, 9, "x"), "requested 2026-05-03 12:00 by sam (request 9): x",
         "Decide request 9, which asks for the promotion of version 5 that job 7 trained.",
         "Request 9 of it is open, since 2026-05-03, made by sam."),
        (Standing(Stage.REJECTED, "pat", START, 9, "too few"), "rejected 2026-05-03 12:00 by pat (request 9): too few",
         "See why version 5 that job 7 trained was rejected by pat on 2026-05-03 (request 9): too few, and train again.",
         "It was rejected by pat on 2026-05-03 (request 9): too few."),
        (Standing(Stage.LIVE, "pat", START), "live, activated 2026-05-03 12:00 by pat",
         "See whether version 5 that job 7 trained does better: it is live since 2026-05-03.", ""),
        (Standing(Stage.ROLLED_BACK, "olga", START, None, "slow"), "rolled back 2026-05-03 12:00 by olga: slow",
         "See why version 5 that job 7 trained was rolled back by olga on 2026-05-03: slow, and train again.",
         "It was rolled back by olga on 2026-05-03: slow."),
        (Standing(Stage.RETIRED, "pat", START, 9), "retired, a newer version went live 2026-05-03 12:00 by pat (request 9)",
         "Nothing is to be done with version 5 that job 7 trained: a newer one has been live since.", None),
    ],
)  # fmt: skip
def test_texts_and_advice_follow_the_stage(
    standing: Standing, text: str, step: str, note: str | None
) -> None:
    assert standing_text(standing) == text
    assert advice(5, standing, "that job 7 trained") == step
    assert note is None or history_note(standing) == note


def test_the_next_step_of_an_incident_follows_the_stage_of_the_version_trained_for_it(
    example: Example,
) -> None:
    example.add_version()
    vera = example.actor("vera")
    incident = incidents.get_incident(example.services, vera, raised(example, "performance").incident or 0)
    (job,) = jobs.list_jobs(example.services, vera)
    trained = replace(job, status=JobStatus.SUCCEEDED, version=1)

    def step() -> str:
        standings = catalogue.standings(example.services, vera, "delay", [1, 99])
        return next(next_steps(incident, [trained], standings))

    assert step() == "Look at version 1 that job 1 trained for this: compare it, ask for its promotion."
    request = ask(example, 1)
    assert step().startswith("Decide request 1, which asks")
    promotions.reject(example.services, example.actor("pat"), request.id, "too few")
    assert step() == (
        "See why version 1 that job 1 trained for this was rejected by pat on 2026-05-03 (request 1): too few, and train again."
    )


def test_the_last_of_what_is_over_counts() -> None:
    day = timedelta(days=1)
    trained = Standing(Stage.CANDIDATE, "sam", START)
    rejected = Standing(Stage.REJECTED, "pat", START + 3 * day)
    replaced = Standing(Stage.REPLACED, "pia", START + 2 * day)
    assert standing_of([trained, replaced, rejected]) is rejected
    assert standing_of([trained, rejected, Standing(Stage.ROLLED_BACK, "pia", START + 4 * day)]).by == "pia"
    assert standing_of([trained]) is trained
    assert standing_of([Standing(Stage.REFUSED), rejected]).stage is Stage.REFUSED
