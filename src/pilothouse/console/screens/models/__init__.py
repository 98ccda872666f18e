"""Screens on models, versions and what made them."""
