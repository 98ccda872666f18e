"""Documents of requests: asked for by the policy, kept by digest, and part of what a decision is bound to."""

import hashlib
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from pilothouse.domain.identity.roles import Actor, Permission, Role
from pilothouse.domain.promotion import documents as rule
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import AuditEntry, PromotionRequest, RequestStatus
from pilothouse.operations.authorisation import TWO_PEOPLE
from pilothouse.operations.identity import passphrases, proposals
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.attached import documents
from pilothouse.operations.promotion.components import Passphrase
from pilothouse.operations.upkeep import backups, restores
from pilothouse.operations.workspace import audits, doctor, workspaces
from pilothouse.sqlite import driver

REPORT = "validation report"
PDF = b"%PDF-1.7\n\x1b]0;owned\x07 a validation report"


@pytest.fixture
def request_(example: Example) -> PromotionRequest:
    """A request under a policy of two approvals that asks for a validation report."""
    example.apply(promotion={"approvals": 2, "documents": [REPORT]})
    example.add_version()
    return promotions.request_promotion(example.services, example.actor("sam"), "delay/1", reason="better")


def attach(
    example: Example, request: PromotionRequest, data: bytes = PDF, by: str = "sam", **of: str
) -> PromotionRequest:
    what = {"name": REPORT, "file": "report.pdf", **of}
    return documents.attach(example.services, example.actor(by), request.id, data=data, **what)


def approve(example: Example, request: PromotionRequest, by: str = "pat") -> PromotionRequest:
    return promotions.approve(example.services, example.actor(by), request.id, request.shown_digest)


def entries(example: Example, action: str) -> list[AuditEntry]:
    """Entries of the audit log of that action, newest first."""
    found = audits.show(example.services, example.actor("aud"))
    return [entry for entry in found if entry.action == action]


def test_nobody_approves_without_the_document_and_everybody_is_told(
    example: Example, request_: PromotionRequest
) -> None:
    with pytest.raises(
        ConflictError, match=rf'lacks "{REPORT}", which the policy asks for: pilothouse attach 1'
    ):
        approve(example, request_)
    assert promotions.waiting_for(example.services, example.actor("pat")) == []

    attach(example, request_)

    assert [one.id for one in promotions.waiting_for(example.services, example.actor("pat"))] == [1]
    rejected = promotions.reject(example.services, example.actor("pat"), 1, "no")
    assert rejected.status is RequestStatus.REJECTED


def test_a_document_is_kept_to_the_byte_with_who_and_when(
    example: Example, request_: PromotionRequest
) -> None:
    (one,) = attach(example, request_).documents
    assert (one.name, one.file, one.size, one.attached_by, one.recorded_at) == (
        REPORT, "report.pdf", len(PDF), "sam", example.time,
    )  # fmt: skip
    assert one.digest == hashlib.sha256(PDF).hexdigest()
    assert documents.read_document(example.services, example.actor("vera"), 1, REPORT) == (one, PDF)
    (entry,) = entries(example, "document.attached")
    assert entry.detail["sha256"] == one.digest
    with pytest.raises(NotFoundError, match="no such document 'other'"):
        documents.read_document(example.services, example.actor("vera"), 1, "other")
    example.services.artifacts.path(one.digest).unlink()
    findings = {one.check: one for one in doctor.diagnose(example.services, example.actor("ada"))}
    assert not findings["artifacts"].ok


