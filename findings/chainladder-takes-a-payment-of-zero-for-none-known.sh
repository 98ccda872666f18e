#!/usr/bin/env bash
# chainladder 0.10.1 (pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a year for which nothing was paid by the first valuation has a 0 there, and counts in the development factor: what the
#           years had paid a year later, over what they had paid now. Rows whose line of business is missing are in the total.
# Seen:     a 0 in a triangle becomes "not known". Such years drop out of the factor on both sides, so that only years that began early
#           are averaged, and the late ones look as if they were not there. Rows with a missing index (or a missing valuation
#           date) are left out of the triangle. No warning of either.
# Output:   six years, three of which paid nothing at first: factor from the first to the second valuation 5.0, by hand 12.5; reserve
#           of the newest year 9,600, by hand 24,600. Of payments of 3,770, of which 1,250 without a line: total of the triangle 2,520.
# Matters:  lines that pay late (liability, reinsurance, small segments) begin with zeros: the factor is that of the quick ones,
#           and the reserve is less than half. The total that is compared with the ledger lacks the rows without a line. Make the
#           first factor by hand once, and compare sums with those of the rows.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    chainladder==0.10.1 pandas==3.1.1 numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import chainladder as cl

warnings.simplefilter("error", UserWarning)
shares = np.array([0.04, 0.2, 0.5, 0.8, 0.95, 1.0])
rows = []
for year in range(2018, 2024):
    paid = 10_000 * shares
    if year % 2 == 0:
        paid[0] = 0
    rows += [(year, year + age, paid[age]) for age in range(6) if year + age <= 2023]
table = pd.DataFrame(rows, columns=["origin", "valuation", "paid"])
triangle = cl.Triangle(table, origin="origin", development="valuation", columns="paid", cumulative=True)
development = cl.Development(average="volume").fit(triangle)
factors = development.ldf_.to_frame().to_numpy()[0]
reserves = cl.Chainladder().fit(development.transform(triangle)).ibnr_.to_frame(origin_as_datetime=False)
reserve = float(reserves.iloc[-1, 0])

ages = table.assign(age=table["valuation"] - table["origin"]).pivot(index="origin", columns="age", values="paid")
by_hand = [ages[age + 1].sum() / ages.loc[ages[age + 1].notna(), age].sum() for age in range(5)]
newest = float(ages.loc[2023, 0])
right = newest * (np.prod(by_hand) - 1)
print(f"factors of chainladder {factors.round(2).tolist()}, by hand {np.round(by_hand, 2).tolist()}")
print(f"the newest year has paid {newest:g}; reserve by chainladder {reserve:,.0f}, by hand {right:,.0f}")
print(f"what the triangle holds at the first valuation: {triangle.to_frame(origin_as_datetime=False).iloc[:, 0].tolist()}")
assert np.allclose(factors[1:], by_hand[1:]), "the other factors differ too"
assert factors[0] < 0.7 * by_hand[0], "years that begin with zero count now"
assert reserve < 0.7 * right, "the reserve counts them now"

lines = pd.DataFrame({
    "origin": [2019, 2019, 2019, 2020, 2020, 2021], "valuation": [2019, 2020, 2021, 2020, 2021, 2021],
    "line": ["motor", "motor", None, "home", None, "home"], "paid": [100.0, 500.0, 800.0, 900.0, 450.0, 1020.0],
})
triangle = cl.Triangle(lines, index="line", origin="origin", development="valuation", columns="paid", cumulative=False)
total = float(np.nansum(triangle.set_backend("numpy").values))
print(f"payments of {lines['paid'].sum():g}, of which {lines.loc[lines['line'].isna(), 'paid'].sum():g} without a line: {total:g} in the triangle")
assert total == 2520, "rows without a line are in the triangle now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
