"""Do Moodle's and Canvas's downloads become submissions, and do grades go back to who sent them?"""

from __future__ import annotations

import csv
import json
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

import classroom
from classroom import FULL_POINTS, LESSON, RIGHT
from gradebooks import grade, prepared
from grader import cli
from grader.authoring.build import released
from grader.classes import collect as collecting
from grader.classes import download
from grader.classes.collect import Collected, collect
from grader.classes.export import export
from grader.errors import CourseError
from grader.grading.gradebook import opened
from grader.grading.syllabus import FILE

NAME = f"{LESSON.name}.ipynb"
TEXT = json.dumps(
    classroom.notebook(released(LESSON.name).read_text(encoding="utf-8"), RIGHT)
).encode()
OTHER = json.dumps(
    classroom.notebook(released("11_bernoulli_masks").read_text(encoding="utf-8"), {})
).encode()
FOLDERS = {"moodle": "Ada Lovelace_12345_assignsubmission_file/{}", "canvas": "adalove_67_89_{}"}
IDS = {"moodle": "Ada_Lovelace", "canvas": "adalove_67"}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def unpacked(path: Path, files: dict[str, bytes]) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(text)
    return path


def taken(
    place: Path, source: Path, origin: str, sheet: Path | None = None
) -> tuple[Collected, dict[str, dict[str, bytes]]]:
    """What `collect` says, and what lies in submitted/ afterwards, by learner."""
    prepared(place)
    with opened(place) as book:
        done = collect(LESSON, source, origin, place, book, sheet)
    there = {
        folder.name: {p.name: p.read_bytes() for p in (folder / LESSON.name).iterdir()}
        for folder in (place / "submitted").iterdir()
    }
    return done, there


@pytest.mark.parametrize("pack", [zipped, unpacked])
@pytest.mark.parametrize(("origin", "path", "learner"), [
    ("moodle", "Ada Lovelace_12345_assignsubmission_file/{}", "Ada_Lovelace"),
    ("moodle", "Ada Lovelace_12345_assignsubmission_file_/sub/{}", "Ada_Lovelace"),
    ("moodle", "Ada Lovelace_12345_assignsubmission_file_{}", "Ada_Lovelace"),
    ("moodle", "Zoë de Luc_7_assignsubmission_file/{}", "Zoë_de_Luc"),
    ("moodle", "all of them/Zoë de Luc_7_assignsubmission_file_{}", "Zoë_de_Luc"),
    ("canvas", "lovelaceada_67_89_{}", "lovelaceada_67"),
    ("canvas", "lovelaceada_LATE_67_89_{}", "lovelaceada_67"),
    ("canvas", "lovelaceada_late_67_89_{}", "lovelaceada_67"),
    ("canvas", "lateralus_67_89_{}", "lateralus_67"),
    ("canvas", "anon_x7Yz2_89_{}", "anon_x7Yz2"),
])  # fmt: skip
def test_each_layout_names_its_learner(origin: str, path: str, learner: str, pack, tmp_path: Path):
    """Is the notebook found under the learner's name and number, in a ZIP and unpacked?"""
    source = pack(
        tmp_path / "download",
        {
            path.format(NAME): TEXT,
            "__MACOSX/._x": b"",
        },
    )
    done, there = taken(tmp_path / "class", source, origin)
    assert there == {learner: {NAME: TEXT}} and done.new == [learner] and not done.remarks
    assert done.late == ([learner] if "late_" in path.lower() else [])


