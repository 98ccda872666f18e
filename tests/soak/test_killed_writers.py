"""Writers are killed at any moment, over and over, while others read and copy: nothing that was acknowledged is lost."""

import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from fixtures.registries import ADMIN, make_example
from pilothouse.composition import open_workspace
from pilothouse.domain.identity.roles import Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.workspace import workspaces
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit
from soak import cut
from support.soak_plan import seeded, size


def write(root: Path, writer: int, said: Connection) -> None:
    """Change something with its audit row, say so, and again, until the end comes."""
    services = open_workspace(root)
    admin = workspaces.identify(services, ADMIN)
    count = 0
    while True:
        count += 1
        with changing(services, admin, Permission.GRANT) as change:
            change.connection.execute(
                "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (f"writer {writer}", str(count)),
            )
            change.record("proof.written", f"writer {writer}", {"count": count})
        said.send(count)


def read(root: Path, stop: Event, told: Connection) -> None:
    """What is read never goes back, and is never half: the setting and its audit row are one."""
    services = open_workspace(root)
    looks, newest = 0, 0
    while not stop.is_set():
        with services.registry.read() as connection:
            head = audit.head(connection)
            rows = connection.execute(
                "SELECT name, value FROM settings WHERE name LIKE 'writer %'"
            ).fetchall()
            for row in rows:
                newest_said = connection.execute(
                    "SELECT json_extract(detail, '$.count') FROM audit WHERE subject = ? ORDER BY seq DESC LIMIT 1",
                    (row["name"],),
                ).fetchone()[0]
                assert int(row["value"]) == newest_said
        assert head.count >= newest
        newest = head.count
        looks += 1
    told.send(looks)


def copy(root: Path, stop: Event, told: Connection) -> None:
    """Copy the live registry; each copy is whole and its chain holds."""
    services = open_workspace(root)
    copies = 0
    while not stop.is_set():
        path = root / f"copy-{copies}.db"
        services.registry.copy_to(path)
        copied = Registry(path)
        copied.check()
        with copied.read() as connection:
            audit.verify(connection)
        copied.close()
        path.unlink()
        copies += 1
    told.send(copies)


def test_no_acknowledged_write_is_lost_and_every_copy_is_whole(tmp_path: Path) -> None:
    make_example(tmp_path / "w").services.close()
    root, chance, here = tmp_path / "w", seeded("killed writers"), cut.context()
    stop = here.Event()
    helpers, ends = [], []
    for act in (read, read, copy):
        mine, theirs = here.Pipe(duplex=False)
        helpers.append(here.Process(target=act, args=(root, stop, theirs)))
        ends.append(mine)
        helpers[-1].start()
        theirs.close()
    acknowledged = 0
    kills = size(12, 1_000)
    for number in range(kills):
        mine, theirs = here.Pipe(duplex=False)
        writer = here.Process(target=write, args=(root, number % 4, theirs))
        writer.start()
        theirs.close()
        assert mine.poll(30), "the writer wrote nothing"
        time.sleep(chance.random() * 0.02)  # at any moment: this is the proof, not a wait
        writer.kill()
        writer.join()
        newest = 0
        while True:
            try:
                newest = mine.recv()
            except EOFError:
                break
        acknowledged += newest
        registry = Registry(root / "state" / "registry.db")
        with registry.read() as connection:
            kept = connection.execute(
                "SELECT value FROM settings WHERE name = ?", (f"writer {number % 4}",)
            ).fetchone()
        registry.close()
        assert int(kept["value"]) in (newest, newest + 1), "an acknowledged write is gone"
    stop.set()
    looks = [end.recv() for end in ends]
    for helper in helpers:
        helper.join(30)
        assert helper.exitcode == 0
    registry = Registry(root / "state" / "registry.db")
    registry.check()
    with registry.read() as connection:
        head = audit.verify(connection)
    registry.close()
    assert min(looks) > 0
    print(
        f"{kills} kills, {acknowledged} acknowledged writes, {looks[0] + looks[1]} reads, {looks[2]} copies, {head.count} rows"
    )
