"""Measurements that take longer than a lesson may: each writes its result to datasets/studies/."""
