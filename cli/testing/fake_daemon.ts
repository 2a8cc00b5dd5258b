import { type Context, Hono } from "hono";
import {
  type CallName,
  calls,
  type ControlError,
  controlFiles,
  failures,
  type FlowEvent,
  type HelperLog,
  type Hold,
  type InterceptEntry,
  type NameEntry,
  type Plan,
  type PluginNeed,
  type Progress,
  type ServiceEntry,
  type ServiceEnvironment,
  type Status,
  type UpResult,
} from "../../wire/control.ts";
import type { Explanation } from "../../wire/explain.ts";
import type { Flow } from "../../wire/flow.ts";
import { type Hello, helloOf } from "../../wire/hello.ts";
import type { AgentComponent } from "../../wire/installer.ts";
import { interceptEntry } from "../../wire/testing/intercept_entry.ts";

/** A request that the fake daemon got. */
export interface Asked {
  readonly request: string;
  /** Without its environment. */
  readonly body: unknown;
  readonly environment?: unknown;
}

/** What the fake daemon answers; a failure instead of any answer. */
export interface Answers {
  hello: Hello;
  plugin: PluginNeed;
  plan: Plan | ControlError;
  up: readonly Progress<UpResult>[];
  status: Status;
  helperLog: HelperLog;
  flows: readonly Flow[];
  /** Told to a follower of flows. */
  flowEvents: readonly FlowEvent[];
  /** Whether the follower waits for more then. */
  flowsStay: boolean;
  explain: Explanation | ControlError;
  services: readonly ServiceEntry[];
  names: readonly NameEntry[];
  intercepts: readonly InterceptEntry[];
  intercept: readonly Progress<InterceptEntry>[];
  environment: ServiceEnvironment | ControlError;
  agent: readonly AgentComponent[];
  /** Told to a holder after its hold. */
  heldEnds: readonly Hold[];
  left: readonly string[];
  /** Whether `down` never ends. */
  downStays: boolean;
}

const cluster = { context: "dev", server: "https://127.0.0.1:6443", namespace: "default", user: "jo" };

export const echoIntercept: InterceptEntry = { ...interceptEntry, connections: { open: 1, total: 12 } };

/** The hold that the fake daemon tells. */
export const HOLD = "00000000-0000-4000-8000-000000000001";

/** A connection of a program that the gateway refused, two minutes before "now". */
export const refusedFlow: Flow = {
  id: "k3v9t0aq-1f",
  kind: "captured",
  protocol: "tcp",
  from: "198.18.255.254:41234",
  program: { pid: 4312, name: "node" },
  to: "10.96.12.7:8080",
  name: "payments.default.svc:8080",
  cluster: "dev",
  started: "2026-01-01T11:58:00Z",
  ms: 12,
  sent: 0,
  received: 0,
  outcome: {
    kind: "refused",
    by: "gateway",
    error: "destination_unavailable",
    details: "no ready endpoint",
  },
};

/** An open connection from the cluster to a program on the laptop. */
export const interceptedFlow: Flow = {
  id: "x1y2z3aa-0",
  kind: "intercepted",
  protocol: "tcp",
  from: "10.244.1.7:51234",
  program: { pid: 5001, name: "python3" },
  to: "10.244.1.9:8080",
  cluster: "dev",
  intercept: "echo.default:80",
  started: "2026-01-01T11:59:57Z",
  sent: 1_234,
  received: 5_000_000,
  outcome: { kind: "open" },
};

/** A connection through the proxy that ended in order. */
export const doneFlow: Flow = {
  id: "k3v9t0aq-20",
  kind: "proxied",
  protocol: "tcp",
  from: "127.0.0.1:50000",
  to: "10.96.25.30:80",
  name: "echo.default.svc:80",
  cluster: "dev",
  started: "2026-01-01T11:59:58Z",
  ms: 1_500,
  sent: 300,
  received: 20_000,
  outcome: { kind: "done" },
};

export const upResult: UpResult = {
  cluster,
  mode: "capture",
  services: 3,
  answering: 3,
  candidates: 2,
  proof: { service: "echo.default.svc", port: 80, ms: 12 },
  try: [
    { name: "echo.default.svc", port: 80, http: true },
    { name: "api.default.svc", port: 8080, http: true },
    { name: "db.default.svc", port: 5432, http: false },
    { name: "cache.default.svc", port: 6379, http: false },
  ],
  warnings: [],
};

