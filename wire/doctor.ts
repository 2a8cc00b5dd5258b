/** What `pmz doctor` asks for and finds: the words of its output, of `-o json`, and of the warnings of `up` and `status`. */
import type { NameEntry, Status } from "./control.ts";
import type { Finding, FindingLevel } from "./finding.ts";

/** Every check by its name, in the order in which they are shown. */
export const checkIds = [
  "platform",
  "kernel",
  "cgroup",
  "tun",
  "programs",
  "name-service",
  "nameservers",
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
  "intercepts",
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
  | {
    readonly state: "running";
    readonly status: Status;
    /** Those of the Services of captured clusters. */
    readonly namespaces: readonly string[];
    readonly names: readonly NameEntry[];
  }
  /** One runs that doesn't answer, or not in this pmz's words. */
  | { readonly state: "unusable"; readonly why: string; readonly remedy: string };

/** The names that are answered on this machine. */
export interface ServedNames {
  readonly names: readonly NameEntry[];
  /** The connections' own namespaces: plain names are those of Services there. */
  readonly namespaces: readonly string[];
  /** The address of the proxy that `pmz up --proxy` serves now, as in "127.0.0.1:1080". */
  readonly proxy?: string;
}

/** The names that are answered, as a daemon says it. */
export function servedNames(status: Status, names: readonly NameEntry[]): ServedNames {
  return {
    names,
    namespaces: status.clusters.map(({ cluster }) => cluster.namespace),
    ...(status.proxy === undefined ? {} : { proxy: status.proxy }),
  };
}

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
