"""What is left to somebody who was taken out of the class, or who teaches it no more?"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
import requests

from hub_stage import RESTS_ON, TEACHER, Stage, User

pytestmark = [pytest.mark.slow(minutes=1), pytest.mark.xdist_group("leavers"), RESTS_ON]
NEW = "prof"


class Left:
    """Eve and the instructor: their sessions and Eve's token, from before they left."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.eve, self.teacher = stage.sign_in("eve"), stage.sign_in(TEACHER)
        self.token = self.eve.post("/hub/api/users/eve/tokens", json={}).json()["token"]

    def by_token(self) -> requests.Response:
        """Who the hub says that Eve's token belongs to."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.get(f"{self.stage.url}/hub/api/user", headers=headers, timeout=60)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    """A hub that has started again without Eve, and with the instructor as a learner."""
    with Stage(tmp_path_factory.mktemp("hub"), ["anna", "eve"]) as stage:
        left = Left(stage)
        assert left.by_token().json()["name"] == "eve"
        assert "eve" in left.eve.get("/hub/home").text
        left.teacher.start()
        assert left.teacher.get(left.teacher.own("formgrader")).ok
        assert stage.interrupt() == 130

        stage.teacher = NEW
        stage.enrol("anna", TEACHER)
        course = stage.course / ".hub" / "exchange" / "dropout"
        former = str(course.stat().st_uid)  # the account is on the stage alone
        subprocess.run(["chown", "-hR", f"--from={former}", "root", course], check=True)
        stage.start()
        yield left


def test_who_left_is_forgotten(left: Left):
    """Are the old cookie and the old token refused, and the password too?"""
    assert left.by_token().status_code == 403
    page = left.eve.get("/hub/home")
    assert page.url.startswith(f"{left.stage.url}/hub/login"), page.url
    assert left.eve.post("/hub/api/users/eve/server").status_code == 403
    again = User(left.stage, "eve")
    again.get("/hub/login")
    form = {"username": "eve", "password": left.stage.password("eve")}
    assert again.post("/hub/login", form).status_code == 403
    assert left.stage.sign_in("anna").get("/hub/home").ok


def test_who_taught_is_a_learner(left: Left):
    """Has the former instructor no Formgrader, no right over groups, and none over the answers?"""
    former, new = left.teacher, left.stage.sign_in(NEW)
    assert former.get("/hub/api/user").json()["groups"] == ["nbgrader-dropout"]
    joining = {"users": [TEACHER]}
    group = "/hub/api/groups/nbgrader-dropout/users"
    assert former.post(group, json=joining).status_code == 403
    assert new.post(group, json=joining).ok
    for user, status in ((former, 404), (new, 200)):
        user.start()
        assert user.get(user.own("formgrader")).status_code == status
    assert left.stage.run(NEW, "ls", "/srv/dropout/.course").returncode == 0
    assert left.stage.run(TEACHER, "ls", "/srv/dropout/.course").returncode
