"""The gate: a change between two commits, judged by what it permits and by what it does to the operation."""
