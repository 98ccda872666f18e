"""Classes of a first model: the texts of the file, as a training reads them, and words that mean missing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.first_model import FirstModel, model_text
from pilothouse.operations.workspace.first_models import Wanted, look

START = datetime(2026, 1, 1, tzinfo=UTC)


def write(path: Path, classes: list[str], rows: int = 600) -> Path:
    """A file in the form that its suffix says, with the classes as texts; ``x`` tells them apart."""
    number = np.arange(rows) * 7 % len(classes)
    table = {
        "at": [f"{START + timedelta(hours=i):%Y-%m-%dT%H:%M:%SZ}" for i in range(rows)],
        "x": (number + np.random.default_rng(3).normal(0, 0.7, rows)).round(3).tolist(),
        "y": [classes[i] for i in number],
    }
    records = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if path.suffix == ".parquet":
        pq.write_table(pa.table(table), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        path.write_text("at,x,y\n" + "".join(f"{r['at']},{r['x']},{r['y']}\n" for r in records))
    return path


def guessed(file: Path) -> FirstModel:
    return look(Wanted(file.parent, file, "wx", "ada", "y"))


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_classes_that_are_one_number_are_two_texts(tmp_path: Path, form: str) -> None:
    model = guessed(write(tmp_path / f"base.{form}", ["3.1", "3.10"]))
    assert (model.task.value, model.task.reason) == ("binary", "y has two values: 3.1, 3.10")
    assert model.fit.error == ""
    assert "the probability of '3.10', the second class" in model_text(model)


def test_classes_are_shown_as_they_are_written(tmp_path: Path) -> None:
    model = guessed(write(tmp_path / "base.csv", ["0.50", "1.0"]))
    assert model.task.reason == "y has two values: 0.50, 1.0"
    assert "the probability of '1.0', the second class" in model_text(model)


def test_three_texts_of_two_numbers_are_three_classes(tmp_path: Path) -> None:
    model = guessed(write(tmp_path / "base.csv", ["3.1", "3.10", "3.2"]))
    assert model.task.value == "multiclass"
    assert model.task.reason == "y writes one number in several ways, as classes are: 3.1, 3.10, 3.2"
    assert model.fit.error == ""


def test_numbers_with_fractions_are_still_a_quantity(tmp_path: Path) -> None:
    model = guessed(write(tmp_path / "base.csv", ["0.5", "1.5", "2.5"]))
    assert (model.task.value, model.fit.error) == ("regression", "")


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_class_that_is_read_as_missing_is_named(tmp_path: Path, form: str) -> None:
    with pytest.raises(InvalidInputError, match=r"beside 'Some' it has only 'None', .* data\.missing"):
        guessed(write(tmp_path / f"base.{form}", ["None", "Some"]))
