"""What a version's record has lost by erasures, and what can still be trained again and compared."""

from pilothouse.domain.erasure import erased_text
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.records import Version
from pilothouse.sqlite import Connection
from pilothouse.store import erasures
from pilothouse.store.work import runs

_NAMES = {"train": "training", "holdout": "hold-out"}


def lost_of(connection: Connection, version: Version) -> dict[str, list[str]]:
    """What training rows (``train``) and hold-out (``holdout``) have lost, a line for each erasure."""
    files = runs.files_of(connection, version.run_id)
    digests = {files[name].digest: name for name in _NAMES if name in files}
    lost: dict[str, list[str]] = {}
    for digest, number, rows, of_rows, at in erasures.losses(connection, tuple(digests)):
        name = digests[digest]
        text = erased_text(number, rows, of_rows, at).replace(" rows were", f" {_NAMES[name]} rows were")
        lost.setdefault(name, []).append(text)
    return lost


def erasures_of(connection: Connection, version: Version) -> list[int]:
    """Numbers of the erasures by which a version's files have lost rows."""
    digests = tuple(file.digest for file in runs.files_of(connection, version.run_id).values())
    return sorted({number for _, number, *_ in erasures.losses(connection, digests)})


def check_reproducible(connection: Connection, version: Version) -> list[str]:
    """Lines about hold-out rows that are gone, on which a reproduction cannot be compared.

    Raises ConflictError where training rows are gone: trained on what is left another model comes out, and its differences
    would say nothing.
    """
    lost = lost_of(connection, version)
    if "train" in lost:
        raise ConflictError(
            f"{version_uri(version.model, version.number)} cannot be reproduced, and is not comparable with what could be "
            f"trained now: {'; '.join(lost['train'])}; the version still holds what it learnt from them: train a new one with "
            f"pilothouse train {version.model}"
        )
    return lost.get("holdout", [])
