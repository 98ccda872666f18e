"""Files that are small and want to become large: what is derived of a file is bounded by a multiple of its size."""

import io
import json
import tracemalloc
import zipfile

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.archive import PROGRAM, to_bytes
from pilothouse.inference.portable.program import Node, Program
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputColumn, InputSchema

SCHEMA = InputSchema("made-up", "binary", ("no", "yes"), "ts", (InputColumn("a", "number"),))
DOCUMENT = {"format": 1, "features": ["a"], "answers": ["no", "yes"], "known": {}, "made_with": {}}


def packed(program: bytes, arrays: dict | None = None) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(PROGRAM, program)
        for name, array in (arrays or {}).items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, (1, 0))
            archive.writestr(f"{name}.npy", member.getvalue())
    return written.getvalue()


class Nodes:
    """Nodes of a program, and the arrays that they name."""

    def __init__(self) -> None:
        self.arrays: dict = {}

    def node(self, op, settings=None, arrays=None, children=()):
        names = {}
        for role, array in (arrays or {}).items():
            names[role] = f"a{len(self.arrays)}"
            self.arrays[names[role]] = array
        return {"op": op, "settings": settings or {}, "arrays": names, "children": list(children)}

    def bytes(self, root) -> bytes:
        return packed(json.dumps(DOCUMENT | {"root": root}).encode(), self.arrays)


def tree(left, right, threshold=0.0, roots=(0,)):
    n = len(left)
    return {
        "threshold": np.full(n, threshold),
        "feature": np.zeros(n, "i4"),
        "left": np.array(left, "i4"),
        "right": np.array(right, "i4"),
        "missing_left": np.zeros(n, bool),
        "roots": np.array(roots, "i8"),
    }


def forest(nodes: Nodes, trees, columns=1, value=None):
    n = len(trees["left"])
    settings = {"missing": False, "columns": columns, "averaged": True, "classifier": True}
    shares = np.tile([0.3, 0.7], (n, 1)) if value is None else value
    return nodes.node("forest", settings, trees | {"value": shares})


def boosting(trees, categories=3, **changed):
    """File of histogram boosting whose only column is one of categories."""
    n = len(trees["left"])
    settings = {"columns": 1, "scores": 1, "link": "logistic", "truncated": False, "categorical": [0]}
    arrays = trees | {
        "choice": np.where(trees["left"] < 0, -1, 0).astype("i4"),
        "left_categories": np.ones((1, categories), bool),
        "numbers-0": np.arange(float(categories)),
        "value": np.arange(float(n)),
        "baseline": np.zeros(1),
    }
    nodes = Nodes()
    known = {name: value for name, value in changed.items() if name in settings}
    return nodes.bytes(nodes.node("histogram-boosting", settings | known, arrays | changed.get("arrays", {})))


def refused(data: bytes, most_times: int = 40) -> str:
    """Why the file is refused; what that took of memory is compared with the size of the file."""
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError) as caught:
            Predictor(data, SCHEMA)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most_times * len(data) + 2**20
    return str(caught.value)


def test_tables_of_categories_are_no_larger_than_the_file_says():
    stump = tree([1, -1, -1], [2, -1, -1])
    assert Predictor(boosting(stump), SCHEMA).predict({"a": [1.0]}, 1).scores[0] > 0.7
    assert "twice" in refused(boosting(stump, categorical=[0] * 400))

    flat = tree([-1] * 1000, [-1] * 1000)
    shared = {"choice": np.zeros(1000, "i4")}
    assert "twice" in refused(boosting(flat, categories=1000, arrays=shared))
    assert "no row of its own" in refused(boosting(stump, arrays={"choice": np.array([1, -1, -1], "i4")}))
    own = {"left_categories": np.zeros((1000, 1000), bool), "choice": np.arange(1000, dtype="i4")}
    cycle = tree([1] + [0] * 999, [2] + [0] * 999)
    assert "trees" in refused(boosting(cycle, categories=1000, arrays=own))


def test_roots_that_share_a_node_are_refused():
    nodes = Nodes()
    trees = tree([-1], [-1], roots=[0] * 2000)
    assert "trees" in refused(nodes.bytes(forest(nodes, trees, value=np.full((1, 2000), 0.5))))


