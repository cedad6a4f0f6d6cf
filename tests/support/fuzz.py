"""Tests over many inputs: the same ones in each run, and no limit by the clock."""

from __future__ import annotations

from functools import partial

from hypothesis import HealthCheck, settings

fuzzed = partial(settings, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
"""Stands above `@given`: `@fuzzed(max_examples=300)`."""