def test_clones_are_taken_by_their_folders(tmp_path: Path):
    """Is a lesson taken from each repository, and nothing to which a repository links?"""
    inner = f"lessons/{LESSON.name}"
    source = unpacked(
        tmp_path / "clones",
        {f"hw-ada/{inner}/{NAME}": TEXT, "hw-bo/README.md": b"", "hw-cy/README.md": b""},
    )
    (source / "hw-bo" / "lessons").symlink_to("../hw-ada/lessons")
    (source / "hw-cy" / inner).mkdir(parents=True)
    (source / "hw-cy" / inner / NAME).symlink_to(source / "hw-ada" / inner / NAME)
    (source / "hw-cy" / inner / "x.ipynb").symlink_to("x.ipynb")
    (source / "hw-dan" / "lessons").mkdir(parents=True)
    (source / "hw-dan" / inner).symlink_to(LESSON.name)
    (source / "hw-eve").symlink_to("hw-ada")
    done, there = taken(tmp_path / "class", source, "git")
    assert there == {"hw-ada": {NAME: TEXT}} and not done.remarks
    with pytest.raises(CourseError, match="clone into it"):
        taken(tmp_path / "none", source / "hw-bo", "git")


def test_a_folder_that_is_called_a_notebook_costs_nobody(tmp_path: Path):
    """Is it told, and are all others taken?"""
    inner = f"lessons/{LESSON.name}"
    files = {f"hw-ada/{inner}/{NAME}": TEXT, f"hw-eve/{inner}/d.ipynb/x": b""}
    done, there = taken(tmp_path / "class", unpacked(tmp_path / "clones", files), "git")
    assert there == {"hw-ada": {NAME: TEXT}, "hw-eve": {}}
    assert done.remarks == ["hw-eve: d.ipynb is no plain file."]


@pytest.mark.parametrize("origin", FOLDERS)
@pytest.mark.parametrize(("bound", "most"), [("EACH", len(TEXT)), ("MOST", 2)])
def test_what_one_learner_hands_in_is_bounded(
    bound: str, most: int, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Is who hands in too much told, with the lesson taken, and is everybody else's taken?"""
    monkeypatch.setattr(collecting, bound, most)
    names = [*(f"{k}.ipynb" for k in range(5)), NAME]
    files = {FOLDERS[origin].format(name): TEXT for name in names}
    fill = {"moodle": "Bo_5_assignsubmission_file_{}", "canvas": "bo_5_6_{}"}
    files[fill[origin].format(NAME)] = TEXT
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), origin)
    assert {*there} - {IDS[origin]} and there[IDS[origin]] == {NAME: TEXT}
    assert "handed in more than" in done.remarks[0]


def test_a_notebook_is_not_taken_apart_to_be_known(tmp_path: Path):
    """Does it take little more memory than the file's size, whatever is in it?"""
    text = b'{"cells":[' + b"[]," * (1 << 20) + b"0]}"
    source = zipped(tmp_path / "z", {FOLDERS["moodle"].format("x.ipynb"): text})
    tracemalloc.start()
    try:
        done, _ = taken(tmp_path / "class", source, "moodle")
        assert tracemalloc.get_traced_memory()[1] < 5 * len(text)
    finally:
        tracemalloc.stop()
    assert "few of the lesson's cells" in done.remarks[0]


@pytest.mark.parametrize("origin", FOLDERS)
def test_a_second_download_brings_what_is_newer(origin: str, tmp_path: Path):
    """Is a submission that changed replaced, with the same ID, and another one left alone?"""
    path = FOLDERS[origin].format(NAME)
    one, two = zipped(tmp_path / "1", {path: TEXT}), zipped(tmp_path / "2", {path: TEXT + b" "})
    place = tmp_path / "class"
    assert taken(place, one, origin)[0].new == [IDS[origin]]
    assert taken(place, one, origin)[0].same == [IDS[origin]]
    done, there = taken(place, two, origin)
    assert done.newer == [IDS[origin]] and there == {IDS[origin]: {NAME: TEXT + b" "}}


