"""Real flights and rented bikes: weeks that go on from a reference of 91 days, weeks put together from it, a broken sensor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from verdict_files import LEAD, Array, Study

DATA = Path(__file__).resolve().parents[2] / "sample_data"
WEEK = 7


def flights(airport: str) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Flights of an airport with the local ``day`` since 1 January, numeric and text columns."""
    frame = pd.read_parquet(DATA / "flights.parquet")
    frame = frame[frame["origin"] == airport].copy()
    local = frame["scheduled_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    frame["day"] = (local - pd.Timestamp("2013-01-01")).dt.days
    numeric = ["temp", "dewp", "humid", "wind_speed", "pressure", "visib", "distance", "seats", "plane_year"]
    return frame, numeric, ["carrier", "dest"]


def bikes() -> tuple[pd.DataFrame, list[str], list[str]]:
    """Hours of the bike data likewise."""
    frame = pd.read_parquet(DATA / "bikeshare.parquet")
    frame["day"] = (frame["hour_starting"] - pd.Timestamp("2011-01-01")).dt.days
    return frame, ["temp", "atemp", "hum", "windspeed"], ["weathersit"]


def studies(name: str, reference_days: int, rows: int, seed: int = 0) -> dict[str, Study]:
    """``quiet``: forty windows of seven days drawn from the reference, each of a weekday's own; ``after``: the weeks that
    follow as they were; ``broken``: the same with temp 20 °F higher (0.3 of the bikes' scale) from the fourth on. Of each week
    ``rows`` rows are drawn, since the peers take windows of one size only."""
    rng = np.random.default_rng(seed)
    frame, numeric, texts = bikes() if name == "bikes" else flights(name)
    known = {column: sorted(map(str, frame[column].dropna().unique())) for column in texts}

    def columns(part: pd.DataFrame) -> dict[str, Array]:
        found = {column: part[column].to_numpy(float) for column in numeric}
        for column in texts:
            found[column] = pd.Categorical(part[column].astype(str), categories=known[column]).codes.astype(
                int
            )
        return found | {"score": rng.random(len(part))}

    def week(part: pd.DataFrame) -> dict[str, Array]:
        return columns(part.iloc[np.sort(rng.choice(len(part), rows, replace=len(part) < rows))])

    base = frame[frame["day"] < reference_days]
    reference = columns(base)
    days = base["day"].to_numpy()
    by_day = {int(day): part for day, part in base.groupby("day")}

    def resampled() -> pd.DataFrame:
        drawn = [rng.choice([day for day in by_day if day % WEEK == i]) for i in range(WEEK)]
        return pd.concat([by_day[int(day)] for day in drawn])

    def study(
        kind: str, weeks: list[pd.DataFrame], change: Callable[[dict[str, Array]], None] | None = None
    ) -> Study:
        parts = [week(part) for part in weeks]
        for part in parts[LEAD:] if change else ():
            change(part)
        windows = {column: np.array([[part[column] for part in parts]]) for column in reference}
        return Study(f"{kind}-{name}-{reference_days}", rows, days, reference, known, windows, windows)

    last = int(frame["day"].max()) + 1 - WEEK
    after = [
        frame[(frame["day"] >= first) & (frame["day"] < first + WEEK)]
        for first in range(reference_days, last, WEEK)
    ]

    def hotter(part: dict[str, Array]) -> None:
        part["temp"] = part["temp"] + (0.3 if name == "bikes" else 20.0)

    return {
        "quiet": study("quiet", [resampled() for _ in range(LEAD + 40)]),
        "after": study("after", after),
        "broken": study("broken", after[: LEAD + 4], hotter),
    }
