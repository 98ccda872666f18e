"""Models and versions: comparing two, walking a lineage, finding what is affected."""