@pytest.mark.parametrize("origin", FOLDERS)
@pytest.mark.parametrize(("files", "kept", "told"), [
    ({f"{LESSON.name}-2.ipynb": TEXT}, {NAME: TEXT}, "was taken for"),
    ({f"{LESSON.name} (1).ipynb": TEXT, "notes.pdf": b"%"}, {NAME: TEXT}, "was taken for"),
    ({"mine.IPYNB": TEXT, "x.ipynb": OTHER}, {NAME: TEXT}, "mine.IPYNB was taken for"),
    ({NAME: TEXT, "old.ipynb": TEXT + b" "}, {NAME: TEXT}, "counts, and not old.ipynb"),
    ({"a.ipynb": TEXT, "b.ipynb": TEXT}, {"a.ipynb": TEXT, "b.ipynb": TEXT}, "Rename the one"),
    ({"x.ipynb": OTHER}, {"x.ipynb": OTHER}, "few of the lesson's cells"),
    ({f"{'解' * 150}.ipynb": OTHER}, {f"{'解' * 44}.ipynb": OTHER}, "few of the lesson's cells"),
    ({NAME: b"\xff\xfe{"}, {NAME: b"\xff\xfe{"}, "few of the lesson's cells"),
    ({"essay.docx": b"PK"}, {}, "no notebook: essay.docx"),
    ({NAME: b" " * (download.LARGEST + 1)}, {}, "has more than 50 MB"),
])  # fmt: skip
def test_odd_files_are_told_in_a_sentence(
    files: dict[str, bytes], kept: dict[str, bytes], told: str, origin: str, tmp_path: Path
):
    """Is what can be told apart taken, and does everybody who handed in keep a folder?"""
    source = {FOLDERS[origin].format(name): text for name, text in files.items()}
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", source), origin)
    assert there == {IDS[origin]: kept}
    (remark,) = done.remarks
    assert told in remark and remark.startswith(IDS[origin])


@pytest.mark.parametrize(("origin", "path"), [
    ("moodle", "Eve Evil_777_assignsubmission_file_Ada Lovelace_12345_assignsubmission_file_{}"),
    ("moodle", "Eve Evil_777_assignsubmission_file/Ada Lovelace_12345_assignsubmission_file_{}"),
    ("moodle", "Eve Evil_777_assignsubmission_file/Ada Lovelace_12345_assignsubmission_file/{}"),
    ("moodle", "Eve_Evil_12345_assignsubmission_file_{}"),
    ("moodle", "Default team_assignsubmission_file_Ada Lovelace_12345_assignsubmission_file_{}"),
    ("canvas", "adalove_67_999_13_99_{}"), ("canvas", "adalove_67_999_x_13_99_{}"),
    ("canvas", "adalove_67_999_2026_991_{}"), ("canvas", "adalove_67_999_2026_9_13_99_{}"),
])  # fmt: skip
@pytest.mark.parametrize("there", [True, False])
def test_no_name_is_taken_for_anothers(origin: str, path: str, there: bool, tmp_path: Path):
    """Where a learner chose the name of a file, or their own, is it never taken for another's?"""
    fill = {"moodle": "Bo_5_assignsubmission_file_{}", "canvas": "bo_5_6_{}"}
    files = {fill[origin].format(NAME): TEXT, path.format(NAME): OTHER}
    own = {FOLDERS[origin].format(NAME): TEXT} if there else {}
    done, found = taken(tmp_path / "class", zipped(tmp_path / "z", files | own), origin)
    assert found.get(IDS[origin]) == ({NAME: TEXT} if there else None)
    assert done.remarks


@pytest.mark.parametrize(("origin", "names"), [
    ("moodle", ("Ada Lovelace_5_assignsubmission_file_{}", "Eve_5_assignsubmission_file_{}")),
    ("canvas", ("adalove_5_6_{}", "eve_5_7_{}")),
])  # fmt: skip
def test_a_number_of_two_is_nobodys(origin: str, names: tuple[str, str], tmp_path: Path):
    """Are files whose number means two people told and left out, and all others taken?"""
    files = {FOLDERS[origin].format(NAME): TEXT} | {name.format(NAME): TEXT for name in names}
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), origin)
    assert {*there} == {IDS[origin]}
    assert len(done.remarks) == 1 and "What 5 handed in was left out" in done.remarks[0]


