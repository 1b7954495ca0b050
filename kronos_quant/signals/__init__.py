"""Recipes, scores of the sample paths, the store of what was computed, and what is made of it when it is read.

The names load on first use, so that reading a table of scores loads no network.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
