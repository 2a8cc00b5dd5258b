import {
  type AgentComponent,
  type AgentInstallOptions,
  type Component,
  componentTitles,
  type InstallStep,
} from "../../wire/installer.ts";
import type { AgentRequest } from "../../wire/control.ts";
import type { Api } from "../../kube/client/api.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";
import type { Reporter } from "../../wire/progress.ts";
import type { DaemonParts } from "../parts.ts";
import { Failure } from "../failure.ts";
import { remedyOf } from "./refused_pods.ts";

/** The least versions of what a component has to speak for one request: `{ rules: 2 }`. */
export type Needs = Readonly<Record<string, number>>;

/** What this leans on. */
type AgentParts = Pick<DaemonParts, "installer">;

/** Installs the agents where `pmz agent deploy` says. */
export async function installAgent(
  request: AgentRequest,
  clusters: ClusterRegistry,
  parts: AgentParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<AgentComponent[]> {
  await using looked = await clusters.look(request, signal);
  const { connection } = looked;
  await install(connection.api, request.components, request.options ?? {}, parts, report, signal);
  return await parts.installer.status(connection.api, ["gateway", "node"]);
}

/** Removes the agents: what runs, and everything that was installed with them. */
export async function removeAgent(
  request: AgentRequest,
  clusters: ClusterRegistry,
  parts: AgentParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<AgentComponent[]> {
  await using looked = await clusters.look(request, signal);
  const { connection } = looked;
  await report.step("Remove the agent", async (detail) => {
    await parts.installer.uninstall(
      connection.api,
      request.components,
      ({ step, detail: what }) => detail(what ? `${step}: ${what}` : step),
      signal,
    );
  });
  return await parts.installer.status(connection.api, ["gateway", "node"]);
}

/** Whether a component that is there lacks a version that is needed. One that doesn't say its versions has all of them. */
export function lacks({ state, versions }: AgentComponent, needs: Needs): boolean {
  if (versions === undefined || state === "incompatible") return false;
  return Object.entries(needs).some(([name, version]) => (versions[name]?.newest ?? 0) < version);
}

/**
 * Makes sure that a component is there, ready, and new enough: installs or updates it where the user has agreed to that.
 * @throws {Failure} `agent` when it's missing, too old, or doesn't become ready.
 */
export async function ensureInstalled(
  api: Api,
  component: Component,
  request: { readonly install: boolean; readonly installOptions?: AgentInstallOptions },
  parts: AgentParts,
  report: Reporter,
  signal: AbortSignal,
  needs: Needs = {},
): Promise<void> {
  const [found] = await parts.installer.status(api, [component]);
  if (found && lacks(found, needs)) {
    if (found.outdated && request.install) {
      return await install(api, [component], request.installOptions ?? {}, parts, report, signal);
    }
    throw new Failure("agent", `the ${componentTitles[component]} in the cluster is too old for this`, {
      hint: found.outdated
        ? "update it; it still serves older pmz: pmz agent deploy"
        : "replace it for everybody, those with an older pmz have to update, too: pmz agent deploy --force",
    });
  }
  // What may not be looked at may be there: its pods will tell.
  if (found?.state === "ready" || found?.state === "unknown") return;
  if (found?.state === "incompatible" && !request.installOptions?.force) {
    throw new Failure(
      "agent",
      `the ${componentTitles[component]} in the cluster speaks another protocol: ${
        found.why ?? "no reason given"
      }`,
      {
        hint: "to replace it for everybody: pmz agent deploy --force",
      },
    );
  }
  // It is being installed, or its pods are moved. To apply it again would need rights and the user's consent.
  if (found?.state === "starting" && !request.installOptions) {
    // Of many nodes one is always down. The status of a rule says whether that matters to an intercept.
    if (component === "node" && (found.pods?.ready ?? 0) > 0) return warnOfNodes(found, report);
    return await untilReady(api, component, parts, report, signal);
  }
  if (!request.install) {
    throw new Failure("agent", `the ${componentTitles[component]} isn't installed in this cluster`, {
      hint: "install it: pmz agent deploy",
    });
  }
  await install(api, [component], request.installOptions ?? {}, parts, report, signal);
  const [installed] = component === "node" ? await parts.installer.status(api, [component]) : [];
  if (installed?.state === "starting") warnOfNodes(installed, report);
}

/** Some nodes have no node agent that is ready: they are named, and the others serve. */
function warnOfNodes(
  { pods: { ready, all } = { ready: 0, all: 0 }, why }: AgentComponent,
  report: Reporter,
): void {
  report.warn(
    `the node agent is ready on ${ready} of ${all} nodes: ${why ?? "no reason given"}`,
    "pods on the other nodes are not intercepted",
  );
}

async function untilReady(
  api: Api,
  component: Component,
  parts: AgentParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  await report.step(`Wait for the ${componentTitles[component]}`, async (detail) => {
    try {
      const onStep: InstallStep = ({ detail: more }) => more === undefined || detail(more);
      await parts.installer.ready(api, component, onStep, signal);
    } catch (cause) {
      throw installerFailure(cause, signal, "pmz agent status shows its state; pmz agent deploy repairs it");
    }
  });
}

async function install(
  api: Api,
  components: readonly Component[],
  options: AgentInstallOptions,
  parts: AgentParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<void> {
  const what = components.map((component) => componentTitles[component]).join(" and ");
  await report.step(`Install the ${what}`, async (detail) => {
    try {
      await parts.installer.install(
        api,
        components,
        options,
        ({ step, detail: more }) => detail(more ?? step), // a line of a terminal is short
        signal,
      );
    } catch (cause) {
      const hint = "pmz agent status shows its state; kubectl -n pmz get events has more";
      throw installerFailure(cause, signal, hint);
    }
  });
}

/** What the installer throws, as the control API tells it. */
function installerFailure(cause: unknown, signal: AbortSignal, hint: string): unknown {
  if (signal.aborted || !(cause instanceof Error) || cause.name === "ApiError") return cause;
  return new Failure("agent", cause.message, { hint: remedyOf(cause.message) ?? hint, cause });
}
