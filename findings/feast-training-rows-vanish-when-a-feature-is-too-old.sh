#!/usr/bin/env bash
# feast 0.67.0, file offline store and SQLite online store (pandas 2.3.3, pyarrow 26.0.1, Python 3.11)
#
# Guess:    get_historical_features gives each row of the entity frame once, with a missing value where there is no
#           feature that is young enough at that time (a left join).
#           Materialising an older interval after a newer one leaves the newer value in the online store.
# Seen:     1. An entity whose only feature value is older than the ttl, or lies in the future, is taken out of the
#           result: label, other feature views' values and all. An entity that the source does not know at all stays,
#           with missing values. Four rows go in, two come out, without a warning.
#           2. The online store keeps what was written last, not what is newest: materialising January's first days
#           again after the tenth (a backfill) puts the value of the first day online. The ttl is not looked at there.
# Output:   rows asked for [1, 2, 3, 4] and given [2, 4]; online value before and after the backfill.
# Matters:  the training set loses just the customers whose data are stale, so rates and references are off, and
#           gates cannot see it. Count rows before and after a point-in-time join and keep the
#           entity's key; after a backfill, materialise the newest interval again and compare served values with the
#           offline ones (skew between training and serving).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    feast==0.67.0 pandas==2.3.3 pyarrow==26.0.1 dask==2026.8.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import logging
import sys
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
folder = Path(sys.argv[1]) / "repository"
folder.mkdir()


def utc(*days):
    return pd.to_datetime([f"2026-01-{day:02}" for day in days], utc=True)


pd.DataFrame({"customer": [1, 2, 2, 3], "balance": [10.0, 15.0, 20.0, 30.0], "event_timestamp": utc(1, 1, 10, 12)}).to_parquet(
    folder / "balance.parquet"
)
pd.DataFrame({"customer": [1, 2, 3], "income": [1.0, 2.0, 3.0], "event_timestamp": utc(1, 1, 1)}).to_parquet(
    folder / "income.parquet"
)
(folder / "feature_store.yaml").write_text(
    "project: small\nprovider: local\nentity_key_serialization_version: 3\n"
    f"registry: {folder}/registry.db\noffline_store:\n  type: file\n"
    f"online_store:\n  type: sqlite\n  path: {folder}/online.db\n"
)
customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.INT64)


def view(name, days):
    source = FileSource(path=str(folder / f"{name}.parquet"), timestamp_field="event_timestamp")
    return FeatureView(
        name=name, entities=[customer], ttl=timedelta(days=days), schema=[Field(name=name, dtype=Float64)], source=source
    )


store = FeatureStore(repo_path=str(folder))
store.apply([customer, view("balance", 2), view("income", 300)])
asked = pd.DataFrame({"customer": [1, 2, 3, 4], "label": [0, 1, 0, 1], "event_timestamp": utc(11, 11, 11, 11)})
young = store.get_historical_features(entity_df=asked, features=["income:income"]).to_df()
both = store.get_historical_features(entity_df=asked, features=["income:income", "balance:balance"]).to_df()
print("asked for:          ", asked["customer"].tolist())
print("income alone:       ", sorted(young["customer"].tolist()))
print("income and balance: ", sorted(both["customer"].tolist()))
print(both.sort_values("customer")[["customer", "label", "income", "balance"]].to_string(index=False))
assert sorted(young["customer"]) == [1, 2, 3, 4], "rows are missing for the feature that is young enough"
assert sorted(both["customer"]) == [2, 4], "rows with a feature that is too old are kept now"


def online():
    return store.get_online_features(features=["balance:balance"], entity_rows=[{"customer": 2}]).to_dict()["balance"][0]


def materialise(first, last):
    store.materialize(datetime(2026, 1, first, tzinfo=timezone.utc), datetime(2026, 1, last, tzinfo=timezone.utc))


materialise(5, 11)
newest = online()
materialise(1, 3)
backfilled = online()
print("online after 5 to 11 January:", newest, "| after 1 to 3 January again:", backfilled)
assert newest == 20.0, "materialising no longer brings the newest value"
assert backfilled == 15.0, "an older interval no longer overwrites the newer value online"
PY
export FEAST_USAGE=False DO_NOT_TRACK=true
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work" 2> "$work/progress" || { cat "$work/progress" >&2; exit 1; }
echo "behaviour as described"
