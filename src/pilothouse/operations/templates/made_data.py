"""Data sets that are made, not measured: rows to learn from, and rows after them in which the world has moved.

python3 made_data.py NAME FOLDER [SEED] writes NAME.csv and NAME-later.csv, byte for byte the same for the same seed.
A workspace made by a template holds a copy of this file.
"""

import csv
import math
import random
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

SEED = 20_250_101
"""Of every data set that a template writes."""
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
DAYS, LATER, QUIET = 90, 35, 14
"""Days to learn from; days after them; of these, days in which nothing has moved."""

Row = dict[str, object]
Chance = Callable[[], float]
"""Numbers of ``random()``, whose sequence is the same in every Python; that of ``gauss()`` and ``choices()`` need not be."""


def fraud(chance: Chance) -> Iterator[Row]:
    """Payments by card, one in twelve a fraud: many tries, a young card, a far country, a large amount. Then frauds move to
    gift cards, of which there are three times as many, and come at the first try."""
    shops = (
        ("groceries", 0.34),
        ("fashion", 0.24),
        ("travel", 0.14),
        ("electronics", 0.18),
        ("gift-cards", 0.1),
    )
    countries = (("DE", 0.62), ("FR", 0.14), ("NL", 0.1), ("US", 0.09), ("BR", 0.05))
    for at, moved in _times(80, chance):
        shop = "gift-cards" if moved and chance() < 0.2 else _drawn(shops, chance)
        country = _drawn(countries, chance)
        amount, card_age = 12 + 60 * _waiting(chance), 700 * _waiting(chance)
        tries = 1 + int(0.7 * _waiting(chance))
        odds = -5.0 + 1.6 * (card_age < 90) + 1.3 * (country in ("US", "BR")) + amount / 90
        odds += (0.2 if moved else 1.6) * (tries - 1) + (3.2 if moved else 0.8) * (shop == "gift-cards")
        yield {
            "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "amount": round(amount, 2),
            "shop": shop,
            "country": country,
            "card_age_days": "" if chance() < 0.03 else int(card_age),
            "tries_last_hour": tries,
            "hour": at.hour,
            "fraud": _yes(odds, chance),
        }


def churn(chance: Chance) -> Iterator[Row]:
    """Customers of a telephone company, one in six of whom is gone a week later: short contracts, many calls for help, a price
    that has risen. Then the price rises for most, and those with long contracts go too."""
    plans = (("basic", 0.5), ("plus", 0.32), ("family", 0.18))
    for at, moved in _times(60, chance):
        plan = _drawn(plans, chance)
        months = 1 + int(28 * _waiting(chance))
        contract = _drawn((("monthly", 0.45), ("yearly", 0.55)), chance)
        calls = int(1.1 * _waiting(chance))
        rise = 8 + 6 * chance() if moved and chance() < 0.7 else 10 * chance() * (chance() < 0.25)
        odds = (
            -2.9
            + 0.55 * calls
            + 0.14 * rise
            + (0.2 if moved else 1.5) * (contract == "monthly")
            - months / 60
        )
        yield {
            "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "plan": plan,
            "contract": contract,
            "months_with_us": months,
            "calls_for_help": calls,
            "price_rise": round(rise, 2),
            "minutes_used": round(180 + 90 * _bell(chance), 1) if chance() > 0.02 else "",
            "churned": _yes(odds, chance),
        }


