"""Conversion of fitted scikit-learn estimators into portable programs, one function for each class."""
