"""Every constant in docs/statistics.md has the value that the page gives."""

import importlib
import re
from pathlib import Path

import pytest
from documents import DOCUMENTS

from pilothouse.statistics.estimation import loss_estimation
from pilothouse.statistics.significance import multiplicity

TEXT = (DOCUMENTS / "statistics.md").read_text("utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| `([a-z_.]+)` \| ([0-9.]+) \|", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "module", "value"), ROWS, ids=[f"{module}.{name}" for name, module, _ in ROWS]
)
def test_a_constant_has_the_value_that_is_named(name, module, value):
    assert getattr(importlib.import_module(f"pilothouse.{module}"), name) == float(value)


def test_no_row_of_a_table_of_constants_is_passed_over():
    assert len(ROWS) == len(re.findall(r"^\| `_?[A-Z][A-Z_]+` \|", TEXT, flags=re.MULTILINE)) > 60


def test_weights_and_penalties_are_those_in_force():
    found = multiplicity.WEIGHTS, multiplicity.OVERDISPERSED_WEIGHTS
    for weights, names in zip(
        found, ("ks higher wider within js", "ks wasserstein higher wider js share"), strict=True
    ):
        line = next(
            row
            for row in TEXT.splitlines()
            if row.startswith("| a ") == (weights is found[0]) and "WEIGHTS`)" in row
        )
        cells = [float(x) for x in re.findall(r"\| ([0-9.]+)", line)]
        assert cells == [weights[name] for name in names.split()]
    assert loss_estimation.BENDING == (3, 30, 300, 3_000)
    assert loss_estimation.RIDGES == (1, 10, 100)


def test_every_module_of_the_statistics_has_its_source_beside_it():
    """The page names the publications that the docstrings name."""
    named = set()
    for path in Path(importlib.import_module("pilothouse.statistics").__path__[0]).glob("significance/*.py"):
        named |= set(re.findall(r"\(([A-Z][a-z]+) (?:19|20)\d\d[,)]", path.read_text("utf-8")))
    assert named
    assert {name for name in named if name not in TEXT} == set()
