"""Doors of the hub: how much may come through each, artifacts out, and bodies in."""
