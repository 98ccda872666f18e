"""The two tables of kinds of jobs agree with each other and with the modules that run the steps."""

from importlib.util import find_spec

import pytest

from pilothouse.domain.jobs.job_kinds import KINDS, JobKind
from pilothouse.operations.automation.job_handlers import HANDLERS


def test_every_kind_has_its_handlers() -> None:
    assert set(HANDLERS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_step_takes_from_steps_before_it_and_has_a_module(kind: JobKind) -> None:
    names = [step.name for step in kind.steps]

    for place, step in enumerate(kind.steps):
        assert {wire.step for wire in step.takes} <= set(names[:place])
        assert step.name == "search" or find_spec(f"pilothouse.training.steps.{step.name}")
