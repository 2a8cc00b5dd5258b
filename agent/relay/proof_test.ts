import assert from "node:assert/strict";
import { type Challenge, type Proof, signedBytes } from "../../wire/key_proof.ts";
import { helloOf } from "../../wire/hello.ts";
import { type Claim, verifyProof } from "./proof.ts";

const hello = helloOf("reversed-tunnel");
const session = "11111111-1111-1111-1111-111111111111";
const [nonce, other] = ["a".repeat(64), "b".repeat(64)];
const challenge: Challenge = {
  hello,
  pod: "22222222-2222-2222-2222-222222222222",
  node: "node-1",
  nonce,
  rules: ["33333333-3333-3333-3333-333333333333", "44444444-4444-4444-4444-444444444444"],
};

async function makeSession() {
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const sign = async (
    changes: { version?: number; cluster?: string; challenge?: Partial<Challenge>; session?: string } = {},
  ) => {
    const bytes = signedBytes({
      version: changes.version ?? 2,
      cluster: changes.cluster ?? "uid",
      challenge: { ...challenge, ...changes.challenge },
      session: changes.session ?? session,
      nonce: other,
    });
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, bytes)).toBase64();
    return { hello, session: changes.session ?? session, nonce: other, signature } satisfies Proof;
  };
  const claim: Claim = { version: 2, cluster: "uid", challenge, keys: new Map([[session, spki.toBase64()]]) };
  return { sign, claim };
}

Deno.test("a tunnel that signs with the session's key is proven, in any order of its rules", async () => {
  const { sign, claim } = await makeSession();
  const reversed = { rules: [...challenge.rules].reverse() };
  for (const proof of [await sign(), await sign({ challenge: reversed })]) {
    assert.deepEqual(await verifyProof(JSON.stringify(proof), claim), { kind: "proven", session });
  }
});

Deno.test("a signature for anything else proves nothing: another version, cluster, pod, node, nonce, rules", async () => {
  const { sign, claim } = await makeSession();
  for (
    const elsewhere of [
      { version: 1 },
      { cluster: "another uid" },
      { challenge: { pod: session } },
      { challenge: { node: "node-2" } },
      { challenge: { nonce: other } },
      { challenge: { rules: challenge.rules.slice(1) } },
    ]
  ) {
    const verdict = await verifyProof(JSON.stringify(await sign(elsewhere)), claim);
    assert.equal(verdict.kind, "false", JSON.stringify(elsewhere));
  }
});

Deno.test("a signature with another key proves nothing", async () => {
  const [ours, mallory] = [await makeSession(), await makeSession()];
  const verdict = await verifyProof(JSON.stringify(await mallory.sign()), ours.claim);
  assert.deepEqual(verdict, {
    kind: "false",
    reason: `the signature is not by the key of session ${session}`,
  });
});

Deno.test("a proof of an unknown session is neither proven nor false", async () => {
  const { sign, claim } = await makeSession();
  assert.deepEqual(await verifyProof(JSON.stringify(await sign()), { ...claim, keys: new Map() }), {
    kind: "unknown",
    session,
  });
});

Deno.test("an invalid proof or key is false, and throws nothing", async () => {
  const { sign, claim } = await makeSession();
  for (const header of [undefined, "", "{}", "nonsense", JSON.stringify({ session, nonce, signature: 5 })]) {
    assert.equal((await verifyProof(header, claim)).kind, "false", String(header));
  }
  const proof = await sign();
  assert.equal((await verifyProof(JSON.stringify({ ...proof, signature: "*" }), claim)).kind, "false");
  const keys = new Map([[session, "no key"]]);
  assert.equal((await verifyProof(JSON.stringify(proof), { ...claim, keys })).kind, "false");
});
