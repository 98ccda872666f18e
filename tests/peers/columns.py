"""Awkward columns for both sides of a comparison, and how two results are held to be equal."""

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample

Column = dict[str, Any]
"""``kind``, ``reference`` and ``current`` as the workers take them."""

_ordinary = st.floats(-1e6, 1e6, allow_nan=False)
_rounded = st.integers(-30, 30).map(lambda n: n / 4)
_huge = st.floats(allow_nan=False, allow_infinity=False)
_few = st.sampled_from([0.0, 1.0, 2.5])


def _side(element: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.one_of(
        st.lists(element, min_size=1, max_size=most),
        st.lists(element, max_size=3),
        st.builds(lambda value, n: [value] * n, element, st.integers(1, 20)),
    )


@st.composite
def numbers(draw: st.DrawFn, most: int = 60) -> Column:
    """Floats: NaN, infinities, constants, empty columns, one row, huge values, few values, many ties."""
    element = draw(st.sampled_from([_ordinary, _rounded, _few, _huge]))
    odd = st.one_of(element, element, element, st.sampled_from([math.nan, math.inf, -math.inf]))
    with_odd = draw(st.booleans())
    chosen = odd if with_odd else element
    return {"kind": "number", "reference": draw(_side(chosen, most)), "current": draw(_side(chosen, most))}


@st.composite
def many_numbers(draw: st.DrawFn) -> Column:
    """Enough rows for the rules of large samples, drawn by a seed."""
    chance = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    rows = draw(st.sampled_from([1000, 1001, 3000]))
    shape = draw(st.sampled_from(["normal", "lognormal", "cauchy", "rounded", "few"]))

    def side(n: int, shift: float) -> list[float]:
        values = {
            "normal": chance.normal(shift, 1, n),
            "lognormal": chance.lognormal(shift, 1, n),
            "cauchy": chance.standard_cauchy(n) + shift,
            "rounded": np.round(chance.normal(shift, 3, n)),
            "few": chance.integers(0, 4, n) + np.floor(shift),
        }[shape].astype(float)
        values[chance.random(n) < 0.05] = np.nan
        return values.tolist()

    return {
        "kind": "number",
        "reference": side(rows, 0.0),
        "current": side(draw(st.integers(20, 1500)), draw(st.sampled_from([0.0, 0.2, 1.5]))),
    }


@st.composite
def integers(draw: st.DrawFn) -> Column:
    """Whole numbers, some missing: a missing one makes a file's column one of floats."""
    element = draw(st.sampled_from([st.integers(0, 4), st.integers(-1000, 1000), st.integers(0, 25)]))
    chosen = st.one_of(element, element, element, st.none()) if draw(st.booleans()) else element
    return {"kind": "integer", "reference": draw(_side(chosen, 80)), "current": draw(_side(chosen, 80))}


@st.composite
def categories(draw: st.DrawFn) -> Column:
    """Texts (new ones, missing ones, one alone) or booleans."""
    kind = draw(st.sampled_from(["text", "boolean"]))
    values = ["a", "b", "c", "", "d e", "ü", "1"] if kind == "text" else [True, False]
    element = st.sampled_from(values)
    chosen = st.one_of(element, element, element, st.none()) if draw(st.booleans()) else element
    return {"kind": kind, "reference": draw(_side(chosen, 80)), "current": draw(_side(chosen, 80))}


def sample(column: Column, side: str) -> Sample:
    """One side as our functions take it, by the rules by which files are read."""
    values = column[side]
    if column["kind"] in ("number", "integer"):
        whole = column["kind"] == "integer" and None not in values
        return Numbers(np.array([np.nan if v is None else v for v in values], np.float64), whole)
    texts = [None if v is None else str(v).lower() if column["kind"] == "boolean" else v for v in values]
    names = tuple(dict.fromkeys(text for text in texts if text is not None))
    codes = np.array([-1 if text is None else names.index(text) for text in texts], np.int64)
    return Categories(codes, names, "boolean" if column["kind"] == "boolean" else "text")


def is_huge(column: Column) -> bool:
    """True where a bin may be so wide that the densities of two bins multiply to less than the smallest float."""
    if column["kind"] != "number":
        return False
    values = [
        abs(v)
        for side in ("reference", "current")
        for v in column[side]
        if v is not None and math.isfinite(v)
    ]
    return max(values, default=0.0) > 1e100


def agree(ours: float, theirs: float) -> bool:
    """Equal to 1e-12 (relative beyond 1). A distance that is a square root magnifies rounding near 0: there its square
    is compared."""
    if math.isnan(theirs) or math.isinf(theirs):
        return not math.isfinite(ours)
    close = abs(ours - theirs) <= 1e-12 * max(1.0, abs(theirs))
    return close or (max(abs(ours), abs(theirs)) < 1e-3 and abs(ours**2 - theirs**2) <= 1e-15)
