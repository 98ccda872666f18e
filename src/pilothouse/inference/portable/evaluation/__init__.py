"""Evaluation of portable programs, in numpy: one operation for each op, without scikit-learn."""
