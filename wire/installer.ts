/**
 * What the daemon needs of whoever installs the agents in a cluster. The daemon never imports agent/: main.ts hands
 * this over.
 */
import { boolean, type Infer, list, object, optional, text } from "./schema.ts";

/** `gateway`: what `pmz up` needs; `node`: what intercepts need (CRDs and the node agent). */
export const components = ["gateway", "node"] as const;
export type Component = typeof components[number];

/** How a component stands in a cluster. */
export interface AgentComponent {
  readonly component: Component;
  /** `absent`; `ready`; `starting` (see why); `incompatible`: speaks no protocol version of ours; `unknown`: may not be looked at. */
  readonly state: "absent" | "ready" | "starting" | "incompatible" | "unknown";
  readonly why?: string;
  readonly image?: string;
  /** "sha256:HEX" of what it runs. */
  readonly payload?: string;
  /** Whether that is this pmz's own payload. */
  readonly ours?: boolean;
  readonly pods?: { readonly ready: number; readonly all: number };
}

/** How to install; what isn't given is the default. */
export const installOptions = object({
  /** A mirror of the stock image. */
  baseImage: optional(text(512)),
  /** A prebuilt image that has the payload inside. */
  agentImage: optional(text(512)),
  /** Replace an agent that runs and is compatible. */
  force: optional(boolean()),
  /** Ranges in CIDR notation that the gateway may dial besides Services and pods. */
  ranges: optional(list(text(64), 256)),
});
export type AgentInstallOptions = Infer<typeof installOptions>;

/** Told at each step of an installation. `ms` is there when the step is done. */
export type InstallStep = (
  step: { readonly step: string; readonly detail?: string; readonly ms?: number },
) => void;

/**
 * Installs, looks at and removes the agents, by an API client of the kind that `Client` is.
 * Every method may throw kube's ApiError; `install` throws an Error that says why a component doesn't become ready.
 */
export interface AgentInstaller<Client> {
  status(api: Client, components: readonly Component[]): Promise<AgentComponent[]>;
  install(
    api: Client,
    components: readonly Component[],
    options: AgentInstallOptions,
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void>;
  uninstall(
    api: Client,
    components: readonly Component[],
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void>;
  /** YAML for `kubectl apply -f -`. */
  manifests(components: readonly Component[], options: AgentInstallOptions): Promise<string>;
}
