import assert from "node:assert/strict";
import { programState } from "./local_program.ts";

Deno.test("a program on either loopback address is seen at localhost, and none of its connections is taken", async () => {
  for (const hostname of ["127.0.0.1", "::1"]) {
    using listener = Deno.listen({ hostname, port: 0 });
    const { port } = listener.addr;
    assert.equal(await programState({ host: "localhost", port }), "listening");
    using client = await Deno.connect({ hostname, port });
    using first = await listener.accept();
    assert.deepEqual(first.remoteAddr, client.localAddr);
  }
});

Deno.test("an address of one loopback is that one alone", async () => {
  using listener = Deno.listen({ hostname: "::1", port: 0 });
  const { port } = listener.addr;
  assert.equal(await programState({ host: "::1", port }), "listening");
  assert.equal(await programState({ host: "127.0.0.1", port }), "silent");
});

Deno.test("what no socket of this machine has is dialled: packets may be redirected to a container", async () => {
  const dialled: string[] = [];
  const dial = (address: string) => {
    dialled.push(address);
    return Promise.resolve(address === "::1");
  };
  const listens = () => Promise.resolve(false);
  assert.equal(await programState({ host: "localhost", port: 8081 }, { listens, dial }), "elsewhere");
  assert.deepEqual(dialled, ["127.0.0.1", "::1"]);
});

Deno.test("another machine's program is dialled, and a host without an address is silent", async () => {
  const listens = () => assert.fail("no socket of this machine");
  assert.equal(
    await programState({ host: "192.0.2.7", port: 8081 }, { listens, dial: () => Promise.resolve(true) }),
    "elsewhere",
  );
  assert.equal(await programState({ host: "nosuch.invalid", port: 8081 }), "silent");
});
