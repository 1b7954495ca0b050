"""One file a page: what of a result goes into which section of its document."""
