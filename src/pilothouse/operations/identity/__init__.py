"""Who somebody is: users, their keys, how they come in by SSH."""
