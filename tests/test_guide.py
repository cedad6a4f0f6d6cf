"""The guide, all Markdown of the repository: is what it tells a reader to do there?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from curriculum import LESSONS
from grader import cli
from grader.authoring.contents import PARTS, by_part, with_table
from grader.paths import ROOT

LISTED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.md", ".github/*.yml", ".ci/run"],
    cwd=ROOT, capture_output=True, text=True, check=True,
).stdout.split()  # fmt: skip
TEXTS = [ROOT / name for name in LISTED]
COMMAND = re.compile(r"\bpython3? grader ([a-z]+)\b([^`#\n]*)")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in TEXTS if p.suffix == ".md"], ids=name)
def test_links_lead_to_files(path: Path):
    """Is each file and each heading that a text links to there?"""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target, heading in re.findall(r"\]\(([^()\s#]*)(?:#(\S+))?\)", text):
        if "://" in target or re.search(r"OWNER/NAME", target):
            continue
        file = path.parent / target if target else path
        assert file.exists(), f"{name(path)}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
            assert heading in [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles]


def test_commands_are_commands(capsys: pytest.CaptureFixture[str]):
    """Does the command line know each command, and each of its options, that a text names?"""
    told = {
        (command, option)
        for path in TEXTS
        for command, rest in COMMAND.findall(_joined(path))
        for option in ["", *re.findall(r"--[a-z-]+", rest)]
    }
    assert len(told) > 30
    wrong = []
    for command in sorted({command for command, _ in told}):
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        usage = capsys.readouterr().out
        options = {option for it, option in told if it == command} - {""}
        if ended.value.code:
            wrong.append(command)
        wrong += [f"{command} {option}" for option in options if option not in usage]
    assert not wrong


def _joined(path: Path) -> str:
    """A text in which a command stands on one line, also where it goes on in the next."""
    return re.sub(r"\\\n\s*", "", path.read_text(encoding="utf-8"))


def test_every_part_has_lessons():
    """Has each part that is named a lesson?"""
    assert list(by_part(LESSONS)) == list(PARTS)


def test_the_table_is_of_these_lessons():
    """Does a build leave README.md as it is, and would it mend a table that is not?"""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_table(readme, LESSONS) == readme
    shorter = with_table(readme, LESSONS[1:])
    assert LESSONS[0].title in readme and LESSONS[0].title not in shorter
    assert with_table(shorter, LESSONS) == readme


def test_the_readme_is_one_screen():
    """Is README.md short enough to be read by somebody who has just arrived?"""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 80
