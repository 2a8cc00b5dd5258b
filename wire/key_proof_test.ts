import assert from "node:assert/strict";
import fc from "fast-check";
import { helloOf } from "./hello.ts";
import { parseChallenge, parseProof } from "./key_proof.ts";

const uid = "4dd3c45c-2ea0-4d2f-a5a8-b0e8c1a3c0de";
const nonce = "ab".repeat(32);
const hello = helloOf("reversed-tunnel");

Deno.test("a challenge and a proof are what was sent", () => {
  const challenge = { hello, pod: uid, node: "node-a", nonce, rules: [uid] };
  assert.deepEqual(parseChallenge(JSON.stringify({ ...challenge, more: 1 })), challenge);
  const proof = { hello, session: uid, nonce, signature: "c2ln" };
  assert.deepEqual(parseProof(JSON.stringify(proof)), proof);
});

Deno.test("what isn't exactly one is neither", () => {
  const challenge = { hello, pod: uid, node: "node-a", nonce, rules: [] };
  for (
    const change of [{ pod: `${uid}0` }, { nonce: nonce.toUpperCase() }, { rules: ["x"] }, { node: "" }, {
      rules: Array(501).fill(uid),
    }]
  ) assert.equal(parseChallenge(JSON.stringify({ ...challenge, ...change })), undefined);
  assert.equal(
    parseProof(JSON.stringify({ hello, session: uid, nonce, signature: "x".repeat(129) })),
    undefined,
  );
  for (const text of ["", "{", "null", "[]", `"${"x".repeat(40_000)}"`]) {
    assert.equal(parseChallenge(text), undefined);
    assert.equal(parseProof(text), undefined);
  }
});

Deno.test("no header makes the parsers throw", () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
    parseChallenge(text);
    parseProof(text);
  }));
});
