import { dump } from "js-yaml";
import { type Api } from "../kube/client/api.ts";
import { ApiError } from "../kube/client/api_error.ts";
import { apply, type Manifest, ordered, prune, remove } from "../kube/apply/apply.ts";
import { resources } from "../kube/client/resources.ts";
import { rollout, RolloutError } from "../kube/apply/rollout.ts";
import {
  type AgentInstaller,
  type AgentInstallOptions,
  type Component,
  componentTitles,
  type InstallStep,
} from "../wire/installer.ts";
import { parseRange } from "../net/range.ts";
import { ADMISSION_SINCE } from "./manifests/admission.ts";
import { gatewayManifests } from "./manifests/gateway.ts";
import { nodeManifests } from "./manifests/node_agent.ts";
import { type ManifestOptions, podLabels, STOCK_IMAGE } from "./manifests/options.ts";
import { refuseStrangers } from "./preflight.ts";
import type { PayloadSource } from "./payload/source.ts";
import { type Running, running, statusOf, workloads } from "./running.ts";

/** Milliseconds that a component has to become ready: an image may have to be pulled. */
const READY_MS = 180_000;

const makers = { gateway: gatewayManifests, node: nodeManifests } satisfies Record<Component, unknown>;

/** Installs, looks at and removes the agents, with payloads from `source`. */
export function agentInstaller(source: PayloadSource): AgentInstaller<Api> {
  const installer: AgentInstaller<Api> = {
    status: async (api, components) =>
      await Promise.all(components.map(async (component) => {
        // Without a payload of its own (a development tree that isn't built) all but `ours` can be told.
        const own = await source.payload(component).catch(() => undefined);
        return await statusOf(api, component, own?.digest);
      })),

    install: async (api, components, options, onStep, signal) => {
      for (const component of components) {
        const title = componentTitles[component];
        const there = await running(api, component, signal);
        if (there && isKept(there, title, options)) {
          onStep({
            step: `keep the ${title}`,
            detail: `it speaks this pmz's protocol (${there.image})`,
            ms: 0,
          });
          await step(onStep, `wait for the ${title}`, (detail) => ready(api, component, detail, signal));
          continue;
        }
        const modern = await isModern(api, signal);
        let manifests = await made(source, component, options, modern);
        if ((await Promise.all(manifests.map((each) => isForged(api, each, signal)))).includes(true)) {
          manifests = await made(source, component, options, modern, crypto.randomUUID().slice(0, 8));
        }
        await step(
          onStep,
          `apply the ${title}`,
          (detail) => deploy(api, component, manifests, detail, signal),
        );
        await step(onStep, `wait for the ${title}`, (detail) => ready(api, component, detail, signal));
        await forgetOldPayloads(api, component, manifests, signal);
      }
    },

    ready: async (api, component, onStep, signal) => {
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
    },

    uninstall: async (api, components, onStep, signal) => {
      // The node agent goes first: the pods answer again while laptops still have their tunnels.
      for (const component of components.toSorted().toReversed()) {
        await step(onStep, `remove the ${componentTitles[component]}`, async (detail) => {
          const manifests = await made(source, component, {}, true);
          let staysThere = false;
          await remove(api, manifests, {
            signal,
            onProgress: ({ object, outcome, done, total }) => {
              if (object.startsWith("Namespace ") && outcome === "kept") staysThere = true;
              detail(`${object} ${outcome} (${done} of ${total})`);
            },
          });
          // With the namespace payloads of other releases would go too.
          if (staysThere) await forgetOldPayloads(api, component, [], signal);
        });
      }
    },

    manifests: async (components, options) => {
      const all = await Promise.all(components.map((each) => made(source, each, options, true)));
      // An object that stands for itself, as people read and change it: no aliases, no folded lines.
      return ordered(all.flat()).map((each) => dump(each, { lineWidth: -1, noRefs: true })).join(
        "---\n",
      );
    },
  };
  return installer;
}

/** An agent that runs and speaks our protocol is never replaced unasked: others, with other versions of pmz, share it. */
function isKept(there: Running, title: string, { force = false }: AgentInstallOptions): boolean {
  if (force) return false;
  if (there.fit === "newer") {
    throw new Error(
      `The cluster's ${title} is of a newer pmz and doesn't speak this one's protocol. Update pmz; ` +
        `or replace it for everybody: pmz agent deploy --force.`,
    );
  }
  return there.fit === "fits" && there.ready > 0;
}

async function deploy(
  api: Api,
  component: Component,
  manifests: readonly Manifest[],
  detail: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  if (component === "node") await refuseStrangers(api, signal);
  await apply(api, manifests, {
    signal,
    onProgress: ({ object, outcome, done, total }) => detail(`${object} ${outcome} (${done} of ${total})`),
  });
}

/**
 * Whether a ConfigMap that has a payload's name has other bytes: somebody put it there. Kubelets go on giving pods the one
 * that they know of an immutable ConfigMap's name, so it's of no use to replace it: the payload needs another name.
 */
async function isForged(api: Api, manifest: Manifest, signal: AbortSignal): Promise<boolean> {
  if (manifest.kind !== "ConfigMap") return false;
  const { name, namespace = "" } = manifest.metadata;
  try {
    const there = await api.get(resources.configMaps, { namespace, name }, { signal });
    return !same(there.binaryData, manifest.binaryData);
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
      detail([`${ready} of ${wanted} pods ready`, ...troubles].join("; ")),
  });
}

/** Payloads that no pod runs any more. */
async function forgetOldPayloads(
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

/** The objects of a component. */
async function made(
  source: PayloadSource,
  component: Component,
  options: AgentInstallOptions,
  modern: boolean,
  salt?: string,
): Promise<Manifest[]> {
  const manifestOptions: ManifestOptions = {
    payload: await source.payload(component),
    image: options.agentImage ?? options.baseImage ?? STOCK_IMAGE,
    prebuilt: options.agentImage !== undefined,
    ranges: (options.ranges ?? []).map(checkedRange),
    architectures: source.architectures,
    modern,
    ...salt === undefined ? {} : { salt },
  };
  return makers[component](manifestOptions);
}

function checkedRange(text: string): string {
  const range = parseRange(text);
  if (!range) throw new TypeError(`"${text}" is no range in CIDR notation, as in 10.0.0.0/16`);
  return range.text;
}

/** Whether the cluster is of 1.30 or newer. */
async function isModern(api: Api, signal: AbortSignal): Promise<boolean> {
  const version = await api.json("GET", "/version", { signal, what: "ask for the cluster's version" });
  const minor = typeof version === "object" && version !== null && "minor" in version
    ? String(version.minor)
    : "";
  // "27+" on some clouds; what can't be read is taken as new.
  return !(parseInt(minor) < ADMISSION_SINCE);
}

/** Tells a step's beginning, what goes on in it, and its end. */
async function step(
  onStep: InstallStep,
  name: string,
  run: (detail: (text: string) => void) => Promise<void>,
): Promise<void> {
  const begun = performance.now();
  let last: string | undefined;
  onStep({ step: name });
  await run((detail) => {
    if (detail !== last) onStep({ step: name, detail });
    last = detail;
  });
  onStep({
    step: name,
    ms: Math.round(performance.now() - begun),
    ...last === undefined ? {} : { detail: last },
  });
}
