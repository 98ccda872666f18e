"""Which wall clock belonged to an event time: live data, a replay, several targets, batches that came late."""

from pathlib import Path

import pytest

from pilothouse.domain.formats.time_units import HOUR_US
from pilothouse.telemetry import TelemetryStore
from pilothouse.telemetry.past import moments, wall_clocks

NOW = 1_000 * HOUR_US


@pytest.fixture
def clocks(tmp_path: Path):
    """Batches as {(model, target): [(newest event, received)]} to the function that answers for a time, in hours."""
    store = TelemetryStore(tmp_path / "telemetry.db")

    def make(batches: dict[tuple[str, str], list[tuple[float, float]]]):
        with store.transaction() as connection:
            connection.execute("INSERT INTO specifications VALUES (1, 'x', x'00')")
            sequence = 0
            for number, ((model, target), listed) in enumerate(batches.items(), start=1):
                first, last = min(e for e, _ in listed), max(e for e, _ in listed)
                connection.execute(
                    "INSERT INTO streams (id, model, version, target, specification_id, first_event, last_event, last_arrival) "
                    "VALUES (?, ?, 1, ?, 1, ?, ?, ?)",
                    (number, model, target, int(first * HOUR_US), int(last * HOUR_US), NOW),
                )
                for event, received in listed:
                    sequence += 1
                    connection.execute(
                        "INSERT INTO segments (id, stream_id, rows, first_event, last_event, received, predictions, "
                        "features) VALUES (?, ?, 1, ?, ?, ?, x'', x'')",
                        (
                            sequence,
                            number,
                            int(event * HOUR_US),
                            int(event * HOUR_US),
                            int(received * HOUR_US),
                        ),
                    )

        def answer(at: float) -> dict[str, float]:
            with store.read() as connection:
                return {
                    m: wall / HOUR_US for m, wall in wall_clocks(connection, int(at * HOUR_US), NOW).items()
                }

        def moments_at(at: float) -> dict[str, tuple[float, float]]:
            with store.read() as connection:
                found = moments(connection, int(at * HOUR_US), NOW)
            return {m: (round(x.wall_us / HOUR_US, 3), round(x.at_us / HOUR_US, 3)) for m, x in found.items()}

        answer.moments = moments_at  # type: ignore[attr-defined]
        return answer

    yield make
    store.close()


def test_for_live_data_it_is_the_same_time_even_through_a_quiet_night(clocks) -> None:
    at = clocks({("m", "a"): [(10, 10), (22, 22), (30, 30)]})
    assert at(26) == {"m": 26}
    assert at(35) == {"m": 35}


def test_for_a_replay_it_is_a_moment_of_the_replay(clocks) -> None:
    at = clocks({("m", "a"): [(10, 900), (20, 901), (30, 902)]})
    assert at(20) == {"m": 901}
    assert at(25) == {"m": 901.5}
    assert at(30.5)["m"] == 902.5
    assert at(200) == {"m": 1_000}, "what had ended by then has all happened"


def test_of_several_targets_the_one_that_came_there_first_counts(clocks) -> None:
    at = clocks(
        {("m", "a"): [(10, 900), (30, 902)], ("m", "b"): [(10, 950), (30, 952)], ("n", "a"): [(500, 500)]}
    )
    assert at(20) == {"m": 901, "n": 20}


def test_a_target_that_began_later_says_nothing_of_the_time_before(clocks) -> None:
    at = clocks({("m", "a"): [(10, 900), (30, 902)], ("m", "b"): [(25, 901.5)]})
    assert at(20) == {"m": 901}


def test_a_batch_that_arrived_late_does_not_move_the_clock(clocks) -> None:
    at = clocks({("m", "a"): [(10, 900), (19, 950), (30, 902)]})
    assert at(20)["m"] < 902


def test_after_its_data_has_ended_a_model_goes_by_those_whose_data_goes_on(clocks) -> None:
    at = clocks(
        {
            ("ended", "a"): [(10, 900), (20, 901)],
            ("replayed", "a"): [(100, 910), (200, 920), (300, 930)],
        }
    )
    assert at(20)["ended"] == 901
    assert at(50)["ended"] == 901, "the other replay has not begun: what came with its last data is there"
    assert at(250)["ended"] == at(250)["replayed"] == 925
    assert at(299)["ended"] == pytest.approx(929.9)
    walls = [at(hour)["ended"] for hour in range(10, 1_000, 10)]
    assert walls == sorted(walls), "it never goes back"
    assert walls[-1] == 1_000


def test_beside_a_live_model_what_has_ended_stands_still_until_that_time(clocks) -> None:
    at = clocks({("ended", "a"): [(10, 900), (20, 901)], ("live", "a"): [(950, 950), (995, 995)]})
    assert [at(hour)["ended"] for hour in (250, 900, 930, 960)] == [901, 901, 930, 960]


def test_what_ended_and_came_later_is_shown_as_it_was_when_the_other_data_had_come_so_far(clocks) -> None:
    at = clocks(
        {
            ("ended", "a"): [(10, 900), (20, 910), (30, 920)],
            ("replayed", "a"): [(100, 901), (200, 911), (300, 921), (400, 931)],
        }
    )
    assert at.moments(25)["ended"] == (915, 25), "its own data goes on"
    assert at.moments(50)["ended"] == (920, 50), "no data goes on then: all of it is there"
    assert at.moments(150) == {"ended": (906, 16), "replayed": (906, 150)}
    assert at.moments(250) == {"ended": (916, 26), "replayed": (916, 250)}
    assert at.moments(350) == {"ended": (926, 350), "replayed": (926, 350)}, "all of it had come"
