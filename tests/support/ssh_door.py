"""A workspace behind a real sshd: people with keys of their own, as tests add them."""

from dataclasses import dataclass, field
from pathlib import Path

from fixtures.registries import Example, make_example
from pilothouse.composition import open_workspace
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.users import KeyUse
from pilothouse.operations.identity import users
from pilothouse.operations.identity.users import KeyTerms
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from support.ssh_keys import make_key, public
from support.sshd import Sshd


@dataclass
class Door:
    """A workspace, the sshd before it, and the keys of those who come."""

    services: Services
    sshd: Sshd
    keys: Path
    made: dict[str, Path] = field(default_factory=dict)

    def key(self, name: str) -> Path:
        """The private key of a name, which nobody has bound to anything yet."""
        if name not in self.made:
            self.made[name] = make_key(self.keys, name)
        return self.made[name]

    def add(self, name: str, **terms: object) -> Path:
        """Make somebody a user, with a key."""
        ada = workspaces.identify(self.services, "ada")
        users.add_user(self.services, ada, name)
        return self.bind(name, name, **terms)

    def bind(self, name: str, key: str, **terms: object) -> Path:
        """Bind a key to a user, on these terms."""
        ada = workspaces.identify(self.services, "ada")
        given = KeyTerms(**terms)  # type: ignore[arg-type]
        users.add_key(self.services, ada, name, read_key(public(self.key(key))), given)
        return self.key(key)

    def trust(self, name: str, authority: str) -> Path:
        """Let an authority's certificates name a user."""
        return self.bind(name, authority, use=KeyUse.AUTHORITY)


def make_workspace(root: Path) -> Services:
    example: Example = make_example(root)
    example.services.close()
    return open_workspace(root)
