"""What a user can mend, each said in one sentence."""


class CourseError(Exception):
    """Something that the user can mend, said in one sentence."""


class LessonError(Exception):
    """The faults of a lesson's text file, one sentence a line."""


class Unavailable(Exception):
    """This machine cannot give the sandbox: the missing part, and what to do."""


OF_A_LEARNER = "a learner's repository has no solutions/: here, use `lab` and `grade`."
NOBODY = (
    "nobody has handed in: put notebooks into {0}/ID/{1}/ with `python3 grader collect` (from "
    "Moodle, Canvas or git), or with `nbgrader collect` (from nbgrader's exchange)."
)
"""Said in two places each: here without what takes a while to be imported."""
