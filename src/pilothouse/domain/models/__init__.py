"""Models as their users describe them: model files, targets, evaluations, versions' lives."""
