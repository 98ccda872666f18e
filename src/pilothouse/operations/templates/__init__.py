"""Templates of a first workspace: a made data set with its generator, a commented model file, a plan, and what to type next."""
