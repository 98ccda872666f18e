"""Opening of a registry of others by its address."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.foreign.http_client import HttpClient
from pilothouse.foreign.mlflow_file import MlflowFile
from pilothouse.foreign.mlflow_server import MlflowServer
from pilothouse.foreign.source import Source


def open_mlflow(uri: str, artifacts: Sequence[Path] = ()) -> Source:
    """MLflow at ``http(s)://…``, ``sqlite:///PATH`` or the path of its SQLite file. Raises PilothouseError."""
    if uri.startswith(("http://", "https://")):
        return MlflowServer(HttpClient(uri))
    if uri.startswith("sqlite:///"):
        path = Path(unquote(uri.removeprefix("sqlite:///")))
        if not path.is_absolute() and not path.exists() and ("/" / path).is_file():
            raise NotFoundError(
                f"{safe(str(path), 1_000)} does not exist in this folder; an absolute path has four slashes: "
                f"sqlite:////{safe(str(path), 1_000)}"
            )
        return MlflowFile(path, artifacts)
    if "://" in uri:
        raise InvalidInputError(
            f"{safe(uri, 100)}: expected http(s)://…, sqlite:///PATH, or the path of a SQLite file"
        )
    path = Path(uri)
    if path.is_dir():
        raise InvalidInputError(
            f"{safe(uri, 100)} is a folder: MLflow's file store is not read; move it with mlflow migrate-filestore first"
        )
    return MlflowFile(path, artifacts)
