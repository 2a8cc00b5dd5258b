/**
 * The calls of the control API. The daemon's routes and the command line's client are both made from this table:
 * a new call is a row here, a method of the daemon, and a command that makes it.
 */
import { type Infer, object, type Schema } from "../schema.ts";
import type { Explanation } from "../explain.ts";
import type { Flow } from "../flow.ts";
import type { Hello } from "../hello.ts";
import type { AgentComponent } from "../installer.ts";
import type { Reporter } from "../progress.ts";
import type {
  DownResult,
  FlowEvent,
  HelperLog,
  Hold,
  InterceptEntry,
  NameEntry,
  Plan,
  PluginNeed,
  ServiceEntry,
  ServiceEnvironment,
  Status,
  UpResult,
} from "./answers.ts";
import {
  agentRequest,
  type AllowedDomain,
  allowedDomain,
  clusterChoice,
  customName,
  downRequest,
  environmentRequest,
  explainRequest,
  interceptRequest,
  namedDomain,
  namedHold,
  namedIntercept,
  planRequest,
  upRequest,
} from "./requests.ts";

declare const answer: unique symbol;

/** How a call answers: `once`, with JSON; `progress`, with lines of Progress; `stream`, with a line for each value. */
type Kind = "once" | "progress" | "stream";
/** The kind of an answer, with its type. */
interface Answer<K extends Kind, T> {
  readonly kind: K;
  readonly [answer]?: T;
}
const once = <T>(): Answer<"once", T> => ({ kind: "once" });
/** Long work: NDJSON, a Progress a line; the last one is a result or an error. It's undone when the reader goes away. */
const progress = <T>(): Answer<"progress", T> => ({ kind: "progress" });
/** NDJSON, a value a line, until the reader goes away or the daemon ends. */
const stream = <T>(): Answer<"stream", T> => ({ kind: "stream" });

/** A row of the table. Fields of the request that the path names go there; of a GET the others are the query. */
export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly request: Schema<object>;
  readonly answer: Answer<Kind, unknown>;
}

const nothing = object({});

/** The one table of calls. A failure is a ControlError: with the status of its code, or as the last line of Progress. */
export const calls = {
  hello: { method: "GET", path: "/hello", request: nothing, answer: once<Hello>() },
  /** Whether the command has to run an exec plugin first, in its own terminal. */
  plugin: { method: "POST", path: "/plugin", request: clusterChoice, answer: once<PluginNeed>() },
  plan: { method: "POST", path: "/plan", request: planRequest, answer: once<Plan>() },
  up: { method: "POST", path: "/up", request: upRequest, answer: progress<UpResult>() },
  down: { method: "POST", path: "/down", request: downRequest, answer: progress<DownResult>() },
  status: { method: "GET", path: "/status", request: nothing, answer: once<Status>() },
  /** As `status`, and looks again at what it otherwise believes for a while: the machine's firewall, and why a tunnel isn't up. */
  look: { method: "POST", path: "/status", request: nothing, answer: once<Status>() },
  /** Follows what would become of a connection. */
  explain: { method: "POST", path: "/explain", request: explainRequest, answer: once<Explanation>() },
  services: { method: "GET", path: "/services", request: nothing, answer: once<readonly ServiceEntry[]>() },
  names: { method: "GET", path: "/names", request: nothing, answer: once<readonly NameEntry[]>() },
  addName: { method: "POST", path: "/names", request: customName, answer: once<NameEntry>() },
  /** Answers with the name as it was. */
  removeName: { method: "DELETE", path: "/names/:domain", request: namedDomain, answer: once<NameEntry>() },
  allowedDomains: {
    method: "GET",
    path: "/allowed",
    request: nothing,
    answer: once<readonly AllowedDomain[]>(),
  },
  allowDomain: { method: "POST", path: "/allowed", request: allowedDomain, answer: once<AllowedDomain>() },
  /** Answers with those that were there. */
  disallowDomain: {
    method: "DELETE",
    path: "/allowed/:domain",
    request: namedDomain,
    answer: once<readonly AllowedDomain[]>(),
  },
  intercepts: {
    method: "GET",
    path: "/intercepts",
    request: nothing,
    answer: once<readonly InterceptEntry[]>(),
  },
  intercept: {
    method: "POST",
    path: "/intercepts",
    request: interceptRequest,
    answer: progress<InterceptEntry>(),
  },
  /** Answers with the intercept as it was. */
  leave: {
    method: "DELETE",
    path: "/intercepts/:id",
    request: namedIntercept,
    answer: progress<InterceptEntry>(),
  },
  /** Whatever is intercepted with the hold that is told ends when its reader goes away. */
  hold: { method: "POST", path: "/holds", request: nothing, answer: stream<Hold>() },
  /** Ends what is held; answers with it as it was. */
  release: {
    method: "DELETE",
    path: "/holds/:hold",
    request: namedHold,
    answer: progress<readonly InterceptEntry[]>(),
  },
  /** What a container of a Service's pods has of configuration; its secrets, too. */
  environment: {
    method: "POST",
    path: "/environment",
    request: environmentRequest,
    answer: once<ServiceEnvironment>(),
  },
  agent: {
    method: "POST",
    path: "/agent/status",
    request: clusterChoice,
    answer: once<readonly AgentComponent[]>(),
  },
  installAgent: {
    method: "POST",
    path: "/agent",
    request: agentRequest,
    answer: progress<readonly AgentComponent[]>(),
  },
  removeAgent: {
    method: "DELETE",
    path: "/agent",
    request: agentRequest,
    answer: progress<readonly AgentComponent[]>(),
  },
  /** The end of the root helper's log, which only root can read. */
  helperLog: { method: "GET", path: "/helper/log", request: nothing, answer: once<HelperLog>() },
  /** The flows that are open, and the last ones that failed: those that began first come first. */
  flows: { method: "GET", path: "/flows", request: nothing, answer: once<readonly Flow[]>() },
  /** Each flow that ends from now on, failed or not. */
  followFlows: { method: "GET", path: "/flows/ended", request: nothing, answer: stream<FlowEvent>() },
  /** Ends the daemon after the answer, which is empty. */
  stop: { method: "POST", path: "/stop", request: nothing, answer: once<void>() },
} as const satisfies Record<string, Call>;

