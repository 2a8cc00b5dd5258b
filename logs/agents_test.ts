import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { Api } from "../kube/client/api.ts";
import { fakeServer, json } from "../kube/testing/api_server.ts";
import { AgentLogs } from "./agents.ts";

Deno.test("lines that come are told once each, also those of a pod that comes", async () => {
  const pods = ["gateway-1"];
  await using server = fakeServer((_, { pathname, searchParams }) => {
    if (pathname.endsWith("/pmz-node/pods")) return json(200, { metadata: {}, items: [] });
    if (pathname.endsWith("/pods")) {
      const items = pods.map((name) => ({
        metadata: { name, namespace: "pmz", uid: name },
        spec: { containers: [] },
        status: { phase: "Running" },
      }));
      return json(200, { metadata: {}, items });
    }
    const of = pathname.split("/").at(-2);
    const first = `2026-01-01T12:00:00.1Z first of ${of}\n`;
    if (!searchParams.has("follow")) return new Response(first);
    return new Response(`${first}2026-01-01T12:00:00.12Z second of ${of}\n`);
  });
  using api = new Api(server.source);
  const logs = new AgentLogs(api);
  const stop = new AbortController();
  const { lines, unread } = await logs.now(undefined, stop.signal);
  assert.deepEqual([lines.map(({ text }) => text), unread], [["first of gateway-1"], []]);
  pods.push("gateway-2");
  const told: string[] = [];
  const following = logs.follow(({ text }) => {
    told.push(text);
    return Promise.resolve();
  }, stop.signal);
  await until("the lines are told", () => told.length === 3);
  stop.abort();
  await following;
  assert.deepEqual(told.sort(), ["first of gateway-2", "second of gateway-1", "second of gateway-2"]);
});
