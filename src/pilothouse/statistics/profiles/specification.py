"""Specification of profiles: the bins of each feature and of the score, laid out as one row of numbered cells.

A numeric column has bins between edges, half open on the right, an underflow bin before the first edge and an
overflow bin from the last on, then one cell for what is missing or not finite. A frequent value (an *atom*) is a bin
of its own: the edges hold it and the next larger float. A categorical column has one cell a category, one for every
other, one for what is missing. Edges lie on quantiles of the reference (they bound the error of KS by a bin's mass)
and, for a quarter of them, evenly over its range (they show shape where the reference is thin).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.models.model_spec import Task
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.statistics.arrays import AnyArray, Floats, frozen
from pilothouse.statistics.encoding import pack, unpack

SCORE = "score"
"""Name under which the model's score appears beside the features."""
WIDE_GAP = 1 / 32
"""Share of the range: a wider stretch without a reference value gets edges towards both its ends."""
GAP_PARTS = 32
"""Parts of the way from one atom to the next in a column of few distinct values, as far as ``bins`` reach."""
HALVINGS = 12
"""Number of times that a tail, or a wide gap, is halved towards the values beside it."""
HALVING_STEPS = 8
"""Edges for each halving. Values that lie together in a bin may be anywhere in it, so it must be narrow."""
CATEGORY_CAP = 512
"""Most frequent categories that get a cell of their own; the rest count as "other"."""
OFFSET_UNITS = 256
"""Steps into which a bin's width is divided where the positions of its values are summed."""
OUTSIDE_UNITS = 65_536
"""Steps into which the whole range is divided for positions in the under- and overflow bins."""


@dataclass(frozen=True, eq=False)
class NumericColumn:
    """Bins of a numeric column: strictly increasing ``edges`` (float64[e], may be empty) give e + 1 bins; ``atoms``
    (float64[a], among the edges) are the values with a bin of their own."""

    name: str
    edges: Floats
    atoms: Floats

    @property
    def bins(self) -> int:
        """Number of cells that hold values: under- and overflow included, missing not."""
        return len(self.edges) + 1

    @cached_property
    def anchors(self) -> Floats:
        """Point from which positions in each bin are measured, float64[bins]: its edge nearest to the reference's range."""
        if not self.edges.size:
            return frozen(np.zeros(1))
        return frozen(np.concatenate((self.edges[:1], self.edges)))

    @cached_property
    def span(self) -> float:
        """Width of the reference's range, at most the largest float; of a constant column its absolute value, at
        least 1."""
        if not self.edges.size:
            return 1.0
        first, last = float(self.edges[0]), float(self.edges[-1])
        size = max(abs(first), abs(last), 1.0)
        half = last / 2 - first / 2  # the whole difference of huge values may overflow
        return min(2 * half, float(np.finfo(np.float64).max)) if half > 1e-12 * size else size

    @cached_property
    def units(self) -> Floats:
        """Length of one step of position in each bin, float64[bins], 0 where a bin is a single value."""
        if not self.edges.size:
            return frozen(np.zeros(1))
        inner = np.diff(self.edges / 2) / OFFSET_UNITS * 2  # in this order nothing overflows
        inner[np.isin(self.edges[:-1], self.atoms)] = 0.0
        ends = self.span / OUTSIDE_UNITS
        return frozen(np.concatenate(([ends], inner, [ends])))


@dataclass(frozen=True, eq=False)
class CategoricalColumn:
    """Cells of a categorical column: ``categories``, most frequent first; what is not among them counts as "other"."""

    name: str
    categories: tuple[str, ...]

    @property
    def bins(self) -> int:
        """Number of cells that hold values: one a category and one for "other", missing not included."""
        return len(self.categories) + 1

    @cached_property
    def codes(self) -> dict[str | None, int]:
        """Cell of each category within the column; None (missing) is the cell after "other"."""
        codes: dict[str | None, int] = {name: i for i, name in enumerate(self.categories)}
        codes[None] = len(self.categories) + 1
        return codes


