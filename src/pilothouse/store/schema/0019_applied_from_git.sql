-- Repository that an applied model file lay in: commit, branch, remote, and whether it differed from the commit.
ALTER TABLE model_specs ADD COLUMN git TEXT CHECK (git IS NULL OR json_valid(git));
