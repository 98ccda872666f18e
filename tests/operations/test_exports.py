"""Rows with known outcome leave telemetry as they came, for backtests."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.operations.jobs import exports
from pilothouse.telemetry.intake.streams import find_stream
from support.flight_batches import CATEGORICAL, NUMERIC
from support.monitored_flights import make_watched, on_day, send, traffic


def test_labelled_rows_are_the_rows_that_were_served(tmp_path: Path) -> None:
    services = make_watched(tmp_path)
    send(services, "ewr", 0, 4)
    send(services, "jfk", 0, 4)
    data = exports.labelled_rows(services, "flight-delay", on_day(1), on_day(3), "ewr")
    table = pd.read_parquet(io.BytesIO(data))
    expected = traffic("ewr", 1, 2)
    assert list(table.columns) == [*NUMERIC, *CATEGORICAL, "truth", "event_time"]
    assert table["truth"].tolist() == expected["late"].astype(str).tolist()
    assert table["event_time"].tolist() == expected["scheduled_at"].tolist()
    assert table["dest"].tolist() == expected["dest"].tolist()
    for name in NUMERIC:
        np.testing.assert_array_equal(table[name].to_numpy(np.float64), expected[name].to_numpy(np.float64))
    both = pd.read_parquet(io.BytesIO(exports.labelled_rows(services, "flight-delay")))
    assert len(both) == len(traffic("ewr", 0, 4)) + len(traffic("jfk", 0, 4))
    services.close()


def test_damaged_rows_are_named_and_nothing_is_scored_without_them(tmp_path: Path) -> None:
    services = make_watched(tmp_path)
    send(services, "ewr", 0, 2)
    with services.telemetry.transaction() as connection:
        connection.execute("UPDATE segments SET features = x'00' WHERE id = (SELECT min(id) FROM segments)")
        stream = find_stream(connection, "flight-delay", 1, "ewr")
    assert stream is not None
    of_version = "models:/flight-delay/1 on ewr: "
    with pytest.raises(IntegrityError, match=rf"^{of_version}.* UTC are damaged: choose a time without them"):
        exports.labelled_rows(services, "flight-delay")
    with pytest.raises(IntegrityError, match=rf"^{of_version}.* are damaged, so the window is not compared"):
        exports.window_rows(services, stream, to_us(on_day(0)), to_us(on_day(9)), 1_000)
    services.close()


def test_where_there_is_nothing_that_is_said(tmp_path: Path) -> None:
    services = make_watched(tmp_path)
    with pytest.raises(NotFoundError, match="no predictions with known outcome"):
        exports.labelled_rows(services, "flight-delay")
    services.close()
