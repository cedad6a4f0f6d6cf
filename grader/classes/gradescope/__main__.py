"""`python -m grader.classes.gradescope SUBMISSION RESULTS`, from run_autograder."""

import json
import sys
from pathlib import Path

from grader.classes.gradescope import run

if __name__ == "__main__":
    submission, file = map(Path, sys.argv[1:])
    file.write_text(json.dumps(run(submission), indent=1, ensure_ascii=False), encoding="utf-8")
