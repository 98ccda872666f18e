"""Roll-back over a selection of targets; targets that come into another wave of a plan."""

from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError
from pilothouse.domain.models.selection_text import parse_selection
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import selected_roll_back
from pilothouse.operations.workspace import apply_models
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace


def test_a_selection_as_people_type_it() -> None:
    assert parse_selection("region = eu, unit != retail, labels.tier = gold|silver") == {
        "region": ["eu"],
        "business_unit": ["!retail"],
        "labels": {"tier": ["gold", "silver"]},
    }
    for text, said in (
        ("", "expected conditions such as"),
        ("region", "expected conditions such as"),
        ("region =", "expected conditions such as"),
        ("planet = earth", "unknown key"),
        ("region = eu, region = us", "named twice"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            parse_selection(text)


@pytest.fixture
def place(tmp_path: Path) -> RolloutWorkspace:
    """Version 2 took the place of version 1 everywhere; ewr and jfk are in the east."""
    made = RolloutWorkspace(tmp_path / "workspace", plan({"name": "all"}), live=True)
    number = made.begin(2)
    made.keep()
    assert made.live() == {"ewr": 2, "jfk": 2, "lga": 2}
    assert number
    for target in ("ewr", "jfk"):
        made.label(target, coast="east")
    return made


def test_every_model_goes_back_on_the_selected_targets_alone(place: RolloutWorkspace) -> None:
    oscar = place.example.actor("oscar")
    planned = selected_roll_back.selected_steps(place.services, oscar, "labels.coast = east")
    assert [(s.model, s.target, s.now, s.then) for s in planned.steps] == [
        ("delay", "ewr", 2, 1),
        ("delay", "jfk", 2, 1),
    ]
    done = selected_roll_back.roll_back_selected(
        place.services, oscar, "labels.coast = east", reason="complaints"
    )
    assert [(one.target, one.version) for one in done.deployed] == [("ewr", 1), ("jfk", 1)]
    assert (dict(done.faults), done.stay) == ({}, ())
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 2}
    assert deployments.list_holds(place.services, oscar)


def test_what_cannot_go_back_is_said(place: RolloutWorkspace) -> None:
    oscar, vera = place.example.actor("oscar"), place.example.actor("vera")
    with pytest.raises(ConflictError, match="nothing is live on a target with region = mars"):
        selected_roll_back.roll_back_selected(place.services, oscar, "region = mars", reason="x")
    with pytest.raises(InvalidInputError, match="reason"):
        selected_roll_back.roll_back_selected(place.services, oscar, "labels.coast = east")
    done = selected_roll_back.roll_back_selected(place.services, vera, "labels.coast = east", reason="x")
    assert done.deployed == ()
    assert "vera may not" in done.faults["delay"]
    selected_roll_back.roll_back_selected(place.services, oscar, "name = lga", reason="x")
    with pytest.raises(ConflictError, match="nothing was live before"):
        selected_roll_back.roll_back_selected(place.services, oscar, "name = lga", reason="x")


def test_a_target_that_comes_into_another_wave_takes_an_admin(place: RolloutWorkspace) -> None:
    waves = plan({"name": "east", "select": {"labels": {"coast": "east"}}}, {"name": "rest"})
    place.put_plan(waves)
    root = place.services.paths.root
    text = '[[target]]\nname = "{}"\nlabels = {{ coast = "{}" }}\n'
    (root / "targets.toml").write_text(
        "".join(text.format(n, c) for n, c in (("ewr", "east"), ("lga", "east")))
    )
    sam = place.example.actor("sam")
    (planned,) = [one for one in apply_models.plan(place.services, sam) if one.model == "targets.toml"]
    assert planned.loosens == ("lga: wave rest → east of the plan careful",)
    with pytest.raises(NotAllowedError, match="lga: wave rest"):
        apply_models.apply(place.services, sam)
    apply_models.apply(place.services, place.example.actor("ada"))
    assert apply_models.plan(place.services, sam)


def test_a_request_says_how_its_roll_out_ended(example: Example, place: RolloutWorkspace) -> None:
    ada = place.example.actor("ada")
    states = [one.went_out for one in promotions.list_requests(place.services, ada)]
    assert states == ["completed", ""]
