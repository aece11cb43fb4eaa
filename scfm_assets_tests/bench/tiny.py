"""A shape of model that runs in milliseconds, and where progress goes that nobody reads."""

from scfm_assets_bench.models import Shape

TINY = Shape("tiny", 2, 32, 4, 48, 300, 64, special=2)
FRAMED = Shape("tiny framed", 3, 32, 2, 40, 300, 64, special=4)


def silent(_: str) -> None:
    pass
