"""Do single-cell foundation models know gene regulation? A Dagster platform that answers."""

import os

# Threads that spin while they wait slow each other down up to fifty times on a shared machine. The OpenMP runtime reads
# this when it is loaded, so it is set before anything imports torch; an idle machine loses nothing measurable.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
