"""Statistics of simulation output: what scipy has not, small, each with its source."""
