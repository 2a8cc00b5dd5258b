/** What the page is told: texts in the words of the commands, and times in milliseconds since 1970. No imports: the page's modules have these types, too. */

/** A message, and what to do about it. */
export interface NoticeView {
  readonly message: string;
  readonly hint?: string;
}

export interface StatusView {
  /** Why there is nothing to see; absent while a daemon answers. */
  readonly why?: NoticeView;
  readonly release?: string;
  readonly since?: number;
  readonly proxy?: string;
  readonly clusters: readonly ClusterView[];
  readonly warnings: readonly NoticeView[];
}

export interface ClusterView {
  readonly context: string;
  readonly server: string;
  readonly namespace: string;
  readonly user: string;
  readonly mode: "capture" | "proxy" | "intercept";
  /** `idle`: only intercepts are connected, so that there is no tunnel. */
  readonly state: "connected" | "connecting" | "idle";
  /** The gateway's pod, or why there is no tunnel. */
  readonly detail: string;
  readonly since?: number;
  readonly roundTripMs?: number;
  /** "3", or "3, 2 of them answer" */
  readonly services: string;
  readonly openStreams: number;
  /** What limits it, and what to do about it. */
  readonly notes: readonly NoticeView[];
  /** The pattern of the settings by which an intercept there asks for the Service's name. */
  readonly protectedBy?: string;
}

export interface InterceptsView {
  readonly own: readonly InterceptView[];
}

export interface InterceptView {
  readonly id: string;
  readonly cluster: string;
  readonly takes: string;
  readonly local: string;
  /** "2 of 2 pods"; absent where no pods are taken. */
  readonly pods?: string;
  readonly connections: string;
  /** "3 of 40, 1 to the pods"; absent where requests aren't told apart. */
  readonly requests?: string;
  readonly since: number;
  readonly until?: number;
  /** What other people take of the same port; absent where there is nothing. */
  readonly others?: string;
  readonly warnings: readonly NoticeView[];
}

export interface FlowsView {
  readonly open: readonly FlowView[];
  readonly failed: readonly FlowView[];
  /** How many there are; the lists have the newest. */
  readonly counts: { readonly open: number; readonly failed: number };
}

export interface FlowView {
  readonly id: string;
  readonly kind: "captured" | "proxied" | "intercepted";
  readonly state: "open" | "done" | "failed";
  readonly started: number;
  /** Absent while it is open. */
  readonly ended?: number;
  readonly from: string;
  readonly to: string;
  /** The outcome, in words; it has the reason. */
  readonly outcome: string;
  /** "1.2 KiB sent, 4.8 MiB received"; absent where nothing was carried. */
  readonly bytes?: string;
  /** How many equal ones it stands for. */
  readonly times?: number;
  /** What `pmz explain` takes; absent where it has nothing to follow. */
  readonly explain?: string;
}

/** Flows that ended since the last event. */
export interface EndedView {
  readonly flows: readonly FlowView[];
  readonly missed: number;
}

/** What is asked for seldom: the Services are told in answers to the page's own questions. */
export interface DirectoryView {
  readonly services: number;
  /** Changes when the Services do. */
  readonly revision: number;
  readonly domains: readonly DomainView[];
  /** Services that other people intercept from their machines. */
  readonly others: readonly OtherView[];
  /** How many there are; the list has the first. */
  readonly otherCount: number;
}

export interface DomainView {
  readonly name: string;
  readonly target: string;
  readonly addresses: string;
  readonly cluster: string;
}

export interface OtherView {
  readonly service: string;
  readonly cluster: string;
  /** "bob takes header x-user: bob of port 80" */
  readonly rules: readonly string[];
}

/** An answer to the page's question for Services. */
export interface ServicesView {
  readonly all: number;
  readonly matching: number;
  /** The first of those that match. */
  readonly items: readonly ServiceView[];
}

export interface ServiceView {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly addresses: string;
  readonly ports: readonly PortView[];
  readonly type: string;
  readonly ready: number;
  readonly intercepted?: string;
  readonly interceptedBy: readonly string[];
  readonly problems: readonly string[];
}

export interface PortView {
  readonly port: number;
  readonly name?: string;
  readonly isUdp: boolean;
}

/** The last event of a stream. */
export interface EndView {
  /** `replaced`: other tabs have the page open, and this one pauses. */
  readonly kind: "down" | "interrupted" | "replaced";
}

/** A line of what a command says, then the command's exit code. */
export type CommandLine =
  | { readonly text: string; readonly isError: boolean }
  | { readonly exit: number };
