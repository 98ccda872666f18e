"""One byte of the registry is flipped, anywhere: the doctor's checks find it, or it holds nothing that anybody reads."""

import shutil
from pathlib import Path

from fixtures.registries import make_example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import PilothouseError
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import doctor, workspaces, write_state
from pilothouse.sqlite import driver
from pilothouse.store.log.deciding_tables import BEAT, DECIDING
from support.soak_plan import seeded, size


def dump(path: Path) -> dict[str, object] | None:
    """Definitions, settings, and the rows of each table that can be read of a database, without the columns that decide
    nothing and follow from nothing; None where it cannot be read."""
    connection = driver.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        found: dict[str, object] = {
            "definitions": connection.execute(
                "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
            ).fetchall()
        }
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            rows = connection.execute(f'SELECT * FROM "{table}"')
            left_out = DECIDING[table].left_out if table in DECIDING else {}
            kept = [i for i, (name, *_) in enumerate(rows.description) if left_out.get(name) != BEAT]
            found[table] = [[row[i] for i in kept] for row in rows]
        for name in ("user_version", "application_id"):
            found[name] = connection.execute(f"PRAGMA {name}").fetchall()
        return found
    except (driver.Error, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def differing(good: dict[str, object] | None, found: dict[str, object] | None) -> str:
    """The first table that is not the same."""
    assert good is not None
    if found is None:
        return "cannot be read"
    return next(
        (f"{name}: {good[name]} … {found.get(name)}" for name in good if good[name] != found.get(name)), ""
    )


def found_by_doctor(root: Path) -> list[str]:
    """The checks that failed, or the error with which the workspace refuses to open."""
    try:
        services = open_workspace(root)
    except PilothouseError as error:
        return [str(error)]
    try:
        actor = workspaces.identify(services, "ada")
        wrong = [f for f in doctor.diagnose(services, actor) if not f.ok]
        return [
            f"{f.check}: {f.finding}"
            for f in wrong
            if f.check in ("registry", "audit chain", "records", "seal", "artifacts", "states")
        ]
    except PilothouseError as error:
        return [str(error)]
    finally:
        services.close()


def test_a_flipped_byte_of_the_registry_is_found(tmp_path: Path) -> None:
    example = make_example(tmp_path / "w")
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay", reason="first")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    write_state.verify(example.services)  # as the daemon does once a day
    example.services.close()
    registry = tmp_path / "w" / "state" / "registry.db"
    assert found_by_doctor(tmp_path / "w") == []
    whole, good = registry.read_bytes(), dump(registry)
    chance = seeded("flipped bytes")
    seen = harmless = 0
    missed: list[int] = []
    for _ in range(size(12, 2_000)):
        shutil.rmtree(tmp_path / "broken", ignore_errors=True)
        shutil.copytree(tmp_path / "w", tmp_path / "broken")
        broken = tmp_path / "broken" / "state" / "registry.db"
        place = chance.randrange(len(whole))
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        broken.write_bytes(data)
        if found_by_doctor(tmp_path / "broken"):
            seen += 1
        elif dump(broken) == good:
            harmless += 1
        else:
            missed.append(place)
            print(place, differing(good, dump(broken)))
    print(f"{seen} found, {harmless} in unused bytes, {len(missed)} neither: {missed}")
    assert missed == []
