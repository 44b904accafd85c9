"""`python -m lmrun` is the command `lmrun`."""

from lmrun.cli import main

if __name__ == "__main__":
    main()
