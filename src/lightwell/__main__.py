"""``python -m lightwell`` is the command ``lightwell``."""

from lightwell.cli.app import main

if __name__ == "__main__":
    main()
