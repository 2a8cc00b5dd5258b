import assert from "node:assert/strict";
import {
  defaultAnswers,
  doneFlow,
  echoIntercept,
  interceptedFlow,
  refusedFlow,
} from "../cli/testing/fake_daemon.ts";
import type { ClusterStatus, InterceptEntry, ServiceEntry } from "../wire/control.ts";
import { directoryView, flowsView, flowView, interceptsView, servicesView, statusView } from "./view.ts";

const { status, services, names } = defaultAnswers();
const NOW = Date.parse("2026-01-01T12:00:00Z");

/** The cluster of the default status, but for what is given. */
function clusterWith(fields: Partial<ClusterStatus>) {
  const [cluster] = status.clusters;
  assert.ok(cluster);
  const [view] = statusView({ ...status, clusters: [{ ...cluster, ...fields }] }, ["*prod*", "d*"]).clusters;
  assert.ok(view);
  return view;
}

Deno.test("a cluster says how it is connected, and what limits it", () => {
  const { state, detail, roundTripMs, services, notes, protectedBy } = clusterWith({});
  assert.deepEqual({ state, detail, roundTripMs, services, protectedBy }, {
    state: "connected",
    detail: "pmz-gateway-7d9",
    roundTripMs: 9,
    services: "3",
    protectedBy: "d*",
  });
  assert.deepEqual(notes, [
    { message: "may not watch pods: pods have no names" },
    {
      message: "default/public at 203.0.113.7: public, and in no range that was accepted for this cluster",
    },
  ]);
  assert.equal(clusterWith({ answering: 2 }).services, "3, 2 of them answer");
});

Deno.test("without a tunnel it says why, and what to do where that is known", () => {
  const why = "the gateway's pod isn't ready";
  const waiting = clusterWith({ tunnel: { state: "connecting", why } });
  assert.deepEqual([waiting.state, waiting.detail], ["connecting", why]);
  const remedy = "Run: pmz agent status";
  const known = clusterWith({ tunnel: { state: "connecting", why, remedy } });
  assert.deepEqual(known.notes.at(-1), { message: why, hint: remedy });
});

Deno.test("of a cluster with intercepts alone no tunnel is missed", () => {
  const tunnel = { state: "connecting", why: "not wanted", remedy: "none" } as const;
  const { state, detail, notes } = clusterWith({ mode: "intercept", tunnel, limits: [] });
  assert.deepEqual([state, detail, notes.length], ["idle", "only intercepts are connected", 1]);
});

Deno.test("an intercept says what it takes, in the words of the list", () => {
  const personal: InterceptEntry = {
    ...echoIntercept,
    id: "echo.default:80/kfjapmbc",
    match: { headers: [{ name: "x-user", exact: "alice" }] },
    requests: { seen: 40, taken: 3, declined: 1 },
    others: [{ user: "bob", since: "2026-01-01T11:00:00Z", first: true, overlaps: true }],
    silentSince: "2026-01-01T11:57:00Z",
    problems: ["the node agent of node2 doesn't answer"],
  };
  const [view] = interceptsView([personal], NOW).own;
  assert.ok(view);
  assert.equal(view.takes, "header x-user: alice");
  assert.equal(view.requests, "3 of 40, 1 to the pods");
  assert.equal(view.others, "bob takes all the rest");
  assert.deepEqual(view.warnings.map(({ message }) => message), [
    "echo.default:80/kfjapmbc: nothing listens at localhost:8081, for 3 min now",
    "echo.default:80/kfjapmbc: the node agent of node2 doesn't answer",
  ]);
  assert.equal(interceptsView([{ ...echoIntercept, mine: true }], NOW).own[0]?.pods, undefined);
});

Deno.test("flows are told apart by how they stand, the newest of each", () => {
  const many = Array.from({ length: 150 }, (_, id) => ({ ...interceptedFlow, id: `open-${id}` }));
  const { open, failed, counts } = flowsView([refusedFlow, ...many]);
  assert.deepEqual(counts, { open: 150, failed: 1 });
  assert.deepEqual([open.length, open.at(-1)?.id], [100, "open-149"]);
  assert.equal(failed[0]?.outcome, "refused by the gateway: no ready endpoint");
});

Deno.test("a flow has its program, its target, its bytes, and what explains it", () => {
  const { from, to, state, bytes, explain, ended } = flowView(doneFlow);
  assert.deepEqual({ from, to, state, bytes, explain }, {
    from: "127.0.0.1:50000",
    to: "echo.default.svc:80",
    state: "done",
    bytes: "300 B sent, 20 KiB received",
    explain: "echo.default.svc:80",
  });
  assert.equal(ended, Date.parse("2026-01-01T11:59:59.500Z"));
  assert.equal(flowView(refusedFlow).bytes, undefined);
  assert.equal(flowView(interceptedFlow).explain, undefined); // the caller is in the cluster
  assert.equal(flowView({ ...doneFlow, name: "pod/echo-1.default:81" }).explain, "10.96.25.30:80");
  assert.equal(flowView({ ...doneFlow, protocol: "udp" }).explain, "echo.default.svc:80/udp");
});

Deno.test("the directory has the user's own domains, and what others intercept", () => {
  const [echo] = services;
  assert.ok(echo);
  const others = Array.from({ length: 60 }, (_, at): ServiceEntry => ({
    ...echo,
    name: `web${at}`,
    interceptedBy: ["bob", "eve"],
    foreignRules: [
      { user: "bob", port: 80, match: { headers: [{ name: "x-user", exact: "bob" }] } },
      { user: "eve", port: 53, protocol: "UDP" },
    ],
  }));
  const view = directoryView([...services, ...others], names, 7);
  assert.deepEqual(view.domains.map(({ name, target }) => [name, target]), [[
    "www.shop.example",
    "echo.default",
  ]]);
  assert.deepEqual(view.others[0], {
    service: "web0.default",
    cluster: "dev",
    rules: ["bob takes header x-user: bob of port 80", "eve takes all connections of port 53/udp"],
  });
  assert.deepEqual([view.services, view.others.length, view.otherCount, view.revision], [62, 50, 60, 7]);
});

Deno.test("of many Services the first that match are told", () => {
  const [echo] = services;
  assert.ok(echo);
  const many = Array.from(
    { length: 20_000 },
    (_, at): ServiceEntry => ({ ...echo, hostname: `s${at}.a.svc` }),
  );
  const { all, matching, items } = servicesView(many, "s1");
  assert.deepEqual([all, matching, items.length], [20_000, 11_111, 100]);
});
