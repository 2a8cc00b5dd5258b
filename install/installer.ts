import { dump } from "js-yaml";
import { type Api } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { apply, type Manifest, ordered, prune, remove } from "../kube/apply/apply.ts";
import { resources } from "../kube/client/resources.ts";
import { rollout, RolloutError } from "../kube/apply/rollout.ts";
import {
  type AgentComponent,
  type AgentInstallOptions,
  type Component,
  componentTitles,
  type InstallStep,
} from "../wire/installer.ts";
import { agentVersions, fitOf, isSuccessor, speaksAll } from "../wire/agent_versions.ts";
import { parseRange } from "../net/range.ts";
import { ADMISSION_SINCE } from "./manifests/admission.ts";
import { gatewayManifests } from "./manifests/gateway.ts";
import { nodeManifests } from "./manifests/node_agent.ts";
import { type ManifestOptions, podLabels, STOCK_IMAGE } from "./manifests/options.ts";
import { limitsBpfMemory } from "./node_kernels.ts";
import { preflight } from "./preflight.ts";
import type { PayloadSource } from "./payload/source.ts";
import { type Running, running, statusOf, workloads } from "./running.ts";

/** Milliseconds that a component has to become ready; the nodes may have to be started, and to pull an image. */
const READY_MS = 600_000;

/** What manifests depend on in the cluster that they are for. */
type Target = Pick<ManifestOptions, "modern" | "limitsBpfMemory">;
/** A cluster that isn't asked. */
const unknownCluster: Target = { modern: true };

const makeManifests = { gateway: gatewayManifests, node: nodeManifests } satisfies Record<Component, unknown>;

/**
 * Installs, inspects and removes the agents, with payloads from `source`. Every method may throw kube's ApiError; `install` and
 * `ready` throw an Error that says why a component doesn't become ready.
 */
export class AgentInstaller {
  readonly #source: PayloadSource;

  constructor(source: PayloadSource) {
    this.#source = source;
  }

  async status(api: Api, components: readonly Component[]): Promise<AgentComponent[]> {
    return await Promise.all(components.map(async (component) => {
      // A development tree that isn't built has no payload: only `ours` stays unknown then.
      const own = await this.#source.payload(component).catch(() => undefined);
      return await statusOf(api, component, own?.digest);
    }));
  }