def test_a_number_without_end_costs_nobody(tmp_path: Path):
    """Is a number that no database holds told, and are all others taken?"""
    files = {f"Eve_{'9' * 200}_assignsubmission_file_{NAME}": TEXT}
    files |= {FOLDERS["moodle"].format(NAME): TEXT}
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "moodle")
    assert {*there} == {"Ada_Lovelace"} and "names no file so" in done.remarks[0]


@pytest.mark.parametrize("name", ["13_2026_09_04.ipynb", "13_inverted_2026_9_4_x.ipynb"])
def test_a_date_is_no_learner(name: str, tmp_path: Path):
    """Is a file that a learner named by the day taken?"""
    files = {FOLDERS["canvas"].format(name): TEXT}
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "canvas")
    assert {*there} == {"adalove_67"}, done.remarks


@pytest.mark.parametrize("names", [("new", "old"), ("x", "x")])
def test_canvas_counts_uploads(names: tuple[str, str], tmp_path: Path):
    """Of two copies of the lesson, does the one uploaded last count?"""
    new, old = names
    files = {f"a_67_90_{new}.ipynb": TEXT, f"a_67_89_{old}.ipynb": TEXT + b" "}
    _, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "canvas")
    assert there == {"a_67": {NAME: TEXT}}


@pytest.mark.parametrize("path", [
    "../{}", "/etc/{}", "C:\\{}", "x/../../{}", "Ada_1_assignsubmission_file/../../{}",
    "\x1b[2J{}", "nothing of the kind/{}", "a\u202eb_1_2_{}",
])  # fmt: skip
@pytest.mark.parametrize("origin", FOLDERS)
def test_a_path_leads_nowhere(path: str, origin: str, tmp_path: Path):
    """Is a member with an evil name left out and told, and is nothing written elsewhere?"""
    files = {path.format(FOLDERS[origin].format(NAME).replace("/", "_")): b"evil"}
    if "nothing" in path:
        files = {path.format(NAME): b"evil"}
    source = zipped(tmp_path / "z", {**files, FOLDERS[origin].format(NAME): TEXT})
    before = {*tmp_path.rglob("*")}
    done, there = taken(tmp_path / "class", source, origin)
    assert there == {IDS[origin]: {NAME: TEXT}}
    assert len(done.remarks) == 1 and "left out" in done.remarks[0]
    assert done.remarks[0].isprintable()
    new = {*tmp_path.rglob("*")} - before
    assert all(tmp_path / "class" in (p, *p.parents) for p in new)


def test_links_and_lies_are_not_read(tmp_path: Path):
    """Is a link not followed, an encrypted or damaged member told, and a lie about size noticed?"""
    plain = FOLDERS["moodle"].format(NAME)
    link = zipfile.ZipInfo(plain)
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "l", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    done, there = taken(tmp_path / "1", tmp_path / "l", "moodle")
    assert there == {"Ada_Lovelace": {}} and "is a link" in done.remarks[0]

    folder = unpacked(tmp_path / "f", {plain: b""})
    (folder / plain).unlink()
    os.symlink("/etc/passwd", folder / plain)
    done, there = taken(tmp_path / "2", folder, "moodle")
    assert there == {"Ada_Lovelace": {}} and "is a link" in done.remarks[0]

    data = bytearray(zipped(tmp_path / "d", {plain: TEXT}).read_bytes())
    where = data.rindex(b"PK\x01\x02")
    for offset, value, told in ((8, 1, "encrypted"), (24, 10, "damaged")):
        bad = bytearray(data)
        bad[where + offset : where + offset + 2] = struct.pack("<H", value)
        (tmp_path / told).write_bytes(bad)
        done, there = taken(tmp_path / f"c{offset}", tmp_path / told, "moodle")
        assert there == {"Ada_Lovelace": {}} and told in done.remarks[0]


