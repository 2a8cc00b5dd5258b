import { request as nodeRequest } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeStream } from "node:stream/web";
import { type ApiServerAccess, hostOf, urlOf } from "./access.ts";
import { dialSocket } from "./dial.ts";

/** Milliseconds that an idle connection is kept: an older one may be dead, and a request on it would wait for its whole time limit. */
const POOL_IDLE_MS = 20_000;

export interface HttpRequest {
  method: string;
  /** Below the server's path prefix, with its query. */
  path: string;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
}

export interface HttpResponse {
  status: number;
  header(name: string): string | null;
  /** Read it to its end or cancel it: it occupies the connection. */
  body: ReadableStream<Uint8Array> | null;
}

/**
 * Sends requests to an API server: by Deno's fetch, which keeps connections and knows proxies and client certificates; where the server's
 * certificate has to be checked in a way that fetch has no option for, or fetch would take a proxy of the environment by itself, by node:http,
 * with a connection for each request.
 *
 * HTTP/1.1 only, on purpose: with HTTP/2 all requests share one connection, and a dead one (a laptop that slept, a changed network)
 * fails every later request until TCP gives up. With HTTP/1.1 only the request that meets the dead connection is lost.
 */
export class HttpClient implements Disposable {
  #client: { client: Deno.HttpClient; of: ApiServerAccess } | undefined;

  async send(access: ApiServerAccess, request: HttpRequest): Promise<HttpResponse> {
    if (access.evadesFetchProxy || access.tls && (access.insecure || access.servername !== undefined)) {
      return await sendByNode(access, request);
    }
    const response = await fetch(urlOf(access, request.path), {
      method: request.method,
      headers: headersOf({ ...access.headers, ...request.headers }),
      ...(request.body === undefined ? {} : { body: request.body }),
      signal: request.signal,
      redirect: "manual",
      client: this.#clientFor(access),
    });
    return {
      status: response.status,
      header: (name) => response.headers.get(name),
      body: response.body,
    };
  }

  #clientFor(access: ApiServerAccess): Deno.HttpClient {
    if (this.#client && sameChannel(this.#client.of, access)) return this.#client.client;
    this.#client?.client.close();
    const { caCerts, cert, key, proxyUrl } = access;
    const client = Deno.createHttpClient({
      caCerts: [...caCerts],
      http2: false,
      poolIdleTimeout: POOL_IDLE_MS,
      ...(cert && key ? { cert, key } : {}),
      ...(proxyUrl ? { proxy: proxyOf(new URL(proxyUrl)) } : {}),
    });
    this.#client = { client, of: access };
    return client;
  }

  [Symbol.dispose](): void {
    this.#client?.client.close();
    this.#client = undefined;
  }
}

/** A header for each value of a list. */
function headersOf(fields: ApiServerAccess["headers"]): [string, string][] {
  return Object.entries(fields).flatMap(([name, value]) =>
    (typeof value === "string" ? [value] : value).map((one): [string, string] => [name, one])
  );
}

function sameChannel(one: ApiServerAccess, other: ApiServerAccess): boolean {
  return one === other ||
    one.cert === other.cert && one.key === other.key && one.proxyUrl === other.proxyUrl &&
      one.caCerts.join() === other.caCerts.join();
}

function proxyOf(url: URL): Deno.Proxy {
  const username = decodeURIComponent(url.username), password = decodeURIComponent(url.password);
  const socks = url.protocol.startsWith("socks5");
  const transport = socks ? "socks5" : url.protocol === "https:" ? "https" : "http";
  return {
    transport,
    url: `${url.protocol}//${url.host}`,
    ...(username ? { basicAuth: { username, password } } : {}),
  };
}

/** As node's types want it. */
function mutable(headers: ApiServerAccess["headers"]): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
  );
}

async function sendByNode(access: ApiServerAccess, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, headers, body, signal } = request;
  const socket = await dialSocket(access, signal);
  const { promise, resolve, reject } = Promise.withResolvers<HttpResponse>();
  const sent = nodeRequest({
    createConnection: () => socket,
    method,
    path: access.pathPrefix + path,
    headers: { host: hostOf(access), connection: "close", ...mutable(access.headers), ...headers },
    signal,
  }, (answer) => {
    answer.once("close", () => socket.destroy());
    resolve({
      status: answer.statusCode ?? 0,
      header: (name) => {
        const value = answer.headers[name.toLowerCase()];
        return (Array.isArray(value) ? value[0] : value) ?? null;
      },
      // Node's own type of the very same thing.
      body: (Readable.toWeb(answer) as NodeStream) as unknown as ReadableStream<Uint8Array>,
    });
  });
  sent.once("error", (error) => {
    socket.destroy();
    reject(error);
  });
  sent.end(body);
  return await promise;
}