def hourly_forecast(chance: Chance) -> Iterator[Row]:
    """Electricity of a district, hour by hour, in MWh: the hour of the day, work days, cold, and the same hour a day and a week
    ago, which are known a day ahead. Then heat pumps come: cold costs half as much again."""
    load: list[float] = []
    cold = 0.0
    for number in range(24 * (DAYS + LATER + 7)):
        at = FIRST + timedelta(hours=number - 24 * 7)
        moved = number >= 24 * (7 + DAYS + QUIET)
        cold = 0.97 * cold + 0.5 * _bell(chance)
        temperature = 6 - 6 * math.cos(2 * math.pi * (at.hour - 3) / 24) / 2 + 2 * cold
        work = at.weekday() < 5
        busy = math.exp(-(((at.hour - 9) / 3.5) ** 2)) + 1.1 * math.exp(-(((at.hour - 19) / 2.8) ** 2))
        heating = (2.4 if moved else 0.6) * max(0.0, 14 - temperature)
        load.append(30 + (12 + 5 * work) * busy + heating + 1.2 * _bell(chance))
        if number >= 24 * 7:
            yield {
                "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "hour": at.hour,
                "weekday": at.isoweekday(),
                "temperature": round(temperature, 1),
                "load_day_before": round(load[-25], 2),
                "load_week_before": round(load[-169], 2),
                "load": round(load[-1], 2),
            }


def triage(chance: Chance) -> Iterator[Row]:
    """Messages to a clinic, sorted by a nurse into urgent, soon and routine: pain, fever, age, how long it has been so. Then a
    season of fevers comes, in which fever alone is less of a sign."""
    ways = (("telephone", 0.5), ("portal", 0.38), ("mail", 0.12))
    for at, moved in _times(70, chance):
        age = int(18 + 70 * chance())
        pain = min(10, int(2.6 * _waiting(chance)))
        feverish = chance() < (0.45 if moved else 0.18)
        temperature = 36.7 + 0.3 * _bell(chance) + (1.1 + 0.7 * chance()) * feverish
        days = int(3 * _waiting(chance))
        worry = (
            0.45 * pain + (0.4 if moved else 1.8) * feverish + age / 45 - 0.12 * days + 0.5 * _bell(chance)
        )
        yield {
            "at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "came_by": _drawn(ways, chance),
            "age": age,
            "pain": pain,
            "temperature": round(temperature, 1) if chance() > 0.08 else "",
            "days_so_far": days,
            "urgency": "urgent" if worry > 4.2 else "soon" if worry > 2.3 else "routine",
        }


DATA: dict[str, Callable[[Chance], Iterator[Row]]] = {
    "fraud": fraud,
    "churn": churn,
    "hourly-forecast": hourly_forecast,
    "triage": triage,
}


def write(name: str, folder: Path, seed: int = SEED) -> tuple[Path, Path]:
    """Write the rows to learn from, and those after them; returns both files. They must not be there yet."""
    end = f"{FIRST + timedelta(days=DAYS):%Y-%m-%d}"
    made = list(DATA[name](random.Random(seed).random))
    files = folder / f"{name}.csv", folder / f"{name}-later.csv"
    for path, is_later in zip(files, (False, True), strict=True):
        with path.open("x", newline="") as stream:
            writer = csv.DictWriter(stream, list(made[0]))
            writer.writeheader()
            writer.writerows(row for row in made if (str(row["at"]) >= end) is is_later)
    return files


def _times(a_day: int, chance: Chance) -> Iterator[tuple[datetime, bool]]:
    """So many times on each day, in order, each with whether the world has moved by then."""
    for number in range((DAYS + LATER) * a_day):
        day, place = divmod(number, a_day)
        yield (
            FIRST + timedelta(days=day, seconds=int((place + chance()) * 86_400 / a_day)),
            day >= DAYS + QUIET,
        )


def _drawn(shares: tuple[tuple[str, float], ...], chance: Chance) -> str:
    left = chance()
    for name, share in shares:
        left -= share
        if left < 0:
            return name
    return shares[-1][0]


def _waiting(chance: Chance) -> float:
    """From the exponential distribution of mean 1."""
    return -math.log(1 - chance())


def _bell(chance: Chance) -> float:
    """From the normal distribution (Box and Muller)."""
    return math.sqrt(2 * _waiting(chance)) * math.cos(2 * math.pi * chance())


def _yes(odds: float, chance: Chance) -> str:
    return "yes" if chance() < 1 / (1 + math.exp(-odds)) else "no"


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
