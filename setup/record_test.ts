import assert from "node:assert/strict";
import * as fc from "fast-check";
import { formatRecord, parseRecord } from "./record.ts";

const path = fc.array(fc.stringMatching(/^[^/\0.]+$/), { minLength: 1, maxLength: 4 }).map((parts) =>
  `/${parts.join("/")}`
);
const plain = { noNullPrototype: true };
const file = fc.oneof(
  fc.record({ path, sha256: fc.stringMatching(/^[0-9a-f]{64}$/) }, plain),
  fc.record({ path, link: fc.string({ minLength: 1 }) }, plain),
);

Deno.test("a list is read as it was written", () => {
  const record = fc.record({ release: fc.string(), files: fc.array(file), folders: fc.array(path) }, plain);
  fc.assert(fc.property(record, (one) => assert.deepEqual(parseRecord(formatRecord(one)), one)));
});

Deno.test("text that is no list of this version is read as nothing, and throws nothing", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => assert.equal(parseRecord(text), undefined)),
  );
  const sha256 = "0".repeat(64);
  const wrong = [
    { version: 2, release: "1", files: [], folders: [] },
    { version: 1, release: "1", files: [{ path: "relative", sha256 }], folders: [] },
    { version: 1, release: "1", files: [{ path: "/usr/../etc/passwd", sha256 }], folders: [] },
    { version: 1, release: "1", files: [{ path: "/a", sha256: "short" }], folders: [] },
    { version: 1, release: "1", files: [{ path: "/a" }], folders: [] },
    { version: 1, release: "1", files: [], folders: ["../.."] },
  ];
  for (const one of wrong) assert.equal(parseRecord(JSON.stringify(one)), undefined, JSON.stringify(one));
});
