"""A lesson on trial, and what tests of notebooks know of it."""

from __future__ import annotations

from grader.authoring.trial import execute, ready, shown, stage, verdict

__all__ = ["SECONDS", "TRAINED", "execute", "ready", "shown", "stage", "verdict"]

SECONDS = {  # they train many networks, or interpret kernels
    "21_overfitting": 180,
    "23_coadaptation": 60,
    "24_regulariser": 60,
    "25_uncertainty": 60,
    "26_learned_rates": 90,
    "31_images": 90,
    "32_sequences": 90,
    "33_transformers": 90,
    "34_noise": 90,
    "35_schedules_and_norms": 60,
    "36_robustness": 120,
    "37_today": 90,
    "42_kernels": 60,
    "51_capstone": 120,
    "91_frontier": 90,
}
"""Processor time, of all cores together, that a lesson may take; others 30."""
TRAINED = {"fit", "ablation"}
"""Exercises whose checks train networks."""
