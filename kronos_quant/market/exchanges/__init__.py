"""Trading rules by exchange, board and date: price limits and lots (`boards`), taxes and fees (`levies`)."""
