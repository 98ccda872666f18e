"""How a person gets in at a tracking server: MLflow's own variables, and its file of credentials."""

import base64
import configparser
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line, safe

CREDENTIALS = ".mlflow/credentials"
"""MLflow's file, in the home of the account."""
CERTIFICATES = "MLFLOW_TRACKING_SERVER_CERT_PATH"
"""Variable that names the file of the authorities which are believed, in place of the system's."""
ADVICE = f"set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or write ~/{CREDENTIALS}"
UNTRUSTED = f"name the file of its authority in {CERTIFICATES}"
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Access:
    """Header of the credentials, none where there are none, and the file of the authorities; None: the system's."""

    headers: Mapping[str, str]
    ca_file: str | None


def access(environment: Mapping[str, str]) -> Access:
    """Access that the variables give, and where they name nobody, the file in ``HOME``. Raises InvalidInputError."""
    ca_file = environment.get(CERTIFICATES) or None
    if ca_file is not None:
        try:
            ssl.create_default_context(cafile=ca_file)
        except (OSError, ValueError) as error:  # an SSLError is an OSError
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InvalidInputError(
                f"{CERTIFICATES} names {safe(ca_file, 200)}, which holds no certificates: {one_line(why, 100)}"
            ) from None
    user, token = (
        environment.get("MLFLOW_TRACKING_USERNAME", ""),
        environment.get("MLFLOW_TRACKING_TOKEN", ""),
    )
    password = environment.get("MLFLOW_TRACKING_PASSWORD", "")
    if not user and not token and (home := environment.get("HOME")):
        user, kept = _of_file(Path(home) / CREDENTIALS)
        password = password or kept
    if user:
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        return Access({"Authorization": f"Basic {word}"}, ca_file)
    if token and not token.isprintable():
        raise InvalidInputError("MLFLOW_TRACKING_TOKEN holds characters that no header may hold")
    return Access({"Authorization": f"Bearer {token}"} if token else {}, ca_file)


def _of_file(path: Path) -> tuple[str, str]:
    """User and password of MLflow's file; empty where there is none. No text of it is in an error."""
    try:
        mode = path.stat().st_mode
        text = path.read_bytes()[:_LARGEST].decode()
        kept = configparser.ConfigParser()
        kept.read_string(text)
    except FileNotFoundError:
        return "", ""
    except (OSError, ValueError, configparser.Error) as error:
        raise InvalidInputError(
            f"{path} cannot be read ({type(error).__name__}); expected [mlflow] with mlflow_tracking_username and "
            "mlflow_tracking_password"
        ) from None
    if mode & 0o077:
        raise InvalidInputError(f"{path} can be read by others than its owner: chmod 600 {path}")
    return _value(kept, "mlflow_tracking_username"), _value(kept, "mlflow_tracking_password")


def _value(kept: configparser.ConfigParser, name: str) -> str:
    try:
        return kept.get("mlflow", name, fallback="")
    except configparser.InterpolationError:  # a percent sign that is not doubled
        return kept.get("mlflow", name, fallback="", raw=True)
