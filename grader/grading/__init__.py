"""A class or one notebook: folders, rows, gradebook, report."""
