import assert from "node:assert/strict";
import type { ZoneData } from "../names/zone/zone_data.ts";
import { whyShadowing } from "./shadowed_names.ts";

const service = (name: string, namespace: string) => ({ name, namespace, addresses: [], ports: [] });
const zone: ZoneData = {
  cluster: "dev",
  context: "jo@dev",
  clusterDomain: "k8s.corp",
  namespace: "default",
  services: [service("echo", "default"), service("cart", "shop"), service("web", "dev")],
};

Deno.test("domains under the cluster's own are refused, with and without a cluster", () => {
  for (const domain of ["svc", "*.svc", "echo.default.svc", "cluster.local", "a.cluster.local"]) {
    for (const zones of [[], [zone]]) {
      assert.match(whyShadowing(domain, zones) ?? "", /^names under (svc|cluster\.local) belong to/, domain);
    }
  }
  for (const domain of ["echo.default.svc.k8s.corp", "*.k8s.corp", "echo.default.svc.jo-dev"]) {
    assert.match(whyShadowing(domain, [zone]) ?? "", /^names under /, domain);
    assert.equal(whyShadowing(domain, []), undefined);
  }
});

Deno.test("the short name of a Service is refused, and says whose it is", () => {
  for (const domain of ["echo", "echo.default", "*.default"]) {
    const why = "it would hide the name of the Service echo in the namespace default";
    assert.equal(whyShadowing(domain, [zone]), why, domain);
  }
  assert.match(whyShadowing("cart", [zone]) ?? "", /cart in the namespace shop$/);
});

Deno.test("other domains are not, also where a namespace is called like a top-level domain", () => {
  for (
    const domain of ["shop", "echo.shop", "web.dev", "*.dev", "echo.example", "www.echo.default", "mysvc"]
  ) {
    assert.equal(whyShadowing(domain, [zone]), undefined, domain);
  }
});
