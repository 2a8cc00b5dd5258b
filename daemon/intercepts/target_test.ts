import assert from "node:assert/strict";
import { parsePod, parseService } from "../../kube/objects/objects.ts";
import { Failure } from "../failure.ts";
import { podsOf } from "../discovery/topology.ts";
import { alsoTaken, findTarget, refuseUnseen } from "./target.ts";

const meta = (name: string, labels = {}) => ({
  metadata: { namespace: "default", name, uid: `uid-${name}`, labels },
});
const service = (name: string, spec: object) => parseService({ ...meta(name), spec });
const pod = (name: string, labels: object, more: object = {}) =>
  parsePod({
    ...meta(name, labels),
    spec: {
      nodeName: "n",
      containers: [{ name: "c", ports: [{ name: "web", containerPort: 8080 }] }],
      ...more,
    },
    status: { phase: "Running" },
  });

const topology = {
  services: new Map(
    [
      service("echo", {
        selector: { app: "echo" },
        ports: [{ name: "http", port: 80, targetPort: "web" }, { name: "tcp", port: 9000 }],
      }),
      service("one", {
        selector: { app: "echo" },
        ports: [{ port: 81, targetPort: 8080 }, { port: 53, protocol: "UDP" }],
      }),
      service("dns", {
        selector: { app: "echo" },
        ports: [
          { name: "dns-tcp", port: 53, targetPort: 5353 },
          { name: "dns", port: 53, targetPort: 5353, protocol: "UDP" },
          { name: "metrics", port: 9153 },
        ],
      }),
      service("statsd", { selector: { app: "echo" }, ports: [{ port: 8125, protocol: "UDP" }] }),
      service("game", {
        selector: { app: "echo" },
        ports: [{ name: "a", port: 1, protocol: "UDP" }, { name: "b", port: 2, protocol: "UDP" }],
      }),
      service("two", {
        selector: { app: "echo" },
        ports: [{ name: "a", port: 9000 }, { name: "b", port: 9001 }],
      }),
      service("bare", { ports: [{ port: 80 }] }),
      service("out", { type: "ExternalName", externalName: "example.com" }),
    ].map((one) => [`default/${one.name}`, one] as const),
  ),
  pods: new Map(
    [pod("a", { app: "echo" }), pod("b", { app: "other" })].map((one) =>
      [`default/${one.name}`, one] as const
    ),
  ),
};

const fails = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof Failure && error.code === code && text.test(`${error.message} ${error.hint}`);

Deno.test("a port is found by name or number, or because it's the only one of TCP, or plainly the one for HTTP", () => {
  assert.equal(findTarget(topology, "default", "echo").port.port, 80);
  assert.equal(findTarget(topology, "default", "echo", "http").port.port, 80);
  assert.equal(findTarget(topology, "default", "echo", "9000").port.name, "tcp");
  assert.equal(findTarget(topology, "default", "one").port.port, 81);
});

Deno.test("a UDP port is found by its name, by its number with /udp, or where there is no other of it", () => {
  const protocolOf = (name: string, port?: string) =>
    findTarget(topology, "default", name, port).port.protocol;
  assert.equal(protocolOf("dns", "dns"), "UDP");
  assert.equal(protocolOf("dns", "53/udp"), "UDP");
  assert.equal(protocolOf("dns", "53/tcp"), "TCP");
  assert.equal(protocolOf("dns", "53"), "TCP");
  assert.equal(protocolOf("one", "53"), "UDP");
  assert.equal(protocolOf("statsd"), "UDP");
  assert.throws(
    () => protocolOf("one", "53/tcp"),
    fails("usage", /port 53 of one\.default is UDP its ports: 81, 53\/udp/),
  );
  assert.throws(
    () => protocolOf("game"),
    fails("usage", /several UDP ports: 1\/udp \(a\), 2\/udp \(b\) .* LOCAL:a/),
  );
});

Deno.test("of a UDP port only callers can be told apart, and nothing is mirrored", () => {
  const target = findTarget(topology, "default", "statsd");
  refuseUnseen(target);
  refuseUnseen({ ...target, match: { callers: [{ namespace: "shop" }] } });
  for (
    const match of [{ hosts: ["a.example"] }, { methods: ["GET"] }, {
      baggage: [{ name: "pmz", exact: "1" }],
    }]
  ) {
    assert.throws(
      () => refuseUnseen({ ...target, match }),
      fails("usage", /statsd\.default:8125\/udp is UDP.*use --from/),
    );
  }
  assert.throws(() => refuseUnseen({ ...target, mirror: true }), fails("usage", /can't be mirrored/));
});

Deno.test("what can't be intercepted says why, and what there is", () => {
  assert.throws(
    () => findTarget(topology, "default", "two"),
    fails("usage", /9000 \(a\), 9001 \(b\) .*two\.default LOCAL:a/),
  );
  assert.throws(() => findTarget(topology, "default", "echo", "443"), fails("not-found", /80 \(http\)/));
  assert.throws(() => findTarget(topology, "other", "echo"), fails("not-found", /echo\.default/));
  assert.throws(() => findTarget(topology, "default", "bare"), fails("usage", /no selector/));
  assert.throws(() => findTarget(topology, "default", "out"), fails("usage", /ExternalName/));
});

Deno.test("a Service's pods are those that its selector finds in its namespace", () => {
  const echo = findTarget(topology, "default", "echo", "http").service;
  assert.deepEqual(podsOf(topology, echo).map((one) => one.name), ["a"]);
});

Deno.test("Services that lead to the same port of the same pods are taken too", () => {
  assert.deepEqual(alsoTaken(topology, findTarget(topology, "default", "echo", "http")), ["one:81"]);
  assert.deepEqual(alsoTaken(topology, findTarget(topology, "default", "echo", "tcp")), ["two:9000"]);
  assert.deepEqual(alsoTaken(topology, findTarget(topology, "default", "dns", "dns")), []);
});
