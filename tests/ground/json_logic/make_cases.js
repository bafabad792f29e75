// Prints rules and data with the results of json-logic-js, one case per line:
//
//     npm install && node make_cases.js > cases.json
//
// The pseudo-random numbers have a fixed seed, so the output is always the same.

"use strict";

const jsonLogic = require("json-logic-js");
const { version } = require("json-logic-js/package.json");

const cases = new Map();

/** Replace each part that JSON cannot represent with an object such as {"$": "NaN"}. */
function encode(value) {
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { $: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (Array.isArray(value)) return value.map(encode);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encode(each)]));
  }
  return value;
}

function result(rule, data) {
  try {
    return encode(jsonLogic.apply(rule, data));
  } catch (error) {
    return { $: "error" };
  }
}

function add(rule, data = null) {
  // JSON.stringify changes -0 and undefined. Evaluate its parsed output, because the table contains that.
  const text = JSON.stringify([rule, data]);
  if (!cases.has(text)) cases.set(text, result(...JSON.parse(text)));
}

// Pseudo-random numbers

let state = 20240229;

function random(limit) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
}

const pick = (list) => list[random(list.length)];
const repeat = (count, act) => Array.from({ length: count }, (_, index) => act(index));
/** Call make at most limit times. */
const upTo = (limit, make) => repeat(random(limit + 1), make);

// Values

const VALUES = [
  null, true, false, 0, 1, -1, 2, 1.5, 1e21, "", "0", "1", "a", "true", "null", " 12 ", "1e3",
  [], [0], [1], ["a"], [1, 2], [[]], [null], {}, { a: 1, b: 2 },
];
const NUMBERS = [0, 1, -1, 2, 3, 5, 10, 12, -7, 0.1, 0.2, 0.3, 1.5, -2.5, 99.99, 100, 1000, 1e-7, 1e20, 1e21, 1e300,
  5e-324, 9007199254740991, 9007199254740993, 123456789012345680000];
const NUMERIC_TEXTS = ["", " ", "0", "-0", "00", "007", "1", "+1", "-1", "12", " 12 ", "\t12\n", "1.50", ".5", "5.", ".",
  "1e3", "1E3", "1e", "e3", "1e+3", "1e-7", "1e400", "-1e400", "0x10", "0X1f", "0x", "-0x10", "0b101", "0o17", "0b2",
  "Infinity", "+Infinity", "-Infinity", "infinity", "INF", "NaN", "nan", "1_000", "1,000", "1 2", "12px", "\u00a05",
  "\ufeff5", "\u20285", "\u001c5", "\u00855", "\u0661", "١٢", "True", "1n", "--1", "0.1", "100.0"];
const TEXTS = ["", "a", "b", "abc", "abd", "ABC", "ab", "aa", "10", "9", "0900", "1800", "ä", "é", "z", "ｚ", "😀", "a😀b",
  "\ue000", "\uffff", "\ud83d", "\ude00", "hello world", "null", "undefined", "[object Object]", "a,b", ","];
const DATA = {
  a: 1, b: "x", c: [1, 2, 3], d: { e: { f: "deep", g: null }, h: [{ i: 1 }, { i: 2 }] }, n: null, t: "", z: 0, f: false,
  y: true, 1: "one", s: "5", l: ["p", "q"], length: 7, "": "empty", "x y": "space", u: "a😀", o: { "": "inner" },
};
const NAMES = ["a", "b", "c", "d", "d.e", "d.e.f", "d.e.g", "d.e.g.x", "d.h.0.i", "d.h.1.i", "d.h.2.i", "n", "t", "z", "f",
  "y", "1", 1, "s", "l.0", "l.1", "l.2", "l.00", "l.-1", "l.1.0", "l.length", "b.length", "b.0", "b.1", "u.length", "u.1",
  "length", "x y", "nope", "nope.nope", "a.b", ".", "..", "o.", "c.", ".a", "a.", "n.x", "t.length", "y.length", "d.length"];