def test_many_categories_are_found_alike_alone_and_together():
    count = 5000
    stump = tree([1, -1, -1], [2, -1, -1])
    left = np.arange(count).reshape(1, -1) % 2 == 0
    data = boosting(stump, categories=count, arrays={"left_categories": left})
    predictor = Predictor(data, SCHEMA)
    asked = [0.0, 1.0, 4998.0, 4999.0, 5000.0, -1.0, None]
    together = predictor.predict({"a": asked}, len(asked)).scores.tolist()
    assert [predictor.predict({"a": [value]}, 1).scores[0] for value in asked] == together
    assert len(set(together)) == 2


def test_a_row_leaves_the_trees_in_which_it_has_arrived():
    """One tree of many levels beside many of none: a row is walked through as many nodes as there are, not levels × trees."""
    deep, many = 2000, 3000
    left = [-1] * (2 * deep + 1 + many)
    right = list(left)
    for level in range(deep):
        left[2 * level], right[2 * level] = 2 * level + 1, 2 * level + 2
    roots = [0, *range(2 * deep + 1, len(left))]
    trees = tree(left, right, threshold=0.0, roots=roots)
    trees["threshold"][:] = -1.0
    nodes = Nodes()
    shares = np.tile([0.0, 1.0], (len(left), 1))
    shares[2 * deep] = [1.0, 0.0]
    predictor = Predictor(nodes.bytes(forest(nodes, trees, value=shares)), SCHEMA)
    one = predictor.predict({"a": [0.5]}, 1).scores
    assert one.tolist() == predictor.predict({"a": [0.5, -2.0]}, 2).scores.tolist()[:1]
    assert one[0] == many / (many + 1)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b'"a":{},', b"[[]],"])
def test_a_program_of_many_small_parts_is_refused_before_it_is_read(piece):
    inner = piece * 250_000
    text = b'{"x":{%s"z":1}}' % inner if b":" in piece else b'{"x":[%s0]}' % inner
    assert "arrays and objects" in refused(packed(text), most_times=5)


def test_a_program_is_bounded_in_bytes_and_brackets_within_texts_do_not_count():
    assert "too large" in refused(packed(b"[" + b"1," * 2**23 + b"1]"), most_times=5)
    nodes = Nodes()
    root = forest(nodes, tree([-1], [-1]))
    many = {"known": {"a": ["[" * 300_000 + '\\"[{']}, "root": root}
    Predictor(packed(json.dumps(DOCUMENT | many).encode(), nodes.arrays), SCHEMA)
    large = Program(Node("pass-through"), ("a",), known={"a": tuple(f"{n:040}" for n in range(250_000))})
    with pytest.raises(ValueError, match="bytes; expected"):
        to_bytes(large)


def test_a_width_needs_what_stands_behind_it():
    wide = 2**24
    nodes = Nodes()
    places = {"places": np.array([-1, -1], "i8"), "numbers-0": np.zeros(0)}
    hot = nodes.node("one-hot", {"width": wide, "sparse": False, "texts": [None]}, places)
    root = nodes.node("pipeline", children=[hot, forest(nodes, tree([-1], [-1]), columns=wide)])
    assert "width is 16777216" in refused(nodes.bytes(root))

    nodes = Nodes()
    empty = {"coef": np.zeros((2**30, 0)), "intercept": np.array(0.0)}
    root = nodes.node("linear-classifier", {"probabilities": "softmax"}, empty)
    assert "dimension of 1073741824" in refused(nodes.bytes(root))

    nodes = Nodes()
    part = nodes.node("forest")
    settings = {"classifier": True, "columns": 1, "outputs": 2**16, "classes": [None]}
    root = nodes.node("bagging", settings, {"columns-0": np.zeros(1, "i8")}, [part])
    assert "more than 2 classes" in refused(nodes.bytes(root))


def test_steps_that_double_the_columns_come_to_an_end():
    nodes = Nodes()
    through = nodes.node("pass-through")
    double = nodes.node("columns", {"sparse": False, "picks": [None, None]}, children=[through, through])
    first = nodes.node("columns", {"sparse": False, "names": [["a"]]}, children=[through])
    last = forest(nodes, tree([-1], [-1]), columns=2**20)
    predictor = Predictor(nodes.bytes(nodes.node("pipeline", children=[first, *[double] * 40, last])), SCHEMA)
    with pytest.raises(ValueError, match="columns stand side by side"):
        predictor.predict({"a": [1.0]}, 1)
