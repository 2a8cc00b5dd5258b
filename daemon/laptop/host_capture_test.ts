import assert from "node:assert/strict";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import { Failure } from "../failure.ts";
import type { Log } from "../process/log.ts";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import { HostCapture } from "./host_capture.ts";
import { fakeHelper, fakeListeners } from "../testing/helper.ts";

/** A fake helper, and a fake data plane on a machine that has these addresses. */
function surroundings(answer?: Parameters<typeof fakeHelper>[0], own = ["127.0.0.1", "::1"], workers = 1) {
  const helper = fakeHelper(answer);
  const listeners = fakeListeners();
  const captured = new Set<string>();
  const logged: [string, unknown][] = [];
  return {
    helper,
    logged,
    captured,
    log: ((_level, message, fields) => void logged.push([message, fields])) satisfies Log,
    data: {
      listen: (address: string) =>
        Promise.resolve(
          own.includes(address) ? Array.from({ length: workers }, () => listeners.listen(address)) : [],
        ),
      unlisten: () => Promise.resolve(listeners.unlisten()),
      setCaptured(cluster: string, isCaptured: boolean) {
        if (isCaptured) captured.add(cluster);
        else captured.delete(cluster);
        return Promise.resolve();
      },
    },
    listeners,
    [Symbol.asyncDispose]: () => helper[Symbol.asyncDispose](),
  };
}

const dev = (...addresses: string[]) => new FakeLaptopCluster("dev", "capture", { echo: addresses });

Deno.test("the helper gets the data worker's listener of each family, and captures of these", async () => {
  const given: [unknown, string[]][] = [];
  await using at = surroundings((request, fds) => {
    if (request.ask !== "listeners") return undefined;
    given.push([request.family, fds.map((fd) => localEndpoint(fd).address.text)]);
    return { ok: true };
  });
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  assert.equal(capture.address, "127.0.0.1");
  assert.deepEqual(at.listeners.addresses, ["127.0.0.1", "::1"]);
  assert.deepEqual(given, [[4, ["127.0.0.1"]], [6, ["::1"]]]);
  await capture.add(dev("10.96.0.7", "fd00::7"));
  assert.equal(capture.routes, 2);
  assert.deepEqual([...at.captured], ["dev"], "the data plane knows where captured connections lead");
  await capture.remove("dev");
  assert.equal(capture.routes, 0);
  assert.deepEqual([...at.captured], []);
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
  await using _capture = await HostCapture.start(at.data, at.helper.path, at.log);
  assert.deepEqual(given, [3]);
});

Deno.test("on a machine without IPv6 its addresses are not captured, and the others are", async () => {
  await using at = surroundings(undefined, ["127.0.0.1"]);
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.add(dev("10.96.0.7", "fd00::7"));
  assert.equal(capture.routes, 1);
});

Deno.test("a helper that refuses the listeners leaves none", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" ? { ok: false, code: "refused", error: "not yours" } : undefined
  );
  await assert.rejects(HostCapture.start(at.data, at.helper.path, at.log), /not yours/);
  assert.deepEqual(at.listeners.addresses, []);
});

Deno.test("a helper that is gone is told, and the rest ends all the same", async () => {
  await using at = surroundings();
  const capture = await HostCapture.start(at.data, at.helper.path, at.log);
  at.helper.die();
  await capture.lost;
  await assert.rejects(capture.add(dev("10.96.0.7")), Failure);
  await capture.remove("dev");
  await capture[Symbol.asyncDispose]();
  await capture[Symbol.asyncDispose]();
  assert.deepEqual(at.listeners.addresses, []);
  assert.deepEqual(await capture.left(), [], "the device isn't there");
});

Deno.test("a helper without IPv6 captures IPv4, though the machine has ::1", async () => {
  await using at = surroundings((request) =>
    request.ask === "listeners" && request.family === 6
      ? { ok: false, code: "unsupported", error: "this machine has no IPv6" }
      : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.add(dev("10.96.0.7", "fd00::7"));
  assert.equal(capture.routes, 1);
});

Deno.test("an address that the helper refuses is said for its Service, which names no longer lead to it", async () => {
  await using at = surroundings((request) => {
    if (request.ask !== "capture") return undefined;
    const refused = request.add.filter(({ address }) => address === "8.8.8.8");
    return { ok: true, refused: refused.map(({ address }) => ({ address, why: "public" })) };
  });
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const cluster = dev("10.96.0.7");
  await capture.add(cluster);
  await capture.change(cluster, cluster.set("evil", "8.8.8.8", "10.96.0.8"));
  const evil = cluster.index.services.get("default/evil");
  assert.ok(evil);
  assert.deepEqual(capture.namesOf("dev", evil).addresses, ["10.96.0.8"]);
  assert.equal(capture.refusal("dev", "8.8.8.8"), "public");
  assert.deepEqual(at.logged, [["a Service's address is not captured: no name leads there", {
    cluster: "dev",
    service: "default/evil",
    to: "8.8.8.8",
    details: "public",
  }]]);
});
