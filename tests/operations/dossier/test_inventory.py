"""Inventory of models: when a review is due, who records it, and what a retired model takes."""

from typing import Any

import pytest

from fixtures.registries import ADMIN, Example, plain_spec
from pilothouse.domain.audit.inventory import InventoryEntry, ReviewOutcome
from pilothouse.domain.errors import InvalidInputError, ModelFileError, ModelRetiredError, NotAllowedError
from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.models.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.authorisation import changing
from pilothouse.operations.automation import schedules
from pilothouse.operations.dossier import inventory
from pilothouse.operations.identity import permissions
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import break_glass, promotions
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.presentation.tables.inventory_rows import inventory_csv

SAID: dict[str, Any] = {
    "risk_tier": "high",
    "validator": "pat",
    "next_review": "2026-06-01",
    "limits": ["no snow"],
}


def _entry(example: Example, model: str = "delay") -> InventoryEntry:
    entries = inventory.list_inventory(example.services, example.actor("vera"))
    return next(entry for entry in entries if entry.model == model)


def _review(
    example: Example, by: str = "pat", outcome: ReviewOutcome = ReviewOutcome.FIT, **of: Any
) -> InventoryEntry:
    given = {"next_review": "2027-06-01", "reason": "looked at the slices", **of}
    return inventory.review(example.services, example.actor(by), "delay", outcome, **given)


def test_a_review_is_due_from_its_day_on_until_it_is_recorded(example: Example) -> None:
    example.apply(inventory=SAID)
    assert (_entry(example).due, _entry(example).open_items) == ("2026-06-01", ())
    example.pass_time(days=29)  # 1 June
    assert [entry.open_items for entry in inventory.open_items(example.services, example.actor("vera"))] == [
        ("review due since 2026-06-01",)
    ]
    after = _review(example)
    assert (after.due, after.open_items) == ("2027-06-01", ())
    assert inventory.open_items(example.services, example.actor("vera")) == []
    newest = audits.show(example.services, example.actor("aud"), limit=1)[0]
    assert newest.detail["before"] == {"due": "2026-06-01", "outcome": None}


def test_the_date_that_was_said_later_counts(example: Example) -> None:
    example.apply(inventory=SAID)
    example.pass_time(days=1)
    _review(example)
    example.apply(inventory=SAID, description="other words")  # the same date as before
    assert _entry(example).due == "2027-06-01"
    example.pass_time(days=1)
    example.apply(inventory={**SAID, "next_review": "2026-09-01"})
    assert _entry(example).due == "2026-09-01"


def test_the_named_validator_reviews_and_nobody_else(example: Example) -> None:
    example.apply(inventory=SAID)
    with pytest.raises(NotAllowedError, match="names pat as its validator"):
        _review(example, by="pia")
    with pytest.raises(NotAllowedError, match="sam may not record a review of delay"):
        _review(example, by="sam")
    assert _review(example).review is not None


def test_the_owner_does_not_review_where_four_eyes_holds(example: Example) -> None:
    example.apply(owner="pat")
    with pytest.raises(NotAllowedError, match="pat owns delay"):
        _review(example)
    said = permissions.explain(example.services, example.actor("ada"), "pat", "review", "delay")
    assert (said.allowed, "pat owns delay" in said.sentence) == (False, True)


def test_whether_somebody_can_review_takes_the_validator_into_account(example: Example) -> None:
    example.apply(inventory={"validator": "pia"})
    ada = example.actor("ada")
    for name, may in (("pia", True), ("pat", False), ("vera", False)):
        assert permissions.explain(example.services, ada, name, "review", "delay").allowed is may, name
    said = permissions.explain(example.services, ada, "pat", "review", "delay").sentence
    assert said.endswith("its model file names pia as its validator")
    assert permissions.explain(example.services, ada, "pat", "review").allowed, "of no model in particular"
    assert _review(example, by="pia").review is not None
    with pytest.raises(ModelFileError, match="'Pat' is the owner too"):
        spec_from_plain(plain_spec(owner="pat", inventory={"validator": "Pat"}))


