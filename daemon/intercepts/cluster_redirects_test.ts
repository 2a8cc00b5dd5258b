import assert from "node:assert/strict";
import type { Redirect } from "../../dataplane/plane.ts";
import type { Service } from "../../kube/objects/objects.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { ClusterRedirects } from "./cluster_redirects.ts";
import type { InterceptTarget } from "./target.ts";

const echo: Service = {
  namespace: "default",
  name: "echo",
  uid: "u",
  type: "ClusterIP",
  clusterIPs: ["10.96.0.7"],
  headless: false,
  ports: [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }],
  publishNotReadyAddresses: false,
};
const [http] = echo.ports;
assert.ok(http);
const target: InterceptTarget = { service: echo, port: http };
const own = { target, local: { host: "localhost", port: 8081 }, since: "2026-01-01T10:00:00Z" };
const names: ServiceNames = {
  namespace: "default",
  name: "echo",
  addresses: ["10.96.0.7", "fd00::7"],
  ports: [{ name: "http", port: 80, protocol: "TCP" }],
};

/** Redirects of a cluster whose one Service has these names. */
function redirects(of: { names: ServiceNames | undefined }) {
  const told: Redirect[][] = [];
  const answered: string[] = [];
  const all = new ClusterRedirects({
    id: "dev",
    names: () => of.names,
    answer: (service, port, isAnswered) => void answered.push(`${service}:${port} ${isAnswered}`),
    tell: (redirects) => void told.push([...redirects]),
  }, { look: () => Promise.resolve("listening") });
  return { all, told, answered };
}

Deno.test("connections to all addresses of a Service are redirected, until the intercept ends", () => {
  const { all, told, answered } = redirects({ names });
  using _all = all;
  all.add(own);
  assert.deepEqual(told.at(-1)?.[0]?.places, [{ address: "10.96.0.7", port: 80 }, {
    address: "fd00::7",
    port: 80,
  }]);
  const [{ entry } = assert.fail()] = all.entries([{
    rule: "default/echo:80",
    open: 1,
    total: 2,
    requests: { seen: 0, taken: 0, declined: 0 },
  }]);
  assert.deepEqual(
    [entry.id, entry.mine, entry.local, entry.connections, entry.problems],
    ["echo.default:80/mine", true, "localhost:8081", { open: 1, total: 2 }, []],
  );
  all.remove(all.of(target) ?? assert.fail());
  all.remove(own);
  assert.deepEqual(told.at(-1), []);
  assert.deepEqual(answered, ["default/echo:80 true", "default/echo:80 false"]);
});

Deno.test("a headless Service is redirected at its pods' own port, and says when its name leads nowhere", () => {
  const endpoints = [{
    ports: [{ name: "http", port: 8080, protocol: "TCP" }, { name: "dns", port: 53, protocol: "UDP" }],
    endpoints: [{ addresses: ["10.244.0.6"] }, { addresses: ["10.244.0.5"] }],
  }];
  const of: { names: ServiceNames | undefined } = { names: { ...names, headless: true, endpoints } };
  const { all, told } = redirects(of);
  using _all = all;
  all.add(own);
  assert.deepEqual(told.at(-1)?.[0]?.places, [
    { address: "10.244.0.5", port: 8080 },
    { address: "10.244.0.6", port: 8080 },
  ]);
  of.names = { ...names, headless: true, endpoints: [] };
  all.changed();
  assert.deepEqual(told.at(-1)?.[0]?.places, []);
  assert.match(all.entries()[0]?.entry.problems[0] ?? "", /headless and has no ready pod/);
});

Deno.test("a Service that is made again is redirected again, and what stays as it is isn't told", () => {
  const of: { names: ServiceNames | undefined } = { names };
  const { all, told } = redirects(of);
  using _all = all;
  all.add(own);
  all.changed();
  assert.equal(told.length, 1);
  of.names = undefined;
  all.changed();
  assert.match(
    all.entries()[0]?.entry.problems[0] ?? "",
    /no Service echo in the namespace default any more/,
  );
  of.names = { ...names, addresses: ["10.96.0.9"] };
  all.changed();
  assert.deepEqual(told.map(([one]) => one?.places.map(({ address }) => address)), [
    ["10.96.0.7", "fd00::7"],
    [],
    ["10.96.0.9"],
  ]);
});
