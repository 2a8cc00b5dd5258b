import assert from "node:assert/strict";
import { noProxyDomains } from "./no_proxy_domains.ts";

const entry = (name: string, custom = false) => ({ name, custom, addresses: [], target: "", cluster: "dev" });
const resolver = { hostname: "laptop", search: ["corp.example"] };

Deno.test("each form of a name is excepted: custom domains, plain names, SERVICE.NAMESPACE", () => {
  const names = [
    entry("echo.default.svc"),
    entry("cart.billing.svc"),
    entry("shop.example", true),
    entry("*.apps.example", true),
  ];
  assert.deepEqual(noProxyDomains({ names, namespaces: ["default"] }, resolver), [
    ".svc",
    ".cluster.local",
    "shop.example",
    ".apps.example",
    ".default",
    ".billing",
    "echo",
  ]);
  assert.deepEqual(noProxyDomains({ names: [], namespaces: [] }, resolver), [".svc", ".cluster.local"]);
});

Deno.test("what would keep the internet's names from a proxy is left out, and so is what is too much", () => {
  const names = [entry("com.dev.svc"), entry("example.default.svc")];
  assert.deepEqual(noProxyDomains({ names, namespaces: ["dev", "default"] }, resolver), [
    ".svc",
    ".cluster.local",
    ".default",
  ]);
  const many = Array.from({ length: 1_000 }, (_, i) => entry(`s${i}.default.svc`));
  assert.equal(noProxyDomains({ names: many, namespaces: ["default"] }, resolver).length, 100);
});
