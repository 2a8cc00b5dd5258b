/** The components that run in a cluster: what they are called, how they stand, and how they are installed. */
import type { SpokenVersions } from "./hello.ts";
import { boolean, type Infer, list, object, optional, text } from "./schema.ts";

/** `gateway`: what `pmz up` needs; `node`: what intercepts need (CRDs and the node agent). */
export const components = ["gateway", "node"] as const;
export type Component = typeof components[number];

/** The components as people read them: "the gateway", "the node agent". */
export const componentTitles: Readonly<Record<Component, string>> = {
  gateway: "gateway",
  node: "node agent",
};

/** The state of a component in a cluster. */
export interface AgentComponent {
  readonly component: Component;
  /** `starting`: see `why`; `incompatible`: no protocol version in common; `unknown`: no right to read it. */
  readonly state: "absent" | "ready" | "starting" | "incompatible" | "unknown";
  readonly why?: string;
  readonly image?: string;
  /** The digest of the code that it runs: "sha256:HEX". */
  readonly payload?: string;
  /** Whether that is the code of this pmz. */
  readonly ours?: boolean;
  /** What it speaks, of which versions. */
  readonly versions?: SpokenVersions;
  /** Whether this pmz's own agent speaks newer versions, and all of the installed one's, so that it may replace it. */
  readonly outdated?: boolean;
  readonly pods?: { readonly ready: number; readonly all: number };
}

/** Options of an installation. */
export const installOptions = object({
  /** A mirror of the stock image; docker.io's by default. */
  baseImage: optional(text(512)),
  /** A prebuilt image that has the payload inside. */
  agentImage: optional(text(512)),
  /** Replaces an agent even if it runs and is compatible. */
  force: optional(boolean()),
  /** Ranges in CIDR notation that the gateway may dial besides Services and pods. */
  ranges: optional(list(text(64), 256)),
});
export type AgentInstallOptions = Infer<typeof installOptions>;

/** Called at each step of an installation; `ms` is set when the step is done. */
export type InstallStep = (
  step: { readonly step: string; readonly detail?: string; readonly ms?: number },
) => void;
