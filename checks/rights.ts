import type { Api } from "../kube/client/api.ts";
import {
  type AccessDecision,
  describeActions,
  type ResourceAttributes,
  reviewAccess,
} from "../kube/client/access_review.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { clusterUser } from "../kube/client/cluster_user.ts";
import { resources } from "../kube/client/resources.ts";
import type { Finding } from "../wire/doctor.ts";
import type { AgentComponent } from "../wire/installer.ts";
import { GROUP, RULE_PLURAL, SESSION_PLURAL } from "../wire/intercept.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE } from "../wire/places.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";
import { roleRemedy } from "./role_remedy.ts";

/** Kinds of objects that pmz follows, and what does not work without one. */
const followed = [
  { resource: "services", group: "", without: undefined },
  {
    resource: "endpointslices",
    group: "discovery.k8s.io",
    without: "a Service without endpoints is not refused at once",
  },
  { resource: "pods", group: "", without: "pod addresses and StatefulSet names can't be reached" },
] as const;

/** From this release on the API server wants `create` for a port-forward, besides `get`. */
const CREATE_SINCE_MINOR = 35;

/** Whether these credentials allow what `pmz up` and `pmz intercept` do in the cluster. */
export const rights: Check<Pick<CheckParts, "cluster" | "agents">> = {
  id: "rights",
  title: "Rights",
  severity: "failed",
  needs: ["api-server"],
  remedy: "Run `kubectl auth can-i --list`: it has to work first.",
  limitMs: 10_000,
  run: async (parts, signal) => {
    const { api, namespace, version, cluster } = await parts.cluster();
    const [user, agents] = await Promise.all([
      clusterUser(api, { signal }),
      parts.agents(api).catch(() => []), // the check of the agents says why
    ]);
    const asker: Asker = { api, namespace, user: user ?? cluster.user, agents, signal };
    const [missing, seeing, forwarding, intercepting] = await Promise.all([
      judgeNamespace(asker),
      judgeSeeing(asker),
      judgeForwarding(asker, await version()),
      judgeIntercepting(asker),
    ]);
    const findings = [...missing, ...seeing, ...forwarding, ...intercepting];
    return findings.length === 0 ? [ok("These credentials allow all that pmz does.")] : findings;
  },
};

/** The user whose rights are asked for, and the namespace. */
interface Asker {
  readonly api: Api;
  readonly namespace: string;
  /** As the cluster names the user. */
  readonly user: string;
  /** Of which it is known whether they are installed. */
  readonly agents?: readonly AgentComponent[];
  readonly signal: AbortSignal;
}

/** Whether the namespace is there, as far as these credentials may know. The API server reviews rights in any. */
async function judgeNamespace({ api, namespace, signal }: Asker): Promise<Finding[]> {
  try {
    await api.get(resources.namespaces, { name: namespace }, { signal });
    return [];
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!ApiError.is(error, "NotFound")) return [];
    const remedy = "`kubectl get namespaces` shows them. Choose one with --namespace.";
    return [warning(`The namespace ${namespace} is not in this cluster.`, remedy)];
  }
}

/** Services, EndpointSlices and pods have to be listed and watched: everywhere, or at least in the own namespace. */
async function judgeSeeing(asker: Asker): Promise<Finding[]> {
  const { namespace } = asker;
  const remedy = roleRemedy("pmz-use", undefined, asker);
  const kinds = await Promise.all(followed.map(async (kind) => {
    const actions = ["list", "watch"].map((verb) => ({ verb, resource: kind.resource, group: kind.group }));
    if ((await denied(asker, actions)).length === 0) return undefined;
    return { ...kind, missing: await denied(asker, actions.map((action) => ({ ...action, namespace }))) };
  }));
  const limited = kinds.filter((kind) => kind !== undefined);
  const findings = limited.filter(({ missing }) => missing.length > 0).map(({ missing, without }) =>
    without === undefined
      ? failed(sentence(missing), remedy)
      : warning(`${sentence(missing)} Without it, ${without}.`, remedy)
  );
  const ownOnly = limited.filter(({ missing }) => missing.length === 0).map(({ resource }) => resource);
  if (ownOnly.length === 0) return findings;
  const saw = `You may list ${
    ownOnly.join(", ")
  } in namespace ${namespace} only: pmz doesn't reach those of others.`;
  return [...findings, warning(saw, remedy)];
}

/** The way to the gateway: its pods have to be seen, and forwarded to. */
async function judgeForwarding(asker: Asker, version: string): Promise<Finding[]> {
  const minor = Number(/^v?1\.(\d{1,3})/.exec(version)?.[1] ?? 0);
  const missing = await denied(asker, forwardingTo(GATEWAY_NAMESPACE, minor));
  if (missing.length === 0) return [];
  const remedy = roleRemedy("pmz-use", GATEWAY_NAMESPACE, asker);
  return [failed(`${sentence(missing)} Without it, the gateway can't be reached.`, remedy)];
}

/**
 * Whether these credentials lack the way to the gateway, as far as any version of the API server wants it: what `pmz up`
 * asks before it asks for a password.
 * @throws {ApiError} when the cluster can't be asked
 */
export async function lacksForwarding(
  api: Api,
  user: string,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const asker = { api, namespace: "", user, signal };
  if ((await judgeForwarding(asker, "")).length === 0) return undefined;
  // The remedy is for an administrator, who knows the user by the cluster's name.
  const [finding] = await judgeForwarding({ ...asker, user: await clusterUser(api, { signal }) ?? user }, "");
  return finding;
}

/** What intercepts need on top: objects in the own namespace, and the way to the node agents. */
async function judgeIntercepting(asker: Asker): Promise<Finding[]> {
  const { namespace } = asker;
  const verbs = ["get", "list", "watch", "create", "patch", "delete"];
  const objects = [SESSION_PLURAL, RULE_PLURAL].flatMap((resource) =>
    verbs.map((verb) => ({ verb, resource, group: GROUP, namespace }))
  );
  const [inNamespace, toAgents] = await Promise.all([
    denied(asker, objects),
    denied(asker, forwardingTo(NODE_NAMESPACE, 0)),
  ]);
  const findings: Finding[] = [];
  for (const [missing, of] of [[inNamespace, namespace], [toAgents, NODE_NAMESPACE]] as const) {
    if (missing.length === 0) continue;
    const remedy = roleRemedy("pmz-intercept", of, asker);
    findings.push(warning(`${sentence(missing)} Without it, \`pmz intercept\` can't work.`, remedy));
  }
  return findings;
}

function forwardingTo(namespace: string, minor: number): ResourceAttributes[] {
  const verbs = minor >= CREATE_SINCE_MINOR ? ["get", "create"] : ["get"];
  return [
    ...["list", "watch"].map((verb) => ({ verb, resource: "pods", namespace })),
    ...verbs.map((verb) => ({ verb, resource: "pods", subresource: "portforward", namespace })),
  ];
}

async function denied(
  { api, signal }: Asker,
  actions: readonly ResourceAttributes[],
): Promise<AccessDecision[]> {
  return (await reviewAccess(api, actions, { signal })).filter(({ allowed }) => !allowed);
}

function sentence(missing: readonly AccessDecision[]): string {
  return `You may not ${describeActions(missing.map(({ attributes }) => attributes))}.`;
}
