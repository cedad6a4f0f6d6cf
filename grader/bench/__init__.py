"""Measurements of the grader, and of the course's lines."""
