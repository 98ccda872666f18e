#!/usr/bin/env bash
# quantstats 0.0.86 (pandas 2.3.3, numpy 2.4.6, Python 3.11)
#
# Guess:    quantstats.stats takes a series of prices or of returns, as its functions say; figures that do not depend on the
#           unit (Sharpe ratio, volatility, largest drawdown) are those of the same price quoted in cents.
# Seen:     each call guesses by the values what it was given. A series counts as prices only if its largest value is above
#           1: an exchange rate, a token or a fund whose quote stays under 1 is taken for daily returns of +81 % to +96 %.
#           The other way round, monthly returns of which none is negative and one is above 1 are taken for prices. No
#           warning.
# Output:   a rate between 0.81 and 0.96: Sharpe ratio 308, no drawdown, value at risk +0.81; the same rate times 100:
#           -0.38, -0.16, -0.010. Winning months: volatility 12.1, by its definition 1.9.
# Matters:  gates and reports on a trading model turn from a loss of 4 % a year to the best ever with the unit of the quote,
#           or once a window of it lies under 1. Hand over returns that were made outside, and look at their
#           largest value first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    quantstats==0.0.86 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np
import pandas as pd

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from quantstats import stats

rng = np.random.default_rng(0)
days = pd.bdate_range("2020-01-01", periods=500)
rate = pd.Series(0.9 * np.exp(np.cumsum(rng.normal(0, 0.006, 500))), days)
returns = rate.pct_change().dropna()
by_hand = (
    float(returns.mean() / returns.std() * 252**0.5),
    float((rate / rate.cummax() - 1).min()),
    float(returns.std() * 252**0.5),
)


def figures(series):
    return float(stats.sharpe(series)), float(stats.max_drawdown(series)), float(stats.volatility(series))


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    seen = {"in euro": figures(rate), "in cents": figures(rate * 100), "as returns": figures(returns)}
    risk = float(stats.var(rate)), float(stats.var(rate * 100))
    months = pd.Series([0.1, 0.2, 1.5, 0.3, 0.0, 0.4], pd.date_range("2020-01-31", periods=6, freq="ME"))
    wins, true_wins = float(stats.volatility(months, periods=12)), float(months.std() * 12**0.5)
print(f"rate from {rate.min():.2f} to {rate.max():.2f}, {rate.iloc[0]:.3f} at first, {rate.iloc[-1]:.3f} at last")
for name, (sharpe, drawdown, volatility) in {**seen, "by definition": by_hand}.items():
    print(f"{name:14} Sharpe ratio {sharpe:8.2f}, largest drawdown {drawdown:6.3f}, volatility {volatility:.3f}")
print(f"value at risk  in euro {risk[0]:+.3f}, in cents {risk[1]:+.3f}")
print(f"winning months volatility {wins:.2f}, by definition {true_wins:.2f}")
print("warnings:", [str(one.message) for one in said])
assert np.allclose(seen["in cents"], by_hand) and np.allclose(seen["as returns"], by_hand)
assert seen["in euro"][0] > 100 and seen["in euro"][1] == 0, "prices under 1 are taken for prices now"
assert risk[0] > 0.5 and risk[1] < 0
assert wins > 5 * true_wins, "winning months are taken for returns now"
assert not said, "quantstats warns now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
