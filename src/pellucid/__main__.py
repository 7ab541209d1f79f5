"""Makes ``python -m pellucid`` run the command ``pellucid``."""

from pellucid.cli import main

main()
