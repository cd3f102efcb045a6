import assert from "node:assert/strict";
import test from "node:test";

import {
  ACTIONS, Ledger, VERDICTS, classKeys, columnsFor, commandOf, matching, moved, percent, progress, relabelled, spoken, told,
} from "../../cleaner/review/static/grid.mjs";

const tile = { id: "a.jpg", given: "cat", suggested: "dog", confidence: 0.93, origin: "held-out", reasons: [], sentence: null, bytes: null };
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
  for (const key of ["q", "Tab", "Escape", "F5", "toString", "constructor"]) assert.equal(commandOf({ key }), null);
});

test("the browser keeps its own shortcuts, except undo", () => {
  assert.equal(commandOf({ key: "a", ctrlKey: true }), null);
  assert.equal(commandOf({ key: "c", metaKey: true }), null);
  assert.equal(commandOf({ key: "ArrowLeft", altKey: true }), null);
  assert.equal(commandOf({ key: "z", ctrlKey: true }), "undo");
  assert.equal(commandOf({ key: "Z", ctrlKey: true, shiftKey: true }), null);
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
  assert.deepEqual(matching(vocab, "cat", null), ["cat", "catfish", "wild cat", "bobcat"]);
  assert.deepEqual(matching(vocab, " CAT ", null)[0], "cat");
  assert.deepEqual(matching(["Épagneul"], "epa", null), ["Épagneul"]);
  assert.deepEqual(matching(vocab, "zebra", null), []);
  assert.deepEqual(matching(vocab, "(", null), []);
});

test("with nothing typed the suggestion comes first and every class is there", () => {
  assert.deepEqual(matching(["a", "b", "c"], "", "c"), ["c", "a", "b"]);
  assert.deepEqual(matching(["a", "b", "c"], "", null), ["a", "b", "c"]);
});

test("five hundred classes are searched in a blink", () => {
  const vocab = Array.from({ length: 500 }, (_, at) => `breed ${at}`);
  const begun = performance.now();
  assert.equal(matching(vocab, "breed 499", null)[0], "breed 499");
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

test("a tile is told in words, with its verdict and whether that is saved", () => {
  assert.equal(spoken(tile, null, false), "cat; the model suggests dog, 93%; held-out; no verdict; a.jpg");
  assert.match(spoken({ ...tile, suggested: null }, keep("a.jpg"), true), /the model agrees, 93%; held-out; fine, not saved yet/);
  assert.match(spoken(tile, { id: "a.jpg", action: "relabel", label: "cow" }, false), /relabel to cow/);
});

test("every verdict has a word and a sign of its own", () => {
  assert.deepEqual(Object.keys(VERDICTS), ACTIONS);
  const signs = Object.values(VERDICTS).map(({ icon }) => icon);
  assert.equal(new Set(signs).size, signs.length);
  assert.equal(told({ id: "a", action: "unsure", label: null }), "can’t tell");
});

test("the status line counts in words", () => {
  assert.deepEqual(progress(2, 70, { reviewed: 48, total: 1672, errors: 1 }), ["Page 3 of 70", "48 of 1,672 reviewed", "1 error found"]);
});