def test_two_of_one_name_are_told_apart(tmp_path: Path):
    """Does each keep a folder, by number or, with the worksheet, by e-mail and with their time?"""
    files = {f"Al Li_{n}_assignsubmission_file/{NAME}": TEXT + b" " * n for n in (1, 2)}
    source = zipped(tmp_path / "z", files)
    done, there = taken(tmp_path / "1", source, "moodle")
    assert there == {"Al_Li_1": {NAME: TEXT + b" "}, "Al_Li_2": {NAME: TEXT + b"  "}}
    assert len(done.remarks) == 2 and all("--worksheet" in remark for remark in done.remarks)
    done, there = taken(tmp_path / "2", source, "moodle", worksheet(tmp_path))
    assert {*there} == {"al@a.edu", "li@a.edu"} and not done.remarks
    assert b"2026-09-0" in there["al@a.edu"]["timestamp.txt"]


@pytest.mark.parametrize("names", [
    ("Ada Lovelace_5", "Ada Lovelace_6", "Ada Lovelace 5_7"), ("A" * 120 + "_5", "A" * 130 + "_6"),
    ("解" * 40 + "_5", "解" * 41 + "_6"),
])  # fmt: skip
def test_no_choice_of_names_keeps_a_class_from_being_collected(
    names: tuple[str, ...], tmp_path: Path
):
    """Has everybody a folder, though names are those that others get, or too long to differ?"""
    files = {f"{who}_assignsubmission_file_{NAME}": TEXT + who.encode() for who in names}
    files[FOLDERS["moodle"].format(NAME)] = TEXT
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "moodle")
    texts = {folder[NAME] for folder in there.values()}
    assert texts == {*files.values()}
    assert all(len(name.encode()) <= collecting.LONGEST for name in there)
    assert len(done.remarks) >= 2 and all("shares the name" in remark for remark in done.remarks)


def test_a_worksheet_holds_whatever_was_typed(tmp_path: Path):
    """Is it read though a learner's text in it is longer than Python's reader takes by itself?"""
    sheet = worksheet(tmp_path)
    rows = [*csv.reader(sheet.read_text(encoding="utf-8-sig").splitlines())]
    rows = [[*row, "Online text" if not n else "x" * 200_000] for n, row in enumerate(rows)]
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    files = {f"Al Li_{n}_assignsubmission_file/{NAME}": TEXT for n in (1, 2)}
    _, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "moodle", sheet)
    assert {*there} == {"al@a.edu", "li@a.edu"}


def test_no_file_takes_the_place_of_another(tmp_path: Path):
    """Are two copies of the lesson in folders of their own both kept, and told?"""
    folder = FOLDERS["moodle"].partition("/")[0]
    files = {f"{folder}/{name}": TEXT for name in (f"a/{NAME}", f"b/{NAME}")}
    done, there = taken(tmp_path / "class", zipped(tmp_path / "z", files), "moodle")
    assert {*there["Ada_Lovelace"]} == {f"a_{NAME}", f"b_{NAME}"}
    assert len(done.remarks) == 1 and "each hold the lesson" in done.remarks[0]


def test_two_folders_of_one_id_are_refused(tmp_path: Path):
    """Is nobody's submission lost where two clones would have one ID?"""
    files = {f"{who}/lessons/{LESSON.name}/{NAME}": TEXT for who in ("hw ada", "hw_ada")}
    with pytest.raises(CourseError, match="hw ada and hw_ada would be one learner"):
        taken(tmp_path / "class", unpacked(tmp_path / "clones", files), "git")
    assert not (tmp_path / "class" / "submitted").exists()


