"""Serving process of one target: Open Inference Protocol, predictions spooled to disk, versions as the hub names them."""
