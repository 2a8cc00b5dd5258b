import assert from "node:assert/strict";
import { senderOf } from "./sender.ts";

const arrival = {
  protocol: "udp",
  peer: { address: "127.0.0.1", port: 40_000 },
  own: { address: "127.96.0.1", port: 40_053 },
} as const;
const accounts = [{ first: 1000, last: 1000 }, { first: 100_000, last: 165_535 }];
const owning = (uid: number | undefined) => ({ owner: () => Promise.resolve(uid) });

Deno.test("a query is the user's, root's, or another's by the owner of its socket", async () => {
  for (
    const [uid, expected] of [
      [1000, "user"],
      [100_500, "user"],
      [0, "root"],
      [1001, "other"],
      [undefined, "other"],
    ] as const
  ) {
    assert.equal(await senderOf(owning(uid), arrival, accounts), expected, `uid ${uid}`);
  }
});

Deno.test("the queries of a user who is root are the user's", async () => {
  assert.equal(await senderOf(owning(0), arrival, [{ first: 0, last: 0 }]), "user");
});

Deno.test("a query whose socket can't be looked up is another's", async () => {
  const failing = { owner: () => Promise.reject(new Error("no /proc")) };
  assert.equal(await senderOf(failing, arrival, accounts), "other");
});
