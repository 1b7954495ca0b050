"""The section `risk` of a strategy file: what it may say, and what the kernels make of it."""
