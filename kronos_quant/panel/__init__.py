"""Frames as arrays: matrices by time and symbol, membership, rolling windows, forward returns and factors."""
