#!/usr/bin/env bash
# networkx 3.6.1, igraph 1.0.0 (Python 3.11)
#
# Guess:    betweenness does not change when all distances are given in another unit: the same paths are the shortest.
# Seen:     networkx compares lengths of paths as floats, to the last bit: 0.1 + 0.2 is longer than 0.3, so that of paths of one length only
#           some count, by the order of the sums. In units that make whole numbers all count. igraph answers alike in both units, and
#           as networkx does for whole numbers. The number of shortest paths differs likewise. No warning.
# Output:   60 places, 140 roads of 0.1 to 0.4 km, then of 1 to 4 hundred metres: betweenness of a place off by up to a third, the third
#           and fourth of the ranking change places; 186 of 1770 pairs have another number of shortest paths. igraph: the
#           same to the twelfth digit.
# Matters:  lengths, prices and times with a decimal are the rule, and ties among them too: a feature of a graph trained on kilometres
#           is another one on metres. Make weights whole numbers.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check networkx==3.6.1 igraph==1.0.0
cat > "$work/check.py" <<'PY'
import itertools
import random
import warnings

import igraph
import networkx

warnings.simplefilter("error")
chance = random.Random(0)
roads = list(networkx.gnm_random_graph(60, 140, seed=0).edges)
metres = [100 * chance.randint(1, 4) for _ in roads]


def graph(unit):
    made = networkx.Graph()
    made.add_nodes_from(range(60))
    made.add_weighted_edges_from((start, end, unit(length)) for (start, end), length in zip(roads, metres, strict=True))
    return made


def by_igraph(made):
    return igraph.Graph.from_networkx(made).betweenness(weights="weight")


def paths(made, start, end):
    if not networkx.has_path(made, start, end):
        return 0
    return len(list(networkx.all_shortest_paths(made, start, end, weight="weight")))


kilometres, hundreds = graph(lambda length: length / 1000), graph(lambda length: length // 100)
in_kilometres, in_hundreds = (networkx.betweenness_centrality(made, weight="weight", normalized=False) for made in (kilometres, hundreds))
peer_kilometres, peer_hundreds = by_igraph(kilometres), by_igraph(hundreds)
apart = max(abs(in_kilometres[place] - in_hundreds[place]) / max(in_hundreds[place], 1) for place in range(60))
peer_apart = max(abs(first - second) for first, second in zip(peer_kilometres, peer_hundreds, strict=True))
libraries_apart = max(abs(in_hundreds[place] - peer_hundreds[place]) for place in range(60))
others = sum(paths(kilometres, *pair) != paths(hundreds, *pair) for pair in itertools.combinations(range(60), 2))
ranked = [sorted(range(60), key=lambda place: -values[place])[:5] for values in (in_kilometres, in_hundreds, peer_kilometres)]
print(f"networkx in kilometres and in hundreds of metres: up to {apart:.0%} apart, {others} pairs with another number of shortest paths")
print(f"igraph in both: up to {peer_apart:.0e} apart; both libraries in hundreds of metres: up to {libraries_apart:.0e} apart")
print("the first five, networkx in kilometres, in hundreds of metres, igraph in kilometres:", ranked)
assert peer_apart < 1e-9 and libraries_apart < 1e-9
assert apart > 0.2 and others > 100, "the unit makes no difference now"
assert ranked[0] != ranked[1] == ranked[2]
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