def test_a_worksheet_of_another_assignment_is_refused(tmp_path: Path):
    """Is nobody taken for a new learner, and no empty worksheet called filled in?"""
    place, sheet = tmp_path / "class", worksheet(tmp_path)
    source = zipped(tmp_path / "z", {FOLDERS["moodle"].format(NAME): TEXT})
    with pytest.raises(CourseError, match="of another assignment"):
        taken(place, source, "moodle", sheet)
    assert not (place / "submitted").exists()
    taken(place, source, "moodle")
    graded(place, {"Ada_Lovelace": 1})
    with opened(place) as book, pytest.raises(CourseError, match="of another assignment"):
        export(book, [LESSON], "moodle", tmp_path / "m.csv", sheet)
    assert not (tmp_path / "m.csv").exists()


def test_a_worksheets_times_are_those_of_the_class(tmp_path: Path):
    """Is 9 PM in the worksheet 9 PM in the zone of the syllabus, wherever this machine is?"""
    files = {f"Al Li_{n}_assignsubmission_file/{NAME}": TEXT for n in (1, 2)}
    source, sheet = zipped(tmp_path / "z", files), worksheet(tmp_path)
    for zone, utc in (("Asia/Tokyo", "2026-09-04 12:00:00"), ("UTC", "2026-09-04 21:00:00")):
        place = prepared(tmp_path / zone[:3])
        (place / FILE).write_text(f'zone = "{zone}"', encoding="utf-8")
        _, there = taken(place, source, "moodle", sheet)
        assert there["al@a.edu"]["timestamp.txt"].decode() == f"{utc} UTC"


