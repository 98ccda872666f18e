"""Pilothouse: the terminal operations console for machine-learning models.

``import pilothouse as ph`` gives programs the small surface that docs/python.md lists. A name's module is imported when the
name is first used; ``__init__.pyi`` has their types.
"""

__version__ = "0.1.0"

_PUBLIC = {
    **dict.fromkeys(("Client",), "api.client"),
    **dict.fromkeys(("load", "log_outcomes", "log_predictions", "run"), "api.functions"),
    **dict.fromkeys(("Estimator",), "api.estimators"),
    **dict.fromkeys(("Run",), "api.runs"),
    **dict.fromkeys(("Listed",), "api.listed"),
    **dict.fromkeys(("Finding", "Gate", "Job", "Metric", "Model", "Request", "Version"), "api.values"),
    **dict.fromkeys(("OutcomeReceipt", "Receipt"), "api.receipts"),
    **dict.fromkeys(("Artifact", "Comparison", "Data", "Point", "RecordedRun"), "api.run_values"),
    **dict.fromkeys(
        (
            "ConflictError",
            "IntegrityError",
            "InvalidInputError",
            "NotAllowedError",
            "NotFoundError",
            "PilothouseError",
            "UnavailableError",
        ),
        "domain.errors",
    ),
}
"""Public names and the modules below ``pilothouse`` that define them."""

__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
