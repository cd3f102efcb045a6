import assert from "node:assert/strict";
import test from "node:test";

import {
  ACTIONS, EVERYTHING, HELP, Ledger, VERDICTS, between, classKeys, columnsFor, commandOf, filterTold, fitted, isNarrow, matching, moved, newClass, paceOf,
  percent, progress, relabelled, settled, toggled, told, verdictOf, zoomed,
} from "../../cleaner/review/static/rules.mjs";

const tile = { id: "a.jpg", given: "cat", suggested: "dog", confidence: 0.93, suggestions: [["dog", 0.93], ["cow", 0.04]], origin: "held-out",
  reasons: [], issues: [], advice: null, sentence: null, bytes: null };
const keep = (id) => ({ id, action: "keep", label: null });

test("the first nine classes take the digits in order", () => {
  const keys = classKeys("abcdefghijkl".split(""));
  assert.deepEqual([...keys.keys()].join(""), "123456789");
  assert.equal(keys.get("9"), "i");
});

test("a class named by a digit has that key", () => {
  const digits = classKeys(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  for (const [key, name] of digits) assert.equal(key, name);
  assert.equal(digits.size, 10);
  assert.deepEqual([...classKeys(["cat", "2", "dog"])], [["1", "cat"], ["2", "2"], ["3", "dog"]]);
});

test("few classes use few keys", () => {
  assert.deepEqual([...classKeys(["cat"])], [["1", "cat"]]);
  assert.equal(classKeys([]).size, 0);
});

test("keys name commands whatever the case, and foreign keys are left alone", () => {
  const named = { " ": "fine", X: "remove", x: "remove", Delete: "remove", u: "unsure", c: "clear", z: "undo", a: "rest", "/": "pick", 3: "3", "?": "help" };
  for (const [key, command] of Object.entries(named)) assert.equal(commandOf({ key }), command);
  for (const key of ["q", "Tab", "F5", "toString", "constructor"]) assert.equal(commandOf({ key }), null);
});

test("the browser keeps its own shortcuts, except undo, redo and select all", () => {
  assert.equal(commandOf({ key: "c", metaKey: true }), null);
  assert.equal(commandOf({ key: "f", ctrlKey: true }), null);
  assert.equal(commandOf({ key: "ArrowLeft", altKey: true }), null);
  assert.equal(commandOf({ key: "z", ctrlKey: true }), "undo");
  assert.equal(commandOf({ key: "y", ctrlKey: true }), "redo");
  assert.equal(commandOf({ key: "a", metaKey: true }), "all");
  assert.equal(commandOf({ key: "A", ctrlKey: true, shiftKey: true }), null);
});

test("Shift turns undo into redo, also with Ctrl, and Caps Lock does not", () => {
  assert.equal(commandOf({ key: "Z", shiftKey: true }), "redo");
  assert.equal(commandOf({ key: "Z", ctrlKey: true, shiftKey: true }), "redo");
  assert.equal(commandOf({ key: "Z" }), "undo");
});

test("Shift with a move extends the selection", () => {
  assert.equal(commandOf({ key: "ArrowRight", shiftKey: true }), "extend right");
  assert.equal(commandOf({ key: "End", shiftKey: true, repeat: true }), "extend last");
});

test("Shift with a digit key names a suggestion, on any keyboard whose digit needs no Shift", () => {
  assert.equal(commandOf({ key: "@", code: "Digit2", shiftKey: true }), "suggestion 2");
  assert.equal(commandOf({ key: "^", code: "Digit6", shiftKey: true }), null);
  assert.equal(commandOf({ key: "2", code: "Digit2", shiftKey: true }), "2"); // a French keyboard
  assert.equal(commandOf({ key: "+", code: "Digit1", shiftKey: true }), "bigger"); // a Swiss one
});

test("a key that is held moves but never judges", () => {
  assert.equal(commandOf({ key: " ", repeat: true }), "held");
  assert.equal(commandOf({ key: "a", repeat: true }), "held");
  assert.equal(commandOf({ key: "ArrowDown", repeat: true }), "down");
  assert.equal(commandOf({ key: "q", repeat: true }), null);
});

test("moves stay on the page", () => {
  assert.equal(moved("left", 0, 24, 6), 0);
  assert.equal(moved("right", 23, 24, 6), 23);
  assert.equal(moved("up", 3, 24, 6), 3);
  assert.equal(moved("up", 9, 24, 6), 3);
  assert.equal(moved("down", 3, 24, 6), 9);
  assert.equal(moved("first", 9, 24, 6), 0);
  assert.equal(moved("last", 9, 24, 6), 23);
  assert.equal(moved("last", 0, 0, 6), 0);
});

test("down into a shorter last row goes to its end, and stays put in the last row", () => {
  assert.equal(moved("down", 5, 8, 6), 7);
  assert.equal(moved("down", 6, 8, 6), 6);
});

test("tiles have a good size on every screen, and pages of 24 leave no gap", () => {
  assert.deepEqual([800, 1300, 1920, 2500].map((width) => columnsFor(width, 0)), [4, 6, 8, 8]);
  for (const width of [300, 800, 1300, 2500, 5000]) for (const step of [-9, -1, 0, 1, 9]) assert.equal(24 % columnsFor(width, step), 0);
  assert.ok(columnsFor(1300, 1) < columnsFor(1300, 0));
  assert.equal(columnsFor(1300, 99), 1);
});

test("typing finds classes by beginning, then by word, then anywhere", () => {
  const vocab = ["bobcat", "wild cat", "catfish", "cat", "dog"];
  assert.deepEqual(matching(vocab, "cat", []), ["cat", "catfish", "wild cat", "bobcat"]);
  assert.deepEqual(matching(vocab, " CAT ", [])[0], "cat");
  assert.deepEqual(matching(["Épagneul"], "epa", []), ["Épagneul"]);
  assert.deepEqual(matching(vocab, "zebra", []), []);
  assert.deepEqual(matching(vocab, "(", []), []);
});

test("with nothing typed the suggestions come first and every class is there once", () => {
  assert.deepEqual(matching(["a", "b", "c"], "", ["c", "b"]), ["c", "b", "a"]);
  assert.deepEqual(matching(["a", "b", "c"], "", []), ["a", "b", "c"]);
});

test("five hundred classes are searched in a blink", () => {
  const vocab = Array.from({ length: 500 }, (_, at) => `breed ${at}`);
  const begun = performance.now();
  assert.equal(matching(vocab, "breed 499", [])[0], "breed 499");
  assert.ok(performance.now() - begun < 50);
});

test("relabelling to the label it has means fine", () => {
  assert.deepEqual(relabelled(tile, "cat"), keep("a.jpg"));
  assert.deepEqual(relabelled(tile, "dog"), { id: "a.jpg", action: "relabel", label: "dog" });
});

test("what is pending is drawn over what is saved, and a refusal shows the saved verdict again", () => {
  const ledger = new Ledger();
  ledger.keep([{ id: "a", action: "relabel", label: "dog" }]);
  ledger.hold(1, [keep("a"), keep("b")]);
  assert.equal(ledger.of("a").action, "keep");
  assert.ok(ledger.isPending("b"));
  assert.deepEqual(ledger.drop(1), ["a", "b"]);
  assert.equal(ledger.of("a").label, "dog");
  assert.equal(ledger.of("b"), null);
  assert.ok(!ledger.isPending("b"));
});

test("of two verdicts on their way the later is drawn, also while the first is confirmed", () => {
  const ledger = new Ledger();
  ledger.hold(1, [keep("a")]);
  ledger.hold(2, [{ id: "a", action: "delete", label: null }]);
  assert.equal(ledger.of("a").action, "delete");
  ledger.drop(1);
  ledger.keep([keep("a")]);
  assert.equal(ledger.of("a").action, "delete");
  ledger.drop(2);
  assert.equal(ledger.of("a").action, "keep");
});

test("a cleared verdict is no verdict, pending or saved", () => {
  const ledger = new Ledger();
  ledger.keep([keep("a")]);
  ledger.hold(1, [{ id: "a", action: "clear", label: null }]);
  assert.equal(ledger.of("a"), null);
  ledger.drop(1);
  ledger.keep([{ id: "a", action: "clear", label: null }]);
  assert.equal(ledger.of("a"), null);
});

test("probabilities never claim more certainty than there is", () => {
  assert.equal(percent(0.934), "93%");
  assert.equal(percent(0.999), ">99%");
  assert.equal(percent(1), "100%");
  assert.equal(percent(null), "");
});

test("every verdict has a word and a sign of its own", () => {
  assert.deepEqual(Object.keys(VERDICTS), ACTIONS);
  const signs = Object.values(VERDICTS).map(({ icon }) => icon);
  assert.equal(new Set(signs).size, signs.length);
  assert.equal(told({ id: "a", action: "unsure", label: null }), "can’t tell");
});

test("the status line counts in words", () => {
  const counts = { reviewed: 48, total: 1672, errors: 1 };
  assert.deepEqual(progress(counts, null), ["48 of 1,672 reviewed", "1 error found"]);
  assert.deepEqual(progress(counts, 21.4).at(-1), "21 a minute");
});

test("the pace leaves pauses out, and says nothing after a few pictures", () => {
  const steady = Array.from({ length: 21 }, (_, at) => at * 3_000);
  assert.equal(Math.round(paceOf(steady)), 20);
  const lunch = [...steady, ...steady.map((time) => time + 4_000_000)];
  assert.equal(Math.round(paceOf(lunch)), 20);
  assert.equal(paceOf(steady.slice(0, 3)), null);
  assert.equal(paceOf([]), null);
  assert.equal(paceOf(Array(24).fill(5_000)), null); // one key for a page is no pace yet
});

test("a new class is offered only where no class is named like it", () => {
  assert.equal(newClass(["Cat"], " lynx "), "lynx");
  assert.equal(newClass(["Cat"], "cat"), null);
  assert.equal(newClass(["Épagneul"], "epagneul"), null);
  assert.equal(newClass([], "   "), null);
});

test("a command makes a verdict, and none where the picture has no such class", () => {
  const keys = classKeys(["cat", "dog"]);
  assert.deepEqual(verdictOf(tile, "fine", keys), keep("a.jpg"));
  assert.deepEqual(verdictOf(tile, "1", keys), keep("a.jpg"));
  assert.equal(verdictOf(tile, "2", keys).label, "dog");
  assert.equal(verdictOf(tile, "accept", keys).label, "dog");
  assert.equal(verdictOf(tile, "suggestion 2", keys).label, "cow");
  assert.equal(verdictOf(tile, "suggestion 3", keys), null);
  const agreed = { ...tile, suggested: null, suggestions: [] };
  assert.equal(verdictOf(agreed, "accept", keys), null);
  assert.deepEqual(verdictOf({ ...agreed, advice: "delete" }, "accept", keys), { id: "a.jpg", action: "delete", label: null });
  assert.equal(verdictOf({ ...agreed, advice: "delete" }, "suggestion 2", keys), null);
  assert.deepEqual(verdictOf({ ...tile, advice: "delete" }, "accept", keys).action, "relabel"); // a wrong label comes first
  assert.equal(verdictOf(tile, "9", keys), null);
  assert.equal(verdictOf(tile, "remove", keys).action, "delete");
});

test("classes named like verdicts are classes", () => {
  const keys = classKeys(["<Delete>", "keep", "__proto__"]);
  assert.deepEqual(verdictOf({ ...tile, given: "cat" }, "1", keys), { id: "a.jpg", action: "relabel", label: "<Delete>" });
  assert.deepEqual(verdictOf({ ...tile, given: "cat" }, "2", keys), { id: "a.jpg", action: "relabel", label: "keep" });
  assert.equal(verdictOf({ ...tile, given: "keep" }, "2", keys).action, "keep");
  assert.equal(verdictOf(tile, "3", keys).label, "__proto__");
});

test("a range runs both ways, and a place is picked out and put back", () => {
  assert.deepEqual(between(2, 5), [2, 3, 4, 5]);
  assert.deepEqual(between(5, 2), [2, 3, 4, 5]);
  assert.deepEqual(between(3, 3), [3]);
  assert.deepEqual([...toggled(toggled(new Set([1]), 4), 1)], [4]);
});

test("a filter is told in words", () => {
  assert.ok(!isNarrow(EVERYTHING));
  const pair = { ...EVERYTHING, given: "cat", suggested: "dog", verdict: "undecided" };
  assert.ok(isNarrow(pair));
  assert.equal(filterTold(pair), "cat → dog, not decided");
  assert.equal(filterTold({ ...EVERYTHING, given: "cat", name: "IMG" }), "labelled cat, named “IMG”");
  assert.equal(filterTold({ ...EVERYTHING, issue: "near duplicate", verdict: "undecided" }), "flagged near duplicate, not decided");
  assert.ok(isNarrow({ ...EVERYTHING, issue: "blurry" }));
  assert.ok(isNarrow({ ...EVERYTHING, chosen: "from the map" }));
  assert.equal(filterTold({ ...EVERYTHING, chosen: "from the map", verdict: "undecided" }), "from the map, not decided");
});

test("the whole picture is fitted into the middle of its stage", () => {
  assert.deepEqual(fitted({ width: 400, height: 200 }, { width: 200, height: 200 }), { scale: 0.5, x: 0, y: 50 });
  assert.equal(fitted({ width: 10, height: 10 }, { width: 200, height: 300 }).scale, 20);
});

test("zooming keeps the point under the pointer, and stops at both ends", () => {
  const [picture, stage] = [{ width: 1000, height: 1000 }, { width: 500, height: 500 }];
  const at = { x: 100, y: 300 };
  const before = fitted(picture, stage);
  const after = zoomed(before, 3, at, picture, stage);
  for (const axis of ["x", "y"]) assert.ok(Math.abs((at[axis] - before[axis]) / before.scale - (at[axis] - after[axis]) / after.scale) < 1e-9);
  assert.deepEqual(zoomed(after, 1e-6, at, picture, stage), before);
  assert.equal(zoomed(after, 1e6, at, picture, stage).scale, 40);
});

test("a picture can't be dragged off its stage", () => {
  const [picture, stage] = [{ width: 1000, height: 100 }, { width: 500, height: 500 }];
  assert.deepEqual(settled({ scale: 1, x: 900, y: 900 }, picture, stage), { scale: 1, x: 0, y: 200 });
  assert.equal(settled({ scale: 1, x: -900, y: 0 }, picture, stage).x, -500);
});

test("the help names every key", () => {
  const named = HELP.flatMap(([keys]) => keys).join(" ");
  for (const key of ["Space", "Enter", "X", "U", "C", "Z", "A", "F", "E", "S", "L", "B", "PageDown"]) assert.match(named, new RegExp(`\\b${key}\\b`));
});
