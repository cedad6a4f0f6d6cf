"""What the machine has that a lesson runs on."""

from __future__ import annotations

import os
import platform

import numpy as np

from dropoutlab import BROWSER


def show() -> None:
    """Print what Python, which packages and which processors this is, and where MNIST would lie."""
    python = f"Python   {platform.python_version()}, NumPy {np.__version__}"
    if BROWSER:
        print(f"{python}, all of it in this browser")
        print("PyTorch  none: lessons that need it run in a clone of the course")
        return
    import torch

    cuda = torch.cuda.is_available()
    print(f"{python}, torch {torch.__version__}")
    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    print(f"CPU      {_many(cores, 'core')}; torch uses {_many(threads, 'thread')}")
    print(f"GPU      {torch.cuda.get_device_name() if cuda else 'none, and none is needed'}")
    folder = os.environ.get("DROPOUT_DATA", "not set")
    print(f"MNIST    not needed yet; later lessons look in DROPOUT_DATA ({folder})")


def _many(count: int, what: str) -> str:
    """A number and its noun."""
    return f"{count} {what}{'s' * (count != 1)}"