Column = NumericColumn | CategoricalColumn


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of a column: ``start`` … ``start + bins - 1`` hold values, ``missing`` is the next one."""

    start: int
    bins: int

    @property
    def missing(self) -> int:
        """Number of the cell of missing values."""
        return self.start + self.bins


@dataclass(frozen=True, eq=False)
class ProfileSpecification:
    """Shape of every profile of one model version. Two are the same where their ``digest`` is.

    ``classes`` are the texts of the classes (the positive one last for a binary task), empty for a regression.
    ``scale`` is the standard deviation and ``centre`` the mean of the reference's scores: errors of a regression are
    summed in these units.
    """

    task: Task
    features: tuple[Column, ...]
    score: NumericColumn
    classes: tuple[str, ...]
    centre: float = 0.0
    scale: float = 1.0

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Features in order, then the score."""
        return (*self.features, self.score)

    @cached_property
    def layout(self) -> dict[str, Cells]:
        """Cells of each column by name."""
        layout: dict[str, Cells] = {}
        start = 0
        for column in self.columns:
            layout[column.name] = Cells(start, column.bins)
            start += column.bins + 1
        return layout

    @cached_property
    def cells(self) -> int:
        """Number of cells of a profile."""
        last = self.layout[self.score.name]
        return last.missing + 1

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name, the score as "score"."""
        return {column.name: column for column in self.columns}

    @cached_property
    def digest(self) -> str:
        """sha256 of ``to_bytes()``, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        """Bytes of the specification (kind "S"); equal specifications give equal bytes with one release of zstd."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        plain: list[dict[str, Any]] = []
        arrays: dict[str, AnyArray] = {}
        for i, column in enumerate(self.columns):
            kind: Literal["numeric", "categorical"]
            if isinstance(column, NumericColumn):
                kind = "numeric"
                arrays[f"{i}e"], arrays[f"{i}a"] = column.edges, column.atoms
                plain.append({"name": column.name, "kind": kind})
            else:
                kind = "categorical"
                plain.append({"name": column.name, "kind": kind, "categories": list(column.categories)})
        header = {
            "task": self.task,
            "columns": plain,
            "classes": list(self.classes),
            "centre": self.centre,
            "scale": self.scale,
        }
        return pack("S", header, arrays)

    @staticmethod
    def from_bytes(data: bytes) -> "ProfileSpecification":
        """Specification from the bytes that ``to_bytes`` wrote. Raises IntegrityError for damaged bytes."""
        header, arrays = unpack("S", data)
        try:
            columns = [_column(plain, i, arrays) for i, plain in enumerate(header["columns"])]
            score = columns.pop()
            if not isinstance(score, NumericColumn):
                raise ValueError("the score is not numeric")
            specification = ProfileSpecification(
                header["task"],
                tuple(columns),
                score,
                tuple(header["classes"]),
                float(header["centre"]),
                float(header["scale"]),
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise IntegrityError(f"a stored profile specification is damaged: {error!r}") from None
        # the digest is that of the stored bytes: another release of zstd would encode the same content otherwise
        specification.__dict__["_bytes"] = data
        return specification


def _column(plain: dict[str, Any], i: int, arrays: dict[str, AnyArray]) -> Column:
    if plain["kind"] == "numeric":
        return NumericColumn(plain["name"], arrays[f"{i}e"], arrays[f"{i}a"])
    return CategoricalColumn(plain["name"], tuple(plain["categories"]))


def build_specification(
    task: Task,
    numeric: Mapping[str, Floats],
    categorical: Mapping[str, Sequence[object]],
    scores: Floats,
    classes: tuple[str, ...],
    bins: int = 1024,
) -> ProfileSpecification:
    """Specification derived from reference rows: float64[n] a numeric column, texts (None: missing) a categorical
    one, ``scores`` float64[n], ``bins`` the target number of bins of a feature.

    The score gets twice the bins (its counts by class carry the AUROC), a quarter of them even over 0 to 1 for a
    classification. Missing and infinite values are left out; a column without a usable value is legal. Raises
    InvalidInputError for a feature named "score".
    """
    if SCORE in numeric or SCORE in categorical:
        raise InvalidInputError(
            f"a feature is named {SCORE!r}, which stands for the model's own score in every chart: rename the column"
        )
    features: list[Column] = [numeric_column(name, values, bins) for name, values in numeric.items()]
    for name, texts in categorical.items():
        features.append(CategoricalColumn(name, _frequent(texts)))
    finite = _finite(scores)
    even = None if task == "regression" else (0.0, 1.0)
    score = numeric_column(SCORE, scores, 2 * bins, even)
    deviation = float(np.std(finite)) if finite.size else 0.0
    return ProfileSpecification(
        task,
        tuple(features),
        score,
        tuple(classes),
        float(np.mean(finite)) if finite.size else 0.0,
        deviation if np.isfinite(deviation) and deviation > 0 else 1.0,
    )


def numeric_column(
    name: str, values: Floats, bins: int, span: tuple[float, float] | None = None
) -> NumericColumn:
    """Edges and atoms for the values of a column (float64[n]; NaN and infinities are left out; no value gives no
    edges).

    Up to ``bins / 2`` distinct values: each is an atom, with edges between for what arrives there later. Up to
    ``bins``: each begins a bin. Beyond, three quarters of ``bins`` are quantiles and a quarter even over the range
    (or ``span``). A value is an atom from half a quantile's mass on, so that no bin but an atom's holds more than 1.5
    quantiles' mass of the reference. More edges halve the way into what the reference leaves thin or empty
    (``_halved``).
    """
    finite = _finite(values)
    if not finite.size:
        return NumericColumn(name, frozen(np.empty(0)), frozen(np.empty(0)))
    distinct, counts = np.unique(finite, return_counts=True)
    low, high = span or (float(distinct[0]), float(distinct[-1]))
    quantiles = bins * 3 // 4
    if len(distinct) <= bins // 2:
        parts = min(GAP_PARTS, bins // len(distinct))
        share = np.arange(1, parts)[:, None] / parts
        between = distinct[:-1] * (1 - share) + distinct[1:] * share
        atoms, edges = distinct, np.concatenate((distinct, between.ravel()))
    else:
        atoms = distinct[counts >= max(2.0, finite.size / (2 * quantiles))]
        share = np.linspace(0.0, 1.0, bins // 4 + 1)
        ranks = np.arange(1, quantiles) * (finite.size / quantiles)
        cuts = distinct if len(distinct) <= bins else distinct[np.searchsorted(np.cumsum(counts), ranks)]
        edges = np.concatenate(
            (cuts, low * (1 - share) + high * share, _halved(cuts[[0, -1]], distinct[[0, -1]]))
        )
    wide = np.flatnonzero(np.diff(distinct / 2) > (distinct[-1] / 2 - distinct[0] / 2) * WIDE_GAP)
    edges = np.concatenate(
        (edges, _halved(distinct[wide], distinct[wide + 1]), _halved(distinct[wide + 1], distinct[wide]))
    )
    with np.errstate(over="ignore"):  # after the largest float comes infinity, which is dropped below
        after = np.nextafter(np.append(atoms, distinct[-1]), np.inf)
    edges = np.unique(np.concatenate((edges, atoms, after, distinct[:1])))
    return NumericColumn(name, frozen(edges[np.isfinite(edges)]), frozen(atoms))


def _halved(near: Floats, far: Floats) -> Floats:
    """Points between each ``near`` and ``far``, HALVING_STEPS to each halving of the way from far to near. A value
    between is then in a bin no wider than a tenth of its distance from near, whose position is kept to 1/512 of that."""
    share = 0.5 ** (np.arange(1, HALVING_STEPS * HALVINGS + 1) / HALVING_STEPS)
    return np.asarray((near[:, None] * (1 - share) + far[:, None] * share).ravel(), np.float64)


def _finite(values: Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)] + 0.0  # + 0.0 makes -0.0 and 0.0 one value


def _frequent(values: Sequence[object]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for value in values:
        text = category_text(value)
        if text is not None:
            counts[text] = counts.get(text, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(text for text, _ in ordered[:CATEGORY_CAP])
