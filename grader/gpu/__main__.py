"""One step in a process of its own, so that none can harm another: see `grader.gpu.run`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from pathlib import Path

from grader.gpu.record import DIED


def main() -> None:
    """Run the step that the arguments name."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--place", type=Path, required=True)
    parser.add_argument("--about", type=json.loads, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--restarted", action="store_true")
    args = parser.parse_args()
    ends = time.monotonic() + args.seconds
    module = importlib.import_module(f"grader.gpu.{args.name}")
    from grader.gpu.step import Broken, Step

    try:
        module.measure(Step(args.name, args.place, args.about, args.device, args.tiny, ends,
                            args.restarted))  # fmt: skip
    except Broken:
        sys.exit(DIED)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
