import { agent } from "./agent.ts";
import type { AgentComponent } from "../wire/installer.ts";
import { fakeCluster } from "./testing/cluster.ts";
import { noDaemon, runningDaemon } from "./testing/daemon.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

const pods = { ready: 1, all: 1 };
const ready: AgentComponent = { component: "gateway", state: "ready", image: "deno:2", ours: true, pods };

async function check(
  component: AgentComponent,
  { mayInstall = true, daemon = noDaemon }: { mayInstall?: boolean; daemon?: typeof noDaemon } = {},
) {
  await using cluster = fakeCluster({ allows: () => mayInstall });
  return await findingsOf(agent, {
    cluster: () => Promise.resolve(cluster.open),
    agents: () => Promise.resolve([component]),
    daemon,
  });
}

Deno.test("agents that are ready are right, of another release too", async () => {
  assertSound(await check(ready));
  assertFinding(await check({ ...ready, ours: false }), "ok", /another release/);
  const outdated = { ...ready, ours: false, outdated: true };
  assertFinding(await check(outdated), "ok", /lacks what is new: pmz agent deploy updates it/);
});

Deno.test("a gateway that is missing is a warning for somebody who may install it", async () => {
  assertFinding(await check({ component: "gateway", state: "absent" }), "warning", /not installed/, /pmz up/);
});

Deno.test("it's a failure for somebody who may not, and while pmz is up", async () => {
  const absent: AgentComponent = { component: "gateway", state: "absent" };
  assertFinding(
    await check(absent, { mayInstall: false }),
    "failed",
    /may not install/,
    /administrator.*manifests/,
  );
  assertFinding(await check(absent, { daemon: runningDaemon() }), "failed", /deleted/, /pmz agent deploy/);
  const other = runningDaemon({ cluster: { mode: "intercept" } });
  assertFinding(await check(absent, { daemon: other }), "warning", /not installed/);
});

Deno.test("a node agent that is missing is as it should be before the first intercept", async () => {
  assertSound(await check({ component: "node", state: "absent" }));
});

Deno.test("an agent that doesn't start, or speaks another protocol, is a failure with its reason", async () => {
  const none = { ready: 0, all: 1 };
  const starting: AgentComponent = {
    component: "gateway",
    state: "starting",
    why: "the image can't be pulled",
    pods: none,
  };
  assertFinding(await check(starting), "failed", /0 of 1 pods: the image/, /kubectl -n pmz describe pods/);
  const older: AgentComponent = {
    component: "node",
    state: "incompatible",
    why: "it is older than this pmz",
  };
  assertFinding(await check(older), "failed", /older/, /--force/);
  assertFinding(await check({ ...older, why: "it is newer than this pmz" }), "failed", /newer/, /Update pmz/);
});

Deno.test("an agent that may not be looked at is a warning", async () => {
  const unknown: AgentComponent = { component: "node", state: "unknown", why: "these credentials may not" };
  assertFinding(
    await check(unknown),
    "warning",
    /could not be looked at/,
    /pmz-intercept in namespace pmz-node/,
  );
});
