import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import {
  type AgentRequest,
  type ClusterChoice,
  CONTROL_VERSION,
  type CustomName,
  type DownRequest,
  type DownResult,
  failures,
  type InterceptEntry,
  type InterceptRequest,
  LONGEST_CONTROL_REQUEST,
  type NameEntry,
  type Plan,
  type PlanRequest,
  type ServiceEntry,
  type Status,
  type UpRequest,
  type UpResult,
} from "../../wire/control.ts";
import type { AgentComponent } from "../../wire/installer.ts";
import type { Hello } from "../../wire/hello.ts";
import { RELEASE } from "../../wire/version.ts";
import { describe, Failure } from "../failure.ts";
import * as parse from "./requests.ts";
import type { Reporter } from "../../wire/progress.ts";
import { streamProgress } from "./progress.ts";

/** What the control API does: the daemon, as this room sees it. */
export interface Controlled {
  plan(request: PlanRequest): Promise<Plan>;
  up(request: UpRequest, report: Reporter, signal: AbortSignal): Promise<UpResult>;
  down(request: DownRequest, report: Reporter): Promise<DownResult>;
  status(): Promise<Status>;
  services(): ServiceEntry[];
  names(): NameEntry[];
  addName(name: CustomName): Promise<NameEntry>;
  removeName(domain: string): Promise<NameEntry>;
  intercepts(): Promise<InterceptEntry[]>;
  intercept(request: InterceptRequest, report: Reporter, signal: AbortSignal): Promise<InterceptEntry>;
  leave(id: string, report: Reporter): Promise<InterceptEntry>;
  agent(choice: ClusterChoice): Promise<AgentComponent[]>;
  installAgent(request: AgentRequest, report: Reporter, signal: AbortSignal): Promise<AgentComponent[]>;
  removeAgent(request: AgentRequest, report: Reporter, signal: AbortSignal): Promise<AgentComponent[]>;
  /** Ends the daemon, after the answer. */
  stop(): void;
}

/** What this daemon says of itself. */
export const controlHello: Hello = {
  protocol: "control",
  version: CONTROL_VERSION,
  oldest: CONTROL_VERSION,
  features: [],
  release: RELEASE,
};

/** Told of failures that are nobody's but the daemon's own: the answer has one line of them, the log is to have all. */
export type OnUnexpected = (error: unknown) => void;

function failed(error: unknown, onUnexpected: OnUnexpected = () => {}): Response {
  const failure = describe(error);
  if (failure.code === "internal") onUnexpected(error);
  return Response.json(failure, { status: failures[failure.code].status });
}

function tooLong(): Failure {
  return new Failure("usage", `the request is longer than ${LONGEST_CONTROL_REQUEST >> 10} KiB`);
}

/** The request's body. @throws {Failure} `usage` when it's no JSON. */
async function body(c: Context): Promise<unknown> {
  try {
    return await c.req.json();
  } catch (cause) {
    throw new Failure("usage", "the request is no JSON", { cause });
  }
}

/** The control API as a hono application: wire/control.ts has its table. */
export function controlApp(daemon: Controlled, onUnexpected: OnUnexpected = () => {}): Hono {
  const app = new Hono();
  app.use(bodyLimit({ maxSize: LONGEST_CONTROL_REQUEST, onError: () => failed(tooLong()) }));
  app.onError((error) => failed(error, onUnexpected));
  app.notFound((c) => failed(new Failure("usage", `this daemon knows no ${c.req.method} ${c.req.path}`)));
  app.get("/hello", (c) => c.json(controlHello));
  app.post("/plan", async (c) => c.json(await daemon.plan(parse.planRequest(await body(c)))));
  app.post("/up", async (c) => {
    const request = parse.upRequest(await body(c));
    return streamProgress((report, signal) => daemon.up(request, report, signal), onUnexpected);
  });
  app.post("/down", async (c) => {
    const request = parse.downRequest(await body(c));
    return streamProgress((report) => daemon.down(request, report), onUnexpected);
  });
  app.get("/status", async (c) => c.json(await daemon.status()));
  app.get("/services", (c) => c.json(daemon.services()));
  app.get("/names", (c) => c.json(daemon.names()));
  app.post("/names", async (c) => c.json(await daemon.addName(parse.customName(await body(c)))));
  app.delete("/names/:domain", async (c) => c.json(await daemon.removeName(c.req.param("domain"))));
  app.get("/intercepts", async (c) => c.json(await daemon.intercepts()));
  app.post("/intercepts", async (c) => {
    const request = parse.interceptRequest(await body(c));
    return streamProgress((report, signal) => daemon.intercept(request, report, signal), onUnexpected);
  });
  app.delete("/intercepts/:id", (c) => {
    const id = c.req.param("id");
    return streamProgress((report) => daemon.leave(id, report), onUnexpected);
  });
  app.get("/agent", async (c) => c.json(await daemon.agent(parse.clusterChoice(c.req.query()))));
  app.post("/agent", async (c) => {
    const request = parse.agentRequest(await body(c));
    return streamProgress((report, signal) => daemon.installAgent(request, report, signal), onUnexpected);
  });
  app.delete("/agent", async (c) => {
    const request = parse.agentRequest(await body(c));
    return streamProgress((report, signal) => daemon.removeAgent(request, report, signal), onUnexpected);
  });
  app.post("/stop", (c) => {
    daemon.stop();
    return c.body(null, 204);
  });
  return app;
}
