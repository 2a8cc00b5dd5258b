import assert from "node:assert/strict";
import { until } from "../async/testing/until.ts";
import { fakeServer, json, status } from "../kube/testing/api_server.ts";
import type { LogNews, LogsRequest } from "../wire/log_line.ts";
import { readLogs } from "./read.ts";

const line = (seconds: number, message: string, more: object = {}) =>
  JSON.stringify({
    time: new Date(Date.UTC(2026, 0, 1, 12, 0, seconds)).toISOString(),
    level: "info",
    message,
    ...more,
  });
const pod = (name: string, component: string) => ({
  metadata: { name, namespace: "pmz", uid: name, labels: { "app.kubernetes.io/component": component } },
  spec: { containers: [] },
  status: { phase: "Running" },
});

/** A state folder with a daemon's log, a kubeconfig with a secret for `server`, and what reads them. */
function laptop(server = "http://127.0.0.1:9") {
  const folder = Deno.makeTempDirSync();
  const kubeconfig = `${folder}/config`;
  Deno.writeTextFileSync(
    kubeconfig,
    `clusters: [{name: dev, cluster: {server: "${server}"}}]
users: [{name: jo, user: {token: canary-token}}]
contexts: [{name: dev, context: {cluster: dev, user: jo}}]
current-context: dev
`,
  );
  const request = (more: Partial<LogsRequest> = {}): LogsRequest => ({
    stateFolder: folder,
    uid: 4_000_000, // nobody has a helper's folder
    follow: false,
    helperLog: () => Promise.resolve(undefined),
    ...more,
  });
  return {
    folder,
    agents: { kubeconfig },
    log: `${folder}/daemon.log`,
    async read(more: Partial<LogsRequest> = {}, signal = new AbortController().signal) {
      const all: LogNews[] = [];
      for await (
        const news of readLogs(
          request(more),
          { env: { toObject: () => ({ MY_TOKEN: "canary-variable" }) } },
          signal,
        )
      ) {
        all.push(news);
      }
      return all;
    },
    request,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

const messages = (all: readonly LogNews[]) =>
  all.flatMap((news) => "line" in news ? [`${news.line.source}: ${news.line.message}`] : []);

Deno.test("the daemon's and the helper's lines are merged by time", async () => {
  using at = laptop();
  Deno.writeTextFileSync(at.log, `${line(1, "a")}\n${line(3, "c")}\n`);
  const helperLog = () => Promise.resolve(`${line(2, "b")}\n${line(4, "d")}\n`);
  assert.deepEqual(messages(await at.read({ helperLog })), [
    "daemon: a",
    "helper: b",
    "daemon: c",
    "helper: d",
  ]);
  const since = Date.UTC(2026, 0, 1, 12, 0, 3);
  assert.deepEqual(messages(await at.read({ helperLog, since })), ["daemon: c", "helper: d"]);
});

Deno.test("the agents' lines are read with the user's rights, and logs that may not be read are named", async () => {
  await using server = fakeServer((_, { pathname, searchParams }) => {
    if (pathname === "/api/v1/namespaces/pmz/pods") {
      return json(200, { metadata: {}, items: [pod("gateway-1", "gateway")] });
    }
    if (pathname === "/api/v1/namespaces/pmz-node/pods") {
      return json(200, { metadata: {}, items: [pod("node-1", "node")] });
    }
    if (searchParams.get("container") === "relay") {
      return json(403, status(403, "Forbidden", "no canary-token"));
    }
    const [seconds, message] = searchParams.get("container") === "gateway"
      ? [2, "from the gateway"]
      : [1, "attached"];
    return new Response(
      `2026-01-01T12:00:0${seconds}.5Z ${
        line(seconds, message, { error: "canary-token and canary-variable" })
      }\n`,
    );
  });
  using at = laptop(`http://127.0.0.1:${server.access.port}`);
  const all = await at.read({ agents: at.agents });
  assert.deepEqual(messages(all), ["attach: attached", "gateway: from the gateway"]);
  const [unread] = all.flatMap((news) => "unread" in news ? [news.unread] : []);
  assert.equal(unread?.source, "relay of node-1");
  assert.match(unread?.why ?? "", /403|forbidden/i);
  assert.doesNotMatch(JSON.stringify(all), /canary/);
});

Deno.test("a cluster that can't be reached is named, and the laptop's own lines are shown", async () => {
  using at = laptop();
  Deno.writeTextFileSync(at.log, `${line(1, "a")}\n`);
  const all = await at.read({ agents: { kubeconfig: `${at.folder}/missing` } });
  assert.deepEqual(messages(all), ["daemon: a"]);
  assert.match(JSON.stringify(all[0]), /the cluster's agents/);
});

Deno.test("with follow lines are told as they come, each once, until the signal aborts", async () => {
  using at = laptop();
  Deno.writeTextFileSync(at.log, `${line(1, "a")}\n`);
  let ofHelper = `${line(2, "b")}\n`;
  const stop = new AbortController();
  const told: LogNews[] = [];
  const request = at.request({ follow: true, helperLog: () => Promise.resolve(ofHelper) });
  const reading = (async () => {
    for await (const news of readLogs(request, { env: { toObject: () => ({}) } }, stop.signal)) {
      told.push(news);
    }
  })();
  await until("the lines are told", () => told.length === 2);
  Deno.writeTextFileSync(at.log, `${line(3, "c")}\n`, { append: true });
  ofHelper += `${line(4, "d")}\n`;
  await until("the lines are told", () => told.length === 4);
  stop.abort();
  await reading;
  assert.deepEqual(messages(told).sort(), ["daemon: a", "daemon: c", "helper: b", "helper: d"]);
});
