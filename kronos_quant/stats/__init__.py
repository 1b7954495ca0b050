"""Statistics that several packages share: rank correlation, intervals of a mean, performance, selection bias."""
