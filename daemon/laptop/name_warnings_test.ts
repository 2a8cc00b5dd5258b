import assert from "node:assert/strict";
import type { ZoneData } from "../../names/zone/zone_data.ts";
import { nameWarnings } from "./name_warnings.ts";

const plain = { nsswitch: "hosts: files dns\n", resolvedRuns: false };
const surroundings = { hostname: "laptop", searchDomains: ["office.example"] };
const zone = (...namespaces: string[]): ZoneData => ({
  cluster: "one",
  context: "one",
  clusterDomain: "cluster.local",
  namespace: "default",
  services: namespaces.map((namespace) => ({ namespace, name: "echo", addresses: [], ports: [] })),
});

Deno.test("where everything is as it should be nothing is said", () => {
  assert.deepEqual(nameWarnings(plain, surroundings, zone("default", "staging")), []);
});

Deno.test("a namespace called like a top-level domain has no short names, and that is said once", () => {
  const [warning, ...others] = nameWarnings(plain, surroundings, zone("dev", "dev", "default"));
  assert.match(warning?.message ?? "", /SERVICE\.dev .*namespace dev$/);
  assert.match(warning?.hint ?? "", /SERVICE\.dev\.svc/);
  assert.deepEqual(others, []);
});

Deno.test("where glibc asks systemd-resolved it's said that names aren't found, and what helps", () => {
  const facts = { nsswitch: "hosts: files resolve [!UNAVAIL=return] dns\n", resolvedRuns: true };
  const [warning] = nameWarnings(facts, surroundings, zone("default"));
  assert.match(`${warning?.message} ${warning?.hint}`, /systemd-resolved.*--proxy/);
});
