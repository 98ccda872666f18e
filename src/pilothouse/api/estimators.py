"""A version as an estimator in a program's own process.

The database is never open in this process: a desk of its own resolves the reference, and this process reads the files by
their digests. The portable form comes first, which is evaluated in numpy without scikit-learn; a skops file is read with the
fixed list of types alone, in a process that holds no database.
"""

from pathlib import Path
from typing import Any

from pilothouse.api.frames import to_columns
from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import version_uri


class Estimator:
    """A fitted version, with the methods of a scikit-learn estimator. Made by ``ph.load``; safe to use from several threads and
    after a fork. Its classes are texts, as everywhere in Pilothouse; of two the second is the positive one."""

    def __init__(self, predictor: Any, number: int) -> None:
        import numpy as np

        self._predictor = predictor
        schema = predictor.schema
        self.model: str = schema.model
        self.version = number
        self.task: str = schema.task
        self.portable: bool = predictor.portable
        self.feature_names_in_ = np.array([column.name for column in schema.columns], dtype=object)
        self.n_features_in_ = len(schema.columns)
        if schema.task != "regression":
            self.classes_ = np.array(schema.classes, dtype=object)

    @property
    def uri(self) -> str:
        """``models:/NAME/NUMBER``."""
        return version_uri(self.model, self.version)

    def __repr__(self) -> str:
        form = "portable form" if self.portable else "skops file"
        return f"<Estimator {self.uri}: {self.task}, {self.n_features_in_} features, {form}>"

    def predict(self, X: Any) -> Any:
        """Classes (texts), or values of a regression, an array of one for each row. ``X``: a frame, columns by name, rows by
        name, or an array in the order of ``feature_names_in_``. Raises InvalidInputError."""
        import numpy as np

        prediction = self._predict(X)
        return prediction.scores if self.task == "regression" else np.array(prediction.labels, dtype=object)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities, float64[rows, classes] in the order of ``classes_``. Raises InvalidInputError, as for a regression."""
        if self.task == "regression":
            raise InvalidInputError(f"{self.uri} is a regression: it has no probabilities; use predict")
        return self._predict(X).probabilities

    def fit(self, X: Any, y: Any = None) -> Any:
        """Refused: a version does not change. Raises InvalidInputError."""
        raise InvalidInputError(
            f"{self.uri} is a version, which does not change: ask for a training of {self.model}"
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """No parameters: a version does not change."""
        return {}

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> "Estimator":
        return self

    def __sklearn_tags__(self) -> Any:
        from pilothouse.inference.estimator_tags import tags

        return tags(self.task)

    def _predict(self, X: Any) -> Any:
        names = [column.name for column in self._predictor.schema.columns]
        columns, rows = to_columns(X, names)
        return self._predictor.predict(columns, rows)


def loaded(files: dict[str, Any]) -> Estimator:
    """Estimator of the files that the desk has named. Raises IntegrityError or NotFoundError."""
    from pilothouse.artifacts import ArtifactStore
    from pilothouse.inference.predictor import Predictor
    from pilothouse.inference.schema import InputSchema

    artifacts = ArtifactStore(Path(files["artifacts"]))
    schema = InputSchema.from_bytes(artifacts.read(files["schema_digest"]))
    if schema.model != files["model"]:
        raise IntegrityError(f"the schema of {files['model']} is {one_line(schema.model, 80)}'s")
    if files["portable_digest"]:
        try:
            return Estimator(Predictor(artifacts.read(files["portable_digest"]), schema), files["number"])
        except (IntegrityError, NotFoundError):
            if not artifacts.has(files["model_digest"]):
                raise
    return Estimator(Predictor(artifacts.read(files["model_digest"]), schema), files["number"])
