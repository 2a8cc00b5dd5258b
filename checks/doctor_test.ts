import assert from "node:assert/strict";
import { fakeServer, json } from "../kube/testing/api_server.ts";
import type { CheckId, DaemonView, DoctorRequest } from "../wire/doctor.ts";
import { doctor, type DoctorParts } from "./doctor.ts";
import { Folder } from "./testing/folder.ts";

/** A machine on which everything is as it should be. */
const parts: DoctorParts = {
  machine: {
    os: "linux",
    arch: "x86_64",
    kernel: Deno.osRelease(),
    glibc: "2.36",
    isRoot: true,
    hasBpf: () => true,
    loadPrograms: () => Promise.resolve(),
    findRootCgroup: () => "/sys/fs/cgroup",
    findProgram: (name) => `/usr/bin/${name}`,
  },
  resolver: () => Promise.resolve({ nameservers: [], search: [], hostname: "laptop" }),
  nameserverProblem: () => Promise.resolve(undefined),
  agents: () => Promise.resolve([{ component: "gateway", state: "ready", pods: { ready: 1, all: 1 } }]),
  leftovers: () => Promise.resolve([]),
  stateProblem: () => Promise.resolve(undefined),
};

const requestOf = (kubeconfig: string, only: readonly CheckId[] = []): DoctorRequest => ({
  only,
  kubeconfig,
  release: "0.1.0",
  stateFolder: "/nonexistent",
  env: { get: () => undefined },
  sudo: () => Promise.resolve(undefined),
  daemon: () => Promise.resolve({ state: "none" }),
});

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "dev",
    clusters: [{ name: "dev", cluster: { server } }],
    users: [{ name: "jo", user: { token: "secret" } }],
    contexts: [{ name: "dev", context: { cluster: "dev", user: "jo" } }],
  });
}

const run = (request: DoctorRequest) => doctor(request, parts, () => {}, new AbortController().signal);

Deno.test("doctor reads the kubeconfig, asks its cluster for the version once, and for rights", async () => {
  await using server = fakeServer((_, url) =>
    url.pathname === "/version"
      ? json(200, { gitVersion: "v1.34.4" })
      : json(201, { metadata: {}, status: { allowed: true, userInfo: { username: "jo" } } })
  );
  using folder = new Folder();
  const kubeconfig = folder.write("config", kubeconfigFor(`http://127.0.0.1:${server.access.port}`));
  const results = await run(
    requestOf(kubeconfig, ["kubeconfig", "api-proxy", "api-server", "rights", "agent"]),
  );
  assert.deepEqual(results.map(({ id, outcome }) => `${id} ${outcome}`), [
    "kubeconfig ok",
    "api-proxy ok",
    "api-server ok",
    "rights ok",
    "agent ok",
  ]);
  assert.equal(server.asked.filter((asked) => asked === "GET /version").length, 1);
});

Deno.test("without a kubeconfig the machine is checked all the same", async () => {
  const results = await run(requestOf("/nonexistent"));
  const outcome = (id: CheckId) => results.find((result) => result.id === id)?.outcome;
  assert.equal(outcome("kubeconfig"), "failed");
  for (const id of ["api-proxy", "api-server", "rights", "agent"] as const) {
    assert.equal(outcome(id), "skipped");
  }
  for (const id of ["platform", "kernel", "cgroup", "programs", "helper", "leftovers"] as const) {
    assert.equal(outcome(id), "ok", id);
  }
});

Deno.test("the daemon is asked once, though several checks look at it", async () => {
  let asked = 0;
  const daemon = (): Promise<DaemonView> => (asked++, Promise.resolve({ state: "none" }));
  await run({ ...requestOf("/nonexistent"), daemon });
  assert.equal(asked, 1);
});
