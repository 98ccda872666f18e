#!/usr/bin/env bash
# pymoo 0.6.2 (numpy 2.4.6, scipy 1.17.1, Python 3.11)
#
# Guess:    a trial whose objective is not a number (training diverged) is the worst, or counts as infeasible, in every algorithm: what
#           is not below another is not better.
# Seen:     it depends on the algorithm. GA, DE, ES, Nelder-Mead and NSGA-II put it last. PSO, ISRES, pattern search and random
#           search give it as the result, although most trials had an answer. NSGA-III leaves it out, and with it all of the front
#           but one point. No warning.
# Output:   objective x0 where x1 >= 0.1, else not a number. GA, DE, ES, Nelder-Mead: below 0.001. PSO, ISRES, pattern search, random
#           search: nan. Two objectives: NSGA-II a front of 20; NSGA-III 1 point, without such trials 19.
# Matters:  the search ends as always, and result.X are the settings of a model that could not be trained. Give a large number instead of nan.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pymoo==0.6.2 scipy==1.17.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.nsga3 import NSGA3
    from pymoo.algorithms.soo.nonconvex.de import DE
    from pymoo.algorithms.soo.nonconvex.es import ES
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.algorithms.soo.nonconvex.isres import ISRES
    from pymoo.algorithms.soo.nonconvex.nelder import NelderMead
    from pymoo.algorithms.soo.nonconvex.pattern import PatternSearch
    from pymoo.algorithms.soo.nonconvex.pso import PSO
    from pymoo.algorithms.soo.nonconvex.random_search import RandomSearch
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.optimize import minimize
    from pymoo.util.ref_dirs import get_reference_directions


class Training(ElementwiseProblem):
    def __init__(self, objectives, diverges=True):
        super().__init__(n_var=2, n_obj=objectives, xl=0, xu=1)
        self.diverges = diverges
        self.without_answer = self.with_answer = 0

    def _evaluate(self, x, out, *args, **kwargs):
        lost = self.diverges and x[1] < 0.1
        self.without_answer += lost
        self.with_answer += not lost
        out["F"] = [np.nan] * self.n_obj if lost else [x[0], 1 - x[0] + x[1]][: self.n_obj]


def front(make, objectives, diverges=True):
    problem = Training(objectives, diverges)
    result = minimize(problem, make(), ("n_gen", 20), seed=1, verbose=False)
    values = np.atleast_2d(result.F)
    tried = f"{problem.with_answer} trials with an answer, {problem.without_answer} without"
    print(f"{type(result.algorithm).__name__:14} {len(values):2} in the result, smallest {values.min(axis=0).round(4)}, {tried}")
    assert problem.with_answer >= 20 and bool(problem.without_answer) == diverges
    return values


directions = get_reference_directions("das-dennis", 2, n_partitions=19)
for make in (lambda: GA(pop_size=20), lambda: DE(pop_size=20), lambda: ES(n_offsprings=20), NelderMead):
    assert front(make, 1).item() < 0.02
for make in (lambda: PSO(pop_size=20), ISRES, PatternSearch, RandomSearch):
    assert np.isnan(front(make, 1).item()), "a trial without an answer is not the optimum any more"
by_nsga2 = front(lambda: NSGA2(pop_size=20), 2)
by_nsga3, undisturbed = front(lambda: NSGA3(directions), 2), front(lambda: NSGA3(directions), 2, diverges=False)
assert len(by_nsga2) >= 15 and not np.isnan(by_nsga2).any()
assert len(undisturbed) >= 15 and len(by_nsga3) <= 2, "NSGA-III keeps its front now"
PY
OMP_NUM_THREADS=1 nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
