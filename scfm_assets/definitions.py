"""What Dagster reads: the definitions of the current catalog."""

from scfm_assets.defs.assemble import location

defs = location()
