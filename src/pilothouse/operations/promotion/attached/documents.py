"""Documents of a request: attached as bytes with a name, kept by their digest, handed out as they came. Nothing reads them."""

import hashlib
from collections.abc import Sequence

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.documents import (
    LARGEST,
    LARGEST_TOGETHER,
    MOST,
    RequestDocument,
    current,
    digests_of,
    name_fault,
)
from pilothouse.domain.promotion.request_rules import REPLACED, RequestAct, obstacle_to
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import (
    Change,
    as_now,
    authorise,
    changing,
    clean_text,
    present,
    reading,
)
from pilothouse.operations.promotion.promotions import open_request, reach_of
from pilothouse.operations.promotion.rules_in_force import require_with_rules
from pilothouse.operations.services import Services
from pilothouse.store.governance import documents

_LONGEST_FILE = 200


def attach(
    services: Services, actor: Actor, request_id: int, name: str, file: str, data: bytes
) -> PromotionRequest:
    """Attach a document to an open request; one of the same name takes the place of that before, which stays on record.

    ``file``: name of the file, without its folder. An approval that was given on the document before counts no more. Raises
    NotFoundError, NotAllowedError, InvalidInputError (name, size) or ConflictError (closed, expired, the same bytes again).
    """
    if fault := name_fault(name):
        raise InvalidInputError(fault)
    file = clean_text(file, "the name of the file")[:_LONGEST_FILE] or name
    check_size(len(data), file)
    reach = reach_of(services, request_id)
    authorise(services, actor, Permission.ATTACH, *reach)
    digest = hashlib.sha256(data).hexdigest()
    if _is_taken(services, actor, request_id, name, digest, len(data)):
        services.artifacts.put_bytes(
            data
        )  # not what is refused: nothing would name it, and nothing would delete it
    act = f"attach a document to request {request_id}"
    with changing(services, actor, Permission.ATTACH, *reach, act=act) as change:
        request = open_request(change, request_id, RequestAct.ATTACH)
        before = digests_of(request.documents).get(name)
        _check_room(request, name, digest, len(data))
        document = RequestDocument(
            name=name,
            file=file,
            size=len(data),
            digest=digest,
            attached_by=actor.name,
            recorded_at=change.at,
        )
        documents.add(change.connection, request_id, document)
        after = require_with_rules(change.connection, request_id)
        _record(change, request_id, document, before, _lost(request, after))
        return after


def _is_taken(services: Services, actor: Actor, request_id: int, name: str, digest: str, size: int) -> bool:
    """True where the request takes a document now. Raises ConflictError where it has no room for this one."""
    with services.registry.read() as connection:
        request, now = require_with_rules(connection, request_id), present(services, connection)
        if obstacle_to(RequestAct.ATTACH, request, as_now(connection, actor), now):
            return False
    _check_room(request, name, digest, size)
    return True


def check_size(size: int, file: str) -> None:
    """Raise InvalidInputError where a document is empty or too large."""
    if not 0 < size <= LARGEST:
        found = f"more than {LARGEST:,} bytes" if size > LARGEST else "nothing"
        raise InvalidInputError(f"{file}: found {found}; expected a document of 1 to {LARGEST:,} bytes")


def lost_approvals(request: PromotionRequest) -> list[str]:
    """Names of those whose approval was given on a document that was replaced since."""
    return [one.actor for one in request.decisions if one.void.startswith(REPLACED)]


def list_documents(services: Services, actor: Actor, request_id: int) -> tuple[RequestDocument, ...]:
    """Documents of a request in the order in which they were attached, with those that were replaced. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return require_with_rules(connection, request_id).documents


def read_document(
    services: Services, actor: Actor, request_id: int, name: str, digest: str = ""
) -> tuple[RequestDocument, bytes]:
    """A document with its bytes as they were attached: the newest of the name, or the one whose digest begins so.

    Raises NotFoundError, or IntegrityError where its bytes have changed.
    """
    attached = list_documents(services, actor, request_id)
    found = [one for one in attached if one.name == name and one.digest.startswith(digest)]
    if not found:
        names = ", ".join(f'"{one.name}"' for one in current(attached)) or "none is attached"
        raise NotFoundError(f"request {request_id} has no such document {name!r}: it has {names}")
    return found[-1], services.artifacts.read(found[-1].digest)


def _check_room(request: PromotionRequest, name: str, digest: str, size: int) -> None:
    now = digests_of(request.documents)
    if now.get(name) == digest:
        raise ConflictError(f'request {request.id} has this very file as "{name}" already')
    if name not in now and len(now) >= MOST:
        raise ConflictError(f"request {request.id} has {MOST} documents already, which is the most")
    if sum(one.size for one in request.documents) + size > LARGEST_TOGETHER:
        raise ConflictError(
            f"request {request.id}: its documents would be more than {LARGEST_TOGETHER:,} bytes together, replaced ones too"
        )


def _lost(before: PromotionRequest, after: PromotionRequest) -> list[str]:
    counted = {one.actor for one in before.decisions if not one.void}
    return [name for name in lost_approvals(after) if name in counted]


def _record(
    change: Change, request_id: int, document: RequestDocument, before: str | None, lost: Sequence[str]
) -> None:
    detail = {
        "document": document.name,
        "file": document.file,
        "bytes": document.size,
        "sha256": document.digest,
        "before": before,
        **({"counts_no_more": list(lost)} if lost else {}),
    }
    change.record("document.attached", f"request {request_id}", detail)
