"""Records and rules of models, promotion, jobs and roles: standard library only, no I/O, no clock."""
