"""Bytes from outside: whatever is wrong with them is one line, and nothing of them is run."""

import contextlib
import copy
import io
import json
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.portable.archive import PROGRAM, to_bytes
from pilothouse.inference.portable.conversion.model import converted
from pilothouse.inference.portable.model import PortableModel, is_portable
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model

sys.path.insert(0, str(Path(__file__).parent))
from random_pipelines import InputColumn, InputSchema, rows_of

SCHEMA = InputSchema(
    "made-up",
    "binary",
    ("no", "yes"),
    "ts",
    (InputColumn("a", "number"), InputColumn("b", "number"), InputColumn("p", "category")),
    missing=("NA",),
)


@pytest.fixture(scope="module")
def model() -> tuple[bytes, bytes, InputColumns]:
    """Portable bytes and skops bytes of a pipeline of ours, and rows to ask for."""
    from pilothouse.training.models.estimators import build_pipeline

    table, sample = rows_of(1, ("a", "b"), ("p",), missing=True)
    pipeline = build_pipeline("sklearn.linear_model.LogisticRegression", {}, SCHEMA, seed=1, threads=1)
    pipeline.fit(table, np.where(table["a"].fillna(0) > 0, "yes", "no"))
    skops = dump_model(pipeline)
    return to_bytes(converted(Predictor(skops, SCHEMA).model, SCHEMA)), skops, sample


def rewritten(data: bytes, change=None, *, members=None, **options) -> bytes:
    """The file with its program, or other members, changed; check sums are right again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        program = json.loads(found[PROGRAM])
        change(program)
        found[PROGRAM] = json.dumps(program).encode()
    found |= members or {}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", options.get("packing", zipfile.ZIP_STORED)) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return packed.getvalue()


def refused(data: bytes) -> str:
    with pytest.raises(IntegrityError) as caught:
        Predictor(data, SCHEMA)
    assert str(caught.value).isprintable()
    return str(caught.value)


def loaded(data: bytes) -> Predictor | None:
    """Predictor of these bytes, None where they are refused in one line."""
    try:
        return Predictor(data, SCHEMA)
    except IntegrityError as error:
        if not str(error).isprintable():
            raise
        return None


def npy(array, **changes) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array_header_1_0(written, np.lib.format.header_data_from_array_1_0(array) | changes)
    return written.getvalue() + array.tobytes()


def test_the_two_forms_are_told_apart(model):
    assert is_portable(model[0])
    assert not is_portable(model[1])
    assert not is_portable(b"")


def test_a_flipped_bit_or_a_cut_is_refused_or_changes_nothing(model):
    data, _, sample = model
    expected = Predictor(data, SCHEMA).predict_columns(sample).scores.tobytes()
    draw = random.Random(5)
    for _ in range(400):
        damaged = bytearray(data)
        at = draw.randrange(len(data))
        damaged[at] ^= 1 << draw.randrange(8)
        answered = loaded(bytes(damaged))
        if answered is not None:  # in a date or another field that nobody reads
            assert answered.predict_columns(sample).scores.tobytes() == expected
    for length in range(0, len(data), 97):
        refused(data[:length])


def test_a_program_that_says_something_else_is_refused_or_evaluated_without_harm(model):
    """Any value of the program is replaced, with check sums that are right: what comes of it is an answer or one line."""
    data, _, sample = model
    draw = random.Random(6)
    others = [None, True, -1, 0, 2**70, 1.5, "x", [], [1], {}, ["x", None], 1e308]

    def mutate(program):
        places = []

        def walk(value):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, inner in list(items):
                places.append((value, key))
                if isinstance(inner, dict | list):
                    walk(inner)

        walk(program)
        holder, key = draw.choice(places)
        holder[key] = copy.deepcopy(draw.choice(others))

    for _ in range(400):
        answered = loaded(rewritten(data, mutate))
        if answered is not None:
            with contextlib.suppress(ValueError, TypeError, LookupError):  # a model that refuses these rows
                answered.predict_columns(sample)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        (npy(np.zeros(1), shape=(10**12,)), "not its shape"),
        (npy(np.zeros(1), shape=(2**62, 2**62)), "not its shape"),
        (npy(np.zeros(2), shape=(-1, 2)), "dimensions"),
        (npy(np.zeros(1), descr="|O"), "object|Object"),
        (npy(np.zeros(1), descr=">f8"), ">f8"),
        (npy(np.zeros(1)) + b"x", "not its shape"),
        (pickle.dumps(print), "magic"),
        (b"", "magic|EOF|cannot be read"),
    ],
)
def test_an_array_that_is_none_is_refused(model, member, said):
    refused(rewritten(model[0], members={"a0.npy": member}))


def test_members_that_do_not_belong_there_are_refused(model):
    data = model[0]
    assert "no array" in refused(rewritten(data, members={"run.py": b"print('hello')"}))
    assert "belongs to no node" in refused(rewritten(data, members={"a99.npy": npy(np.zeros(1))}))
    assert "packed" in refused(rewritten(data, packing=zipfile.ZIP_DEFLATED))


def test_programs_beyond_the_bounds_are_refused(model):
    data = model[0]

    def deep(program):
        for _ in range(200):
            program["root"] = {"op": "pipeline", "settings": {}, "arrays": {}, "children": [program["root"]]}

    def wide(program):
        plain = {"op": "pass-through", "settings": {}, "arrays": {}, "children": []}
        program["root"]["children"] = [plain] * 30_000

    def unknown(program):
        program["root"]["op"] = "eval"

    def newer(program):
        program["format"] = 2

    assert "levels" in refused(rewritten(data, deep))
    assert "nodes" in refused(rewritten(data, wide))
    assert "no such op" in refused(rewritten(data, unknown))
    assert "format is 2; expected 1" in refused(rewritten(data, newer))


def test_a_model_of_other_features_or_classes_is_refused(model):
    def other(program):
        program["features"] = ["a", "b", "q"]

    def classes(program):
        program["answers"] = ["no", "perhaps"]

    assert "other features" in refused(rewritten(model[0], other))
    assert "perhaps" in refused(rewritten(model[0], classes))
    with pytest.raises(IntegrityError):
        PortableModel(model[0], InputSchema("made-up", "regression", (), "ts", SCHEMA.columns[:1]))


def test_a_process_that_evaluates_a_portable_model_imports_no_scikit_learn(model, tmp_path):
    data, skops, _ = model
    (tmp_path / "portable.npz").write_bytes(data)
    (tmp_path / "schema.json").write_bytes(SCHEMA.to_bytes())
    code = """
import sys
from pathlib import Path
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
folder = Path(sys.argv[1])
predictor = Predictor((folder / "portable.npz").read_bytes(), InputSchema.from_bytes((folder / "schema.json").read_bytes()))
print(predictor.predict({"a": [1.0, None], "b": [2.0, -0.0], "p": ["p1", "never seen"]}, 2).scores.tolist())
print(sorted({"sklearn", "pandas", "skops", "joblib"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    scores, imported = done.stdout.splitlines()
    asked = {"a": [1.0, None], "b": [2.0, -0.0], "p": ["p1", "never seen"]}
    assert json.loads(scores) == Predictor(skops, SCHEMA).predict(asked, 2).scores.tolist()
    assert imported == "[]"