const variable = (name) => ({ var: name });
const operands = (left, right) => ({ a: left, b: right });

/** Return a random literal. */
const operand = () => pick([() => pick(VALUES), () => pick(NUMBERS), () => pick(NUMERIC_TEXTS), () => pick(TEXTS)])();

// Comparison

VALUES.forEach((left, i) => VALUES.forEach((right, j) => {
  if ((i + j) % 2) add({ "==": [left, right] });
  else add({ "==": [variable("a"), variable("b")] }, operands(left, right));
}));
for (const name of ["===", "!=", "!=="]) {
  repeat(80, () => add({ [name]: [pick(VALUES), pick(VALUES)] }));
}
add({ "===": [variable("c"), variable("c")] }, DATA);
add({ "==": [variable("c"), variable("c")] }, DATA);
add({ "==": [variable("d"), variable("d")] }, DATA);
for (const name of ["<", "<=", ">", ">="]) {
  repeat(60, () => add({ [name]: [pick(VALUES), pick(VALUES)] }));
  repeat(40, () => add({ [name]: [pick(TEXTS), pick(TEXTS)] }));
  repeat(25, () => add({ [name]: [operand(), operand()] }));
  for (const count of [0, 1]) repeat(4, () => add({ [name]: repeat(count, operand) }));
}
for (const name of ["<", "<="]) {
  repeat(50, () => add({ [name]: [pick(NUMBERS), pick(NUMBERS), pick(NUMBERS)] }));
  repeat(40, () => add({ [name]: [operand(), operand(), operand()] }));
  for (const time of ["0000", "0859", "0900", "1200", "2359", 1200, null]) {
    add({ [name]: ["0900", variable("a"), "2359"] }, { a: time });
  }
}
for (const text of NUMERIC_TEXTS) {
  add({ "==": [text, pick([0, 1, 12, 1000, 0.5, 16, 5])] });
  add({ "<=": [0, variable("a")] }, { a: text });
  add({ "-": [text, 0] });
  add({ "+": [text] });
  add({ "==": [[text], 5] });
}

// The usual forms of the rules of activities, with many kinds of values

for (const value of [...VALUES, ...NUMERIC_TEXTS, 50, 49.99, 50.01, 9007199254740993, "50", "firefox", "None"]) {
  add({ and: [{ "<": [0, variable("allocation")] }, { ">=": [50, variable("allocation")] }] }, { allocation: value });
  add({ "==": [variable("user.browserType"), "firefox"] }, { user: { browserType: value } });
  add({ "==": [variable("user.browserType"), "firefox"] }, { user: value });
  add({ in: [variable("mbox.zip"), ["1", "a", ""]] }, { mbox: { zip: value } });
  add({ in: [variable("mbox.zip"), "94107,null,1"] }, { mbox: { zip: value } });
}
for (const name of ["<", "<=", ">", ">="]) {
  for (const value of [4, 5, 6, 5.5, "5", "x", null, true]) {
    add({ [name]: [5, variable("a")] }, { a: value });
    add({ [name]: [variable("a"), 5] }, { a: value });
  }
}
for (const rule of [{ "==": ["None", variable("a")] }, { "!=": ["", variable("a")] }, { "==": ["5", variable("a")] },
  { "<": [5, variable("a")] }, { in: [variable("a"), "94107,94108"] }, { in: ["x", variable("a")] }]) {
  for (const data of [{}, null, { a: null }, { a: 5 }, { a: "5" }, { a: "94107" }, { a: [5] }, [], "text", 5]) {
    add(rule, data);
  }
}

// Numbers

