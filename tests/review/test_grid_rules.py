"""The pure functions of the browser's side, run by bare Node, and the words both sides must share."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from cleaner.review import protocol
from cleaner.review.filters import STATES
from cleaner.review.map import ANSWERS, ASKS
from cleaner.review.script import MAP_MODULES, MAP_SCRIPT, MAP_STYLE, MODULES, SCRIPT, STYLE
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
    assert {path.stem for path in STATIC.glob("*.mjs")} == {*MODULES, *MAP_MODULES}
    for name, text in (("grid", SCRIPT), ("map", MAP_SCRIPT)):
        whole = tmp_path / f"{name}.mjs"
        whole.write_text(text, encoding="utf-8")
        script = f"import whole from {whole.as_uri()!r}; console.log(typeof whole.render)"
        done = node("--input-type=module", "--eval", script)
        assert done.stdout.strip() == "function", done.stderr


@pytest.mark.parametrize(("script", "style"), [(SCRIPT, STYLE), (MAP_SCRIPT, MAP_STYLE)], ids=["grid", "map"])
def test_nothing_is_ever_read_as_html_or_fetched_from_elsewhere(script: str, style: str) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", script)
    for text in (script, style):
        addresses = re.findall(r"https?://[^\s\"']+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert "import" not in re.sub(r"@typedef.*|@param.*|@type.*|/\*\*.*", "", script)


@pytest.mark.parametrize(("style", "root"), [(STYLE, ".cleaner-grid"), (MAP_STYLE, ".cleaner-map")])
def test_every_style_stays_inside_its_widget(style: str, root: str) -> None:
    css = re.sub(r"/\*.*?\*/", "", style, flags=re.S)
    selectors = re.findall(r"([^{}]+)\{", css)
    assert [rule.strip() for rule in selectors if root not in rule and "@media" not in rule] == []


def test_grid_and_map_speak_as_the_map_in_python_does() -> None:
    script = (STATIC / "map.mjs").read_text(encoding="utf-8")
    asked = set(re.findall(r'\b(?:ask|tell)\("(\w+)"', script))
    assert asked == set(ASKS)
    assert set(re.findall(r'message\.kind === "(\w+)"', script)) <= set(ANSWERS)
