import assert from "node:assert/strict";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { forever } from "../testing/fails.ts";

Deno.test("where a headless Service alone is reached, one of its pods is tried at its own port", async () => {
  await using at = await fakeDaemon();
  at.cluster.delete("/api/v1", "services", "echo");
  at.cluster.pod("mongo-0", { ip: "10.244.0.9" });
  at.cluster.service("mongo", { clusterIP: "None", ports: [{ name: "http", port: 80, targetPort: 8080 }] });
  at.cluster.slice("mongo", ["10.244.0.9"], [{ name: "http", port: 8080 }]);
  const result = await at.daemon.up(at.up, recorder(), forever);
  assert.equal(result.candidates, 1);
  assert.deepEqual([result.proof?.service, result.proof?.port], ["mongo.default", 8080]);
  assert.deepEqual(result.try.map(({ name, port }) => [name, port]), [["mongo.default.svc", 8080]]);
});

Deno.test("a Service with an address is tried before a headless one of its namespace", async () => {
  await using at = await fakeDaemon();
  at.cluster.pod("a-0", { ip: "10.244.0.9" });
  at.cluster.service("a", { clusterIP: "None", ports: [{ name: "http", port: 80, targetPort: 8080 }] });
  at.cluster.slice("a", ["10.244.0.9"], [{ name: "http", port: 8080 }]);
  const result = await at.daemon.up(at.up, recorder(), forever);
  assert.deepEqual([result.candidates, result.proof?.service], [2, "echo.default"]);
});
