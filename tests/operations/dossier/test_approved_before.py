"""Which version was approved last before a request, and what differs."""

import json

from fixtures.registries import Example
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.approved_before import changes_of_request


def _request(example: Example, reference: str) -> int:
    return promotions.request_promotion(example.services, example.actor("oscar"), reference).id


def _approve(example: Example, number: int) -> None:
    request = promotions.get_request(example.services, example.actor("pat"), number)
    promotions.approve(example.services, example.actor("pat"), number, request.evidence_digest)
    example.pass_time(hours=1)


def _since(example: Example, number: int) -> int | None:
    request = promotions.get_request(example.services, example.actor("vera"), number)
    return changes_of_request(example.services, example.actor("vera"), request).since


def test_it_is_the_version_that_was_approved_last_when_the_request_was_filed(example: Example) -> None:
    example.add_version()
    first = _request(example, "delay/1")
    assert _since(example, first) is None
    _approve(example, first)
    example.add_version(incumbents=(1,))
    second = _request(example, "delay/2")
    _approve(example, second)
    example.add_version(incumbents=(2,))
    third = _request(example, "delay/3")
    assert (_since(example, second), _since(example, third)) == (1, 2)
    _approve(example, third)
    assert (_since(example, first), _since(example, second)) == (None, 1)


def test_a_rejected_version_is_no_approved_one(example: Example) -> None:
    example.add_version()
    first = _request(example, "delay/1")
    promotions.reject(example.services, example.actor("pat"), first, "no")
    example.pass_time(hours=1)
    example.add_version()
    assert _since(example, _request(example, "delay/2")) is None


def test_the_frozen_evidence_stays_as_it_was(example: Example) -> None:
    """What changed is computed when it is read: the digest that is decided on is of the same facts as before."""
    example.add_version()
    number = _request(example, "delay/1")
    request = promotions.get_request(example.services, example.actor("vera"), number)
    assert "changes" not in json.dumps(request.evidence)
