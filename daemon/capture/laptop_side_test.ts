import assert from "node:assert/strict";
import { closeDescriptor, localEndpoint } from "../../ffi/socket.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { DataCalls, MainCalls } from "../data/protocol.ts";
import { Failure } from "../failure.ts";
import { Channel } from "../worker_channel.ts";
import { LaptopSide } from "./laptop_side.ts";
import { fakeHelper } from "./testing.ts";

/** A fake helper, and a fake data worker that takes listeners and closes them. */
function surroundings(answer?: Parameters<typeof fakeHelper>[0]) {
  const helper = fakeHelper(answer);
  const { port1, port2 } = new MessageChannel();
  const listening: string[] = [];
  new Channel<Pick<DataCalls, "listen" | "unlisten">, MainCalls>(port2, {
    listen(fds) {
      for (const fd of fds) {
        listening.push(localEndpoint(fd).address.text);
        closeDescriptor(fd);
      }
    },
    unlisten: () => void listening.splice(0),
  });
  const unasked = () => assert.fail("the worker asks nothing here");
  const main: MainCalls = { gateway: unasked, agent: unasked, prove: unasked, tunnel: unasked, log: unasked };
  return {
    helper,
    data: new Channel<MainCalls, DataCalls>(port1, main),
    listening,
    async [Symbol.asyncDispose]() {
      await helper[Symbol.asyncDispose]();
      port1.close();
      port2.close();
    },
  };
}

const wanted = (...addresses: string[]) =>
  new Map<string, CapturedPorts>(addresses.map((one) => [one, "any"]));

Deno.test("the helper and the data worker get a listener of each family, and captures of these", async () => {
  await using at = surroundings();
  await using side = await LaptopSide.start(at.data, at.helper.path);
  assert.equal(side.address, "127.0.0.1");
  assert.deepEqual(at.listening, ["127.0.0.1", "::1"]);
  await side.capture("dev", wanted("10.96.0.7", "fd00::7"));
  assert.equal(side.routes, 2);
  await side.remove("dev");
  assert.equal(side.routes, 0);
});

Deno.test("a helper that refuses the listeners leaves none", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" ? { ok: false, code: "refused", error: "not yours" } : undefined
  );
  await assert.rejects(LaptopSide.start(at.data, at.helper.path), /not yours/);
  assert.deepEqual(at.listening, []);
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
  assert.deepEqual(at.listening, []);
  assert.deepEqual(await side.left(), [], "the device isn't there");
});
