"""Evidence: a statement over the digests of a run, signed or not, and how it is checked."""
