"""The documentation: pages in two languages, and `docs.build`, which writes the reference from the code."""
