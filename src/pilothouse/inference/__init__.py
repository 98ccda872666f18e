"""Inference: a model from its bytes. The safe format, the input schema, encoding and predicting; shared by serving and
training."""
