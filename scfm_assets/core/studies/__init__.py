"""The computations of the studies: one module each, plain functions over specifications and tables."""
