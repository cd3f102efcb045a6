// The pure functions of the map.

import assert from "node:assert/strict";
import test from "node:test";

import { around, classesTold, closer, colour, inside, nearest, placed, radius, stepped, whole } from "../../cleaner/review/static/plane.mjs";

const SQUARE = new Float32Array([0, 0, 10, 0, 0, 10, 10, 10, 5, 5, NaN, NaN]);

test("the whole fits, in the middle, and a point that is nowhere does not matter", () => {
  const lens = whole(SQUARE, { width: 236, height: 136 });
  assert.deepEqual(lens, { scale: 10, x: 68, y: 18 });
  assert.equal(whole(new Float32Array([NaN, NaN]), { width: 100, height: 50 }).x, 50);
  assert.ok(Number.isFinite(whole(new Float32Array([3, 3]), { width: 100, height: 50 }).x));
});

test("zooming keeps what is under the pointer there, and ends at the whole", () => {
  const all = whole(SQUARE, { width: 236, height: 136 });
  const at = { x: 100, y: 90 };
  const near = closer(all, 4, at, all);
  for (const axis of ["x", "y"]) assert.ok(Math.abs((at[axis] - all[axis]) / all.scale - (at[axis] - near[axis]) / near.scale) < 1e-9);
  assert.deepEqual(closer(near, 1e-9, { x: 0, y: 0 }, all), all);
  assert.equal(closer(near, 1e9, at, all).scale, 60 * all.scale);
});

test("a line holds what lies inside of it, also a bent one", () => {
  assert.deepEqual(inside(SQUARE, [-1, -1, 6, -1, 6, 6, -1, 6]), [0, 4]);
  assert.deepEqual(inside(SQUARE, [-1, -1, 11, -1, 11, 11, -1, 11]), [0, 1, 2, 3, 4]);
  const bent = [-1, -1, 11, -1, 11, 11, 9, 11, 9, 1, 1, 1, 1, 11, -1, 11]; // a U turned over: not the middle
  assert.deepEqual(inside(SQUARE, bent), [0, 1, 2, 3]);
  assert.deepEqual(inside(SQUARE, []), []);
});

test("a line on the screen is turned into places", () => {
  assert.deepEqual(placed([10, 20, 30, 40], { scale: 10, x: 10, y: 20 }), [0, 0, 2, 2]);
});

test("the nearest point is found within reach only", () => {
  const lens = { scale: 10, x: 0, y: 0 };
  assert.equal(nearest(SQUARE, lens, { x: 52, y: 47 }, 12), 4);
  assert.equal(nearest(SQUARE, lens, { x: 30, y: 70 }, 12), null);
});

test("a frame is moved and sized by keys and stays on the stage", () => {
  const [stage, frame] = [{ width: 240, height: 480 }, { x: 100, y: 100, width: 40, height: 40 }];
  assert.deepEqual(stepped(frame, "ArrowRight", false, stage), { ...frame, x: 110 });
  assert.deepEqual(stepped(frame, "ArrowUp", true, stage), { ...frame, height: 30 });
  let moved = frame;
  for (let step = 0; step < 100; step++) moved = stepped(moved, "ArrowRight", false, stage);
  assert.equal(moved.x, 200);
  for (let step = 0; step < 100; step++) moved = stepped(moved, "ArrowLeft", true, stage);
  assert.equal(moved.width, 10);
  assert.deepEqual(around({ x: 1, y: 2, width: 3, height: 4 }), [1, 2, 4, 2, 4, 6, 1, 6]);
});

test("what is chosen is told by its classes, most first", () => {
  const labels = new Uint16Array([0, 0, 1, 2, 3, 4, 1, 0]);
  assert.equal(classesTold([0, 1, 2, 3, 4, 5, 6, 7], labels, ["cat", "dog", "cow", "elk", "fox"]), "3 cat, 2 dog, 1 cow, 2 others");
  assert.equal(classesTold([2], labels, ["cat", "dog"]), "1 dog");
});

test("every class has a colour, and many points are small", () => {
  const colours = new Set(Array.from({ length: 40 }, (_, number) => colour(number, true)));
  assert.ok(colours.size >= 38);
  assert.ok(radius(100_000, 1) < 1.5 && radius(60, 1) === 6);
});