for (const name of ["+", "-", "*", "/", "%", "max", "min"]) {
  repeat(20, () => add({ [name]: [pick(NUMBERS), pick(NUMBERS)] }));
  repeat(12, () => add({ [name]: [operand(), operand()] }));
  repeat(10, () => add({ [name]: upTo(4, operand) }));
  for (const value of VALUES) add({ [name]: [variable("a")] }, { a: value });
}
for (const [left, right] of [[0, -5], [-0.5, 1], [5, 0], [-5, 0], [0, 0], [-7, 3], [7, -3], [-6, 3], [5.5, 2]]) {
  for (const name of ["/", "%", "*", "-", "max", "min"]) add({ [name]: [left, right] });
}
for (const name of ["max", "min"]) {
  add({ [name]: [0, { "*": [0, -1] }] });
  add({ [name]: [{ "*": [0, -1] }, 0] });
}
add({ "/": [1, { "*": [0, -1] }] });
for (const number of NUMBERS) {
  add({ cat: [number] });
  add({ cat: [{ "-": [number] }] });
  add({ cat: [{ "/": [number, 3] }] });
}
repeat(30, () => add({ cat: [{ "*": [pick(NUMBERS), pick(NUMBERS)] }] }));

// Text

repeat(50, () => add({ cat: upTo(4, operand) }));
add({ cat: ["\ud83d", "\ude00"] });
add({ "==": [{ cat: ["\ud83d", "\ude00"] }, "😀"] });
repeat(100, () => add({ substr: [pick(TEXTS), pick([0, 1, -1, 2, -2, 5, -9, 1.7, "1", null]), pick([0, 1, -1, 2, -3, 9])] }));
repeat(40, () => add({ substr: [operand(), operand()] }));
repeat(40, () => add({ substr: [pick(TEXTS), operand(), operand()] }));
add({ substr: [] });
repeat(60, () => add({ in: [pick(TEXTS), pick(TEXTS)] }));
repeat(60, () => add({ in: [operand(), operand()] }));
repeat(60, () => add({ in: [operand(), upTo(4, operand)] }));
add({ in: [] });

// Data

for (const name of NAMES) {
  add({ var: name }, DATA);
  add({ var: [name, "default"] }, DATA);
  add({ missing: [name] }, DATA);
}
for (const rule of [{ var: "" }, { var: [] }, { var: null }, { var: [[]] }, { var: [["a"]] }, { var: true },
  { var: 1.5 }, { var: [""] }, { var: [null, 5] }, { var: "length" }, { var: "0" }, { var: 0 }, { var: "1.length" }]) {
  for (const data of [{ a: 1, "1": { 5: "x" }, true: "t" }, [10, "ab"], "text", 5, null, true]) add(rule, data);
}
repeat(40, () => add({ var: { cat: [pick(["d.", "l.", "d.e.", ""]), pick(["e", "0", "f", "a"])] } }, DATA));
repeat(20, () => add({ var: ["nope", { var: pick(NAMES) }] }, DATA));
repeat(60, () => add({ missing: upTo(4, () => pick(NAMES)) }, DATA));
repeat(15, () => add({ missing: [repeat(3, () => pick(NAMES))] }, DATA));
repeat(15, () => add({ missing: { merge: ["a", { if: [variable(pick(NAMES)), ["t", "nope"], []] }] } }, DATA));
repeat(60, () => add({ missing_some: [pick([0, 1, 2, 3, "1", null]), upTo(4, () => pick(NAMES))] }, DATA));
for (const names of ["a", "nope", "", 5, null, true]) add({ missing_some: [1, names] }, DATA);

// Logic

for (const value of [...VALUES, "false", " ", [false], 1e-320]) {
  for (const name of ["!", "!!"]) {
    if (!Array.isArray(value)) add({ [name]: value });
    add({ [name]: [value] });
    add({ [name]: variable("a") }, { a: value });
  }
  for (const name of ["and", "or", "if", "?:"]) add({ [name]: [variable("a"), "yes", "no"] }, { a: value });
  add(value);
}
repeat(60, () => add({ and: upTo(5, operand) }));
repeat(60, () => add({ or: upTo(5, operand) }));
repeat(60, () => add({ if: upTo(6, operand) }));
for (const name of ["and", "or", "if", "?:"]) {
  for (const value of [null, true, 0, "", "x", 5]) {
    add({ [name]: value });
    add({ [name]: [value] });
    add({ [name]: variable("a") }, { a: value });
  }
}
add({ "!": { "==": [1, 1] } });
add({ "!": { "!": variable("a") } }, { a: 0 });

