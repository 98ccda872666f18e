"""Arms of a trial: which of its two versions answers a request.

A canary answers the share of requests whose keys hash below it, so that a key always gets the same version. The key is the
header ``X-Request-Key``, else the id in the request; a request without either is drawn.
"""

import hashlib
import random
from dataclasses import replace

from pilothouse.domain.errors import PilothouseError
from pilothouse.inference.columns import InputColumns, with_missing
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.forms import Form, header_of
from pilothouse.serving.bodies.protocol import Inference
from pilothouse.serving.versions.live_versions import LoadedTrial, LoadedVersion
from pilothouse.serving.web.compression import Headers

KEY = b"x-request-key"
"""Header that holds the key of a request."""
_SALT_BYTES = 64
"""Bytes that a keyed hash takes."""


def takes(salt: bytes, share: float, key: bytes) -> bool:
    """Whether the challenger takes the requests of a key: by the first 64 bits of a keyed BLAKE2b (RFC 7693), which are
    uniform."""
    if len(salt) > _SALT_BYTES:
        salt = hashlib.blake2b(salt).digest()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8, key=salt).digest()) < share * 2**64


def arm_of(trial: LoadedTrial, headers: Headers, request_id: str | None = None) -> LoadedVersion:
    """Version that answers a request: the champion in the shadow, and where the challenger does not fit."""
    if trial.share <= 0.0 or trial.unfit:
        return trial.champion
    key = header_of(headers, KEY) or request_id or str(random.getrandbits(64))
    is_taken = takes(trial.salt, trial.share, key.encode("utf-8", "surrogatepass"))
    return trial.challenger if is_taken else trial.champion


def read_for_arm(
    trial: LoadedTrial, form: Form, body: bytes, headers: Headers
) -> tuple[LoadedVersion, Inference | PilothouseError]:
    """Version that answers a request, and the request as it is read for it; or the error, which is that version's too, so that
    the faults of clients are shared out as their requests are."""
    try:
        request = form.read(body, headers, trial.champion.schema, trial.champion.private)
    except PilothouseError as error:
        return arm_of(trial, headers), error
    arm = arm_of(trial, headers, request.id)
    if arm is trial.champion:
        return arm, request
    return arm, replace(request, columns=columns_for(arm.schema, request.columns))


def columns_for(schema: InputSchema, columns: InputColumns) -> InputColumns:
    """Columns of a request that a challenger takes, of those that the champion takes."""
    return with_missing(
        schema,
        InputColumns(
            columns.rows,
            {name: columns.numeric[name] for name in schema.numeric},
            {name: columns.categorical[name] for name in schema.categorical},
        ),
    )
