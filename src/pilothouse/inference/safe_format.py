"""Model files in skops format with a fixed list of types, never pickle. A type that is not on the list is not loaded.

The list holds what scikit-learn's own classifiers, regressors and transformers are made of, beyond what skops trusts by
itself. It is never widened by what a file asks for.
"""

import re
import zipfile
import zlib
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.formats.safe_text import LINE_LIMIT, one_line

ALLOWED_TYPES: tuple[str, ...] = (
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",  # a dict whose keys can be read as attributes: the parts of a vote or a stack by name
)
"""Types beyond skops's own trusted ones that a model file may hold."""

_MERGED = frozenset({"bool", "bool_"})
"""Names of Python's and numpy's boolean types: numpy is not imported for this."""

_WRITTEN_WITH = re.compile(rb'"_sklearn_version":\s*\{[^{}]*?"content":\s*"\\"([0-9][0-9A-Za-z.+]{0,30})\\""')
"""An estimator's own word for the release that made it, as skops writes it."""
_LONGEST_DESCRIPTION = 64 << 20
MAXIMUM_UNPACKED_BYTES = 4 * 2**30
"""Unpacked size above which a file is refused before anything of it is read."""


def dump_model(estimator: Any) -> bytes:
    """Bytes of a fitted estimator that ``load_model`` takes. Raises InvalidInputError naming the types it refuses, and
    parameters that would come back as others."""
    import skops.io

    merged = _merged(estimator)
    if merged:
        raise InvalidInputError(
            f"the parameter {merged[0]} has keys that are true, false or none, which a model file does not keep apart: "
            "use 1 and 0 (classes that are booleans equal them)"
        )
    try:
        data: bytes = skops.io.dumps(estimator)
    except Exception as error:  # skops raises what the object raises; the user must hear it, whatever it is
        raise InvalidInputError(f"the model cannot be written safely: {_message(error)}") from error
    refused = _refused(data)
    if refused:
        raise InvalidInputError(
            f"the model holds types that a model file may not hold: {', '.join(refused)}; "
            "use scikit-learn's own estimators and transformers"
        )
    return data


def load_model(data: bytes) -> Any:
    """Estimator from ``data``, the very bytes whose digest was checked. Raises IntegrityError naming refused types."""
    import skops.io

    _check_size(data)
    refused = _refused(data)
    if refused:
        raise IntegrityError(
            f"the model file holds types that are not allowed: {', '.join(refused)}; not loaded"
        )
    try:
        return skops.io.loads(data, trusted=list(ALLOWED_TYPES))
    except Exception as error:  # a damaged file fails in whichever type it breaks
        raise IntegrityError(f"the model file cannot be read: {_message(error)}") from error


def written_with(data: bytes) -> str:
    """Release of scikit-learn that the estimators of a model file say they were made with; empty where they do not say."""
    import io

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open("schema.json") as member:
            description = member.read(_LONGEST_DESCRIPTION)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError, EOFError, zlib.error):
        return ""
    found = _WRITTEN_WITH.search(description)
    return found.group(1).decode("ascii") if found else ""


def scikit_learn_here() -> str:
    """Release of scikit-learn in this environment. It is not imported; empty where there is none."""
    from importlib import metadata

    try:
        return metadata.version("scikit-learn")
    except metadata.PackageNotFoundError:
        return ""


def tie(data: bytes) -> str:
    """``written with scikit-learn 1.8.0, read with 1.9.1``; empty where both are the same or one is not known."""
    written, here = written_with(data), scikit_learn_here()
    return f"written with scikit-learn {written}, read with {here}" if written and here != written else ""


def _merged(estimator: Any) -> list[str]:
    """Parameters with keys that skops (0.16) writes as texts and reads back as ``bool(text)``: all of them True."""
    try:
        parameters = estimator.get_params(deep=True)
    except Exception:  # noqa: BLE001 - not an estimator, or one that cannot say: skops tells what is wrong with it
        return []
    return sorted(name for name, value in parameters.items() if _merges(value))


def _merges(value: Any) -> bool:
    if isinstance(value, list | tuple):  # the weights of several outputs
        return any(map(_merges, value))
    return isinstance(value, dict) and any(key is None or type(key).__name__ in _MERGED for key in value)


def untrusted_types(data: bytes) -> list[str]:
    """Types that a model file holds beyond those that skops trusts by itself. Raises IntegrityError."""
    import skops.io

    try:
        untrusted: list[str] = skops.io.get_untrusted_types(data=data)
    except Exception as error:  # the audit itself walks the file: whatever breaks there, the file is bad
        raise IntegrityError(f"the model file cannot be read: {_message(error)}") from error
    return sorted(set(untrusted))


def _refused(data: bytes) -> list[str]:
    return sorted(set(untrusted_types(data)) - set(ALLOWED_TYPES))


def _check_size(data: bytes) -> None:
    import io

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise IntegrityError(f"the model file is not a skops file: {error}") from None
    if unpacked > MAXIMUM_UNPACKED_BYTES:
        raise IntegrityError(
            f"the model file unpacks to {unpacked} bytes; expected {MAXIMUM_UNPACKED_BYTES} at most"
        )


def _message(error: BaseException) -> str:
    return one_line(f"{type(error).__name__}: {error}", LINE_LIMIT)
