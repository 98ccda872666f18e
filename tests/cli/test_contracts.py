"""``contract``: inferred from rows, written, checked, exported."""

import json
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def rows(root: Path) -> Path:
    return root / "data" / "rows.csv"


def test_a_contract_is_inferred_written_and_checked(pilothouse, root: Path, rows: Path) -> None:
    assert pilothouse("init", "--admin", "olga", "--demo", as_name=None).code == 0
    file = root / "models" / "delay" / "model.toml"
    before = file.read_text()

    assert "has no contract" in pilothouse("contract", "check", "delay", str(rows)).err
    planned = pilothouse("contract", "infer", "delay", "--from", str(rows), "--plan")
    assert planned.code == 0, planned.err
    assert "[contract." in planned.out
    assert file.read_text() == before
    assert pilothouse("contract", "infer", "delay", "--from", str(rows)).code == 0
    assert file.read_text() == f"{before.rstrip()}\n\n{planned.out}"
    assert "has a contract" in pilothouse("contract", "infer", "delay", "--from", str(rows)).err

    kept = pilothouse("contract", "check", "delay", str(rows))
    assert kept.code == 0, kept.out + kept.err
    assert "rows keep the contract" in kept.err
    assert pilothouse("apply", "--plan").code == 0

    header, first, *rest = rows.read_text().splitlines()
    broken = root / "data" / "broken.csv"
    name = json.loads(pilothouse("contract", "--json").out)[0]["columns"][-1]
    place = header.split(",").index(name)
    cells = first.split(",")
    cells[place] = "999999999"
    broken.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    said = pilothouse("contract", "check", "delay", str(broken), "--json")
    assert said.code == 1
    [breach, *_] = json.loads(said.out)["breaches"]
    assert breach["column"] == name
    assert breach["rows"] == 1
    assert breach["examples"][0][0] == 1

    exported = pilothouse("contract", "export", "delay")
    assert exported.code == 0
    assert exported.out.startswith("schema_type: dataframe\n")
    assert pilothouse("contract", "check", "../delay", str(rows)).code == 2
    assert pilothouse("contract", "infer", "delay").code != 0


def test_a_model_that_selects_its_targets_has_a_contract_too(pilothouse, root: Path, rows: Path) -> None:
    assert pilothouse("init", "--admin", "olga", "--demo", as_name=None).code == 0
    file = root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace('[[targets]]\nname = "ewr"', '[targets]\nnames = ["ewr"]'))
    missing = pilothouse("contract", "infer", "delay", "--from", str(rows))
    assert "targets.toml, which is not there" in missing.err
    (root / "targets.toml").write_text('[[target]]\nname = "ewr"\n')
    assert pilothouse("contract", "infer", "delay", "--from", str(rows)).code == 0
    assert pilothouse("contract", "check", "delay", str(rows)).code == 0
    assert pilothouse("contract", "export", "delay").code == 0


def test_apply_says_which_rules_are_not_checked_in_production(pilothouse, root: Path) -> None:
    assert pilothouse("init", "--admin", "olga", "--demo", as_name=None).code == 0
    (path,) = (root / "models").glob("*/model.toml")
    feature = tomllib.loads(path.read_text())["data"]["features"][0]
    text = f'\n[contract.{feature}]\ntype = "number"\nunique = true\n[contract.some_other]\ntype = "text"\n'
    path.write_text(path.read_text() + text)
    said = pilothouse("apply", "--plan").out
    assert (
        f"contract: unique of {feature} is checked before trainings and on files, and not in production"
        in said
    )
    assert "contract: some_other: no feature" in said
    pilothouse("apply")
    assert "contract: " not in pilothouse("apply", "--plan").out
