import assert from "node:assert/strict";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import { Failure } from "../failure.ts";
import { LaptopSide } from "./host_capture.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";

/** A fake helper, and a fake data plane on a machine that has these addresses. */
function surroundings(answer?: Parameters<typeof fakeHelper>[0], own = ["127.0.0.1", "::1"], workers = 1) {
  const helper = fakeHelper(answer);
  const listeners = fakeListeners();
  return {
    helper,
    data: {
      listen: (address: string) =>
        Promise.resolve(
          own.includes(address) ? Array.from({ length: workers }, () => listeners.listen(address)) : [],
        ),
      unlisten: () => Promise.resolve(listeners.unlisten()),
    },
    listeners,
    [Symbol.asyncDispose]: () => helper[Symbol.asyncDispose](),
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

Deno.test("the helper gets the listeners of all data workers", async () => {
  const given: number[] = [];
  await using at = surroundings(
    (request, fds) => {
      if (request.ask === "listeners") given.push(fds.length);
      return undefined;
    },
    ["127.0.0.1"],
    3,
  );
  await using _side = await LaptopSide.start(at.data, at.helper.path);
  assert.deepEqual(given, [3]);
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
