import { lookup } from "node:dns/promises";
import type { Api } from "../../kube/client/api.ts";
import { parseNode } from "../../kube/objects/objects.ts";
import { resources } from "../../kube/client/resources.ts";
import type { Plan, PlanRequest } from "../../wire/control.ts";
import type { HelperGrant } from "../../wire/helper.ts";
import type { Component } from "../../wire/installer.ts";
import { neededRules } from "../../wire/intercept.ts";
import { type InterceptTarget, takenOf } from "../intercepts/target.ts";
import { uidOf } from "../../ffi/proc/account.ts";
import { lacksForwarding } from "../../checks/rights.ts";
import { Failure } from "../failure.ts";
import { acceptingRanges } from "../laptop/accepting.ts";
import { lacks, type Needs } from "./agents.ts";
import { agentWarnings, planWarnings } from "./plan_warnings.ts";
import { checkTarget, findServedTarget } from "./target_check.ts";
import { parseRange } from "../../net/range.ts";
import type { ClusterApi } from "../discovery/cluster_api.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { DaemonParts } from "../parts.ts";

/** Routes of one user; beyond, further addresses are refused. */
const CAP = 20_000;
/** Node addresses that are named to the helper; more don't fit a command line, and aren't captured anyhow. */
const MOST_NODES = 1_000;
/** The cluster has this long to say what is allowed, in milliseconds. */
const REVIEW_TIMEOUT_MS = 5_000;

/** What `up` is about to do to a cluster and to this machine: nothing of it is done. */
export async function plan(
  request: PlanRequest,
  clusters: ClusterRegistry,
  parts: DaemonParts,
): Promise<Plan> {
  await using looked = await clusters.look(request);
  const there = looked.there ?? await clusters.sameAs(looked.connection, request);
  const connection = there?.connection ?? looked.connection;
  let target: InterceptTarget | undefined;
  if (request.service !== undefined) {
    const { service, port, localPort, namespace = connection.name.namespace } = request;
    const choice = { namespace, service, port, localPort };
    target = there
      ? findServedTarget(connection.topology, choice)
      : await checkTarget(connection.api, choice);
  }
  const ranges = grantedRanges(request, connection.name.context, clusters);
  const never = neverRanges(request, clusters);
  const also = accountsOf(request, clusters);
  if (request.mode !== "intercept" && !there) await refuseWithoutForwarding(connection);
  const component: Component = request.mode === "intercept" ? "node" : "gateway";
  const agent = await parts.installer.status(connection.api, [component]);
  const rules = Math.max(request.rules ?? 0, (target && neededRules(takenOf(target))) ?? 0);
  const needs: Needs = rules === 0 ? {} : { rules };
  const needsHelper = request.mode === "capture" && !clusters.laptop.hasHelper;
  return {
    cluster: connection.name,
    agent,
    install: agent.filter((one) => one.state === "absent" || (one.outdated && lacks(one, needs)))
      .map((one) => one.component),
    ...(needsHelper
      ? { helper: await grant(connection.api, connection.name.server, { ranges, never, also }) }
      : {}),
    ...(there ? { connected: there.connection.mode } : {}),
    warnings: [...there ? planWarnings(request, connection.name) : [], ...agentWarnings(agent)],
  };
}

/**
 * A user who may not forward ports to the gateway is told before anything is installed, and before sudo asks for a
 * password. Where the cluster doesn't say what is allowed, the tunnel will tell.
 */
async function refuseWithoutForwarding({ api, name }: Pick<ClusterApi, "api" | "name">): Promise<void> {
  const signal = AbortSignal.timeout(REVIEW_TIMEOUT_MS);
  const lacking = await lacksForwarding(api, name.user, signal).catch(() => undefined);
  if (lacking === undefined) return;
  const hint = "remedy" in lacking ? lacking.remedy : undefined;
  throw new Failure("forbidden", lacking.saw, hint === undefined ? {} : { hint });
}

/** The ranges to grant to a helper that starts, which are fixed then. @throws {Failure} `usage`, `not-found`, `conflict` */
function grantedRanges(
  request: PlanRequest,
  context: string,
  { laptop, accepted }: ClusterRegistry,
): readonly string[] {
  const ranges = accepted.after(context, request);
  const fixed = laptop.hostCapture?.ranges;
  const asked = accepted.after(context, { forgetRanges: request.forgetRanges });
  const fresh = ranges.find((range) => fixed && !fixed.includes(range) && !asked.includes(range));
  if (fresh === undefined) return ranges;
  throw new Failure("conflict", `the range ${fresh} can't be accepted while pmz is up`, {
    hint: `to accept it: ${acceptingRanges(context, [fresh], laptop.capturedBesides(context))}`,
  });
}

/** The ranges that a helper which starts never captures; that is fixed then. @throws {Failure} `usage`, `conflict` */
function neverRanges({ neverRanges = [] }: PlanRequest, { laptop }: ClusterRegistry): readonly string[] {
  const wrong = neverRanges.find((range) => parseRange(range) === undefined);
  if (wrong !== undefined) {
    throw new Failure(
      "usage",
      `${wrong} is not a valid range of addresses: expected one such as 10.1.0.0/16`,
    );
  }
  const fixed = laptop.hostCapture?.never;
  const fresh = neverRanges.find((range) => fixed && !fixed.includes(range));
  if (fresh === undefined) return neverRanges;
  throw new Failure("conflict", `the range ${fresh} can't be left out while pmz is up`, {
    hint: "to leave it out: pmz down, then pmz up",
  });
}

/** Accounts that a helper which starts has inside besides the user; that is fixed then. @throws {Failure} `usage`, `conflict` */
function accountsOf({ also = [] }: PlanRequest, { laptop }: ClusterRegistry): readonly string[] {
  const uids = also.map((name) => ({ name, uid: uidOf(name) }));
  const unknown = uids.find(({ uid }) => uid === undefined);
  if (unknown) throw new Failure("usage", `this machine has no account ${unknown.name}`);
  const fixed = laptop.hostCapture?.also;
  const inside = new Set([Deno.uid(), ...fixed?.map(({ uid }) => uid) ?? []]);
  const fresh = uids.find(({ uid }) => fixed && !inside.has(uid ?? -1));
  if (fresh === undefined) return also;
  throw new Failure("conflict", `the account ${fresh.name} can't come inside while pmz is up`, {
    hint: "to have it inside: pmz down, then pmz up --also " + also.join(" --also "),
  });
}

/** What the root helper may do: fixed before sudo is asked, and no wider than this user and this cluster need. */
async function grant(
  api: Api,
  server: string,
  { ranges, never: byChoice, also }: Pick<HelperGrant, "ranges" | "never" | "also">,
): Promise<HelperGrant> {
  const never = new Set<string>(byChoice);
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
  return { uid: Deno.uid() ?? -1, also, ranges, never: [...never], cap: CAP };
}
