"""Predictions and outcomes of models that are served elsewhere, handed over by a program."""

import os
from typing import Any

from pilothouse.api.client import Client
from pilothouse.api.receipts import OutcomeReceipt, Receipt
from pilothouse.api.shared import client_of


def log_predictions(
    frame: Any,
    *,
    model: str,
    version: int,
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
