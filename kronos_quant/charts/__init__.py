"""Charts as matplotlib figures: arrays in, figures out; a chart knows no result."""
