"""Arms of a trial: which of its versions answers a request.

A canary answers the share of requests whose keys hash into its part, so that a key always gets the same version. The key is the
header ``X-Request-Key``, else the id in the request; a request without either is drawn.
"""

import hashlib
import random
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True)
class Arm:
    """Version that answers a request. ``draw``: the key by which it was drawn, hashed with the roll-out's salt to 63 bits; 0
    where the request has no key, or nothing was drawn."""

    version: LoadedVersion
    draw: int = 0


def hash_of(salt: bytes, key: bytes) -> int:
    """The first 64 bits of a keyed BLAKE2b (RFC 7693) of a key, which are uniform."""
    if len(salt) > _SALT_BYTES:
        salt = hashlib.blake2b(salt).digest()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8, key=salt).digest())


def place_of(drawn: int, share: float, arms: int) -> int:
    """Place of the challenger that takes the requests of a key with this hash, ``arms`` where the champion does. Each of the
    ``arms`` takes the same ``share``, at the beginning of a part of its own: one that grows keeps the keys that it had."""
    place = drawn * arms >> 64
    return place if drawn - (place << 64) / arms < share * 2**64 else arms


def takes(salt: bytes, share: float, key: bytes) -> bool:
    """Whether the one challenger of a canary takes the requests of a key."""
    return place_of(hash_of(salt, key), share, 1) == 0


def arm_of(trial: LoadedTrial, headers: Headers, request_id: str | None = None) -> Arm:
    """Version that answers a request: the champion in the shadow, and where the challenger does not fit. Where several share
    the requests, those of one that is not there or does not fit are answered by the champion outside of the trial: the shares
    of the others stay what they are."""
    if trial.share <= 0.0:
        return Arm(trial.champion)
    if trial.arms == 1 and trial.unfit:
        return Arm(trial.champion)
    key = header_of(headers, KEY) or request_id
    drawn = hash_of(trial.salt, key.encode("utf-8", "surrogatepass")) if key else random.getrandbits(64)
    place = place_of(drawn, trial.share, trial.arms)
    version = trial.champion
    if place < trial.arms:
        fitting = (one.version for one in trial.challengers if one.place == place and not one.unfit)
        version = next(fitting, trial.outside or trial.champion)
    return Arm(version, max(drawn >> 1, 1) if key else 0)


def read_for_arm(
    trial: LoadedTrial, form: Form, body: bytes, headers: Headers
) -> tuple[Arm, Inference | PilothouseError]:
    """Version that answers a request, and the request as it is read for it; or the error, which is that version's too, so that
    the faults of clients are shared out as their requests are."""
    try:
        request = form.read(body, headers, trial.champion.schema, trial.champion.private)
    except PilothouseError as error:
        return arm_of(trial, headers), error
    arm = arm_of(trial, headers, request.id)
    if arm.version is trial.champion or arm.version is trial.outside:
        return arm, request
    return arm, replace(request, columns=columns_for(arm.version.schema, request.columns))


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
