import type { Api } from "../kube/client/api.ts";
import type { ClusterAccess } from "../kube/client/access.ts";
import type { Status } from "../wire/control.ts";
import type { DaemonView, ServedNames } from "../wire/doctor.ts";
import type { AgentComponent } from "../wire/installer.ts";

/** Everything that checks look at. Each check names the few parts that it uses, so a test passes just those. */
export interface CheckParts {
  readonly machine: MachineProbes;
  readonly env: Environment;
  readonly nameService: NameServicePaths;
  readonly resolver: () => Promise<Resolver>;
  /** Why a nameserver doesn't answer; undefined when it does. */
  readonly nameserverProblem: (address: string) => Promise<string | undefined>;
  /** The namespaces that have Services, of all captured clusters. */
  readonly namespaces: () => Promise<readonly string[]>;
  /** The cluster that is meant; opened once. @throws {KubeconfigError} */
  readonly cluster: () => Promise<OpenCluster>;
  /** Whether `pmz up` is to capture connections now, and how the root helper is, which does that. */
  readonly capture: () => Promise<{ readonly isWanted: boolean; readonly helper: Status["helper"] }>;
  readonly agents: (api: Api) => Promise<readonly AgentComponent[]>;
  readonly daemon: () => Promise<DaemonView>;
  /** The names that are answered on this machine now, and pmz's own proxy. */
  readonly served: () => Promise<ServedNames>;
  /** Why the daemon can't start with its state folder; undefined when it can. Changes nothing. */
  readonly stateProblem: (folder: string) => Promise<Problem | undefined>;
  /** The path of sudo; undefined when it is not on PATH. */
  readonly sudo: () => Promise<string | undefined>;
  /** What pmz left on this machine though nothing of it runs, in words. */
  readonly leftovers: () => Promise<readonly string[]>;
  readonly release: string;
  readonly stateFolder: string;
}

/** Something that isn't right, and what to do about it. */
export interface Problem {
  readonly why: string;
  readonly remedy: string;
}

/** Environment variables. */
export interface Environment {
  get(name: string): string | undefined;
}

/** The machine that the root helper would run on. */
export interface MachineProbes {
  /** As Deno names them: "linux", "x86_64". */
  readonly os: string;
  readonly arch: string;
  /** As `uname -r` says it. */
  readonly kernel: string;
  /** The version of glibc; undefined for any other C library. */
  readonly glibc: string | undefined;
  readonly isRoot: boolean;
  readonly paths: MachinePaths;
  /** False when the kernel has no system call bpf(2). */
  hasBpf(): boolean;
  /** Loads the helper's BPF programs into the kernel and takes them out again. Needs root. @throws when they don't load */
  loadPrograms(): Promise<void>;
  /** Where the helper finds cgroup v2; undefined when that isn't mounted. */
  findRootCgroup(): string | undefined;
  /** Where the helper finds a program of the system; undefined when it doesn't. */
  findProgram(name: SystemProgram): string | undefined;
}

/** Programs that the root helper runs. */
export type SystemProgram = "sh" | "ip" | "ss";

/** Files of the kernel. */
export interface MachinePaths {
  /** Names of everything in the kernel (`man 5 proc_kallsyms`). */
  readonly symbols: string;
  readonly tun: string;
  /** Drivers of character devices that are there now, by name. */
  readonly misc: string;
  /** A folder for each kernel, with its modules. */
  readonly modules: string;
  /** This process, as the kernel describes it (`man 5 proc_pid_status`). */
  readonly status: string;
}

export const machinePaths: MachinePaths = {
  symbols: "/proc/kallsyms",
  tun: "/dev/net/tun",
  misc: "/proc/misc",
  modules: "/lib/modules",
  status: "/proc/self/status",
};

/** Files that say how the C library looks up names. */
export interface NameServicePaths {
  readonly nsswitch: string;
  /** The socket of systemd-resolved, and that of nscd: each is there while its program runs. */
  readonly resolved: string;
  readonly nscd: string;
  readonly nscdConf: string;
}

export const nameServicePaths: NameServicePaths = {
  nsswitch: "/etc/nsswitch.conf",
  resolved: "/run/systemd/resolve/io.systemd.Resolve",
  nscd: "/run/nscd/socket",
  nscdConf: "/etc/nscd.conf",
};

/** What resolv.conf says, and which of its nameservers pmz can answer for. */
export interface Resolver {
  readonly nameservers: readonly { readonly address: string; readonly canRedirect: boolean }[];
  readonly search: readonly string[];
  readonly hostname: string;
}

/** One context of a kubeconfig. */
export interface OpenCluster {
  readonly cluster: ClusterAccess;
  /** By which the API server is reached, from the kubeconfig or the environment; undefined for none. */
  readonly proxyUrl: string | undefined;
  /** The connection's own namespace. */
  readonly namespace: string;
  readonly api: Api;
  /** The version that the API server says, as in "v1.34.4"; asked once. @throws ApiError */
  version(): Promise<string>;
}
