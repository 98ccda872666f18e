"""The functions of the package: rows handed over, a version loaded, a run begun, in the workspace that is named or found."""

import os
from collections.abc import Mapping
from typing import Any

from pilothouse.api.client import Client
from pilothouse.api.estimators import Estimator
from pilothouse.api.receipts import OutcomeReceipt, Receipt
from pilothouse.api.runs import Run
from pilothouse.api.shared import client_of
from pilothouse.api.values import Version


def log_predictions(
    frame: Any,
    *,
    model: str,
    version: int | Version,
    target: str,
    history: bool = False,
    workspace: "str | os.PathLike[str] | Client | None" = None,
) -> Receipt:
    """Hand over predictions of a version on a target: a DataFrame of pandas or polars, a table of pyarrow, or columns by name.

    By the rules of ``pilothouse ingest``: its columns are the features, the timestamp (or ``event_time``), ``score``, and where
    there are any ``label``, ``prediction_id``, ``latency_ms`` and ``truth``. The same rows handed over again count once.
    ``history``: rows of any time, judged beside each other. Raises InvalidInputError, NotFoundError or NotAllowedError; rows
    that are rejected are counted in the receipt, by reason.
    """
    client = client_of(workspace)
    return client.log_predictions(frame, model=model, version=version, target=target, history=history)


def log_outcomes(frame: Any, *, workspace: "str | os.PathLike[str] | Client | None" = None) -> OutcomeReceipt:
    """Hand over outcomes: the columns ``prediction_id`` and ``outcome`` (or ``truth``, ``value``), by the rules of
    ``pilothouse labels``. Raises InvalidInputError or NotAllowedError."""
    return client_of(workspace).log_outcomes(frame)


def load(
    reference: str | Version, *, workspace: "str | os.PathLike[str] | Client | None" = None
) -> Estimator:
    """Load ``models:/NAME@champion``, ``models:/NAME/3`` or ``NAME`` (its newest version) into this process.

    Without a client the process that resolves the reference ends at once. Raises InvalidInputError, NotFoundError,
    NotAllowedError or IntegrityError (a file is not what was recorded, or not safe to read).
    """
    client = client_of(workspace)
    if isinstance(workspace, Client) or client._connection.is_open:
        return client.load(reference)
    with Client(client.workspace) as alone:
        return alone.load(reference)


def run(
    model: str,
    name: str = "",
    *,
    parameters: Mapping[str, object] | None = None,
    workspace: "str | os.PathLike[str] | Client | None" = None,
) -> Run:
    """Begin a notebook run of a model, with its first parameters: ``with ph.run("flight-delay") as run:``.

    The state of the git repository around this folder, Python, platform and packages are recorded with it. Raises NotFoundError
    (no such model or workspace), NotAllowedError (whoever may start a training may record a run) or InvalidInputError.
    """
    return client_of(workspace).run(model, name, parameters=parameters)
