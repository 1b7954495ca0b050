"""What scores are worth on returns that followed, next to baselines that cost nothing."""
