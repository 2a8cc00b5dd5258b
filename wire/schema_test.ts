import assert from "node:assert/strict";
import {
  boolean,
  type Infer,
  integer,
  list,
  matching,
  NotValid,
  object,
  oneOf,
  optional,
  type Schema,
  someOf,
  text,
  unknown,
  withDefault,
} from "./schema.ts";

const point = object({ x: integer("coordinate", 0, 100), label: optional(text(4)) });

function messageOf(check: Schema<unknown>, raw: unknown, field = "field"): string {
  try {
    check.parse(raw, field);
  } catch (error) {
    assert.ok(error instanceof NotValid);
    return error.message;
  }
  return "it is valid";
}

Deno.test("the type of an object follows from its fields", () => {
  const here: Infer<typeof point> = { x: 1 }; // label may be absent
  assert.deepEqual(point.parse({ x: 1, y: 2 }, ""), here);
  assert.deepEqual(point.parse({ x: 1, label: "a" }, ""), { x: 1, label: "a" });
});

Deno.test("an error names the field, what it should be and what is expected", () => {
  assert.equal(messageOf(point, { x: 101 }, ""), "x is not a valid coordinate: expected 0 to 100");
  assert.equal(messageOf(point, {}, ""), "x is missing: expected 0 to 100");
  assert.equal(
    messageOf(point, null, ""),
    "the request is not a valid object: expected an object with x, label",
  );
  assert.equal(messageOf(text(4), "12345"), "field is not a valid text: expected 1 to 4 characters");
  assert.equal(messageOf(boolean(), 1), "field is not a valid boolean: expected true or false");
  assert.equal(messageOf(oneOf("mode", ["a", "b"]), "c"), 'field is not a valid mode: expected "a" or "b"');
  assert.equal(
    messageOf(matching("name", "letters", /^[a-z]{1,9}$/), "A"),
    "field is not a valid name: expected letters",
  );
});

Deno.test("an error inside of objects and lists says where", () => {
  const path = object({ points: list(point, 2) });
  assert.match(
    messageOf(path, { points: [{ x: 1 }, { x: -1 }] }, ""),
    /^points\[1\]\.x is not a valid coordinate/,
  );
  assert.match(
    messageOf(path, { points: [1, 2, 3] }, ""),
    /^points is not a valid list: expected up to 2 values$/,
  );
});

Deno.test("a field with a default is that where it's absent, and checked where it's there", () => {
  const flag = withDefault(boolean(), true);
  assert.equal(flag.parse(undefined, "flag"), true);
  assert.equal(flag.parse(false, "flag"), false);
  assert.match(messageOf(flag, null), /not a valid boolean/);
});

Deno.test("a choice of some has each once, in the order of the table", () => {
  const letters = someOf("letter", ["a", "b"]);
  assert.deepEqual(letters.parse(["b", "a", "b"], "letters"), ["a", "b"]);
  assert.equal(messageOf(letters, []), 'field is not a valid list of letters: expected a list of "a" or "b"');
});

Deno.test("fields that an object only inherits are absent", () => {
  assert.match(messageOf(object({ constructor: text(9) }), {}, ""), /^constructor is missing/);
});

Deno.test("a field of any value is left as it is, and may be absent", () => {
  const schema = object({ inner: unknown() });
  for (const inner of [null, 0, "", [1], { deep: true }]) {
    assert.deepEqual(schema.parse({ inner }, ""), { inner });
  }
  assert.deepEqual(schema.parse({}, ""), {});
});
