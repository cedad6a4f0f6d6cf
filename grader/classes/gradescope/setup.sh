#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the autograder's image.
set -euo pipefail
course="${AUTOGRADER_ROOT:-/autograder}/source/course"

python=""
for name in python3 python3.13 python3.12 python3.11; do
  if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python="$(command -v "$name")"
    break
  fi
done
if [ -z "$python" ]; then # Ubuntu 22.04 has 3.10
  apt-get update
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3.11 python3.11-venv
  python="$(command -v python3.11)"
fi

# The course's first start installs its packages, torch without CUDA.
export PIP_EXTRA_INDEX_URL="https://download.pytorch.org/whl/cpu"
"$python" "$course/grader" lab --help
[ -x "$course/.venv/bin/python" ] && python="$course/.venv/bin/python"
echo "$python" > "$course/python"

# Learners' code runs as another user where it can; these are for root's eyes alone.
chmod -R go= "$course/packed"
