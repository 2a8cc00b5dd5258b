/** What `pmz doctor` asks for and finds: the words of its output, of `-o json`, and of the warnings of `up` and `status`. */
import type { Status } from "./control.ts";
import type { Finding, FindingLevel } from "./finding.ts";

/** Every check by its name, in the order in which they are shown. */
export const checkIds = [
  "platform",
  "kernel",
  "cgroup",
  "tun",
  "programs",
  "name-service",
  "program-proxy",
  "kubeconfig",
  "api-proxy",
  "api-server",
  "rights",
  "agent",
  "daemon",
  "helper",
  "tunnel",
  "capture",
  "addresses",
  "short-names",
  "leftovers",
] as const;
export type CheckId = typeof checkIds[number];

export type { Finding, FindingLevel };

/** What one check came to. */
export interface CheckResult {
  readonly id: CheckId;
  readonly title: string;
  /** The worst of its findings. */
  readonly outcome: FindingLevel;
  readonly findings: readonly Finding[];
  readonly ms: number;
}

/** How the user's daemon is found. */
export type DaemonView =
  | { readonly state: "none" }
  /** `namespaces`: those of the Services of captured clusters. */
  | { readonly state: "running"; readonly status: Status; readonly namespaces: readonly string[] }
  /** One runs that doesn't answer, or not in this pmz's words. */
  | { readonly state: "unusable"; readonly why: string; readonly remedy: string };

/** What is to be checked. The command line hands over what it alone knows: its environment, sudo, and the daemon. */
export interface DoctorRequest {
  /** These, and what they need; all when empty. */
  readonly only: readonly CheckId[];
  /** By default the kubeconfig's current context. */
  readonly context?: string;
  readonly kubeconfig?: string;
  /** By default the context's own. */
  readonly namespace?: string;
  readonly release: string;
  readonly stateFolder: string;
  readonly env: { get(name: string): string | undefined };
  /** The path of sudo; undefined when it is not on PATH. */
  sudo(): Promise<string | undefined>;
  daemon(): Promise<DaemonView>;
}

/** Called when a check begins or ends, with the number of checks that are done and the checks that run now. */
export type OnChecked = (
  progress: { readonly done: number; readonly all: number; readonly running: readonly CheckId[] },
) => void;
