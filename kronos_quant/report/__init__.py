"""Reports of runs: one document model, as plain text and as self-contained HTML pages (`pages`, one file a page)."""
