"""Random pipelines: the portable form answers equal to the bit, or is refused as not portable; never anything between."""

import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, event, given, settings

from pilothouse.inference.columns import InputColumns, RepeatedTexts
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model

sys.path.insert(0, str(Path(__file__).parent))
from random_pipelines import Case, cases

PIPELINES = int(os.environ.get("PORTABLE_PIPELINES", "200"))


@settings(
    max_examples=PIPELINES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ),  # a fitted pipeline is not made smaller step by step
)
@given(case=cases())
def test_a_portable_form_is_equal_to_the_bit_or_refused(case: Case) -> None:
    original = Predictor(dump_model(case.model), case.schema)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = packaged(original, case.sample, seed=7, generated=300, single_rows=6)
    event(result.reason or "portable")
    assert not (result.reason and result.rows), result.reason
    if result.data is not None:
        portable = Predictor(result.data, case.schema)
        plain, repeated = answer(portable, case.sample), answer(portable, with_repeated_texts(case.sample))
        assert plain == repeated, "texts that are looked up once each answer as those looked up row by row"


def with_repeated_texts(columns: InputColumns) -> InputColumns:
    repeated = {}
    for name, texts in columns.categorical.items():
        distinct = [*dict.fromkeys(texts), "a text of no row"]
        numbers = np.array([distinct.index(text) for text in texts], dtype=np.int32)
        repeated[name] = RepeatedTexts(distinct, numbers)
    return replace(columns, categorical=repeated)


def answer(predictor: Predictor, columns: InputColumns) -> tuple[bytes, list[str]] | str:
    """Bytes of the scores and the labels, or the sentence of what the model refuses."""
    try:
        found = predictor.predict_columns(columns)
    except ValueError as error:
        return str(error)
    return found.scores.tobytes(), found.labels
