"""Categories of the hold-out that the training never saw: said with the gates, and no reason to refuse."""

import numpy as np
import pyarrow as pa

from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.data.data_checks import unseen_gate
from pilothouse.training.data.rows import Rows

SCHEMA = InputSchema(
    "rentals",
    "regression",
    (),
    "at",
    (InputColumn("month", "category"), InputColumn("city", "category"), InputColumn("wind", "number")),
    missing=("NA",),
)


def rows(month: list[object], city: list[str | None]) -> Rows:
    count = len(month)
    table = pa.table({"month": month, "city": city, "wind": [0.0] * count})
    return Rows(table, np.arange(count), np.zeros(count))


def test_categories_that_no_training_row_has_are_named_with_the_share_of_rows_that_have_them() -> None:
    train = rows([1, 2, 3, 4], ["dc", "dc", None, "ny"])
    found = unseen_gate(train, rows([4, 11, 11, 12], ["dc", "NA", None, "ny"]), SCHEMA)
    assert found is not None
    assert (found.gate, found.outcome) == ("data.unseen", GateOutcome.PASSED)
    assert found.figures == {"month": 0.75}
    assert found.reason == (
        "of 4 rows held out, categories that no training row has, taken for missing: month in 3 (75.0%): 11, 12"
    )


def test_the_most_frequent_are_named_and_the_others_counted() -> None:
    found = unseen_gate(rows([1], ["dc"]), rows([2, 3, 4, 5, 6, 7, 7], ["x", *["dc"] * 6]), SCHEMA)
    assert found is not None
    assert found.reason.endswith("month in 7 (100.0%): 7, 2, 3, 4, 5 and 1 more; city in 1 (14.3%): x")


def test_nothing_is_said_where_the_training_saw_every_category() -> None:
    assert unseen_gate(rows([1, 2], ["dc", "ny"]), rows([2, 1], [None, "NA"]), SCHEMA) is None
