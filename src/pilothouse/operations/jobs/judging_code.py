"""Code that judges versions: the files that a model's gate function can reach, by digest, as they were applied and as they
are."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.models.code_reach import reached_files
from pilothouse.domain.promotion.loosening import differing_files
from pilothouse.operations.jobs.code_facts import folder_files
from pilothouse.system.files import sha256_file


def judging_code(folder: Path, function: str | None, leave_out: Sequence[Path] = ()) -> dict[str, str]:
    """Digests of the files of a model's folder that its gate function can reach, by name; none without a function.

    Raises InvalidInputError.
    """
    if function is None:
        return {}
    names = [name for name, _ in folder_files(folder, leave_out)]
    start = function.partition(":")[0]
    if start not in names:
        raise InvalidInputError(f"gates.function: {folder / start} is gone; expected it to define {function}")
    reached = reached_files(start, names, lambda name: (folder / name).read_bytes())
    return {name: sha256_file(folder / name) for name in reached}


def check_as_applied(function: str | None, applied: Mapping[str, str] | None, now: Mapping[str, str]) -> None:
    """Raise ConflictError where the code that judges is not what was applied with the model file; ``applied`` is None where it
    was applied by a release that did not record it."""
    if function is None:
        return
    if applied is None:
        raise ConflictError(
            f"gates.function: the code of {function} was never recorded: run pilothouse apply, then train again"
        )
    if files := differing_files(applied, now):
        raise ConflictError(
            f"gates.function: {function} is not as it was applied ({', '.join(files)}): run pilothouse apply, then train again"
        )
