import assert from "node:assert/strict";
import { signedBytes } from "../../wire/key_proof.ts";
import { helloOf } from "../../wire/hello.ts";
import { SessionKey } from "./session_key.ts";

const hello = helloOf("reversed-tunnel");
const challenge = { hello, pod: "p", node: "n", nonce: "00".repeat(32), rules: ["b", "a"] };
const of = { version: 2, challenge, cluster: "c", session: "s", hello };

async function verify(
  key: SessionKey,
  proof: { signature: string },
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const from64 = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const spki = await crypto.subtle.importKey("spki", from64(key.publicKey), "Ed25519", false, ["verify"]);
  return await crypto.subtle.verify("Ed25519", spki, from64(proof.signature), bytes);
}

Deno.test("a proof holds for what was signed, and for nothing else", async () => {
  const key = await SessionKey.create();
  const proof = await key.prove(of);
  const signed = { version: 2, cluster: "c", challenge, session: "s", nonce: proof.nonce };
  assert.equal(await verify(key, proof, signedBytes(signed)), true);
  for (
    const other of [
      { ...signed, version: 1 },
      { ...signed, cluster: "d" },
      { ...signed, session: "t" },
      { ...signed, nonce: "11" },
      { ...signed, challenge: { ...challenge, pod: "q" } },
      { ...signed, challenge: { ...challenge, node: "m" } },
      { ...signed, challenge: { ...challenge, nonce: "11".repeat(32) } },
      { ...signed, challenge: { ...challenge, rules: ["a"] } },
    ]
  ) assert.equal(await verify(key, proof, signedBytes(other)), false);
});

Deno.test("the order of rules doesn't matter to a proof", async () => {
  const key = await SessionKey.create();
  const proof = await key.prove(of);
  const sorted = {
    version: 2,
    cluster: "c",
    challenge: { ...challenge, rules: ["a", "b"] },
    session: "s",
    nonce: proof.nonce,
  };
  assert.equal(await verify(key, proof, signedBytes(sorted)), true);
});
