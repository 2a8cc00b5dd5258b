import assert from "node:assert/strict";
import fc from "fast-check";
import { until } from "../../async/testing/until.ts";
import type { AddressChange, RefusedAttempts } from "../../dataplane/plane.ts";
import { localEndpoint } from "../../ffi/sockets/socket.ts";
import type { NamesCalls, NamesReports } from "../../names/protocol.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { Channel } from "../../threads/channel.ts";
import { threadOf } from "../../threads/testing/worker_thread.ts";
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
  const virtual = new Map<string, [cluster: string, own: string]>();
  const refused: { attempts: RefusedAttempts[]; omitted: number } = { attempts: [], omitted: 0 };
  return {
    helper,
    refused,
    virtual,
    logged,
    captured,
    log: ((_level, message, fields) => void logged.push([message, fields])) satisfies Log,
    data: {
      listen: (address: string) =>
        Promise.resolve(
          own.includes(address) ? Array.from({ length: workers }, () => listeners.listen(address)) : [],
        ),
      unlisten: () => Promise.resolve(listeners.unlisten()),
      takesUdp: () => Promise.resolve(true),
      carryUdp: () => Promise.resolve(),
      datagrams: () => Promise.resolve(),
      callersClosed: () => Promise.resolve(),
      setCaptured(cluster: string, isCaptured: boolean) {
        if (isCaptured) captured.add(cluster);
        else captured.delete(cluster);
        return Promise.resolve();
      },
      hideOwn() {},
      changeAddresses({ cluster, added, removed }: AddressChange) {
        for (const address of removed) virtual.delete(address);
        for (const [address, own] of added) virtual.set(address, [cluster, own]);
        return Promise.resolve();
      },
      addRefused(attempts: readonly RefusedAttempts[], omitted: number) {
        refused.attempts.push(...attempts);
        refused.omitted += omitted;
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

Deno.test("what the machine comes to use itself is captured no longer, and again when it doesn't", async () => {
  const why = "in 10.96.0.0/16, a network that this machine is in (br-shop)";
  let isUsed = false;
  await using at = surroundings((request) =>
    request.ask === "capture" && isUsed
      ? { ok: true, refused: request.add.map(({ address }) => ({ address, why })) }
      : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.add(dev("10.96.0.7"));
  isUsed = true;
  at.helper.tell({ network: { released: [{ address: "10.96.0.7", why }] } });
  await until("it is released", () => !capture.isCaptured("dev", "10.96.0.7"));
  assert.equal(capture.whyNotItself("dev", "10.96.0.7"), why);
  const logged = at.logged.find(([message]) => /a Service's address is not captured/.test(message));
  assert.equal((logged?.[1] as { details: string }).details, why);
  isUsed = false;
  at.helper.tell({ network: { released: [] } });
  await until("it is captured again", () => capture.isCaptured("dev", "10.96.0.7"));
  assert.equal(capture.whyNotItself("dev", "10.96.0.7"), undefined);
});

Deno.test("another program's rule that comes first is told until it doesn't", async () => {
  await using at = surroundings();
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const precedence = { family: 4, priority: 9, table: 51_820, contested: true } as const;
  at.helper.tell({ network: { released: [], precedence } });
  await until("it is told", () => capture.state.precedence !== undefined);
  assert.deepEqual(capture.state.precedence, precedence);
  at.helper.tell({ network: { released: [] } });
  await until("it is told no longer", () => capture.state.precedence === undefined);
});

Deno.test("what others have changed of pmz's own network is told and logged, and put right again when that is asked for", async () => {
  const damage = [{ part: "routes", repaired: 10, last: 1, problem: "again and again" }] as const;
  const mended = [{ part: "routes", repaired: 11, last: 2 }] as const;
  await using at = surroundings((request) =>
    request.ask === "repair" ? { ok: true, damage: mended } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  assert.equal(capture.state.damage, undefined);
  at.helper.tell({ network: { released: [], damage } });
  await until("it is told", () => capture.state.damage !== undefined);
  assert.deepEqual(capture.state.damage, damage);
  assert.ok(at.logged.some(([message]) => /has changed pmz's own network/.test(message)));
  await capture.repair();
  assert.deepEqual(capture.state.damage, mended);
});

Deno.test("a helper that can't repair is no failure", async () => {
  await using at = surroundings((request) =>
    request.ask === "repair" ? { ok: false, code: "bad-request", error: "not a valid request" } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.repair();
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

Deno.test("an address that the helper refuses is said for its Service, whose names lead to a virtual one", async () => {
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
  assert.deepEqual(capture.names.namesOf("dev", evil).addresses, [
    capture.reachedAt("dev", "8.8.8.8"),
    "10.96.0.8",
  ]);
  assert.match(capture.reachedAt("dev", "8.8.8.8") ?? "", /^198\.19\./);
  assert.equal(capture.whyNotItself("dev", "8.8.8.8"), "public");
  assert.equal(capture.refusal("dev", "8.8.8.8"), undefined);
  assert.deepEqual(at.logged, [[
    "a Service's address is not captured: its names lead to a virtual one, if to any",
    {
      cluster: "dev",
      service: "default/evil",
      to: "8.8.8.8",
      details: "public",
    },
  ]]);
});

Deno.test("that virtual addresses are refused too is no line of the log", async () => {
  await using at = surroundings((request) =>
    request.ask === "capture"
      ? { ok: true, refused: request.add.map(({ address }) => ({ address, why: "in use" })) }
      : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.add(dev(...Array.from({ length: 25 }, (_, i) => `34.118.224.${i + 1}`)));
  const more = at.logged.filter(([message]) => message === "more addresses are not captured");
  assert.deepEqual(more.map(([, fields]) => fields), [{ count: 5 }]);
});

Deno.test("a virtual address has the ports that its Service has now", async () => {
  await using at = surroundings();
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const [one, two] = ["one", "two"].map((id) =>
    new FakeLaptopCluster(id, "capture", { echo: ["10.96.0.7"] })
  );
  assert.ok(one && two);
  await capture.add(one);
  await capture.add(two);
  const ports = [{ protocol: "tcp", port: 80, served: true }] as const;
  two.serve("10.96.0.7", ports);
  await capture.change(two, { addresses: new Set(["10.96.0.7"]), services: new Set() });
  const last = at.helper.asked.findLast(({ ask }) => ask === "capture");
  assert.deepEqual(last?.ask === "capture" && last.add, [
    { address: capture.reachedAt("two", "10.96.0.7"), ports },
  ]);
});

/** A names worker that only remembers the zones it was told. */
function fakeNames() {
  const zones = new Map<string, Map<string, readonly string[]>>();
  const captured = new Map<string, string>();
  const channel = new MessageChannel();
  const put = (cluster: string, services: readonly ServiceNames[]) => {
    for (const { name, addresses } of services) zones.get(cluster)?.set(name, addresses);
  };
  type Known = "surroundings" | "stubs" | "zone" | "change" | "gone" | "captured" | "custom" | "allow";
  new Channel<Pick<NamesCalls, Known>, NamesReports>(channel.port2, {
    surroundings() {},
    captured({ added, removed }) {
      for (const address of removed) captured.delete(address);
      for (const [address, cluster] of added) captured.set(address, cluster);
    },
    custom() {},
    allow() {},
    stubs: () => Promise.resolve({ stubs: [], failed: [] }),
    zone({ cluster, services }) {
      zones.set(cluster, new Map());
      put(cluster, services);
    },
    change({ cluster, set, removed }) {
      for (const { name } of removed) zones.get(cluster)?.delete(name);
      put(cluster, set);
    },
    gone: (cluster) => void zones.delete(cluster),
  });
  const thread = threadOf(channel);
  return { zones, captured, thread, start: () => thread, hang: () => void (channel.port2.onmessage = null) };
}

const aService = fc.constantFrom("a", "b", "c");
const someAddresses = fc.uniqueArray(fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3"), { maxLength: 2 });
const aCluster = fc.constantFrom(0, 1);
const aStep = fc.oneof(
  fc.record({
    kind: fc.constant("set" as const),
    cluster: aCluster,
    name: aService,
    addresses: someAddresses,
  }),
  fc.record({ kind: fc.constant("delete" as const), cluster: aCluster, name: aService }),
  fc.record({ kind: fc.constant("add" as const), cluster: aCluster }),
  fc.record({ kind: fc.constant("remove" as const), cluster: aCluster }),
  fc.record({ kind: fc.constant("refuse" as const), addresses: someAddresses }),
);

Deno.test("after any changes, each name leads to the addresses that are captured for its cluster, and no further", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { maxLength: 10 }), fc.array(fc.boolean()), async (steps, failures) => {
      let refuses: readonly string[] = [];
      const held = new Set<string>();
      await using at = surroundings((request) => {
        if (request.ask === "names") return { ok: true, beat: true, released: [] };
        if (request.ask !== "capture" && request.ask !== "release") return undefined;
        if (failures.shift()) return { ok: false, code: "internal", error: "no buffer space" };
        if (request.ask === "release") {
          for (const address of request.addresses) held.delete(address);
          return { ok: true };
        }
        const refused = [];
        for (const { address } of request.add) {
          if (held.has(address)) continue;
          if (refuses.includes(address)) refused.push({ address, why: "used" });
          else held.add(address);
        }
        return { ok: true, refused };
      }, ["127.0.0.1"]);
      const names = fakeNames();
      await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
      await capture.startNames(names.start);
      const clusters = ["one", "two"].map((id) => new FakeLaptopCluster(id, "capture"));
      const added = new Set<FakeLaptopCluster>();
      // Nothing is waited for in between: changes overtake the helper's answers.
      await Promise.all(steps.flatMap((step) => {
        if (step.kind === "refuse") {
          refuses = step.addresses;
          return [];
        }
        const cluster = clusters[step.cluster];
        assert.ok(cluster);
        if (step.kind === "add") {
          added.add(cluster);
          return [capture.add(cluster)];
        }
        if (step.kind === "remove") {
          added.delete(cluster);
          return [capture.remove(cluster.id)];
        }
        const change = step.kind === "set"
          ? cluster.set(step.name, ...step.addresses)
          : cluster.delete(step.name);
        return added.has(cluster) ? [capture.change(cluster, change)] : [];
      }));
      assert.deepEqual(new Set(names.zones.keys()), new Set([...added].map(({ id }) => id)));
      for (const { id, index } of added) {
        const reached = [...index.services.values()].map(({ name, addresses }) =>
          [name, addresses.flatMap((address) => capture.reachedAt(id, address) ?? [])] as const
        );
        assert.deepEqual(names.zones.get(id), new Map(reached));
        for (const address of reached.flatMap(([, addresses]) => addresses)) {
          assert.ok(held.has(address));
          assert.equal(names.captured.get(address), id, "no other name may lead there");
          const { cluster, address: own } = capture.meaningOf(address) ?? { cluster: id, address };
          assert.equal(cluster, id);
          if (own !== address) assert.deepEqual(at.virtual.get(address), [id, own], "the data plane knows");
        }
        for (const [virtual, [of, own]] of at.virtual) {
          assert.ok(added.values().some((one) => one.id === of && one.index.addresses.has(own)), virtual);
        }
      }
    }),
    {
      numRuns: 60,
      // One change of the routes takes along what another has said, whose cluster goes meanwhile.
      examples: [[[
        { kind: "add", cluster: 1 },
        { kind: "set", cluster: 0, name: "a", addresses: ["10.0.0.1"] },
        { kind: "add", cluster: 0 },
        { kind: "remove", cluster: 1 },
      ], []]],
    },
  );
});

Deno.test("a names worker that dies is started again with all that it knew, and its end is said meanwhile", async () => {
  await using at = surroundings((request) =>
    request.ask === "names" ? { ok: true, beat: true, released: [] } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const workers = [fakeNames(), fakeNames()];
  let started = 0;
  await capture.startNames(() => workers[started++]?.thread ?? assert.fail("a third worker"));
  await capture.add(dev("10.96.0.7"));
  workers[0]?.thread.onerror?.(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
  await until("it's said", () => capture.names.problem !== undefined);
  assert.match(capture.names.problem ?? "", /the names worker failed: out of memory/);
  assert.equal(await capture.names.stats(), undefined);
  await until("another one answers", () => capture.names.problem === undefined);
  assert.deepEqual(workers[1]?.zones.get("dev"), new Map([["echo", ["10.96.0.7"]]]));
  assert.deepEqual(workers[1]?.captured, new Map([["10.96.0.7", "dev"]]));
});

Deno.test("what the hooks refuse becomes a failed flow of the cluster that has the address", async () => {
  await using at = surroundings((request) =>
    request.ask === "refusals" ? { ok: true, daemon: Deno.pid } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const cluster = dev("10.96.0.7");
  cluster.serve("10.96.0.7", [{ protocol: "tcp", port: 80, served: false }]);
  await capture.add(cluster);
  at.helper.tell({
    refusals: [{
      protocol: "tcp",
      address: "10.96.0.7",
      port: 80,
      process: Deno.pid,
      program: "a thread",
      count: 3,
      sinceFirst: 20,
      sinceLast: 10,
    }],
    omitted: 5,
  });
  await until("a failed flow", () => at.refused.attempts.length === 1);
  const { program, name, to, cluster: id, details, times, first, last } = at.refused.attempts[0] ??
    assert.fail();
  assert.deepEqual([program.pid, name, to, id, details, times, last - first, at.refused.omitted], [
    Deno.pid,
    "echo.default.svc:80",
    "10.96.0.7:80",
    "dev",
    "no ready endpoint",
    3,
    10,
    5,
  ]);
  await capture.remove("dev");
  assert.equal(capture.routes, 0, "news between answers are taken for none");
});

Deno.test("a helper that doesn't know of refusals captures as ever", async () => {
  await using at = surroundings((request) =>
    request.ask === "refusals" ? { ok: false, code: "bad-request", error: "refusals" } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  await capture.add(dev("10.96.0.7"));
  assert.equal(capture.routes, 1);
});

Deno.test("a names worker that hangs keeps nobody waiting, and is said to be silent", async () => {
  await using at = surroundings((request) =>
    request.ask === "names" ? { ok: true, beat: true, released: [] } : undefined
  );
  await using capture = await HostCapture.start(at.data, at.helper.path, at.log);
  const worker = fakeNames();
  await capture.startNames(() => worker.thread);
  worker.hang();
  assert.equal(await capture.names.stats(), undefined);
  assert.equal(capture.names.problem, "the names worker doesn't answer");
  assert.deepEqual(await capture.names.leftOut(["out.default.svc"]), []);
});
