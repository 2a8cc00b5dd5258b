import type { AccessSource, ApiServerAccess } from "../client/access.ts";

/** An API server of a test: plain HTTP on loopback, whatever the test makes it answer. */
export interface FakeServer extends AsyncDisposable {
  readonly access: ApiServerAccess;
  readonly source: AccessSource;
  /** What was asked, as "GET /path?query". */
  readonly asked: string[];
}

/** Serves until disposed of; connections that are still open then are cut. */
export function fakeServer(
  answer: (request: Request, url: URL) => Response | Promise<Response>,
): FakeServer {
  const asked: string[] = [];
  const cut = new AbortController();
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      signal: cut.signal,
      onListen() {},
      onError: (error) => json(500, status(500, "InternalError", String(error))),
    },
    (request) => {
      const url = new URL(request.url);
      asked.push(`${request.method} ${url.pathname}${url.search}`);
      return answer(request, url);
    },
  );
  const access: ApiServerAccess = {
    tls: false,
    hostname: "127.0.0.1",
    port: server.addr.port,
    pathPrefix: "",
    caCerts: [],
    headers: { authorization: "Bearer secret" },
  };
  return {
    access,
    source: { access: () => Promise.resolve(access) },
    asked,
    async [Symbol.asyncDispose]() {
      cut.abort();
      await server.finished;
    },
  };
}

export function json(code: number, body: unknown, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status: code, headers });
}

export function status(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}

/** A watch's answer that the test writes to, line by line. */
export class Events {
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  cancelled = false;
  readonly body = new ReadableStream<Uint8Array>({
    start: (controller) => void (this.#controller = controller),
    cancel: () => void (this.cancelled = true),
  });

  send(type: string, object: unknown): void {
    this.raw(JSON.stringify({ type, object }) + "\n");
  }
  raw(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }
  end(): void {
    this.#controller?.close();
  }
}
