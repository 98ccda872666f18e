"""A selection of targets as one line that people type: ``region = eu, unit != retail, labels.tier = gold|silver``."""

from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.target_selection import select_faults

_ALSO = {"unit": "business_unit", "target": "name"}
"""Words that people type for a key."""
_LABELS = "labels."


def parse_selection(text: str) -> dict[str, Any]:
    """The selection as ``[targets]`` of a model file has it. Every condition must hold; of texts with ``|`` between them one
    suffices. Raises InvalidInputError for a condition that is none, an unknown key or one that is named twice."""
    select: dict[str, Any] = {}
    for condition in text.split(","):
        key, sign, value = condition.partition("=")
        excludes = key.rstrip().endswith("!")
        key, value = key.rstrip().removesuffix("!").strip(), value.strip()
        texts = [part.strip() for part in value.split("|")]
        if not sign or not key or not all(texts):
            raise InvalidInputError(
                f"--where: found {condition.strip()!r}; expected conditions such as region = eu, unit != retail"
            )
        wanted = [f"!{part}" for part in texts] if excludes else texts
        key = _ALSO.get(key, key)
        held = select
        if key.startswith(_LABELS):
            held, key = select.setdefault("labels", {}), key.removeprefix(_LABELS)
        if key in held:
            raise InvalidInputError(f"--where: {key!r} is named twice; expected one condition a key")
        held[key] = wanted
    if fault := next(select_faults("--where", select), ""):
        raise InvalidInputError(fault)
    return select
