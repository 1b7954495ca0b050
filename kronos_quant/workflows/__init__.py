"""What each command does, from a workspace to what it leaves: the same functions for the CLI and for notebooks."""