/** What it answers where a test says nothing else: connected to one cluster, one intercept. */
export function defaultAnswers(): Answers {
  return {
    hello: helloOf("control", { release: "0.1.0" }),
    plugin: { isNeeded: false },
    plan: { cluster, agent: [], install: [], warnings: [] },
    up: [
      { kind: "step", name: "reach the cluster", state: "started" },
      { kind: "step", name: "reach the cluster", state: "done", ms: 120, detail: "v1.34.1" },
      { kind: "step", name: "open the tunnel", state: "started" },
      { kind: "detail", name: "open the tunnel", detail: "1 of 2 pods ready" },
      { kind: "step", name: "open the tunnel", state: "done", ms: 2345 },
      { kind: "result", result: upResult },
    ],
    status: {
      release: "0.1.0",
      pid: 4711,
      since: "2026-01-01T10:00:00Z",
      clusters: [{
        cluster,
        mode: "capture",
        tunnel: { state: "connected", since: "2026-01-01T11:00:00Z", pod: "pmz-gateway-7d9" },
        roundTripMs: 9,
        services: 3,
        answering: 3,
        openStreams: 4,
        limits: ["may not watch pods: pods have no names"],
        acceptedRanges: ["34.118.224.0/20"],
        unreachable: {
          count: 1,
          first: [{
            service: "default/public",
            address: "203.0.113.7",
            why: "public, and in no range that was accepted for this cluster",
          }],
        },
      }],
      helper: { state: "connected", address: "198.18.255.254", routes: 5 },
      names: { answered: 12, forwarded: 30, unanswered: 1, refused: 0, dropped: 0 },
      intercepts: [echoIntercept],
      failures: [refusedFlow],
      warnings: [{
        message: "Names like SERVICE.dev stay the internet's or the local network's: namespace dev.",
        hint: "Write the whole name: SERVICE.dev.svc.",
      }],
    },
    helperLog: {},
    flows: [refusedFlow, interceptedFlow],
    flowEvents: [{ flow: doneFlow }, { missed: 3 }, { flow: refusedFlow }],
    flowsStay: false,
    explain: {
      target: "echo.default.svc:80",
      hops: [
        { hop: "name", level: "ok", saw: "echo.default.svc is Service default/echo of cluster dev", ms: 0.1 },
        { hop: "programs", level: "ok", saw: "programs get 10.96.25.30", ms: 2.4 },
        { hop: "port", level: "ok", saw: "the Service has the port 80 (http)" },
        { hop: "endpoints", level: "ok", saw: "2 ready, 1 not" },
        { hop: "address", level: "ok", saw: "10.96.25.30 is captured, for your programs alone" },
        { hop: "machine", level: "ok", saw: "this machine lets connections there pass", ms: 0.3 },
        { hop: "tunnel", level: "ok", saw: "connected to pmz-gateway-7d9, round trip 1.2 ms" },
        { hop: "dial", level: "ok", saw: "10.96.25.30:80: the gateway is connected", ms: 0.9 },
      ],
    },
    services: [
      {
        cluster: "dev",
        namespace: "default",
        name: "echo",
        hostname: "echo.default.svc",
        addresses: ["10.96.25.30"],
        ports: [{ name: "http", port: 80, protocol: "TCP" }, { port: 53, protocol: "UDP" }],
        acceptedRange: "10.96.0.0/12",
        readyEndpoints: 2,
        type: "ClusterIP",
        intercepted: "echo.default:80",
      },
      {
        cluster: "dev",
        namespace: "shop",
        name: "cart",
        hostname: "cart.shop.svc",
        addresses: [],
        ports: [],
        readyEndpoints: 0,
        type: "ExternalName",
        externalName: "nas.corp.example",
        problems: [
          "nas.corp.example leads to 192.168.1.5, which is in 192.168.1.0/24, a network of this machine: no cluster's name leads there",
        ],
      },
    ],
    names: [
      {
        name: "echo.default.svc",
        addresses: ["10.96.25.30"],
        custom: false,
        target: "echo.default",
        cluster: "dev",
      },
      {
        name: "www.shop.example",
        addresses: ["10.96.25.30"],
        custom: true,
        target: "echo.default",
        cluster: "dev",
      },
    ],
    intercepts: [echoIntercept],
    intercept: [
      { kind: "step", name: "take over in pods", state: "started" },
      { kind: "step", name: "take over in pods", state: "done", ms: 310 },
      { kind: "result", result: echoIntercept },
    ],
    environment: {
      cluster: "dev",
      namespace: "default",
      service: "echo",
      pod: "echo-7d9f-x2x",
      container: "app",
      variables: { DB_HOST: "db.shop", DB_PASSWORD: "pa$$ 'word'", PATH: "/app/bin" },
      files: [
        { path: "/etc/echo/echo.conf", mode: 0o644, content: btoa("a=1\n") },
        { path: "/etc/echo/tls/key.pem", mode: 0o440, content: btoa("KEY") },
      ],
      folders: ["/etc/echo", "/empty"],
      otherMounts: ["/data (persistentVolumeClaim)"],
      problems: ["Secret closed may not be read with your rights: without API_KEY"],
      connected: "capture",
    },
    agent: [
      {
        component: "gateway",
        state: "ready",
        image: "denoland/deno:2.9.6",
        ours: true,
        versions: { tunnel: { newest: 1, oldest: 1 } },
        outdated: false,
        pods: { ready: 1, all: 1 },
      },
      { component: "node", state: "absent" },
    ],
    heldEnds: [],
    left: [],
    downStays: false,
  };
}

