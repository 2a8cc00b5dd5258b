import assert from "node:assert/strict";
import type { ZoneData } from "../../names/zone/zone_data.ts";
import { nameEntries } from "./name_entries.ts";

const zone = (context: string, address: string): ZoneData => ({
  cluster: context,
  context,
  clusterDomain: "cluster.local",
  namespace: "default",
  services: [
    { namespace: "default", name: "echo", addresses: [address], ports: [] },
    { namespace: "default", name: "out", addresses: [], ports: [], externalName: "db.example.com" },
  ],
});
const zones = [zone("dev", "10.96.0.7"), zone("prod", "10.96.0.9")];
const shop = { domain: "shop.example", service: "echo", namespace: "default" };

Deno.test("every name is listed with what it leads to", () => {
  assert.deepEqual(nameEntries(zones.slice(0, 1), []), [
    {
      name: "echo.default.svc",
      addresses: ["10.96.0.7"],
      custom: false,
      target: "echo.default",
      cluster: "dev",
    },
    { name: "out.default.svc", addresses: [], custom: false, target: "db.example.com", cluster: "dev" },
  ]);
});

Deno.test("custom names come last, marked, with the addresses of the Service that serves them", () => {
  const custom = [shop, { ...shop, domain: "a.example", context: "prod" }];
  assert.deepEqual(nameEntries(zones, custom).filter((one) => one.custom), [
    { name: "a.example", addresses: ["10.96.0.9"], custom: true, target: "echo.default", cluster: "prod" },
    { name: "shop.example", addresses: ["10.96.0.7"], custom: true, target: "echo.default", cluster: "dev" },
  ]);
});

Deno.test("a custom name whose Service or cluster isn't there is listed without addresses", () => {
  const custom = [{ ...shop, service: "gone" }, { ...shop, domain: "z.example", context: "away" }];
  assert.deepEqual(nameEntries(zones, custom).filter((one) => one.custom), [
    { name: "shop.example", addresses: [], custom: true, target: "gone.default", cluster: "" },
    { name: "z.example", addresses: [], custom: true, target: "echo.default", cluster: "away" },
  ]);
});