def test_a_document_that_is_refused_leaves_nothing_behind(
    example: Example, request_: PromotionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(example, request_)
    stored = list(example.services.artifacts.digests())
    monkeypatch.setattr(documents, "LARGEST_TOGETHER", len(PDF) + 3)
    with pytest.raises(ConflictError, match="its documents would be more than"):
        attach(example, request_, b"four")
    promotions.withdraw(example.services, example.actor("sam"), 1)
    with pytest.raises(ConflictError, match="request 1 is withdrawn already"):
        attach(example, request_, b"one")
    assert list(example.services.artifacts.digests()) == stored


def test_an_approver_names_the_documents_with_the_evidence(
    example: Example, request_: PromotionRequest
) -> None:
    before = attach(example, request_)
    with pytest.raises(ConflictError, match="not the one on file with its documents"):
        promotions.approve(example.services, example.actor("pat"), 1, before.evidence_digest)
    after = attach(example, request_, b"another")
    assert after.shown_digest != before.shown_digest
    with pytest.raises(ConflictError, match="not the one on file"):
        approve(example, before)
    assert approve(example, after).approvals == 1


def test_an_approval_on_a_document_that_was_replaced_counts_no_more(
    example: Example, request_: PromotionRequest
) -> None:
    approve(example, attach(example, request_))

    replaced = attach(example, request_, b"a corrected report", by="aud")

    (decision,) = replaced.decisions
    assert decision.void == f'given on another "{REPORT}" than is attached now'
    assert replaced.approvals == 0
    assert [one.digest for one in replaced.documents] == [
        hashlib.sha256(data).hexdigest() for data in (PDF, b"a corrected report")
    ]
    assert documents.lost_approvals(replaced) == ["pat"]
    entry = entries(example, "document.attached")[0]
    assert entry.detail["counts_no_more"] == ["pat"]
    assert entry.detail["before"] == hashlib.sha256(PDF).hexdigest()
    with pytest.raises(NotAllowedError, match="decided on request 1 already"):
        approve(example, replaced)
    assert approve(example, replaced, "pia").status is RequestStatus.OPEN

    again = promotions.request_again(example.services, example.actor("sam"), 1)
    assert [one.digest for one in again.documents] == [hashlib.sha256(b"a corrected report").hexdigest()]
    assert again.documents[0].attached_by == "aud"
    approve(example, again, "pia")
    assert approve(example, again).status is RequestStatus.DEPLOYED


def test_a_document_that_is_added_later_voids_nothing(example: Example, request_: PromotionRequest) -> None:
    approve(example, attach(example, request_))
    more = attach(example, request_, b"bias", name="bias review")
    assert more.approvals == 1
    with pytest.raises(ConflictError, match="nothing needs asking anew"):
        promotions.request_again(example.services, example.actor("sam"), 1)
    done = approve(example, more, "pia")
    assert done.status is RequestStatus.DEPLOYED
    assert [sorted(one.documents) for one in done.decisions] == [[REPORT], ["bias review", REPORT]]


def test_the_floor_asks_every_model_and_open_requests_take_it(example: Example) -> None:
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    ada = example.actor("ada")
    workspaces.set_workspace_policy(
        example.services, ada, documents={REPORT: True, "plan": True}, reason="bank"
    )
    with pytest.raises(ConflictError, match='lacks "plan" and "validation report"'):
        approve(example, request)
    workspaces.set_workspace_policy(example.services, ada, documents={"plan": False}, reason="bank")
    attached = attach(example, request)
    assert attached.in_force is not None
    assert 'with "validation report" attached since' in attached.in_force.tightened[0]
    assert approve(example, attached).status is RequestStatus.DEPLOYED


def test_documents_rule_automatic_deployment_out(example: Example) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(example.services, ada, approvals=0, allow_automatic=True, reason="x")
    example.apply(promotion={"approvals": 0, "four_eyes": False, "automatic": True, "documents": [REPORT]})
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    assert request.status is RequestStatus.OPEN
    assert request.approvals_needed == 1


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("", b"x", "no name of a document"),
        (" report", b"x", "no name of a document"),
        ("r\x1b[2J", b"x", "no name of a document"),
        ("r" * 61, b"x", "no name of a document"),
        (REPORT, b"", "found nothing"),
        (REPORT, b"x" * (rule.LARGEST + 1), "more than 16,777,216 bytes"),
    ],
)
def test_what_is_no_document_is_refused(
    example: Example, request_: PromotionRequest, name: str, data: bytes, why: str
) -> None:
    with pytest.raises(InvalidInputError, match=why):
        attach(example, request_, data, name=name)
    assert list(documents.list_documents(example.services, example.actor("vera"), 1)) == []


