"""What a user can mend, each said in one sentence."""


class CourseError(Exception):
    """Something that the user can mend, said in one sentence."""


class LessonError(Exception):
    """The faults of a lesson's text file, one sentence a line."""


class Unavailable(Exception):
    """This machine cannot give the sandbox: the missing part, and what to do."""
