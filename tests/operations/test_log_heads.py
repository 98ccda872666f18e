"""Heads of the log: when they are signed, by which key, and that none is signed that does not extend the one before."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.audit.log_anchors import AnchorKind
from pilothouse.domain.errors import ConflictError, IntegrityError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import DAEMON, Actor
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import anchors, heads, log_keys, proofs
from pilothouse.operations.workspace import audits, doctor
from pilothouse.store.history.past import Moment, PastRegistry
from pilothouse.store.log import log_anchors, log_heads
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency import checkpoints, merkle, notes, tiles
from pilothouse.transparency import proofs as proof_files
from support import until_the_test_ends
from support.log_workspace import Owner, add_rows, count, decide, leaves, make_log


@pytest.fixture
def log(tmp_path: Path) -> tuple[Services, Actor]:
    return make_log(tmp_path / "workspace")


def test_the_key_is_made_at_its_first_use_and_the_log_names_it(log: tuple[Services, Actor]) -> None:
    services, ada = log
    head = heads.sign(services, ada)

    (entry,) = [one for one in audits.show(services, ada) if one.action == "log.key_made"]
    key = notes.parse_key(entry.detail["key"])
    assert (entry.subject, entry.detail["origin"], entry.detail["before"]) == ("log", head.origin, None)
    assert head.origin.split("/")[1] == "workspace"
    assert services.paths.log_key.stat().st_mode & 0o777 == 0o600
    assert checkpoints.check(head.signed, [key]) == key
    assert (head.size, head.root) == (count(services), merkle.fold(leaves(services)))
    assert log_keys.fault(services) == ""
    with services.registry.read() as connection:
        dump = "".join(str(tuple(row)) for row in connection.execute("SELECT * FROM settings"))
    secret = services.paths.log_key.read_text().split("+", 4)[-1].strip()  # may hold a plus itself
    assert len(secret) == 44
    assert secret not in dump


def test_a_head_is_signed_after_a_decision_and_every_256_rows(log: tuple[Services, Actor]) -> None:
    services, ada = log
    first = heads.sign_if_due(services)
    assert first is not None
    assert first.size == count(services)
    assert heads.sign_if_due(services) is None
    add_rows(services, 255)
    assert heads.sign_if_due(services) is None
    add_rows(services, 1)
    second = heads.sign_if_due(services)
    assert second is not None
    assert second.size == first.size + 256
    decide(services, ada)
    third = heads.sign_if_due(services)
    assert third is not None
    assert third.size == second.size + 1
    add_rows(services, 1)
    assert heads.sign_if_due(services) is None
    now = services.now()
    services.now = lambda: now + timedelta(hours=1, seconds=1)
    assert heads.sign_if_due(services) is not None
    assert heads.sign(services, DAEMON).size == count(services)


def test_nothing_is_signed_that_does_not_extend_the_newest_head(log: tuple[Services, Actor]) -> None:
    services, ada = log
    heads.sign(services, ada)
    add_rows(services, 300)
    heads.sign(services, ada)
    owner = Owner(services)
    owner.write_anew(10, {"another": 1})
    owner.leave()
    add_rows(services, 5)
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert not finding.ok
    assert "was written anew" in finding.finding
    with pytest.raises(IntegrityError, match="the first 322 rows are not those of the newest signed head"):
        heads.sign(services, ada)

    owner = Owner(services)
    owner.cut(200)
    owner.leave()
    with pytest.raises(IntegrityError, match="one of 322 rows is signed already, and the log has 200"):
        heads.sign(services, ada)


def test_a_restored_workspace_has_a_new_key_and_a_new_origin(log: tuple[Services, Actor]) -> None:
    services, ada = log
    before = heads.sign(services, ada)
    services.paths.log_key.unlink()
    assert (log_keys.fault(services), log_keys.is_gone(services)) == ("", True)
    (finding,) = [one for one in doctor.diagnose(services, ada) if one.check == "transparency"]
    assert finding.ok
    assert "makes a new key" in finding.finding

    after = heads.sign(services, ada)

    assert after.origin.startswith(f"{before.origin}/new-")
    with services.registry.read() as connection:
        assert [key.name for key in log_keys.all_keys(connection)] == [before.origin, after.origin]
    (entry,) = [one for one in audits.show(services, ada) if one.action == "log.key_made"][:1]
    assert notes.parse_key(entry.detail["before"]).name == before.origin


def test_another_key_in_the_file_signs_nothing(log: tuple[Services, Actor]) -> None:
    services, ada = log
    heads.sign(services, ada)
    add_rows(services, 1)
    for text in (notes.new_key("another").to_text(), "nothing", ""):
        services.paths.log_key.write_text(text)
        assert str(services.paths.log_key) in log_keys.fault(services)
        with pytest.raises(IntegrityError, match=r"log\.key"):
            heads.sign(services, ada)
    services.paths.log_key.chmod(0o644)


def test_a_chosen_origin(log: tuple[Services, Actor]) -> None:
    services, ada = log
    log_keys.make(services, ada, "acme.example/ops")
    assert heads.sign(services, ada).origin == "acme.example/ops"
    with pytest.raises(ConflictError, match=r"acme\.example/ops"):
        log_keys.make(services, ada, "acme.example/other")


def test_a_proof_of_any_row_is_verified_by_its_file_alone(log: tuple[Services, Actor]) -> None:
    services, ada = log
    heads.sign(services, ada)
    add_rows(services, 600)
    for seq in (1, 20, 255, 256, 257, 600, count(services)):
        text = str(proofs.row_proof(services, ada, seq))
        with services.registry.read() as connection:
            (row_hash,) = connection.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
        proof_files.check(proof_files.parse(text), bytes.fromhex(row_hash), proofs.policy(services, ada))
        assert f"\nindex {seq - 1}\n" in text
    with pytest.raises(NotFoundError, match="no audit row 0"):
        proofs.row_proof(services, ada, 0)
    with pytest.raises(NotFoundError):
        proofs.row_proof(services, ada, count(services) + 1)


def test_no_proof_is_given_of_rows_that_were_changed_after_their_head(log: tuple[Services, Actor]) -> None:
    services, ada = log
    heads.sign(services, ada)
    owner = Owner(services)
    owner.write_anew(10, {"another": 1})
    owner.leave()
    with pytest.raises(IntegrityError, match="audit row 5 cannot be proven"):
        proofs.row_proof(services, ada, 5)


def test_consistency_of_any_two_sizes(log: tuple[Services, Actor]) -> None:
    services, ada = log
    add_rows(services, 700)
    for old, new in ((0, 5), (3, 3), (3, 700), (256, 512), (511, None)):
        found = proofs.consistency(services, ada, old, new)
        assert found.new_root == merkle.fold(leaves(services)[: found.new])
        merkle.check_consistency(found.old, found.new, found.old_root, found.new_root, found.hashes)


def test_tiles_are_written_and_added_to(log: tuple[Services, Actor], tmp_path: Path) -> None:
    services, ada = log
    folder = tmp_path / "tiles"
    add_rows(services, 300)
    head, _ = proofs.write_tiles(services, ada, folder)
    kept = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "checkpoint"
    }
    assert head.checkpoint.size == 322
    decide(services, ada)
    _, written = proofs.write_tiles(services, ada, folder)

    assert written == 3  # two partial tiles and the head
    assert all(path.read_bytes() == data for path, data in kept.items())
    every = leaves(services)
    for tile in tiles.tiles_of(323):
        if tile.level == 0:
            data = (folder / tile.path).read_bytes()
            assert data == b"".join(every[256 * tile.place :][: tile.width])
            found = tiles.parse_bundle((folder / tile.bundle_path).read_bytes())
            assert [merkle.leaf_hash(one) for one in found] == every[256 * tile.place :][: tile.width]
    text = (folder / "checkpoint").read_text()
    assert checkpoints.parse(text).checkpoint.root == merkle.fold(every)

    owner = Owner(services)
    owner.write_anew(10, {"another": 1})
    owner.forget_heads()
    owner.leave()
    with pytest.raises(IntegrityError, match="this log does not extend"):
        proofs.write_tiles(services, ada, folder)


def test_who_may_not_read_has_nothing_signed(log: tuple[Services, Actor]) -> None:
    from pilothouse.operations.workspace import workspaces

    services, ada = log
    workspaces.set_open_reading(services, ada, allowed=False, reason="closed")
    stranger = workspaces.identify(services, "eve")
    for refused in (heads.sign, heads.newest, heads.status):
        with pytest.raises(NotAllowedError):
            refused(services, stranger)
    with pytest.raises(NotAllowedError):
        proofs.row_proof(services, stranger, 1)


def test_the_past_shows_no_head_and_no_anchor_of_later(log: tuple[Services, Actor]) -> None:
    services, ada = log
    first = heads.sign(services, ada)
    wall = to_us(services.now())
    anchors.add(services, ada, "vault", AnchorKind.FILE, "/vault")
    add_rows(services, 300)
    heads.sign(services, ada)
    past = until_the_test_ends(PastRegistry(services.paths.registry, Moment(wall, {}, wall), lambda _: None))
    with past.read() as connection:
        newest = log_heads.newest(connection)
        assert newest is not None
        assert newest.size == first.size
        assert log_anchors.in_use(connection) == []
        assert connection.execute("SELECT count(*) FROM log_subtrees").fetchone()[0] == 0
        assert Tree(connection).root(first.size) == first.root
