"""The one family of errors. Each message says what was wrong, where, what was expected and what to do.

PilothouseError            exit code 1
├── InvalidInputError      exit code 2   what somebody typed or wrote in a file
│   ├── ModelFileError     several lines, one a problem
│   └── UserCodeError      the model's own code raised
├── NotFoundError          exit code 3   no such model, version, job, target …
├── NotAllowedError        exit code 4   the role or the policy forbids it
│   └── AccessEndedError                  they were let in and are no more: disabled, key revoked
├── ConflictError          exit code 5   the state has moved on: already closed, superseded, live, held
│   ├── AutomationPausedError             automation asked while all of it is paused
│   └── ModelRetiredError                 a retired model was to be trained, requested or deployed
├── IntegrityError         exit code 6   bytes, chain or database are not what was recorded
│   └── ContradictionError                somebody keeps a head that the audit log does not extend
├── UnavailableError       exit code 7   the daemon, the hub, a lock, a disk: try again, or start it
└── StaleAttemptError      exit code 5   a worker whose lease passed to another tries to commit
"""

from collections.abc import Sequence


class PilothouseError(Exception):
    """Base of every error that a user may see. ``str(error)`` is complete and holds no traceback."""

    exit_code = 1


class InvalidInputError(PilothouseError):
    """Input that is not valid, typed by a user or written in a file."""

    exit_code = 2


class ModelFileError(InvalidInputError):
    """A ``model.toml`` is not valid. ``problems`` holds one line for each fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class UserCodeError(InvalidInputError):
    """A function of the model's own code raised; the message names its file and line."""


class NotFoundError(PilothouseError):
    """The named thing does not exist in this workspace."""

    exit_code = 3


class NotAllowedError(PilothouseError):
    """The actor's role, or the policy in force, does not allow this."""

    exit_code = 4


class AccessEndedError(NotAllowedError):
    """The actor was let in and is no more: disabled, or their key was revoked. An open console ends."""


class ConflictError(PilothouseError):
    """The state has moved on: what was to be changed is no longer as the actor saw it."""

    exit_code = 5


class StaleAttemptError(ConflictError):
    """A worker whose lease has passed to another attempt tried to commit its result."""


class AutomationPausedError(ConflictError):
    """Automation asked for something while all of it is paused."""


class ModelRetiredError(ConflictError):
    """A model that its file says is retired was to be trained, requested or deployed."""


class IntegrityError(PilothouseError):
    """Stored bytes, the audit chain or the database are not what was recorded."""

    exit_code = 6


class ContradictionError(IntegrityError):
    """An anchor or a witness holds a head that the audit log does not extend."""


class UnavailableError(PilothouseError):
    """Resource that is away or full: the daemon, the hub, a lock, the disk."""

    exit_code = 7