export type Calls = typeof calls;
export type CallName = keyof Calls;
/** The names of the calls that answer in this way. */
export type CallOf<K extends Kind> = {
  [Name in CallName]: Calls[Name]["answer"]["kind"] extends K ? Name : never;
}[CallName];
export type RequestOf<Name extends CallName> = Infer<Calls[Name]["request"]>;
export type AnswerOf<Name extends CallName> = Calls[Name]["answer"] extends Answer<Kind, infer T> ? T : never;

/** What does the calls: a method for each row of the table. */
export type Controlled =
  & {
    [Name in CallOf<"once">]: (request: RequestOf<Name>) => AnswerOf<Name> | Promise<AnswerOf<Name>>;
  }
  & {
    [Name in CallOf<"progress">]: (
      request: RequestOf<Name>,
      report: Reporter,
      signal: AbortSignal,
    ) => Promise<AnswerOf<Name>>;
  }
  & {
    [Name in CallOf<"stream">]: (
      request: RequestOf<Name>,
      signal: AbortSignal,
    ) => AsyncIterable<AnswerOf<Name>>;
  };

/** The rows of the calls that answer in this way. */
export function callsOf<K extends Kind>(kind: K): readonly (readonly [CallOf<K>, Call])[] {
  const rows = Object.entries<Call>(calls) as [CallName, Call][]; // Object.entries forgets the names
  return rows.filter((row): row is [CallOf<K>, Call] => row[1].answer.kind === kind);
}

/** A request as it is sent: its place in HTTP follows from the row. */
export interface SentRequest {
  readonly method: Call["method"];
  /** With its query. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
}

/** Puts the fields of a request where the call's row says: into the path, the query, or a body of JSON. */
export function sentRequest<Name extends CallName>(name: Name, request?: RequestOf<Name>): SentRequest {
  const { method, path }: Call = calls[name];
  const fields: Record<string, unknown> = { ...request };
  const filled = path.replace(/:(\w+)/g, (_, field: string) => {
    const given = String(fields[field]);
    delete fields[field];
    return encodeURIComponent(given);
  });
  if (method === "GET") {
    const query = new URLSearchParams(
      Object.entries(fields).flatMap(([field, given]) => given === undefined ? [] : [[field, String(given)]]),
    );
    return { method, path: query.size === 0 ? filled : `${filled}?${query}` };
  }
  return Object.keys(fields).length === 0 && method === "DELETE"
    ? { method, path: filled }
    : { method, path: filled, body: JSON.stringify(fields) };
}
