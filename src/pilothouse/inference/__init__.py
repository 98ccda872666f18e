"""A model from its bytes: the safe format, the input schema, encoding and predicting. Shared by serving and training."""
