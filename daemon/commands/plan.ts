import { lookup } from "node:dns/promises";
import type { Api } from "../../kube/client/api.ts";
import { parseNode } from "../../kube/objects/objects.ts";
import { resources } from "../../kube/client/resources.ts";
import type { Plan, PlanRequest } from "../../wire/control.ts";
import type { HelperGrant } from "../../wire/helper.ts";
import type { Component } from "../../wire/installer.ts";
import type { Clusters } from "../clusters/registry.ts";
import type { DaemonParts } from "../parts.ts";

/** Routes of one user; beyond, further addresses are refused. */
const CAP = 20_000;
/** Node addresses that are named to the helper; more don't fit a command line, and aren't captured anyhow. */
const MOST_NODES = 1_000;

/** What `up` is about to do to a cluster and to this machine: nothing of it is done. */
export async function plan(request: PlanRequest, clusters: Clusters, parts: DaemonParts): Promise<Plan> {
  await using looked = await clusters.look(request);
  const there = looked.there ?? clusters.sameAs(looked.connection);
  const connection = there?.connection ?? looked.connection;
  const component: Component = request.mode === "intercept" ? "node" : "gateway";
  const agent = await parts.installer.status(connection.api, [component]);
  const needsHelper = request.mode === "capture" && !clusters.laptop.hostCapture;
  return {
    cluster: connection.name,
    agent,
    install: agent.filter((one) => one.state === "absent").map((one) => one.component),
    ...(needsHelper ? { helper: await grant(connection.api, connection.name.server) } : {}),
    ...(there ? { connected: there.connection.mode } : {}),
    warnings: [],
  };
}

/** What the root helper may do: fixed before sudo is asked, and no wider than this user and this cluster need. */
async function grant(api: Api, server: string): Promise<HelperGrant> {
  const never = new Set<string>();
  for (
    const { address } of await lookup(new URL(server).hostname.replace(/^\[|\]$/g, ""), { all: true }).catch(
      () => [],
    )
  ) {
    never.add(address);
  }
  try {
    const { items } = await api.list(resources.nodes, {}, { maxObjects: MOST_NODES });
    for (const address of items.flatMap((item) => parseNode(item).addresses)) never.add(address);
  } catch { /* nodes may not be listed: the addresses of host-network pods aren't captured by themselves */ }
  return { uid: Deno.uid() ?? -1, ranges: [], never: [...never], cap: CAP };
}
