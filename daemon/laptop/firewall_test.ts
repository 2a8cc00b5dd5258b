import assert from "node:assert/strict";
import type { CapturedPorts } from "../../wire/helper.ts";
import { type CapturedEndpoint, endpointsToTry, Firewall } from "./firewall.ts";

const by = { chain: "ip filter OUTPUT", rule: "oifname != wg0 reject" };
const service = { address: "10.96.0.7", port: 80 };
const pod = { address: "100.64.3.7", port: 8080 };

/** A firewall that lets connections to all but these addresses pass. */
function firewall(...dropped: CapturedEndpoint[]) {
  const seen = { dials: 0, traced: [] as string[] };
  const made = new Firewall({
    endpoints: () => [service, pod],
    dial(endpoint) {
      seen.dials++;
      return Promise.resolve(dropped.includes(endpoint) ? "dropped" : "reached");
    },
    trace(address) {
      seen.traced.push(address);
      return Promise.resolve(by);
    },
  });
  return { made, seen };
}

Deno.test("where connections pass, nothing is traced", async () => {
  const { made, seen } = firewall();
  assert.deepEqual(await made.blocked(), []);
  assert.deepEqual(seen, { dials: 2, traced: [] });
});

Deno.test("what drops connections to a range is named, and dialled while it is traced", async () => {
  const { made, seen } = firewall(pod);
  assert.deepEqual(await made.blocked(), [{ to: "100.64.3.7:8080", by }]);
  assert.deepEqual(seen.traced, ["100.64.3.7"]);
  assert.ok(seen.dials > 2);
});

Deno.test("connections that something else accepts are blocked, too, with the rule that leads them there", async () => {
  const nat = { chain: "ip nat OUTPUT", rule: "dnat to 127.0.0.1", leadsTo: "127.0.0.1:80" };
  const made = new Firewall({
    endpoints: () => [service],
    dial: () => Promise.resolve("elsewhere"),
    trace: () => Promise.resolve(nat),
  });
  assert.deepEqual(await made.blocked(), [{ to: "10.96.0.7:80", by: nat, isLedElsewhere: true }]);
});

Deno.test("that connections pass is believed for a while: each look costs connections", async () => {
  const { made, seen } = firewall();
  const first = await made.blocked();
  assert.equal(await made.blocked(), first);
  assert.equal(seen.dials, 2);
  made.forget();
  assert.notEqual(await made.blocked(), first, "after a change of the network it is looked at again");
});

Deno.test("two who ask at once wait for one look", async () => {
  const { made, seen } = firewall(pod);
  const [first, second] = await Promise.all([made.blocked(), made.blocked()]);
  assert.equal(first, second);
  assert.equal(seen.traced.length, 1);
});

Deno.test("a rule that is removed is named for a second at most", async () => {
  const dropped = [pod];
  let time = 0;
  const made = new Firewall({
    endpoints: () => [service, pod],
    dial: (endpoint) => Promise.resolve(dropped.includes(endpoint) ? "dropped" : "reached"),
    trace: () => Promise.resolve(by),
    now: () => time,
  });
  assert.deepEqual(await made.blocked(), [{ to: "100.64.3.7:8080", by }]);
  dropped.length = 0;
  time = 1_001;
  assert.deepEqual(await made.blocked(), []);
  dropped.push(pod);
  time = 20_000;
  assert.deepEqual(await made.blocked(), [], "that connections pass is believed for longer");
});

Deno.test("a helper that can't trace leaves what was seen", async () => {
  const made = new Firewall({
    endpoints: () => [service],
    dial: () => Promise.resolve("dropped"),
    trace: () => Promise.reject(new Error("gone")),
  });
  assert.deepEqual(await made.blocked(), [{ to: "10.96.0.7:80" }]);
});

Deno.test("an address that is released while it is dialled says nothing of a firewall", async () => {
  let endpoints: CapturedEndpoint[] = [service];
  const made = new Firewall({
    endpoints: () => endpoints,
    dial() {
      endpoints = [];
      return Promise.resolve("dropped");
    },
    trace: () => Promise.resolve(by),
  });
  assert.deepEqual(await made.blocked(), []);
});

Deno.test("of each range one address is tried, that is captured and whose port is served", () => {
  const ports = [{ port: 53, protocol: "UDP" }, { port: 80, protocol: "TCP" }];
  const services = [
    { namespace: "default", name: "left", addresses: ["172.20.0.1"], ports },
    { namespace: "default", name: "empty", addresses: ["10.96.0.6"], ports },
    { namespace: "default", name: "echo", addresses: ["10.96.0.7"], ports },
    { namespace: "default", name: "web", addresses: ["10.96.0.8"], ports },
    {
      namespace: "default",
      name: "peers",
      addresses: ["100.64.3.7"],
      ports,
      headless: true as const,
      endpoints: [{ ports: [{ port: 8080, protocol: "TCP" }], endpoints: [{ addresses: ["100.64.3.7"] }] }],
    },
  ];
  const served = (isServed: boolean) => [{ protocol: "tcp" as const, port: 80, served: isServed }];
  const index = {
    services: new Map(services.map((one) => [`${one.namespace}/${one.name}`, one])),
    addresses: new Map<string, CapturedPorts>([
      ["172.20.0.1", served(true)],
      ["10.96.0.6", served(false)],
      ["10.96.0.7", served(true)],
      ["10.96.0.8", served(true)],
      ["100.64.3.7", "any"],
    ]),
    isAnsweredHere: (key: string) => here.has(key),
  };
  const here = new Set<string>();
  const tried = () =>
    endpointsToTry(
      [{ id: "dev", index }],
      (_cluster, address) => address === "172.20.0.1" ? undefined : address,
    );
  assert.deepEqual(tried(), [service, pod]);
  here.add("default/echo");
  const web = { address: "10.96.0.8", port: 80 };
  assert.deepEqual(tried(), [web, pod], "a program of the laptop gets no connection of the daemon's own");
});

Deno.test("of one endpoint that isn't reached, what drops it is named, whether it was tried before or not", async () => {
  const { made, seen } = firewall();
  assert.equal(await made.blockedBy({ address: "10.96.0.9", port: 443 }), by);
  assert.deepEqual(seen.traced, ["10.96.0.9"]);
  assert.ok(seen.dials > 0);
});

Deno.test("the local end of each connection that is made is told", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const told: string[] = [];
  const made = new Firewall({
    endpoints: () => [{ address: "127.0.0.1", port: listener.addr.port }],
    trace: () => Promise.resolve(by),
    connected: (from) => void told.push(from),
  });
  assert.deepEqual(await made.blocked(), []);
  using conn = await listener.accept();
  assert.deepEqual(told, [`127.0.0.1:${conn.remoteAddr.port}`]);
});