def test_the_same_bytes_again_a_closed_request_and_too_much_are_refused(
    example: Example, request_: PromotionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(example, request_)
    with pytest.raises(ConflictError, match="has this very file"):
        attach(example, request_)
    monkeypatch.setattr(documents, "LARGEST_TOGETHER", len(PDF) + 3)
    with pytest.raises(ConflictError, match=r"more than .* bytes together"):
        attach(example, request_, b"four")
    monkeypatch.setattr(documents, "MOST", 1)
    with pytest.raises(ConflictError, match="1 documents already"):
        attach(example, request_, b"f", name="other")
    promotions.withdraw(example.services, example.actor("sam"), 1)
    with pytest.raises(ConflictError, match="withdrawn already"):
        attach(example, request_, b"f")


def test_the_tables_themselves_hold_it(example: Example, request_: PromotionRequest) -> None:
    """Whatever the program does: no approval without the document, none on another one, none of a document is changed."""
    columns = "request_id, actor, verdict, reason, evidence_digest, policy_digest, recorded_at, documents"
    row = (1, "pat", "approve", "", request_.evidence_digest, request_.policy_digest, 1)

    def decide(bound: str) -> None:
        with example.services.registry.transaction() as connection:
            connection.execute(
                f"INSERT INTO decisions ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, bound)
            )

    with pytest.raises(ConflictError, match="a document that is not attached"):
        decide("{}")
    attach(example, request_)
    for bound in ("{}", f'{{"{REPORT}":"{"0" * 64}"}}'):
        with pytest.raises(ConflictError, match=r"binds to the documents|not attached"):
            decide(bound)
    with pytest.raises((ConflictError, driver.Error)), example.services.registry.transaction() as connection:
        connection.execute("UPDATE request_documents SET digest = ?", ("0" * 64,))


def test_what_is_signed_names_the_documents(example: Example, request_: PromotionRequest) -> None:
    workspaces.set_workspace_policy(
        example.services, example.actor("ada"), signature=Component.PASSPHRASE, reason="bank"
    )
    passphrases.set_passphrase(example.services, example.actor("pat"), "a long enough one")
    attached = attach(example, request_)
    done = promotions.approve(
        example.services,
        example.actor("pat"),
        1,
        attached.shown_digest,
        component=Passphrase("a long enough one"),
    )
    signature = done.decisions[0].signature
    assert signature is not None
    assert (
        f'"documents":{{"{REPORT}":{{"sha256":"{hashlib.sha256(PDF).hexdigest()}"}}}}' in signature.statement
    )


def test_a_document_whose_bytes_were_changed_is_not_handed_out(
    example: Example, request_: PromotionRequest
) -> None:
    (one,) = attach(example, request_).documents
    path = example.services.artifacts.path(one.digest)
    path.chmod(0o644)
    path.write_bytes(b"forged")
    with pytest.raises(IntegrityError, match="damaged"):
        documents.read_document(example.services, example.actor("vera"), 1, REPORT)


def test_asking_for_fewer_documents_takes_two_people_under_dual_control(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(services, ada, documents={REPORT: True}, reason="bank")
    workspaces.grant_role(services, ada, "eve", Role.ADMIN)
    proposals.set_dual_control(services, ada, on=True)
    with pytest.raises(NotAllowedError, match="may not set the workspace's policy alone: dual control is on"):
        workspaces.set_workspace_policy(services, ada, documents={REPORT: False}, reason="in a hurry")
    assert workspaces.workspace_policy(services, ada).documents == (REPORT,)
    assert Permission.LOOSEN in TWO_PEOPLE, "and so does a model file that asks for fewer"


def test_a_backup_holds_the_documents(example: Example, request_: PromotionRequest, tmp_path: Path) -> None:
    (one,) = attach(example, request_).documents
    backups.backup(example.services, example.actor("ada"), tmp_path / "backup.tar")
    restores.restore(tmp_path / "backup.tar", tmp_path / "restored")
    services = open_workspace(tmp_path / "restored")
    try:
        assert documents.read_document(services, Actor("ada"), 1, REPORT) == (one, PDF)
    finally:
        services.close()
