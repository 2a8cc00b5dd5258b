import assert from "node:assert/strict";
import fc from "fast-check";
import { canonical, FormatError, labelsOf, nameBytes, parseDomain, readName } from "./domain_name.ts";
import { IN, type Message, parseMessage, type Resource, types } from "./message.ts";
import { writeMessage } from "./message_writer.ts";
import { addressResource, aliasResource, negativeResource, serviceResource } from "./resource.ts";
import { addressOf } from "../net/address.ts";

const u16 = fc.integer({ min: 0, max: 65535 });
const octets = (maxLength: number) => fc.uint8Array({ minLength: 1, maxLength });
const name = fc.array(octets(12), { maxLength: 8 }).map((labels) => {
  const bytes = new Uint8Array([...labels.flatMap((label) => [label.length, ...label]), 0]);
  return readName(bytes, 0).name;
});
const address = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => addressOf(bytes));
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.tuple(name, address).map(([owner, ip]) => addressResource(owner, ip)),
  fc.tuple(name, name).map(([owner, target]) => aliasResource(owner, target)),
  fc.tuple(name, u16, u16, name).map(([owner, port, weight, target]) =>
    serviceResource(owner, port, weight, target)
  ),
  name.map(negativeResource),
  fc.record({
    name,
    type: fc.constantFrom(types.TXT, types.HTTPS, 99, 65000),
    class: u16,
    ttl: fc.integer({ min: 0, max: 0xffffffff }),
    data: fc.uint8Array({ maxLength: 40 }),
  }),
);
const section = fc.array(resource, { maxLength: 5 });
const edns = fc.record({
  udpSize: u16,
  version: fc.integer({ min: 0, max: 255 }),
  dnssecOk: fc.boolean(),
  options: fc.uint8Array({ maxLength: 24 }),
});
const message: fc.Arbitrary<Message> = fc.record({
  id: u16,
  response: fc.boolean(),
  opcode: fc.integer({ min: 0, max: 15 }),
  authoritative: fc.boolean(),
  truncated: fc.boolean(),
  recursionDesired: fc.boolean(),
  recursionAvailable: fc.boolean(),
  authenticData: fc.boolean(),
  checkingDisabled: fc.boolean(),
  rcode: fc.integer({ min: 0, max: 15 }),
  questions: fc.array(fc.record({ name, type: u16, class: u16 }), { maxLength: 3 }),
  answers: section,
  authorities: section,
  additionals: section,
  edns,
}, {
  requiredKeys: [
    "id",
    "response",
    "opcode",
    "authoritative",
    "truncated",
    "recursionDesired",
    "recursionAvailable",
    "authenticData",
    "checkingDisabled",
    "rcode",
    "questions",
    "answers",
    "authorities",
    "additionals",
  ],
});

const plain: Message = {
  id: 7,
  response: true,
  opcode: 0,
  authoritative: true,
  truncated: false,
  recursionDesired: true,
  recursionAvailable: true,
  authenticData: false,
  checkingDisabled: false,
  rcode: 0,
  questions: [{ name: "Echo.default.svc", type: types.A, class: IN }],
  answers: [],
  authorities: [],
  additionals: [],
};

/** Reads bytes that may be anything: a message, or FormatError; any other error fails the test. */
function tolerate(bytes: Uint8Array): void {
  try {
    parseMessage(bytes);
  } catch (error) {
    assert.ok(error instanceof FormatError, `${error}`);
  }
}

Deno.test("a message that was written is read back as it was", () => {
  fc.assert(fc.property(message, (given) => {
    assert.deepEqual(plainArrays(parseMessage(writeMessage(given))), plainArrays(given));
  }));
});

Deno.test("an extended rcode is split over header and OPT record", () => {
  const badVersion = {
    ...plain,
    rcode: 16,
    edns: { udpSize: 1232, version: 0, dnssecOk: false, options: new Uint8Array() },
  };
  const bytes = writeMessage(badVersion);
  assert.equal((bytes[3] ?? 0) & 15, 0);
  assert.equal(parseMessage(bytes).rcode, 16);
});

