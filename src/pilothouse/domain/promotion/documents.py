"""Documents that are attached to a request: which are current, which are missing, and which an approval was given on. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.canonical import canonical_digest

LARGEST = 16 << 20
"""Bytes of one document."""
LARGEST_TOGETHER = 64 << 20
"""Bytes of all documents of a request, those that were replaced too."""
MOST = 20
"""Documents with names of their own on a request, and documents that a policy asks for."""
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDocument:
    """Document on record. Its bytes are the artifact ``digest``; nothing reads what is in them."""

    name: str
    """What it is, in the words of the policy: ``validation report``."""
    file: str
    """Name of the file that was attached, without its folder."""
    size: int
    digest: str
    attached_by: str
    recorded_at: datetime


def name_fault(name: str) -> str:
    """What is wrong with the name of a document; empty where nothing is."""
    if not name or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        return (
            f"{name[:_LONGEST_NAME]!r} is no name of a document: expected 1 to {_LONGEST_NAME} printable characters "
            "without blanks around them"
        )
    return ""


def current(documents: Sequence[RequestDocument]) -> tuple[RequestDocument, ...]:
    """The newest document of each name, by name; ``documents`` are in their order."""
    newest = {document.name: document for document in documents}
    return tuple(newest[name] for name in sorted(newest))


def digests_of(documents: Sequence[RequestDocument]) -> dict[str, str]:
    """sha256 of the newest document of each name: what a decision is bound to."""
    return {document.name: document.digest for document in current(documents)}


def missing_of(asked: Iterable[str], documents: Sequence[RequestDocument]) -> tuple[str, ...]:
    """Names that are asked for and not attached, in their order."""
    attached = {document.name for document in documents}
    return tuple(name for name in asked if name not in attached)


def replaced_since(given_on: Mapping[str, str], documents: Sequence[RequestDocument]) -> tuple[str, ...]:
    """Names of documents that a decision was given on, and in whose place there is another one now."""
    now = digests_of(documents)
    return tuple(sorted(name for name, digest in given_on.items() if now.get(name) != digest))


def shown_digest(evidence_digest: str, documents: Sequence[RequestDocument]) -> str:
    """Digest of all that is shown to who decides, by which they name it: that of the evidence where nothing is attached."""
    attached = digests_of(documents)
    return (
        canonical_digest({"evidence": evidence_digest, "documents": attached})
        if attached
        else evidence_digest
    )


def names_text(names: Sequence[str]) -> str:
    """``"validation report" and "bias review"``."""
    return " and ".join(f'"{name}"' for name in names)
