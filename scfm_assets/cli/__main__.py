"""`python -m scfm_assets.cli` is `scfm`."""

from scfm_assets.cli.commands import main

main()
