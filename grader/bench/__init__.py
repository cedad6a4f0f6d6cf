"""Measurements of the grader, and of the lessons' kernels on a GPU."""
