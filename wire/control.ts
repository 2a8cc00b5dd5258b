/**
 * The control API: HTTP/1.1 on a unix socket in the user's own state folder (0700, socket 0600). Everything that the
 * command line does goes through it. Long work answers with NDJSON: a Progress a line, the last a result or an error.
 *
 * | request | body | answer |
 * | --- | --- | --- |
 * | GET /hello | | Hello |
 * | POST /plan | PlanRequest | Plan |
 * | POST /up | UpRequest | Progress lines, UpResult |
 * | POST /down | DownRequest | Progress lines, DownResult |
 * | GET /status | | Status |
 * | GET /services | | ServiceEntry[] |
 * | GET /names | | NameEntry[] |
 * | POST /names | CustomName | NameEntry |
 * | DELETE /names/:domain | | NameEntry (as it was) |
 * | GET /intercepts | | InterceptEntry[] |
 * | POST /intercepts | InterceptRequest | Progress lines, InterceptEntry |
 * | DELETE /intercepts/:id | | Progress lines, InterceptEntry (as it was) |
 * | GET /agent?context= | | AgentComponent[] |
 * | POST /agent | AgentRequest | Progress lines, AgentComponent[] |
 * | DELETE /agent | AgentRequest | Progress lines, AgentComponent[] |
 * | POST /stop | | 204, and the daemon ends |
 *
 * A failure is a ControlError, with the status of its code, or as the last line of Progress.
 */
import type { AgentComponent, AgentInstallOptions, Component } from "./installer.ts";
import type { HelperGrant } from "./helper.ts";

export const CONTROL_VERSION = 1;
/** Bytes of a request's body. */
export const LONGEST_CONTROL_REQUEST = 256 * 1024;
/** The daemon's files, in its state folder. */
export const controlFiles = {
  socket: "control.sock",
  log: "daemon.log",
  lock: "daemon.lock",
  names: "names.json",
} as const;

/** How things go wrong, each with what a script sees. The one table of exit codes: docs/exit-codes.md is made of it. */
export const failures = {
  internal: { exit: 1, status: 500, means: "something that should not happen; see the log" },
  usage: { exit: 2, status: 400, means: "the command line or the request makes no sense" },
  "not-up": { exit: 3, status: 409, means: "needs a connection: run `pmz up` first" },
  unreachable: { exit: 4, status: 502, means: "the cluster's API server can't be reached" },
  credentials: {
    exit: 5,
    status: 401,
    means: "the cluster doesn't take these credentials, or a kubeconfig can't be used",
  },
  forbidden: { exit: 6, status: 403, means: "the cluster doesn't allow this to this user" },
  "not-found": { exit: 7, status: 404, means: "no such context, Service, port, domain or intercept" },
  conflict: { exit: 8, status: 409, means: "somebody or something else has it already" },
  agent: { exit: 9, status: 502, means: "pmz's agent in the cluster is missing, or doesn't start" },
  helper: {
    exit: 10,
    status: 502,
    means: "the root helper is missing, or can't do its work on this machine",
  },
  timeout: { exit: 11, status: 504, means: "it took too long" },
  declined: {
    exit: 12,
    status: 400,
    means: "a question was answered with no, or nobody was there to answer it",
  },
  interrupted: { exit: 130, status: 499, means: "Ctrl-C" },
} as const satisfies Record<string, { exit: number; status: number; means: string }>;

export type FailureCode = keyof typeof failures;

export interface ControlError {
  readonly code: FailureCode;
  /** What was tried, and what happened; one line. */
  readonly message: string;
  /** What to do next, if anything is known to help. */
  readonly hint?: string;
  /** The causes beneath, outermost first: for --verbose. */
  readonly causes?: readonly string[];
}

/** One line of long work. */
export type Progress<Result> =
  | { readonly kind: "step"; readonly name: string; readonly state: "started" }
  | {
    readonly kind: "step";
    readonly name: string;
    readonly state: "done";
    readonly ms: number;
    readonly detail?: string;
  }
  /** More about the step that runs: "1 of 2 pods ready". */
  | { readonly kind: "detail"; readonly name: string; readonly detail: string }
  /** Something to know that is no failure. */
  | { readonly kind: "warning"; readonly message: string; readonly hint?: string }
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "error"; readonly error: ControlError };

/** Which cluster: a context of a kubeconfig, by default the current one. */
export interface ClusterChoice {
  readonly context?: string;
  /** Paths as in KUBECONFIG (colon-separated, absolute); by default ~/.kube/config. */
  readonly kubeconfig?: string;
  /** The connection's own namespace: single-label names, default of commands; by default the context's. */
  readonly namespace?: string;
}

