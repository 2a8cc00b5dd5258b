import assert from "node:assert/strict";
import type { Flow } from "../wire/flow.ts";
import type { ReportRequest } from "../wire/report.ts";
import { collectReport } from "./collect.ts";

/** A kubeconfig with secrets of all kinds. */
const KUBECONFIG = `clusters:
- {name: dev, cluster: {server: "https://api.corp.example:6443", proxy-url: "http://jo:canary-proxy@p.example:3128"}}
contexts: [{name: dev, context: {cluster: dev, user: jo-canary-user}}]
current-context: dev
users:
- name: jo-canary-user
  user:
    token: canary-token
    client-key-data: Y2FuYXJ5LWtleQ==
    auth-provider: {name: oidc, config: {refresh-token: canary-refresh, client-secret: canary-client}}
    exec: {apiVersion: client.authentication.k8s.io/v1, command: login, env: [{name: PASS, value: canary-exec}]}
`;
const everything =
  "canary-token Y2FuYXJ5LWtleQ== canary-refresh canary-client canary-exec canary-variable jo-canary-user " +
  "http://jo:canary-proxy@p.example:3128 https://api.corp.example:6443/x?y=canary Bearer canary.a -----BEGIN RSA PRIVATE KEY-----canary";

const flow: Flow = {
  id: "a-1",
  kind: "captured",
  protocol: "tcp",
  from: "127.0.0.1:1",
  to: "10.96.0.1:80",
  program: { pid: 1, name: "curl" },
  cluster: "dev",
  started: "2026-01-01T12:00:00Z",
  sent: 0,
  received: 0,
  outcome: { kind: "no-tunnel", details: everything },
};

async function collected(): Promise<Map<string, string>> {
  const folder = Deno.makeTempDirSync();
  try {
    const kubeconfig = `${folder}/config`;
    Deno.writeTextFileSync(kubeconfig, KUBECONFIG);
    const request: ReportRequest = {
      release: "0.1.0",
      daemonProblem: everything,
      checks: [{
        id: "kubeconfig",
        title: "Kubeconfig",
        outcome: "warning",
        findings: [{ level: "warning", saw: everything, remedy: everything }],
        ms: 1,
      }],
      status: {
        release: "0.1.0",
        pid: 1,
        since: "2026-01-01T12:00:00Z",
        clusters: [],
        helper: { state: "none" },
        intercepts: [{
          id: "echo.default:80/mine",
          cluster: "dev",
          namespace: "default",
          service: "echo",
          port: 80,
          local: "localhost:8081",
          since: "2026-01-01T12:00:00Z",
          pods: { ready: 1, all: 1 },
          connections: { open: 0, total: 0 },
          alsoTaken: [],
          match: { cookies: [{ name: "canary", exact: "canary" }] },
          others: [{ user: "canary", since: "", first: true, overlaps: true }],
          problems: [],
        }],
        failures: [flow],
        warnings: [{ message: everything, hint: everything }],
      },
      flows: [flow],
      logs: [{
        time: "2026-01-01T12:00:00.000Z",
        source: "daemon",
        level: "warn",
        message: everything,
        fields: { error: everything },
      }],
      unreadLogs: [{ source: "relay", why: everything }],
      kubeconfig,
      now: "2026-01-01T12:00:00.000Z",
    };
    const { files, name } = await collectReport(request, {
      env: { toObject: () => ({ HOME: "/home/jo", DB_PASSWORD: "canary-variable" }) },
      hostname: "thinkpad",
      glibc: "2.36",
      findProgram: () => undefined,
      readText: () => undefined,
      readLink: () => undefined,
    });
    assert.equal(name, "pmz-report-2026-01-01T120000Z");
    return new Map(
      files.map(({ name, bytes }) => [name.split("/")[1] ?? "", new TextDecoder().decode(bytes)]),
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("no file of a report has a secret, whichever part of it says one", async () => {
  for (const [name, text] of await collected()) {
    assert.doesNotMatch(text, /canary|Y2FuYXJ5|corp\.example/, name);
  }
});

Deno.test("what a reader of the report needs is in it, and each file that it names", async () => {
  const files = await collected();
  assert.match(
    files.get("status.json") ?? "",
    /"id": "echo\.default:80\/mine"[\s\S]*"matchers": \[\s*"cookies"/,
  );
  assert.match(files.get("flows.json") ?? "", /"name": "curl"/);
  assert.match(files.get("doctor.json") ?? "", /"outcome": "warning"/);
  assert.match(files.get("versions.json") ?? "", /"pmz": "0\.1\.0"/);
  const named = [...(files.get("README.txt") ?? "").matchAll(/^ {2}(\S+) /gm)].map(([, name]) => name);
  assert.deepEqual(["README.txt", ...named].sort(), [...files.keys()].sort());
});