Deno.test("bytes that are no message give a FormatError and nothing else", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tolerate));
});

Deno.test("a message with some bytes changed, or cut anywhere, is read or gives a FormatError", () => {
  const edits = fc.array(fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  fc.assert(fc.property(message, edits, fc.nat(600), (given, changes, cut) => {
    const bytes = writeMessage(given).slice(0, Math.max(12, cut));
    for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
    tolerate(bytes);
  }));
});

Deno.test("a message that doesn't fit says so, holds whole answers only, and keeps its OPT record", () => {
  const limits = fc.integer({ min: 300, max: 700 });
  fc.assert(fc.property(message, limits, (given, limit) => {
    const small = { ...given, questions: given.questions.slice(0, 1) };
    const bytes = writeMessage(small, limit);
    assert.ok(bytes.length <= limit);
    const back = parseMessage(bytes);
    assert.equal(back.edns === undefined, given.edns === undefined);
    assert.deepEqual(plainArrays(back.answers), plainArrays(given.answers.slice(0, back.answers.length)));
    const lost = back.answers.length < given.answers.length ||
      back.authorities.length < given.authorities.length;
    assert.equal(back.truncated, given.truncated || lost);
  }));
});

Deno.test("names are compressed, and in the case in which they were asked for", () => {
  const ip = addressOf(new Uint8Array(16));
  const answers = [addressResource("Echo.default.svc", ip), addressResource("Echo.default.svc", ip)];
  const bytes = writeMessage({ ...plain, answers });
  // Header, question (18 + 4), and two answers of 2 + 10 + 16 bytes.
  assert.equal(bytes.length, 12 + 18 + 4 + 2 * 28);
  assert.deepEqual(parseMessage(bytes).answers.map(({ name }) => name), [
    "Echo.default.svc",
    "Echo.default.svc",
  ]);
});

Deno.test("a name whose pointers go round, forward or to themselves is refused", () => {
  for (const bytes of [[0xc0, 0], [1, 97, 0xc0, 0], [0xc0, 2, 0xc0, 0], [0xc0, 9], [0xc0]]) {
    assert.throws(() => readName(Uint8Array.from(bytes), 0), FormatError, `${bytes}`);
  }
});

Deno.test("a name of more than 255 octets or a label of more than 63 is refused, in bytes and in text", () => {
  const label = "a".repeat(63);
  assert.equal(nameBytes(`${label}.${label}.${label}.${"a".repeat(61)}`).length, 255);
  for (
    const text of [
      `${label}a.b`,
      `${label}.${label}.${label}.${"a".repeat(62)}`,
      "a..b",
      ".a",
      "a\\",
      "\\999",
      "a b",
    ]
  ) {
    assert.throws(() => labelsOf(text), FormatError, text);
  }
  const long = new Uint8Array(Array.from({ length: 130 }, () => [1, 97]).flat().concat(0));
  assert.throws(() => readName(long, 0), FormatError);
});

Deno.test("a dot inside a label is told from the dot between labels", () => {
  const bytes = Uint8Array.from([3, 97, 46, 98, 1, 99, 0]);
  assert.equal(readName(bytes, 0).name, "a\\.b.c");
  assert.deepEqual(nameBytes("a\\.b.c"), bytes);
});

Deno.test("a domain is taken in the form in which programs ask for it", () => {
  assert.equal(parseDomain("Shop.Example."), "shop.example");
  assert.equal(parseDomain("bücher.example"), "xn--bcher-kva.example");
  assert.equal(parseDomain("*.shop.example", { wildcard: true }), "*.shop.example");
  for (
    const bad of ["", ".", "*.shop.example", "a..b", "-a.b", "a b", "a/b", "a:80", "x".repeat(64), "*.", "*"]
  ) {
    assert.equal(parseDomain(bad), undefined, bad);
  }
  assert.equal(canonical("ÄBC.x"), "Äbc.x");
});

/** Uint8Arrays that are views of others compare by what they hold. */
function plainArrays(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, v) => v instanceof Uint8Array ? [...v] : v));
}
