"""The front door: the command line and the few public names."""
