import assert from "node:assert/strict";
import { rcodes } from "../../dns/message.ts";
import { answering, fakeUpstream, replied } from "../testing/fake_upstream.ts";
import { networkError } from "./extended_error.ts";
import { nameserverProblem, reachesStub } from "./probe.ts";
import { openStub } from "./stub_listener.ts";

Deno.test("any answer shows that a nameserver is there", async () => {
  for (const rcode of [rcodes.noError, rcodes.refused, rcodes.servFail]) {
    await using upstream = await fakeUpstream((query) => replied(query, [], { rcode }));
    assert.equal(await nameserverProblem(upstream.nameserver), undefined);
  }
  await using upstream = await fakeUpstream(answering("203.0.113.7"));
  assert.equal(await nameserverProblem(upstream.nameserver), undefined);
});

Deno.test("a closed port is told from a nameserver that is silent", async () => {
  await using silent = await fakeUpstream(() => undefined);
  assert.equal(await nameserverProblem(silent.nameserver, 100), "127.0.0.1 doesn't answer within 0.1 s");
  const closed = await openStub("127.0.0.1");
  const { end } = closed;
  await closed[Symbol.asyncDispose]();
  assert.equal(await nameserverProblem(end), "nothing listens at 127.0.0.1");
});

Deno.test("a stub that answers is reached, and one that is silent or closed isn't", async () => {
  await using stub = await fakeUpstream((query) => replied(query, []));
  const at = ({ nameserver: { address, port } }: typeof stub) => `${address}:${port}`;
  assert.equal(await reachesStub(at(stub)), true);
  await using silent = await fakeUpstream(() => undefined);
  assert.equal(await reachesStub(at(silent), 100), false);
  const closed = await openStub("127.0.0.1");
  const { end: { address, port } } = closed;
  await closed[Symbol.asyncDispose]();
  assert.equal(await reachesStub(`${address}:${port}`), false);
});

Deno.test("a stub says that the nameserver behind it can't be reached", async () => {
  await using stub = await fakeUpstream((query) =>
    replied(query, [], {
      rcode: rcodes.servFail,
      edns: {
        udpSize: 1232,
        version: 0,
        dnssecOk: false,
        options: networkError("nothing listens at 192.0.2.53"),
      },
    })
  );
  assert.equal(await nameserverProblem(stub.nameserver), "nothing listens at 192.0.2.53");
});
