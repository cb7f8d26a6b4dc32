"""`python -m desk`: the same as the command `strangler`, also where no script was installed."""

from desk.cli import main

if __name__ == "__main__":
    main()