  async install(
    api: Api,
    components: readonly Component[],
    options: AgentInstallOptions,
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void> {
    const source = this.#source;
    for (const component of components) {
      const title = componentTitles[component];
      const found = await running(api, component, signal);
      if (found && isKept(found, component, options)) {
        onStep({
          step: `keep the ${title}`,
          detail: `it speaks this pmz's protocols (${found.image})`,
          ms: 0,
        });
        await step(onStep, `wait for the ${title}`, (detail) => ready(api, component, detail, signal));
        continue;
      }
      const target: Target = {
        modern: await isModern(api, signal),
        limitsBpfMemory: component === "node" && await limitsBpfMemory(api, signal),
      };
      let manifests = await manifestsOf(source, component, options, target);
      if ((await Promise.all(manifests.map((each) => isForged(api, each, signal)))).includes(true)) {
        manifests = await manifestsOf(source, component, options, target, crypto.randomUUID().slice(0, 8));
      }
      await step(
        onStep,
        `apply the ${title}`,
        (detail) => deploy(api, component, manifests, detail, signal),
      );
      await step(onStep, `wait for the ${title}`, (detail) => ready(api, component, detail, signal));
      await prunePayloads(api, component, manifests, signal);
    }
  }

  /** Waits until a component that is starting is ready. */
  async ready(api: Api, component: Component, onStep: InstallStep, signal: AbortSignal): Promise<void> {
    try {
      await step(
        onStep,
        `wait for the ${componentTitles[component]}`,
        (detail) => ready(api, component, detail, signal),
      );
    } catch (error) {
      // One ready pod of several is enough.
      if (error instanceof RolloutError && (await statusOf(api, component)).state === "ready") return;
      throw error;
    }
  }

  async uninstall(
    api: Api,
    components: readonly Component[],
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void> {
    // The node agent goes first: the pods answer again while laptops still have their tunnels.
    for (const component of components.toSorted().toReversed()) {
      await step(onStep, `remove the ${componentTitles[component]}`, async (detail) => {
        const manifests = await manifestsOf(this.#source, component, {}, unknownCluster);
        let namespaceStays = false;
        await remove(api, manifests, {
          signal,
          onProgress: ({ object, outcome, done, total }) => {
            if (object.startsWith("Namespace ") && outcome === "kept") namespaceStays = true;
            detail(`${object} ${outcome} (${done} of ${total})`);
          },
        });
        // Deleting the namespace deletes the payloads of other releases, too.
        if (namespaceStays) await prunePayloads(api, component, [], signal);
      });
    }
  }

  /** YAML for `kubectl apply -f -`. */
  async manifests(components: readonly Component[], options: AgentInstallOptions): Promise<string> {
    const all = await Promise.all(
      components.map((each) => manifestsOf(this.#source, each, options, unknownCluster)),
    );
    // People read and change these documents: no aliases, no folded lines.
    return ordered(all.flat()).map((each) => dump(each, { lineWidth: -1, noRefs: true })).join(
      "---\n",
    );
  }
}

/**
 * Whether an agent stays, since people with other releases of pmz share it. A successor takes its place, which serves all of
 * them; one that doesn't run is repaired by a pmz that speaks all that it speaks.
 * @throws {Error} when it has no version in common with this pmz: replacing it would leave out those who use it.
 */
function isKept(found: Running, component: Component, { force = false }: AgentInstallOptions): boolean {
  if (force) return false;
  const ours = agentVersions[component];
  const fit = fitOf(found.versions, ours);
  const title = componentTitles[component];
  if (fit !== "fits") {
    const whose = fit === "newer"
      ? "Update pmz, or replace"
      : "Those who use it have an older pmz, too. Replace";
    throw new Error(
      `The cluster's ${title} is ${fit} than this pmz and doesn't speak its protocols. ${whose} the ${title} for all ` +
        "users: pmz agent deploy --force.",
    );
  }
  if (isSuccessor(ours, found.versions)) return false;
  return found.ready > 0 || !speaksAll(ours, found.versions);
}

async function deploy(
  api: Api,
  component: Component,
  manifests: readonly Manifest[],
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (component === "node") await preflight(api, signal);
  await apply(api, manifests, {
    signal,
    onProgress: ({ object, outcome, done, total }) => detail(`${object} ${outcome} (${done} of ${total})`),
  });
}

/**
 * Whether a ConfigMap with a payload's name has other contents, so that somebody else created it. Kubelets keep the contents
 * of an immutable ConfigMap that they know, so replacing it doesn't help: the payload needs another name.
 */
async function isForged(api: Api, manifest: Manifest, signal: AbortSignal): Promise<boolean> {
  if (manifest.kind !== "ConfigMap") return false;
  const { name, namespace = "" } = manifest.metadata;
  try {
    const found = await api.get(resources.configMaps, { namespace, name }, { signal });
    return !same(found.binaryData, manifest.binaryData);
  } catch (error) {
    if (ApiError.is(error, "NotFound")) return false;
    throw error;
  }
}

/** Whether two maps of texts are the same. */
function same(one: unknown, other: unknown): boolean {
  const text = (map: unknown) => JSON.stringify(Object.entries(map ?? {}).toSorted());
  return text(one) === text(other);
}

async function ready(
  api: Api,
  component: Component,
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await rollout(api, workloads[component], {
    signal,
    timeoutMs: READY_MS,
    onProgress: ({ ready, wanted, troubles }) =>
      detail([...troubles, `${ready} of ${wanted} pods ready`].join("; ")),
  });
}

/** Deletes payloads that no pod runs any more. */
async function prunePayloads(
  api: Api,
  component: Component,
  manifests: readonly Manifest[],
  signal: AbortSignal,
): Promise<void> {
  const keep = new Set(
    manifests.filter(({ kind }) => kind === "ConfigMap").map(({ metadata }) => metadata.name),
  );
  const labelSelector = Object.entries(podLabels(component)).map(([name, value]) => `${name}=${value}`).join(
    ",",
  );
  const { namespace } = workloads[component];
  await prune(api, resources.configMaps, { namespace, keep, labelSelector, signal });
}

/** The manifests of a component. */
async function manifestsOf(
  source: PayloadSource,
  component: Component,
  options: AgentInstallOptions,
  target: Target,
  salt?: string,
): Promise<Manifest[]> {
  const manifestOptions: ManifestOptions = {
    payload: await source.payload(component),
    image: options.agentImage ?? options.baseImage ?? STOCK_IMAGE,
    prebuilt: options.agentImage !== undefined,
    ranges: (options.ranges ?? []).map(checkedRange),
    architectures: component === "node" ? await source.architectures() : [],
    ...target,
    ...salt === undefined ? {} : { salt },
  };
  return makeManifests[component](manifestOptions);
}

function checkedRange(text: string): string {
  const range = parseRange(text);
  if (!range) {
    throw new TypeError(`"${text}" is not a valid range: expected CIDR notation, as in 10.0.0.0/16`);
  }
  return range.text;
}

/** Whether the cluster's version is 1.30 or newer. */
async function isModern(api: Api, signal: AbortSignal): Promise<boolean> {
  const version = await api.json("GET", "/version", { signal, what: "ask for the cluster's version" });
  const minor = typeof version === "object" && version !== null && "minor" in version
    ? String(version.minor)
    : "";
  // Some clouds say "27+". A version that can't be parsed counts as new.
  return !(parseInt(minor) < ADMISSION_SINCE);
}

/** Reports the beginning of a step, its details, and its end. */
async function step(
  onStep: InstallStep,
  name: string,
  run: (detail: (text: string) => void) => Promise<void>,
): Promise<void> {
  const started = performance.now();
  let last: string | undefined;
  onStep({ step: name });
  await run((detail) => {
    if (detail !== last) onStep({ step: name, detail });
    last = detail;
  });
  onStep({
    step: name,
    ms: Math.round(performance.now() - started),
    ...last === undefined ? {} : { detail: last },
  });
}
