"""The pure functions of the browser's side, run by bare Node, and the words both sides must share."""

import json
import re
import subprocess
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from cleaner.review import protocol
from cleaner.review.filters import STATES
from cleaner.review.script import MODULES, SCRIPT
from cleaner.types import ACTIONS

HERE = Path(__file__).parent
STATIC = HERE.parents[1] / "cleaner" / "review" / "static"


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    executable = str(compute_driver_executable()[0])
    return subprocess.run(
        [executable, *arguments], capture_output=True, text=True, timeout=60, encoding="utf-8"
    )


def test_the_pure_functions_of_the_grid_do_what_they_say() -> None:
    done = node("--test", *map(str, sorted(HERE.glob("*.test.mjs"))))
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_sides_speak_of_the_same_kinds_and_verdicts() -> None:
    address = (STATIC / "rules.mjs").as_uri()
    script = f"import {{ASKS, ANSWERS, ACTIONS, STATES}} from {address!r}; "
    script += "console.log(JSON.stringify([ASKS, ANSWERS, ACTIONS, Object.keys(STATES)]))"
    done = node("--input-type=module", "--eval", script)
    ours = [protocol.ASKS, protocol.ANSWERS, ACTIONS, tuple(STATES)]
    assert json.loads(done.stdout) == [list(words) for words in ours]


def test_the_modules_joined_are_one_that_draws(tmp_path: Path) -> None:
    assert {path.stem for path in STATIC.glob("*.mjs")} == set(MODULES)
    whole = tmp_path / "whole.mjs"
    whole.write_text(SCRIPT, encoding="utf-8")
    script = f"import whole from {whole.as_uri()!r}; console.log(typeof whole.render)"
    done = node("--input-type=module", "--eval", script)
    assert done.stdout.strip() == "function", done.stderr


def test_nothing_is_ever_read_as_html_or_fetched_from_elsewhere() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", SCRIPT)
    for text in (SCRIPT, (STATIC / "grid.css").read_text(encoding="utf-8")):
        addresses = re.findall(r"https?://[^\s\"']+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert "import" not in re.sub(r"@typedef.*|@param.*|@type.*|/\*\*.*", "", SCRIPT)


def test_every_style_stays_inside_the_grid() -> None:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "grid.css").read_text(encoding="utf-8"), flags=re.S)
    selectors = re.findall(r"([^{}]+)\{", css)
    outside = [rule.strip() for rule in selectors if ".cleaner-grid" not in rule and "@media" not in rule]
    assert outside == []
