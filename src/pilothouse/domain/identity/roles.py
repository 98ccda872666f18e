"""Roles and their permissions. Every operation asks ``allows``; no screen and no command decides for itself."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.persons import folded
from pilothouse.domain.identity.scopes import ALL_TARGETS, Place, Reach, TargetChoice


class Role(StrEnum):
    """The roles of a workspace. An actor may hold several, each for all models or for one."""

    VIEWER = "viewer"
    AUDITOR = "auditor"
    DATA_SCIENTIST = "data-scientist"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"
    DAEMON = "daemon"
    """Held by the service actor ``daemon`` alone; cannot be granted."""


class Permission(StrEnum):
    """Permission that an operation needs."""

    READ = "read"
    APPLY = "apply a model file"
    LOOSEN = "loosen a gate or a policy"
    TRAIN = "start a training"
    CANCEL_JOB = "cancel or retry a job"
    REQUEST = "request a promotion"
    DECIDE = "approve or reject a promotion"
    COMMENT = "comment on a request"
    ATTACH = "attach a document to a request"
    CONFIRM = "confirm a condition of an approval"
    BREAK_GLASS = "break the glass: deploy alone in an emergency"
    REVIEW_GLASS = "review a deployment by breaking the glass"
    REVIEW = "record the review of a model"
    ROLL_BACK = "roll back a deployment"
    ROLL_OUT = "pause a roll-out or let it go on"
    LIFT_HOLD = "lift a hold on automatic deployment"
    HANDLE_ALERT = "acknowledge or resolve an alert"
    PAUSE = "pause or resume automation"
    INGEST = "hand in predictions and outcomes"
    IMPORT = "import from another registry"
    EXPORT = "send a version to another registry"
    SCHEDULE = "pause or resume a schedule"
    GRANT = "grant or revoke a role"
    UNLOCK = "unlock a passphrase or take it away"
    SET_POLICY = "set the workspace's policy"
    PROPOSE = "propose a change of access or rules, or accept one"
    BACKUP = "back up the workspace"
    FREEZE = "make the workspace read-only or writable"
    REPAIR = "write states on record anew"
    CONVERT = "write a version's portable form"
    RETENTION = "delete old predictions, or hold them"
    ERASE = "erase a person's rows"
    RUN_DAEMON = "record what the daemon did"

    @property
    def word(self) -> str:
        """How ``pilothouse can`` calls it: by the command that needs it, where there is one."""
        return _WORDS.get(self.name, self.name.lower().replace("_", "-"))


_WORDS = {
    "DECIDE": "approve",
    "ROLL_BACK": "rollback",
    "HANDLE_ALERT": "ack",
    "CANCEL_JOB": "cancel",
    "SET_POLICY": "policy",
    "FREEZE": "read-only",
    "RETENTION": "retention",
}


_EVERYBODY = frozenset({Permission.READ})
_SCIENTIST = _EVERYBODY | {
    Permission.APPLY,
    Permission.TRAIN,
    Permission.CANCEL_JOB,
    Permission.REQUEST,
    Permission.COMMENT,
    Permission.ATTACH,
    Permission.CONFIRM,
    Permission.INGEST,
    Permission.IMPORT,
    Permission.EXPORT,
}
_OPERATOR = _EVERYBODY | {
    Permission.TRAIN,
    Permission.CANCEL_JOB,
    Permission.REQUEST,
    Permission.COMMENT,
    Permission.ATTACH,
    Permission.CONFIRM,
    Permission.ROLL_BACK,
    Permission.ROLL_OUT,
    Permission.BREAK_GLASS,
    Permission.LIFT_HOLD,
    Permission.HANDLE_ALERT,
    Permission.PAUSE,
    Permission.INGEST,
    Permission.IMPORT,
    Permission.EXPORT,
    Permission.SCHEDULE,
    Permission.BACKUP,
    Permission.FREEZE,
    Permission.REPAIR,
    Permission.CONVERT,
}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _EVERYBODY,
    Role.AUDITOR: _EVERYBODY | {Permission.REVIEW, Permission.ATTACH, Permission.CONFIRM},
    Role.DATA_SCIENTIST: _SCIENTIST,
    Role.OPERATOR: _OPERATOR,
    Role.APPROVER: _EVERYBODY
    | {
        Permission.DECIDE,
        Permission.ROLL_OUT,
        Permission.COMMENT,
        Permission.ATTACH,
        Permission.CONFIRM,
        Permission.BREAK_GLASS,
        Permission.REVIEW_GLASS,
        Permission.REVIEW,
    },
    Role.ADMIN: frozenset(Permission)
    - {Permission.RUN_DAEMON, Permission.DECIDE, Permission.BREAK_GLASS, Permission.REVIEW},
    Role.DAEMON: _EVERYBODY
    | {Permission.TRAIN, Permission.REQUEST, Permission.INGEST, Permission.RUN_DAEMON, Permission.BACKUP}
    | {Permission.RETENTION, Permission.ERASE},
}
"""An admin sets rules and does not sign: whoever should do both is granted both, and the audit log says so."""

READERS = frozenset({Role.VIEWER, Role.AUDITOR})
"""Roles whose denial takes reading away; no other's does."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held for one model, or for all where ``model`` is empty, and for some targets or for all. ``deny``: what the role
    may do there is taken away, whatever else is held."""

    role: Role
    model: str = ""
    deny: bool = False
    targets: TargetChoice = ALL_TARGETS

    @property
    def permissions(self) -> frozenset[Permission]:
        """What is given, or taken away: reading only by a role that reads and little else."""
        given = PERMISSIONS[self.role]
        return given - _EVERYBODY if self.deny and self.role not in READERS else given

    @property
    def plain(self) -> dict[str, object]:
        """What the log says of it: the old two facts, and the others where they are set."""
        facts: dict[str, object] = {"role": str(self.role), "model": self.model}
        facts |= {"deny": True} if self.deny else {}
        return facts | ({"targets": self.targets.plain} if self.targets else {})

    def __str__(self) -> str:
        return f"{'no ' if self.deny else ''}{self.role} for {self.scope}"

    @property
    def scope(self) -> str:
        """``all models``; ``flight-delay, on targets with region us-*``."""
        on = f", on targets with {self.targets}" if self.targets else ""
        return f"{self.model or 'all models'}{on}"


@dataclass(frozen=True, slots=True)
class Actor:
    """User, or the daemon, with the roles that they hold in this workspace."""

    name: str
    grants: tuple[Grant, ...] = ()
    identity: Identity | None = None
    """How the name was established; None where nobody has said."""
    uid: int | None = None
    """Account of the system, where the name is its own."""
    also: tuple[str, ...] = ()
    """Other names of the same person, folded."""
    until: datetime | None = None
    """When the key or the certificate ends that they came with; None: it has no end."""

    def ending(self, now: datetime) -> str:
        """Why they may act no more, by the time of what they came with; empty where they may."""
        if self.until is None or now < self.until:
            return ""
        is_certified = self.identity is not None and self.identity.kind is IdentityKind.SSH_CERTIFICATE
        return (
            f"the time of the {'certificate' if is_certified else 'key'} is over that {self.name} came with"
        )

    @property
    def names(self) -> frozenset[str]:
        """Every name of this person, folded."""
        return frozenset((folded(self.name), *self.also))

    def has_name(self, name: str) -> bool:
        """True where the name is one of this person's."""
        return folded(name) in self.names

    def allows(self, permission: Permission, model: str = "", targets: Iterable[Place] | None = None) -> bool:
        """True if a grant carries ``permission`` for all of the model and its targets (for everything where they are not
        named), and none denies it for any of them."""
        reach = Reach(model, None if targets is None else tuple(targets))
        relevant = [grant for grant in self.grants if permission in grant.permissions]
        if any(grant.deny and reach.touches(grant.model, grant.targets) for grant in relevant):
            return False
        return any(not grant.deny and reach.within(grant.model, grant.targets) for grant in relevant)

    def might(self, permission: Permission, model: str = "") -> bool:
        """True if it is allowed for the model on some targets: what a screen knows before it is said which."""
        relevant = [grant for grant in self.grants if permission in grant.permissions]
        everywhere = Reach(model, ())
        if any(grant.deny and everywhere.touches(grant.model, grant.targets) for grant in relevant):
            return False
        return any(not grant.deny and grant.model in ("", model) for grant in relevant)

    @property
    def role_names(self) -> str:
        """The roles in words, for the screen."""
        held = sorted({str(grant.role) for grant in self.grants if not grant.deny})
        return ", ".join(held) or "no role"


DAEMON = Actor("daemon", (Grant(Role.DAEMON),), Identity(IdentityKind.DAEMON))
"""The service actor in whose name the daemon acts."""