/** What is about to be done, for the command line to say and to ask about. */
export interface PlanRequest extends ClusterChoice {
  readonly mode: Mode;
}
/** `capture`: the machine's programs, with the root helper; `proxy`: SOCKS5 and HTTP proxy, no root; `intercept`: only intercepts. */
export type Mode = "capture" | "proxy" | "intercept";

export interface Plan {
  readonly cluster: ClusterName;
  readonly agent: readonly AgentComponent[];
  /** What would have to be installed in the cluster before this can work; empty: nothing. */
  readonly install: readonly Component[];
  /** What the root helper has to be started with; undefined when none is needed, or one is connected. */
  readonly helper?: HelperGrant;
  /** Whether the daemon is connected to this cluster already, and how. */
  readonly connected?: Mode;
  readonly warnings: readonly { readonly message: string; readonly hint?: string }[];
}

/** A cluster as people know it. */
export interface ClusterName {
  readonly context: string;
  readonly server: string;
  readonly namespace: string;
  readonly user: string;
}

export interface UpRequest extends ClusterChoice {
  readonly mode: Mode;
  /** Port of the proxy on 127.0.0.1; 0 or absent: 1080 if free, else any. */
  readonly proxyPort?: number;
  /** The user has agreed to installing what the plan named. */
  readonly install: boolean;
  readonly installOptions?: AgentInstallOptions;
}

export interface UpResult {
  readonly cluster: ClusterName;
  readonly mode: Mode;
  /** "127.0.0.1:1080" */
  readonly proxy?: string;
  readonly services: number;
  /** What was dialled to show that it works; undefined when the namespace has no TCP Service with an endpoint. */
  readonly proof?: { readonly service: string; readonly port: number; readonly ms: number };
  /** Names worth trying, the connection's namespace first. */
  readonly try: readonly { readonly name: string; readonly port: number; readonly http: boolean }[];
  readonly warnings: readonly { readonly message: string; readonly hint?: string }[];
}

export interface DownRequest {
  /** Absent: every cluster, and the daemon ends. */
  readonly context?: string;
}
export interface DownResult {
  readonly wasUp: boolean;
  /** What is still there, in words; empty: nothing. */
  readonly left: readonly string[];
}

export interface Status {
  readonly release: string;
  readonly pid: number;
  /** ISO time. */
  readonly since: string;
  readonly clusters: readonly ClusterStatus[];
  readonly helper: { readonly state: "connected"; readonly address: string; readonly routes: number } | {
    readonly state: "none";
  };
  readonly proxy?: string;
  readonly intercepts: readonly InterceptEntry[];
}

export interface ClusterStatus {
  readonly cluster: ClusterName;
  readonly mode: Mode;
  readonly tunnel: TunnelState;
  /** Last round trip through the tunnel in milliseconds. */
  readonly roundTripMs?: number;
  readonly services: number;
  readonly openStreams: number;
  /** Kinds that may not be watched with these credentials, and what that means. */
  readonly limits: readonly string[];
}
export type TunnelState =
  | { readonly state: "connected"; readonly since: string; readonly pod: string }
  | { readonly state: "connecting"; readonly why: string };

export interface ServiceEntry {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** The shortest name that always works: "echo.default.svc". */
  readonly hostname: string;
  /** Addresses by which the laptop reaches it; none for an ExternalName. */
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string }[];
  readonly readyEndpoints: number;
  readonly type: "ClusterIP" | "Headless" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** The id of the intercept that this laptop has on it. */
  readonly intercepted?: string;
}

/** A custom domain; "*.shop.example" for all below. */
export interface CustomName {
  readonly domain: string;
  readonly service: string;
  readonly namespace: string;
  readonly context?: string;
}
export interface NameEntry {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly custom: boolean;
  /** "echo.default" */
  readonly target: string;
  readonly cluster: string;
}

export interface InterceptRequest extends ClusterChoice {
  readonly service: string;
  /** Name or number of the Service's port; absent: its only TCP port, or the one named "http", or 80. */
  readonly port?: string;
  /** Where connections go on the laptop. */
  readonly local: { readonly host: string; readonly port: number };
  readonly install: boolean;
  readonly installOptions?: AgentInstallOptions;
}
export interface InterceptEntry {
  /** "echo.default:80", with "@context" where several clusters are connected. */
  readonly id: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  readonly portName?: string;
  readonly local: string;
  readonly since: string;
  readonly pods: { readonly ready: number; readonly all: number };
  readonly connections: { readonly open: number; readonly total: number };
  /** Other Services whose traffic is taken too, since steering is by pod port. */
  readonly alsoTaken: readonly string[];
  /** Why it isn't in force everywhere; empty when it is. */
  readonly problems: readonly string[];
}

export interface AgentRequest extends ClusterChoice {
  readonly components: readonly Component[];
  readonly options?: AgentInstallOptions;
}
