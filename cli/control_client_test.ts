import assert from "node:assert/strict";
import type { Progress } from "../wire/control.ts";
import { helloOf } from "../wire/hello.ts";
import { ControlClient } from "./control_client.ts";
import { CliFailure } from "./failure.ts";
import { FakeDaemon } from "./testing/fake_daemon.ts";

const up = { mode: "proxy", install: false } as const;
type Handler = (request: Request) => Response | Promise<Response>;
const hello = helloOf("control", { release: "0.1.0" });

/** A folder with a server on its control socket that says hello and does `handler` else. */
class Served implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "pmz-client-" });
  readonly #server: Deno.HttpServer<Deno.UnixAddr> | undefined;
  readonly #controller = new AbortController();

  constructor(handler?: Handler, greeting: unknown = hello) {
    if (!handler) return;
    this.#server = Deno.serve(
      { path: `${this.folder}/control.sock`, onListen() {}, signal: this.#controller.signal },
      (request) => new URL(request.url).pathname === "/hello" ? Response.json(greeting) : handler(request),
    );
  }

  connect(options: { signal?: AbortSignal; anyVersion?: boolean } = {}) {
    const signal = new AbortController().signal;
    return ControlClient.connect({ stateFolder: this.folder, release: "0.1.0", signal, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#controller.abort();
    await this.#server?.finished;
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** The failure that `work` ends with. */
async function failureOf(work: Promise<unknown>) {
  const error = await work.then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof CliFailure, String(error));
  return error.failure;
}

const ndjson = (...pieces: readonly (string | Uint8Array<ArrayBuffer>)[]) =>
  new Response(new Blob([...pieces]).stream());

Deno.test("without a daemon there is no client", async () => {
  await using served = new Served();
  assert.equal(await served.connect(), undefined);
});

Deno.test("the socket of a daemon that was killed counts as no daemon", async () => {
  await using served = new Served();
  const path = `${served.folder}/control.sock`;
  Deno.listen({ transport: "unix", path }).close();
  await Deno.stat(path).catch(() => Deno.writeTextFile(path, ""));
  assert.equal(await served.connect(), undefined);
});

Deno.test("a daemon that doesn't answer is named by its process, so that it can be ended", async () => {
  await using served = new Served();
  using _silent = Deno.listen({ transport: "unix", path: `${served.folder}/control.sock` });
  await Deno.writeTextFile(`${served.folder}/daemon.lock`, "4711\n");
  const { code, hint } = await failureOf(served.connect());
  assert.equal(code, "timeout");
  assert.match(hint ?? "", /^to end it: kill -9 4711, /);
});

Deno.test("a daemon of a version that has none in common is a conflict that says what to do", async () => {
  const greeting = { ...hello, version: 9, oldest: 8, release: "9.0.0" };
  await using served = new Served(() => Response.json({}), greeting);
  const { code, message, hint } = await failureOf(served.connect());
  assert.equal(code, "conflict");
  assert.match(message, /9\.0\.0/);
  assert.match(hint ?? "", /pmz down/);
  const client = await served.connect({ anyVersion: true });
  assert.equal(client?.hello.release, "9.0.0");
});

Deno.test("a server that answers without a hello is not our daemon", async () => {
  await using served = new Served(() => Response.json({}), { hi: true });
  assert.equal((await failureOf(served.connect())).code, "conflict");
});

Deno.test("lines of progress come one by one, wherever the stream was cut", async () => {
  const text = new TextEncoder().encode(
    `{"kind":"detail","name":"a","detail":"Zürich"}\n\n{"kind":"result","result":{"ok":"東京"}}\n`,
  );
  await using served = new Served(() =>
    new Response(
      new ReadableStream({
        start(controller) {
          for (const byte of text) controller.enqueue(Uint8Array.of(byte));
          controller.close();
        },
      }),
    )
  );
  const client = await served.connect();
  assert.ok(client);
  const shown: Progress<unknown>[] = [];
  const result = await client.follow("up", up, (line) => void shown.push(line));
  assert.deepEqual(result, { ok: "東京" });
  assert.deepEqual(shown, [{ kind: "detail", name: "a", detail: "Zürich" }]);
});

Deno.test("a failure is told as the daemon told it, as an answer and as the last line", async () => {
  const error = { code: "forbidden", message: "may not", hint: "ask", causes: ["403"] };
  await using served = new Served((request) =>
    request.method === "GET"
      ? Response.json(error, { status: 403 })
      : ndjson(`${JSON.stringify({ kind: "error", error })}\n`)
  );
  const client = await served.connect();
  assert.ok(client);
  assert.deepEqual(await failureOf(client.ask("status")), error);
  assert.deepEqual(await failureOf(client.follow("up", up, () => {})), error);
});

Deno.test("an error that is not in the daemon's own words keeps its status", async () => {
  await using served = new Served(() => new Response("Payload Too Large", { status: 413 }));
  const client = await served.connect();
  const { code, message } = await failureOf(client?.ask("status") ?? Promise.resolve());
  assert.equal(code, "internal");
  assert.match(message, /413 while reading the status: Payload Too Large/);
});

Deno.test("a daemon that goes away in the middle of work is an error, and its log is named", async () => {
  for (const lines of ["", `{"kind":"step","name":"a","state":"started"}\n`]) {
    await using served = new Served(() => ndjson(lines));
    const client = await served.connect();
    const { code, message, hint } = await failureOf(
      client?.follow("up", up, () => {}) ?? Promise.resolve(),
    );
    assert.equal(code, "internal");
    assert.match(message, /ended unexpectedly while connecting$/);
    assert.match(hint ?? "", /daemon\.log$/);
  }
});

Deno.test("lines that make no sense are an error, not a crash", async () => {
  for (const line of ["{", "null", "[]", '{"kind":"song"}']) {
    await using served = new Served(() => ndjson(`${line}\n`));
    const client = await served.connect();
    const { code } = await failureOf(client?.follow("up", up, () => {}) ?? Promise.resolve());
    assert.equal(code, "internal", line);
  }
});

Deno.test("an abort ends the request, and the daemon notices", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pmz-client-" });
  await using daemon = new FakeDaemon(folder, { up: [{ kind: "step", name: "a", state: "started" }] });
  const controller = new AbortController();
  const client = await ControlClient.connect({
    stateFolder: folder,
    release: "0.1.0",
    signal: controller.signal,
  });
  const work = client?.follow("up", up, () => controller.abort());
  await assert.rejects(work ?? Promise.resolve(), { name: "AbortError" });
  await daemon.readerGone.promise;
  await Deno.remove(folder, { recursive: true });
});
