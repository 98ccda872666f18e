"""Commands about the inventory: from the model file to the open item and its review."""

from pathlib import Path

INVENTORY = """
[inventory]
risk_tier = "high"
intended_use = "plan the crews of the next day"
limits = ["no snow"]
validator = "petra"
next_review = "2020-06-01"
{more}
"""


def _say(root: Path, more: str = "") -> None:
    file = root / "models" / "delay" / "model.toml"
    plain = file.read_text().split("\n[inventory]")[0]
    file.write_text(plain + INVENTORY.format(more=more))


def test_a_due_review_is_an_open_item_until_the_validator_records_it(workspace, root: Path) -> None:
    _say(root)
    assert workspace("apply", as_name="ada").code == 0
    due = workspace("inventory", "--due", "--json").json
    assert [(one["model"], one["open_items"]) for one in due] == [("delay", ["review due since 2020-06-01"])]
    assert "open in the inventory: delay: review due since 2020-06-01" in workspace("status").err
    assert workspace("status", "--json").json["inventory"] == {"delay": ["review due since 2020-06-01"]}

    review = ("review", "delay", "--outcome", "fit", "--next", "2099-06-01", "--reason", "slices looked at")
    assert workspace(*review, as_name="ada").code == 4
    assert workspace(*review, as_name="petra").code == 0
    assert "nothing is open" in workspace("inventory", "--due").err
    assert "open in the inventory" not in workspace("status").err
    assert workspace("inventory", "--csv").out.splitlines()[1].startswith("delay,")
    assert "2099-06-01" in workspace("inventory").out


def test_retiring_a_model_withdraws_what_it_asked_for_and_only_an_admin_takes_it_back(
    workspace, root: Path
) -> None:
    assert workspace("apply", as_name="ada").code == 0
    _say(root, 'retired = "replaced by delay-2"')
    assert workspace("apply", as_name="ada").code == 0
    refused = workspace("train", "delay", as_name="ada")
    assert refused.code == 5
    assert "delay is retired (replaced by delay-2)" in refused.err
    _say(root)
    plan = workspace("apply", "--plan", as_name="ada").out
    assert "loosens inventory.retired: replaced by delay-2 → none (a retired model is in use again)" in plan
    assert workspace("apply", as_name="ada").code == 4
    assert workspace("apply").code == 0
