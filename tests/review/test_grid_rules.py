"""The pure functions of the browser's side, run by bare Node, and the words both sides must share."""

import json
import re
import subprocess
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from cleaner.review import protocol
from cleaner.types import ACTIONS

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "cleaner" / "review" / "static"


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    executable = str(compute_driver_executable()[0])
    return subprocess.run(
        [executable, *arguments], capture_output=True, text=True, timeout=60, encoding="utf-8"
    )


def test_the_pure_functions_of_the_grid_do_what_they_say() -> None:
    done = node("--test", str(HERE / "grid.test.mjs"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_sides_speak_of_the_same_kinds_and_verdicts() -> None:
    address = (STATIC / "grid.mjs").as_uri()
    script = f"import {{ASKS, ANSWERS, ACTIONS}} from {address!r}; "
    script += "console.log(JSON.stringify([ASKS, ANSWERS, ACTIONS]))"
    done = node("--input-type=module", "--eval", script)
    assert json.loads(done.stdout) == [list(protocol.ASKS), list(protocol.ANSWERS), list(ACTIONS)]


def test_nothing_is_ever_read_as_html_or_fetched_from_elsewhere() -> None:
    script = (STATIC / "grid.mjs").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", script)
    for name in ("grid.mjs", "grid.css"):
        addresses = re.findall(r"https?://[^\s\"']+", (STATIC / name).read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}


def test_every_style_stays_inside_the_grid() -> None:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "grid.css").read_text(encoding="utf-8"), flags=re.S)
    selectors = re.findall(r"([^{}]+)\{", css)
    outside = [rule.strip() for rule in selectors if ".cleaner-grid" not in rule and "@media" not in rule]
    assert outside == []
