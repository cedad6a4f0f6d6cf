"""What the lessons import: checks that explain themselves, plots, explorers, data."""
