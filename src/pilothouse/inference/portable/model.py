"""A portable model loaded from its bytes. Numpy alone; neither scikit-learn nor pandas is imported."""

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.portable.archive import PROGRAM, from_bytes
from pilothouse.inference.portable.evaluation.operation import Frame
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Array
from pilothouse.inference.schema import InputSchema

_HEAD = b"PK\x03\x04"
_NAME_AT = 30
"""Where the name of a zip's first member begins."""


def is_portable(data: bytes) -> bool:
    """True for bytes of a portable model, which begin with its program; a skops file begins with another member."""
    return data.startswith(_HEAD) and data.startswith(PROGRAM.encode(), _NAME_AT)


class PortableModel:
    """Program made ready to answer. Nothing in it changes, so several threads may use it at once."""

    def __init__(self, data: bytes, schema: InputSchema) -> None:
        """Raises IntegrityError where the bytes are no program, or one that does not fit the schema."""
        program = from_bytes(data)
        self._features = tuple(column.name for column in schema.columns)
        if program.features != self._features:
            raise IntegrityError(
                f"{schema.model}: the portable model has other features than its schema, or in another order"
            )
        self.answers = program.answers
        """Its classes as texts, in the order of its probabilities; empty for a regression."""
        self.known_categories = {name: frozenset(values) for name, values in program.known.items()}
        # no classifier within has more classes than the whole, or the two of one class against the others
        most = max(2, len(self.answers))
        if any(node.optional("outputs") and node.integer("outputs") > most for node in program.root.walk()):
            raise IntegrityError(f"{schema.model}: the portable model has a part of more than {most} classes")
        root = made(program.root)
        if not root.does("predict_proba" if self.answers else "predict") or (
            not self.answers and root.does("predict_proba")
        ):
            raise IntegrityError(f"{schema.model}: the portable model does not answer as its task says")
        if self.answers and root.outputs not in (None, len(self.answers)):
            raise IntegrityError(f"{schema.model}: the portable model has {root.outputs} probabilities a row")
        self._evaluate = root.predict_proba if self.answers else root.predict

    def __call__(self, columns: InputColumns) -> Array:
        """Probabilities (rows × classes), or values of a regression. Raises ValueError where scikit-learn does."""
        numeric, categorical = columns.numeric, columns.categorical
        return self._evaluate(
            Frame(
                columns.rows,
                {name: numeric[name] if name in numeric else categorical[name] for name in self._features},
            )
        )
