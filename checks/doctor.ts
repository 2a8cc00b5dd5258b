import { Api } from "../kube/client/api.ts";
import { record, text } from "../kube/objects/parse.ts";
import { clusterAccess } from "../kube/config/kubeconfig.ts";
import { type CheckResult, type DoctorRequest, type OnChecked, servedNames } from "../wire/doctor.ts";
import { type CheckParts, machinePaths, nameServicePaths, type OpenCluster } from "./parts.ts";
import { checks } from "./registry.ts";
import { runChecks } from "./run.ts";

/** What other rooms hand over for `pmz doctor`. */
export interface DoctorParts
  extends Pick<CheckParts, "resolver" | "nameserverProblem" | "agents" | "leftovers" | "stateProblem"> {
  readonly machine: Omit<CheckParts["machine"], "paths">;
}

/** How long the API server may take to say its version, in milliseconds. */
const VERSION_MS = 10_000;

/**
 * Runs the checks that a request asks for. Nothing is changed, on this machine or in the cluster, and no password is
 * asked for.
 *
 * @throws the reason of `signal`
 */
export async function doctor(
  request: DoctorRequest,
  parts: DoctorParts,
  onChecked: OnChecked,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  using resources = new DisposableStack();
  const daemon = once(request.daemon);
  const all: CheckParts = {
    ...parts,
    machine: { ...parts.machine, paths: machinePaths },
    nameService: nameServicePaths,
    env: request.env,
    release: request.release,
    stateFolder: request.stateFolder,
    cluster: once(() => openCluster(request, resources)),
    daemon,
    capture: async () => {
      const view = await daemon();
      if (view.state !== "running") return { isWanted: false, helper: { state: "none" } };
      const { clusters, helper } = view.status;
      return { isWanted: clusters.some(({ mode }) => mode === "capture"), helper };
    },
    served: async () => {
      const view = await daemon();
      return view.state === "running" ? servedNames(view.status, view.names) : { names: [], namespaces: [] };
    },
    namespaces: async () => {
      const view = await daemon();
      return view.state === "running" ? view.namespaces : [];
    },
    sudo: request.sudo,
  };
  return await runChecks(checks, all, { only: request.only, onChecked, signal });
}

async function openCluster(
  { context, kubeconfig, namespace }: DoctorRequest,
  resources: DisposableStack,
): Promise<OpenCluster> {
  const cluster = await clusterAccess({
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    hasTerminal: true,
  });
  const api = resources.use(new Api(cluster));
  return {
    cluster,
    proxyUrl: cluster.proxyUrl,
    namespace: namespace ?? cluster.namespace,
    api,
    version: once(async () => {
      const said = await api.json("GET", "/version", { what: "reach the cluster", timeoutMs: VERSION_MS });
      return text(record(said, "version"), "gitVersion", "version", 100);
    }),
  };
}

/** A function that works once and gives everybody the same answer. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  return () => answer ??= work();
}
