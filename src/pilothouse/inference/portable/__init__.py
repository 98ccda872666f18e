"""Portable form of a model: arrays and a small program, evaluated in numpy without scikit-learn."""