/** A daemon that answers what it's told to, on a unix socket as the real one does. */
export class FakeDaemon implements AsyncDisposable {
  readonly answers: Answers;
  readonly asked: Asked[] = [];
  /** Settles when a reader went away before the end of its answer. */
  readonly readerGone = Promise.withResolvers<void>();
  readonly #server: Deno.HttpServer<Deno.UnixAddr>;
  #ended = false;

  constructor(folder: string, answers: Partial<Answers> = {}) {
    this.answers = { ...defaultAnswers(), ...answers };
    const path = `${folder}/${controlFiles.socket}`;
    this.#server = Deno.serve({ path, onListen() {} }, this.#app().fetch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#server.shutdown();
  }

  #app(): Hono {
    const app = new Hono();
    app.use(async (c, next) => {
      const text = await c.req.text();
      const path = new URL(c.req.url).pathname + new URL(c.req.url).search;
      if (path !== "/hello" && path !== calls.plugin.path) {
        const { environment, ...body } = text === "" ? {} : JSON.parse(text);
        this.asked.push({
          request: `${c.req.method} ${path}`,
          body: text === "" ? undefined : body,
          environment,
        });
      }
      await next();
    });
    const routes = this.#routes();
    for (const name of Object.keys(calls) as CallName[]) {
      app.on(calls[name].method, calls[name].path, routes[name]);
    }
    return app;
  }

  /** The answer of each call of the table. */
  #routes(): { readonly [Name in CallName]: (c: Context) => Response } {
    const { answers } = this;
    const agent = () => this.#stream([{ kind: "result", result: answers.agent }]);
    return {
      hello: () => answer(answers.hello),
      plugin: () => answer(answers.plugin),
      plan: () => answer(answers.plan),
      up: () => this.#stream(answers.up),
      down: () => {
        if (answers.downStays) return this.#stream([]);
        queueMicrotask(() => this[Symbol.asyncDispose]());
        return this.#stream([{ kind: "result", result: { wasUp: true, left: answers.left } }]);
      },
      status: () => answer(answers.status),
      look: () => answer(answers.status),
      helperLog: () => answer(answers.helperLog),
      flows: () => answer(answers.flows),
      followFlows: () => this.#lines(answers.flowEvents, !answers.flowsStay),
      explain: () => answer(answers.explain),
      services: () => answer(answers.services),
      names: () => answer(answers.names),
      addName: () => answer(answers.names[1]),
      removeName: (c) => {
        const entry = answers.names.find(({ name }) => name === c.req.param("domain"));
        return answer(entry ?? { code: "not-found", message: `no domain ${c.req.param("domain")}` });
      },
      allowedDomains: () => answer([{ domain: "corp.example" }]),
      allowDomain: () => answer({ domain: "corp.example" }),
      disallowDomain: (c) =>
        answer(c.req.param("domain") === "corp.example" ? [{ domain: "corp.example" }] : []),
      intercepts: () => answer(answers.intercepts),
      intercept: () => this.#stream(answers.intercept),
      leave: (c) => {
        const result = answers.intercepts.find(({ id }) => id === c.req.param("id"));
        if (!result) return answer({ code: "not-found", message: `no intercept ${c.req.param("id")}` });
        return this.#stream([{ kind: "result", result }]);
      },
      hold: () => this.#lines([{ hold: HOLD }, ...answers.heldEnds], false),
      release: () => this.#stream([{ kind: "result", result: answers.intercepts }]),
      environment: () => answer(answers.environment),
      agent: () => answer(answers.agent),
      installAgent: agent,
      removeAgent: agent,
      stop: () => {
        queueMicrotask(() => this[Symbol.asyncDispose]());
        return new Response(null, { status: 204 });
      },
    };
  }

  /** Progress: without a last line it stays open, as work that isn't done. */
  #stream(lines: readonly Progress<unknown>[]): Response {
    return this.#lines(lines, ["result", "error"].includes(lines.at(-1)?.kind ?? ""));
  }

  /** Lines of NDJSON, each cut in two pieces. */
  #lines(lines: readonly unknown[], ends: boolean): Response {
    const encoder = new TextEncoder();
    const { readerGone } = this;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const line of lines) {
          const text = `${JSON.stringify(line)}\n`;
          controller.enqueue(encoder.encode(text.slice(0, 7)));
          controller.enqueue(encoder.encode(text.slice(7)));
        }
        if (ends) controller.close();
      },
      cancel: () => readerGone.resolve(),
    });
    return new Response(body, { headers: { "content-type": "application/x-ndjson" } });
  }
}

function answer(value: unknown): Response {
  const code = (value as Partial<ControlError> | undefined)?.code;
  if (code !== undefined) return Response.json(value, { status: failures[code].status });
  return Response.json(value);
}
