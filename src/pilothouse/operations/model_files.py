"""Model files in force, parsed once for each digest."""

from collections import OrderedDict

from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.sqlite import Connection
from pilothouse.store.models import models

_AT_MOST = 8_192
_SPECS: OrderedDict[str, ModelSpec] = OrderedDict()
"""Parsed files by digest, the one that was used last at the end."""


def spec_in_force(connection: Connection, model: str) -> ModelSpec | None:
    """The model file in force; None for an unknown model."""
    digest = models.digest_in_force(connection, model)
    if digest is None:
        return None
    spec = _SPECS.get(digest)
    if spec is None:
        stored = models.spec_in_force(connection, model)
        assert stored is not None
        spec = _SPECS[digest] = spec_from_plain(stored.spec, f"{model} as applied")
        if len(_SPECS) > _AT_MOST:
            _SPECS.popitem(last=False)
    else:
        _SPECS.move_to_end(digest)
    return spec
