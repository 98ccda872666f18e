"""Whom to believe (c2sp.org/tlog-policy): keys of logs and witnesses, and how many witnesses of which group are enough."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError
from pilothouse.transparency import checkpoints
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import PublicKey, parse_key

NOBODY = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses by name, groups (how many of which members), and the name that must have seen a head."""

    logs: tuple[PublicKey, ...] = ()
    witnesses: Mapping[str, PublicKey] = field(default_factory=dict)
    groups: Mapping[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    quorum: str = NOBODY

    def cosigners(self, head: SignedCheckpoint) -> set[str]:
        """Witnesses that have cosigned a head. Raises IntegrityError where a cosignature is wrong."""
        return {
            name for name, key in self.witnesses.items() if checkpoints.cosigned_at(head, key) is not None
        }

    def is_met(self, cosigners: Iterable[str]) -> bool:
        """True where these witnesses are enough."""
        return self.quorum == NOBODY or self._has_seen(self.quorum, set(cosigners))

    def _has_seen(self, name: str, cosigners: set[str]) -> bool:
        if name in self.witnesses:
            return name in cosigners
        least, members = self.groups[name]
        return sum(self._has_seen(member, cosigners) for member in members) >= least

    def __str__(self) -> str:
        lines = [f"log {key}" for key in self.logs]
        lines += [f"witness {name} {key}" for name, key in self.witnesses.items()]
        lines += [
            f"group {name} {least} {' '.join(members)}" for name, (least, members) in self.groups.items()
        ]
        return "".join(f"{line}\n" for line in [*lines, f"quorum {self.quorum}"])


def at_least(count: int, logs: Iterable[PublicKey], witnesses: Mapping[str, PublicKey]) -> Policy:
    """Policy by which so many of the witnesses must have seen a head."""
    if not count:
        return Policy(tuple(logs), witnesses)
    return Policy(tuple(logs), witnesses, {"enough": (count, tuple(witnesses))}, "enough")


def parse(text: str) -> Policy:
    """Policy of a policy file. Raises InvalidInputError that names the line."""
    logs: list[PublicKey] = []
    witnesses: dict[str, PublicKey] = {}
    groups: dict[str, tuple[int, tuple[str, ...]]] = {}
    quorum: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.replace("\t", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            match words:
                case ["log", key, *rest] if len(rest) <= 1:
                    logs.append(_unknown(parse_key(key), logs))
                case ["witness", name, key, *rest] if len(rest) <= 1:
                    _check_new(name, witnesses, groups)
                    witnesses[name] = _unknown(parse_key(key), witnesses.values())
                case ["group", name, least, *members] if members:
                    _check_new(name, witnesses, groups)
                    groups[name] = _group(least, members, {*witnesses, *groups})
                case ["quorum", name] if quorum is None and name in {NOBODY, *witnesses, *groups}:
                    quorum = name
                case _:
                    raise InvalidInputError("not understood")
        except InvalidInputError as error:
            raise InvalidInputError(f"line {number} of the policy: {error}") from None
    if quorum is None:
        raise InvalidInputError("the policy has no line 'quorum NAME'")
    return Policy(tuple(logs), witnesses, groups, quorum)


def _check_new(name: str, *known: Iterable[str]) -> None:
    if name == NOBODY or any(name in names for names in known):
        raise InvalidInputError(f"the name {name[:80]!r} is taken")


def _unknown(key: PublicKey, known: Iterable[PublicKey]) -> PublicKey:
    if any(one.key == key.key for one in known):
        raise InvalidInputError("the key is listed twice")
    return key


def _group(least: str, members: list[str], known: set[str]) -> tuple[int, tuple[str, ...]]:
    count = {"any": 1, "all": len(members)}.get(least) or checkpoints.number(least)
    if not 1 <= count <= len(members) or len(set(members)) < len(members) or not known.issuperset(members):
        raise InvalidInputError("a group names how many of which witnesses or groups above it, each once")
    return count, tuple(members)
