"""Measurements that take longer than a lesson: run once, their results kept in datasets/studies."""
