"""A gate of triage's own: hardly any urgent message may be called routine.

`check` is called in a process of its own with the rows that were held out, the answers of the version to them, and its metrics.
"""

MOST = 0.03


def check(holdout, predictions, metrics):
    """Returns whether the version passes, and why in one line."""
    urgent = predictions[predictions["truth"] == "urgent"]
    missed = (urgent["label"] == "routine").mean()
    return (
        missed <= MOST,
        f"{missed:.1%} of {len(urgent)} urgent messages are called routine; {MOST:.0%} may be",
    )