def test_an_unfit_model_is_an_open_item_until_it_is_reviewed_again(example: Example) -> None:
    _review(example, outcome=ReviewOutcome.UNFIT)
    assert _entry(example).open_items == ("found unfit by pat",)
    _review(example, outcome=ReviewOutcome.CONDITIONS)
    assert _entry(example).open_items == ()
    assert [
        one.outcome for one in inventory.list_reviews(example.services, example.actor("aud"), "delay")
    ] == [
        "unfit",
        "conditions",
    ]


@pytest.mark.parametrize("date", ["2026-05-03", "2026-01-01", "tomorrow", "2027-02-30"])
def test_the_next_review_is_a_date_to_come(example: Example, date: str) -> None:
    with pytest.raises(InvalidInputError):
        _review(example, next_review=date)


def test_a_retired_model_takes_no_training_request_or_deployment(example: Example) -> None:
    services = example.services
    example.add_version()
    number = promotions.request_promotion(services, example.actor("oscar"), "delay/1").id
    promotions.approve(
        services,
        example.actor("pat"),
        number,
        promotions.get_request(services, example.actor("pat"), number).evidence_digest,
    )
    example.add_version(incumbents=(1,))
    waiting = promotions.request_promotion(services, example.actor("oscar"), "delay/2")
    example.apply(inventory={"retired": "replaced by delay-2"})
    again = "delay is retired .replaced by delay-2."
    with pytest.raises(ModelRetiredError, match=again):
        trainings.start_training(services, example.actor("oscar"), "delay")
    with pytest.raises(ModelRetiredError, match=again):
        promotions.request_promotion(services, example.actor("oscar"), "delay/2")
    with pytest.raises(ModelRetiredError, match=again):
        promotions.approve(services, example.actor("pat"), waiting.id, waiting.evidence_digest)
    workspaces.set_break_glass(services, example.actor(ADMIN), allowed=True)
    with pytest.raises(ModelRetiredError, match=again):
        break_glass.break_glass(services, example.actor("pat"), "delay/2", reason="an emergency")
    assert _entry(example).open_items == ("retired, and live on ewr, jfk",)


def test_open_requests_of_a_model_that_is_retired_are_withdrawn(example: Example) -> None:
    example.add_version()
    number = promotions.request_promotion(example.services, example.actor("oscar"), "delay/1").id
    with changing(example.services, example.actor("sam"), Permission.APPLY, "delay") as change:
        promotions.withdraw_of_retired(change, "delay", "replaced")
    request = promotions.get_request(example.services, example.actor("vera"), number)
    assert request.status is RequestStatus.WITHDRAWN
    newest = audits.show(example.services, example.actor("aud"), limit=1)[0]
    assert (newest.action, newest.detail["reason"]) == ("request.withdrawn", "delay was retired: replaced")


def test_an_ended_training_of_a_retired_model_is_not_retried(example: Example) -> None:
    job = trainings.start_training(example.services, example.actor("oscar"), "delay")
    jobs.cancel_job(example.services, example.actor("oscar"), job.id)
    example.apply(inventory={"retired": "replaced"})
    with pytest.raises(ModelRetiredError):
        jobs.retry_job(example.services, example.actor("oscar"), job.id)


def test_schedules_of_a_retired_model_are_skipped(example: Example) -> None:
    nightly = {"schedule": [{"name": "nightly", "every": "1d"}]}
    example.apply(automation=nightly)
    example.apply(automation=nightly, inventory={"retired": "replaced"})
    example.pass_time(days=1, minutes=5)
    assert schedules.due(example.services) == []
    (schedule,) = schedules.list_schedules(example.services, example.actor("vera"))
    assert schedule.last_outcome == "skipped: the model is retired"


def test_a_model_without_an_inventory_keeps_the_digest_of_its_file() -> None:
    plain = spec_to_plain(spec_from_plain(plain_spec()))
    assert "inventory" not in plain
    said = spec_from_plain(plain_spec(inventory=SAID))
    assert spec_from_plain(spec_to_plain(said)) == said


def test_csv_of_the_inventory_holds_no_formula(example: Example) -> None:
    example.apply(inventory={"intended_use": "=HYPERLINK(1)", "users": ["@dispatch"]})
    text = inventory_csv(inventory.list_inventory(example.services, example.actor("vera")))
    assert "'=HYPERLINK(1)" in text
    assert "'@dispatch" in text
