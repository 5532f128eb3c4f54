"""`python -m windtunnel` is `windtunnel`."""

from windtunnel.entry import main

if __name__ == "__main__":
    main()
