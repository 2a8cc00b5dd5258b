import assert from "node:assert/strict";
import type { ForeignRule } from "../../wire/control.ts";
import { parseEndpointSlice, parseService } from "../../kube/objects/objects.ts";
import { serviceEntries } from "./entries.ts";

const service = (namespace: string, name: string, spec: object) =>
  parseService({ metadata: { namespace, name, uid: `uid-${name}` }, spec });
const topology = {
  services: new Map(
    [
      service("shop", "cart", { clusterIP: "10.96.0.8", ports: [{ port: 80 }] }),
      service("default", "out", { type: "ExternalName", externalName: "db.example.com" }),
      service("default", "echo", { clusterIP: "10.96.0.7", ports: [{ name: "http", port: 80 }] }),
      service("default", "db", { clusterIP: "None", ports: [{ port: 5432 }] }),
    ].map((one) => [`${one.namespace}/${one.name}`, one] as const),
  ),
  slices: new Map([[
    "default/echo-1",
    parseEndpointSlice({
      metadata: {
        namespace: "default",
        name: "echo-1",
        uid: "uid-slice",
        labels: { "kubernetes.io/service-name": "echo" },
      },
      addressType: "IPv4",
      ports: [{ name: "http", port: 8080 }],
      endpoints: [
        { addresses: ["10.244.0.5"], conditions: { ready: true } },
        { addresses: ["10.244.0.6"], conditions: { ready: false } },
      ],
    }),
  ]]),
  pods: new Map(),
};
const foreignRules: readonly ForeignRule[] = [
  { user: "bob", port: 80, match: { headers: [{ name: "x-user", exact: "bob" }] } },
  { user: "eve", port: 53, protocol: "UDP" },
  { user: "bob", port: 80, match: { methods: ["GET"] } },
];
const names = [{ namespace: "default", name: "echo", addresses: ["10.96.0.7"], ports: [] }];

const VIRTUAL = { service: "default/echo", address: "10.96.0.6", virtual: "10.96.0.7", why: "it's used" };

Deno.test("people see Services by namespace and name, with their endpoints and who intercepts them", () => {
  const entries = serviceEntries({
    cluster: "dev",
    topology,
    names,
    unreachable: [{ service: "default/echo", address: "fd00::7", why: "a gateway of this machine" }],
    virtual: [VIRTUAL],
    acceptedRanges: ["172.20.0.0/16", "10.96.0.0/12"],
    problems: new Map([["default/out", ["db.example.com leads to 192.0.2.7"]]]),
    own: (namespace, name) => namespace === "default" && name === "echo" ? "echo.default:80" : undefined,
    others: (_, name) => name === "echo" ? foreignRules : [],
  });
  assert.deepEqual(entries.map(({ namespace, name }) => `${namespace}/${name}`), [
    "default/db",
    "default/echo",
    "default/out",
    "shop/cart",
  ]);
  assert.deepEqual(entries[1], {
    cluster: "dev",
    namespace: "default",
    name: "echo",
    hostname: "echo.default.svc",
    addresses: ["10.96.0.7"],
    virtual: [VIRTUAL],
    unreachable: [{ service: "default/echo", address: "fd00::7", why: "a gateway of this machine" }],
    acceptedRange: "10.96.0.0/12",
    ports: [{ name: "http", port: 80, protocol: "TCP" }],
    readyEndpoints: 1,
    type: "ClusterIP",
    intercepted: "echo.default:80",
    interceptedBy: ["bob", "eve"],
    foreignRules,
  });
  assert.deepEqual(entries.map(({ type }) => type), ["Headless", "ClusterIP", "ExternalName", "ClusterIP"]);
  assert.deepEqual([entries[2]?.externalName, entries[2]?.problems], [
    "db.example.com",
    ["db.example.com leads to 192.0.2.7"],
  ]);
  assert.ok(!("intercepted" in (entries[3] ?? {})) && !("problems" in (entries[3] ?? {})));
});

Deno.test("where slices can't be seen, no endpoints are counted", () => {
  const { slices: _, ...rest } = topology;
  const entries = serviceEntries({
    cluster: "dev",
    topology: rest,
    names,
    unreachable: [],
    virtual: [],
    acceptedRanges: [],
    problems: new Map(),
    own: () => undefined,
    others: () => [],
  });
  assert.deepEqual(new Set(entries.map(({ readyEndpoints }) => readyEndpoints)), new Set([0]));
});
