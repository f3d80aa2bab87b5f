"""``python -m dcsite`` is ``dcsite``."""

from dcsite.cli.app import main

main()