// Loops

const ITEMS = [[1, 2, 3], [], ["a", "b", ""], [0, false, null], [[1], []], "abc", null, 5, { a: 1, b: 2 },
  [{ i: 1 }, { i: 3 }]];
const BODIES = [variable(""), { ">": [variable(""), 1] }, { "+": [variable(""), 1] }, variable("i"), variable("length"), true, 0, "",
  { "!": variable("") }, { cat: ["<", variable(""), ">"] }, { and: [] }, { var: "nope" }, [variable(""), 1]];
for (const items of ITEMS) {
  for (const body of BODIES) {
    for (const name of ["map", "filter", "all", "some", "none"]) {
      if (!random(3)) add({ [name]: [variable("a"), body] }, { a: items });
    }
  }
  for (const name of ["map", "filter", "all", "some", "none", "reduce"]) add({ [name]: [variable("a")] }, { a: items });
  for (const name of ["+", "cat", "max", "merge", "and", "-"]) {
    const step = { [name]: [variable("accumulator"), variable("current")] };
    add({ reduce: [variable("a"), step, 0] }, { a: items });
    add({ reduce: [variable("a"), step] }, { a: items });
    add({ reduce: [variable("a"), step, variable("b")] }, { a: items, b: "x" });
  }
}
for (const name of ["map", "filter", "all", "some", "none", "reduce", "merge", "missing", "max", "min", "*", "missing_some"]) {
  add({ [name]: [] });
  add({ [name]: null }, { a: 1 });
}
repeat(50, () => add({ merge: upTo(4, operand) }));

// Objects with several keys, arrays, and unknown operators

add({ a: { "+": [1, 2] }, b: 2 });
add([{ "+": [1, 2] }, { a: 1, b: { var: "a" } }, [variable("a")]], { a: 1 });
add({ if: [true, { a: variable("a"), b: 1 }] }, { a: 1 });
for (const name of ["method", "nope", "a.b", "", "Var", "toString", "constructor", "__proto__"]) {
  add(JSON.parse(`{"${name}": [1, 2]}`));
}

// Random nested rules

const MAX_ARGUMENTS = { "==": 2, "<": 3, "<=": 3, ">": 2, "!": 1, "!!": 1, and: 3, or: 3, if: 4, "+": 3, "-": 2, "*": 3,
  "/": 2, "%": 2, in: 2, cat: 3, substr: 3, merge: 3, max: 3, min: 3, "===": 2, "!=": 2, filter: 2, map: 2, some: 2, all: 2 };

function randomRule(depth) {
  if (!depth || !random(4)) return random(3) ? pick([operand, () => pick(NUMBERS)])() : variable(pick(NAMES));
  const name = pick(Object.keys(MAX_ARGUMENTS));
  return { [name]: repeat(1 + random(MAX_ARGUMENTS[name]), () => randomRule(depth - 1)) };
}

repeat(400, () => add(randomRule(3), DATA));

// The table contains DATA only once. The cases that use it contain {"$": "shared"} instead.

const shared = JSON.stringify(DATA);
const lines = [...cases].map(([text, value]) => {
  const [rule, data] = JSON.parse(text);
  const dataText = JSON.stringify(data) === shared ? '{"$":"shared"}' : JSON.stringify(data);
  return `[${JSON.stringify(rule)},${dataText},${JSON.stringify(value)}]`;
});
console.log(`{"computed_by":"json-logic-js ${version}","shared_data":${shared},"cases":[\n${lines.join(",\n")}\n]}`);
