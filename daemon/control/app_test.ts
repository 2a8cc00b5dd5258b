import assert from "node:assert/strict";
import { type IncomingMessage, request as httpRequest } from "node:http";
import {
  type ControlError,
  controlFiles,
  type Controlled,
  type Progress,
  type UpResult,
} from "../../wire/control.ts";
import { Failure } from "../failure.ts";
import { nothing } from "../testing/controlled.ts";
import { serveControl } from "./server.ts";

const result: UpResult = {
  cluster: { context: "dev", server: "https://127.0.0.1:6443", namespace: "default", user: "jo" },
  mode: "proxy",
  services: 1,
  answering: 1,
  candidates: 0,
  try: [],
  warnings: [],
};
const up = { mode: "proxy", install: false };

/** The control API of a daemon that does what the test says, on a socket of its own. */
function serving(daemon: Partial<Controlled>) {
  const folder = Deno.makeTempDirSync();
  const unexpected: unknown[] = [];
  const server = serveControl(folder, { ...nothing, ...daemon }, (error) => unexpected.push(error));
  const socket = `${folder}/${controlFiles.socket}`;
  return {
    socket,
    /** What was told as unexpected. */
    unexpected,
    ask: async (method: string, path: string, body?: unknown) => {
      const { response } = await sent(socket, method, path, body);
      return { status: response.statusCode, text: await textOf(response) };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Sends a request; a body that is no text as JSON. */
async function sent(socketPath: string, method: string, path: string, body?: unknown) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpRequest({ socketPath, method, path, agent: false });
  request.on("response", resolve);
  request.on("error", reject);
  request.end(body === undefined || typeof body === "string" ? body : JSON.stringify(body));
  return { request, response: await promise };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of response) parts.push(part as Uint8Array);
  return new TextDecoder().decode(await new Blob(parts as BlobPart[]).arrayBuffer());
}

const linesOf = (text: string) =>
  text.trimEnd().split("\n").map((line) => JSON.parse(line) as Progress<UpResult>);

Deno.test("the hello says protocol and version", async () => {
  await using at = serving({});
  const { status, text } = await at.ask("GET", "/hello");
  assert.equal(status, 200);
  assert.equal((JSON.parse(text) as { protocol: string }).protocol, "control");
});

Deno.test("long work tells its steps, details and warnings, and its result last", async () => {
  await using at = serving({
    async up(request, report) {
      assert.equal(request.mode, "proxy");
      await report.step("Tunnel", (detail) => {
        detail("waiting");
        return Promise.resolve("gateway-1");
      }, (pod) => pod);
      report.warn("careful", "do this");
      return result;
    },
  });
  const lines = linesOf((await at.ask("POST", "/up", up)).text);
  const [, , done] = lines;
  assert.ok(done?.kind === "step" && done.state === "done" && done.ms >= 0);
  assert.deepEqual(lines, [
    { kind: "step", name: "Tunnel", state: "started" },
    { kind: "detail", name: "Tunnel", detail: "waiting" },
    { kind: "step", name: "Tunnel", state: "done", ms: done.ms, detail: "gateway-1" },
    { kind: "warning", message: "careful", hint: "do this" },
    { kind: "result", result },
  ]);
});

Deno.test("long work that fails says how in its last line", async () => {
  await using at = serving({
    up: (_, report) =>
      report.step("Tunnel", () => {
        const cause = new TypeError("inner");
        throw new Failure("timeout", "the gateway can't be reached", { hint: "look", cause });
      }),
  });
  const lines = linesOf((await at.ask("POST", "/up", up)).text);
  assert.deepEqual(lines, [
    { kind: "step", name: "Tunnel", state: "started" },
    {
      kind: "error",
      error: {
        code: "timeout",
        message: "the gateway can't be reached",
        hint: "look",
        causes: ["TypeError: inner"],
      },
    },
  ]);
});

Deno.test("a failure comes with the status of its code", async () => {
  await using at = serving({
    status: () => Promise.reject(new Failure("not-up", "no cluster", { hint: "run `pmz up`" })),
    services() {
      throw new RangeError("a bug");
    },
  });
  const { status, text } = await at.ask("GET", "/status");
  assert.equal(status, 409);
  assert.deepEqual(JSON.parse(text), {
    code: "not-up",
    message: "no cluster",
    hint: "run `pmz up`",
    causes: [],
  });
  assert.equal((await at.ask("GET", "/services")).status, 500);
});

Deno.test("requests that make no sense are told so, and reach nothing", async () => {
  await using at = serving({});
  const usage = async (method: string, path: string, body?: unknown) => {
    const { status, text } = await at.ask(method, path, body);
    assert.equal(status, 400, text);
    const error = JSON.parse(text) as ControlError;
    assert.equal(error.code, "usage");
    return error.message;
  };
  assert.match(await usage("POST", "/up", "{"), /not valid JSON/);
  assert.match(
    await usage("POST", "/up", { mode: "all" }),
    /^mode is not a valid mode: expected "capture", "proxy" or "intercept"$/,
  );
  assert.match(await usage("POST", "/names", "x".repeat((4 << 20) + 1)), /longer than 4096 KiB/);
  assert.match(await usage("GET", "/nothing"), /has no call GET \/nothing/);
});

Deno.test("a reader that goes away aborts the work, which may then undo what it had begun", async () => {
  const undone = Promise.withResolvers<unknown>();
  await using at = serving({
    up: async (_, report, signal) => {
      report.warn("begun");
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      await report.step("Undo", () => Promise.resolve()); // its reader has gone away
      undone.resolve(signal.reason);
      throw signal.reason;
    },
  });
  const { request, response } = await sent(at.socket, "POST", "/up", up);
  await new Promise((resolve) => response.once("data", resolve));
  request.destroy();
  const reason = await undone.promise;
  assert.ok(reason instanceof DOMException && reason.name === "AbortError");
});

Deno.test("a reader that goes away doesn't stop the undoing of a `down`", async () => {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using at = serving({
    async down(_, report) {
      report.warn("begun");
      await begun.promise;
      await report.step("Network", () => Promise.resolve());
      ended.resolve();
      return { wasUp: true, left: [] };
    },
  });
  const { request, response } = await sent(at.socket, "POST", "/down", {});
  await new Promise((resolve) => response.once("data", resolve));
  request.destroy();
  begun.resolve();
  await ended.promise;
});

Deno.test("names of a path arrive as they are meant", async () => {
  const asked: string[] = [];
  const entry = { name: "", addresses: [], custom: true, target: "", cluster: "" };
  await using at = serving({
    removeName: ({ domain }) => (asked.push(domain), Promise.resolve(entry)),
    leave: ({ id }) => {
      asked.push(id);
      return Promise.reject(new Failure("not-found", "none"));
    },
  });
  await at.ask("DELETE", `/names/${encodeURIComponent("*.shop.example")}`);
  await at.ask("DELETE", `/intercepts/${encodeURIComponent("echo.default:80")}`);
  assert.deepEqual(asked, ["*.shop.example", "echo.default:80"]);
});

Deno.test("POST /stop ends the daemon, and says nothing", async () => {
  let stopped = 0;
  await using at = serving({ stop: () => void stopped++ });
  assert.deepEqual(await at.ask("POST", "/stop"), { status: 204, text: "" });
  assert.equal(stopped, 1);
});

Deno.test("an unexpected failure is reported for the log, of short requests and of long work", async () => {
  const bug = new TypeError("undefined is not a function");
  await using control = serving({
    plan: () => Promise.reject(bug),
    up: () => Promise.reject(bug),
    status: () => Promise.reject(new Failure("not-up", "pmz is not up")),
  });
  await control.ask("GET", "/status");
  assert.deepEqual(control.unexpected, []);
  assert.match((await control.ask("POST", "/plan", { mode: "proxy" })).text, /"code":"internal"/);
  assert.match((await control.ask("POST", "/up", up)).text, /"code":"internal"/);
  assert.deepEqual(control.unexpected, [bug, bug]);
});