def worksheet(folder: Path) -> Path:
    """Moodle's, as it downloads it."""
    head = (
        "Identifier,Full name,Email address,Status,Grade,Maximum Grade,Grade can be changed,"
        "Last modified (submission),Last modified (grade)"
    )
    when = "Friday, 4 September 2026, 9:00 PM"
    rows = [
        [f"Participant {n}", "Al Li", f"{who}@a.edu", "Submitted", "", "9.00", "Yes", when, "-"]
        for n, who in ((1, "al"), (2, "li"), (3, "eve"))
    ]
    with (folder / "sheet.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([head.split(","), *rows])
    return folder / "sheet.csv"


def graded(place: Path, points: dict[str, float]) -> None:
    """Put grades into the gradebook."""
    classroom.released(place)
    with opened(place) as book:
        for learner, of in points.items():
            grade(book, learner, of)


def read(file: Path) -> list[dict[str, str]]:
    return [*csv.DictReader(file.read_text(encoding="utf-8").splitlines())]


def test_moodle_gets_its_numbers_back(tmp_path: Path):
    """Has the worksheet each participant's number, with the grade of who had it?"""
    place = tmp_path / "class"
    files = {f"{who}_{n}_assignsubmission_file/{NAME}": TEXT
             for n, who in ((9, "Ada L"), (8, "Bo"))}  # fmt: skip
    taken(place, zipped(tmp_path / "z", files), "moodle")
    graded(place, {"Ada_L": 1, "Bo": 0.5})
    with opened(place) as book:
        export(book, [LESSON], "moodle", tmp_path / "m.csv")
        with pytest.raises(CourseError, match="one assignment"):
            export(book, [LESSON, LESSON], "moodle", tmp_path / "n.csv")
    rows = read(tmp_path / "m.csv")
    assert [(r["Identifier"], r["Full name"], r["Grade"]) for r in rows] == [
        ("Participant 8", "Bo", "0.5"), ("Participant 9", "Ada L", "1"),
    ]  # fmt: skip
    assert {"Identifier", "Grade", "Last modified (grade)"} <= {*rows[0]}


def test_moodles_own_worksheet_is_filled_in(tmp_path: Path):
    """Does every column stay as Moodle wrote it, but for the grades that are known?"""
    place, sheet = tmp_path / "class", worksheet(tmp_path)
    (head, *rows) = sheet.read_text(encoding="utf-8-sig").splitlines()
    lines = [f"{head},Feedback comments", *(f"{row},Good; -1 for style" for row in rows)]
    sheet.write_text("\n".join(lines), encoding="utf-8-sig")
    files = {f"Al Li_{n}_assignsubmission_file/{NAME}": TEXT for n in (1, 2)}
    taken(place, zipped(tmp_path / "z", files), "moodle", sheet)
    graded(place, {"al@a.edu": 1, "li@a.edu": 0.5})
    with opened(place) as book:
        export(book, [LESSON], "moodle", tmp_path / "m.csv", sheet)
    before, after = download.sheet(sheet)[1], read(tmp_path / "m.csv")
    assert [row["Grade"] for row in after] == ["1", "0.5", ""]
    assert [row | {"Grade": ""} for row in after] == [row | {"Grade": ""} for row in before]


def test_canvas_gets_its_numbers_back(tmp_path: Path):
    """Does the number in a file's name come back in the gradebook's column ID?"""
    place = prepared(tmp_path / "class")
    with opened(place) as book:
        book.gradebook.add_student("bo", lms_user_id="68")  # known before, under another name
    files = {f"lovelaceada_67_1_{NAME}": TEXT, f"bobby_68_2_{NAME}": TEXT}
    _, there = taken(place, zipped(tmp_path / "z", files), "canvas")
    assert {*there} == {"lovelaceada_67", "bo"}
    graded(place, {"lovelaceada_67": 1, "bo": 0.5})
    with opened(place) as book:
        export(book, [LESSON], "canvas", tmp_path / "c.csv")
    points = {row["ID"]: row[LESSON.name] for row in read(tmp_path / "c.csv")}
    assert points == {"": str(LESSON.points), "67": "1", "68": "0.5"}


@pytest.mark.parametrize(("words", "told"), [
    ("--from moodle /nowhere.zip", "is not there"),
    ("--from moodle {text}", "is no ZIP"),
    ("--from canvas {moodle}", "was it downloaded from Moodle"),
    ("--from canvas {moodle} --worksheet x", "--worksheet is Moodle's"),
    ("--from moodle {moodle} --worksheet {text}", "no columns Identifier and Grade"),
])  # fmt: skip
def test_a_wrong_download_is_refused(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Is it said in one sentence what is wrong, with nothing collected?"""
    (tmp_path / "text").write_text("x,y\n1,2\n", encoding="utf-8")
    moodle = zipped(tmp_path / "moodle", {FOLDERS["moodle"].format(NAME): TEXT})
    line = words.format(text=tmp_path / "text", moodle=moodle)
    place = tmp_path / "class"
    assert cli.main(["collect", "00", *line.split(), "--course", str(place)]) == 1
    said = capsys.readouterr().err
    assert told in said and len(said.splitlines()) == 1
    assert not (place / "submitted").exists()


@pytest.mark.slow
def test_from_the_download_to_the_worksheet(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Do the three commands give who handed in right answers every automatic point?"""
    place, file = prepared(tmp_path / "class"), tmp_path / "m.csv"
    files = {
        f"Zoë O'Neill_31_assignsubmission_file/{LESSON.name}-1.ipynb": TEXT,
        "Bo_32_assignsubmission_file/essay.pdf": b"%PDF",
    }
    source, of = zipped(tmp_path / "z.zip", files), ["--course", str(place)]
    assert cli.main(["collect", "00", "--from", "moodle", str(source), *of]) == 0
    said = capsys.readouterr().out
    assert "Zoë_O_Neill: 00_start_here-1.ipynb was taken" in said and "2 new" in said
    assert classroom.scores(classroom.rows(place)) == {"Zoë_O_Neill": FULL_POINTS, "Bo": 0}
    assert cli.main(["export", "00", "--to", "moodle", "--file", str(file), *of]) == 0
    points = {row["Full name"]: (row["Identifier"], row["Grade"]) for row in read(file)}
    full = f"{FULL_POINTS:g}"
    assert points == {"Zoë O'Neill": ("Participant 31", full), "Bo": ("Participant 32", "0")}
