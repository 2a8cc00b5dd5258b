import assert from "node:assert/strict";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { DataCalls, MainCalls } from "../../dataplane/protocol.ts";
import { Failure } from "../failure.ts";
import { Channel } from "../../threads/channel.ts";
import { LaptopSide } from "./host_capture.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";

/** A fake helper, and a fake data worker on a machine that has these addresses. */
function surroundings(answer?: Parameters<typeof fakeHelper>[0], own = ["127.0.0.1", "::1"]) {
  const helper = fakeHelper(answer);
  const { port1, port2 } = new MessageChannel();
  const listeners = fakeListeners();
  new Channel<Pick<DataCalls, "listen" | "unlisten">, MainCalls>(port2, {
    listen: (address) => own.includes(address) ? listeners.listen(address) : undefined,
    unlisten: () => listeners.unlisten(),
  });
  const unasked = () => assert.fail("the worker asks nothing here");
  const main: MainCalls = { gateway: unasked, agent: unasked, prove: unasked, tunnel: unasked, log: unasked };
  return {
    helper,
    data: new Channel<MainCalls, DataCalls>(port1, main),
    listeners,
    async [Symbol.asyncDispose]() {
      await helper[Symbol.asyncDispose]();
      port1.close();
      port2.close();
    },
  };
}

const wanted = (...addresses: string[]) =>
  new Map<string, CapturedPorts>(addresses.map((one) => [one, "any"]));

Deno.test("the helper gets the data worker's listener of each family, and captures of these", async () => {
  const given: [unknown, string[]][] = [];
  await using at = surroundings((request, fds) => {
    if (request.ask !== "listeners") return undefined;
    given.push([request.family, fds.map((fd) => localEndpoint(fd).address.text)]);
    return { ok: true };
  });
  await using side = await LaptopSide.start(at.data, at.helper.path);
  assert.equal(side.address, "127.0.0.1");
  assert.deepEqual(at.listeners.addresses, ["127.0.0.1", "::1"]);
  assert.deepEqual(given, [[4, ["127.0.0.1"]], [6, ["::1"]]]);
  await side.capture("dev", wanted("10.96.0.7", "fd00::7"));
  assert.equal(side.routes, 2);
  await side.remove("dev");
  assert.equal(side.routes, 0);
});

Deno.test("on a machine without IPv6 its addresses are not captured, and the others are", async () => {
  await using at = surroundings(undefined, ["127.0.0.1"]);
  await using side = await LaptopSide.start(at.data, at.helper.path);
  await side.capture("dev", wanted("10.96.0.7", "fd00::7"));
  assert.equal(side.routes, 1);
});

Deno.test("a helper that refuses the listeners leaves none", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" ? { ok: false, code: "refused", error: "not yours" } : undefined
  );
  await assert.rejects(LaptopSide.start(at.data, at.helper.path), /not yours/);
  assert.deepEqual(at.listeners.addresses, []);
});

Deno.test("a helper that is gone is told, and the rest ends all the same", async () => {
  await using at = surroundings();
  const side = await LaptopSide.start(at.data, at.helper.path);
  at.helper.die();
  await side.lost;
  await assert.rejects(side.capture("dev", wanted("10.96.0.7")), Failure);
  await side.remove("dev");
  await side[Symbol.asyncDispose]();
  await side[Symbol.asyncDispose]();
  assert.deepEqual(at.listeners.addresses, []);
  assert.deepEqual(await side.left(), [], "the device isn't there");
});

Deno.test("a helper that has no IPv6 is no hindrance, though the machine has ::1", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" && request.family === 6
      ? { ok: false, code: "unsupported", error: "this machine has no IPv6" }
      : undefined
  );
  await using side = await LaptopSide.start(at.data, at.helper.path);
  await side.capture("dev", wanted("10.96.0.7", "fd00::7"));
  assert.equal(side.routes, 1);
});
