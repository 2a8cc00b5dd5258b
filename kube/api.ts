import { type AccessSource, type ApiServerAccess, urlOf } from "./access.ts";
import { ApiError, errorOfAnswer, errorOfFailure } from "./api_error.ts";
import { HttpClient, type HttpResponse } from "./http.ts";
import { pathOf, type Resource } from "./resources.ts";
import { sleep } from "./backoff.ts";
import { onAbort, TimeLimit, unlessAborted } from "./signals.ts";

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 << 20;
const MAX_OBJECTS = 50_000;
const PAGE = 500;
const ATTEMPTS = 3;

/** An object as it came: JSON with metadata, everything else unchecked. Parse it where it enters. */
export interface KubeObject {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** Which object: `namespace` for namespaced kinds. */
export interface Ref {
  namespace?: string;
  name: string;
  /** As in `status`, `scale`. */
  subresource?: string;
}

export interface Selection {
  /** All namespaces without it. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

export interface Call {
  signal?: AbortSignal;
}

export interface RequestOptions extends Call {
  query?: Record<string, string | undefined>;
  body?: unknown;
  contentType?: string;
  /** For messages: what is tried, as in "list services". */
  what?: string;
  /** Milliseconds until an answer has to have begun; 30,000 without it. */
  timeoutMs?: number;
}

/**
 * Talks REST to an API server.
 *
 * Why not `@kubernetes/client-node`: bundled it is 4.1 MB (0.49 MB gzipped, more than the agent's bundle may weigh in its ConfigMaps)
 * and costs 0.25 s to import; its watch doesn't notice a dead connection. What is needed of the API is this file's few verbs.
 */
export class Api implements Disposable {
  readonly #source: AccessSource;
  readonly #http = new HttpClient();
  readonly #userAgent: string;

  constructor(source: AccessSource, options: { userAgent?: string } = {}) {
    this.#source = source;
    this.#userAgent = options.userAgent ?? "pmz";
  }

  /** @throws ApiError, also for a missing object (reason `NotFound`). */
  async get(resource: Resource, ref: Ref, call: Call = {}): Promise<KubeObject> {
    return object(
      await this.json("GET", pathOf(resource, ref), { ...call, what: say("get", resource, ref) }),
    );
  }

  /**
   * All objects of a kind, fetched in pages of 500.
   *
   * @throws ApiError; `TooLarge` beyond 50,000 objects, `Expired` when the pages took longer than the server remembers.
   */
  async list(
    resource: Resource,
    selection: Selection = {},
    call: Call & { maxObjects?: number } = {},
  ): Promise<{ items: unknown[]; resourceVersion: string }> {
    const { namespace, labelSelector, fieldSelector } = selection;
    const what = say("list", resource, selection);
    const maxObjects = call.maxObjects ?? MAX_OBJECTS;
    const items: unknown[] = [];
    let next: string | undefined;
    for (;;) {
      const page = object(
        await this.json("GET", pathOf(resource, { namespace }), {
          ...call,
          query: { labelSelector, fieldSelector, limit: String(PAGE), continue: next },
          what,
        }),
      );
      if (Array.isArray(page.items)) { for (const item of page.items) items.push(item); }
      const { resourceVersion } = page.metadata;
      const more = page.metadata.continue;
      next = typeof more === "string" && more !== "" ? more : undefined;
      if (next === undefined) {
        return { items, resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "" };
      }
      if (items.length >= maxObjects) {
        throw new ApiError(
          `Can't ${what}: there are more than ${maxObjects}, which is the limit here. Narrow it to a namespace.`,
          { status: 0, reason: "TooLarge" },
        );
      }
    }
  }

  /** @throws ApiError, `AlreadyExists` too. */
  async create(
    resource: Resource,
    body: object,
    at: { namespace?: string; dryRun?: boolean } & Call = {},
  ): Promise<KubeObject> {
    return object(
      await this.json("POST", pathOf(resource, at), {
        ...at,
        body,
        query: dryRun(at),
        what: say("create", resource, at),
      }),
    );
  }

  /** Replaces an object; with `metadata.resourceVersion` in it only if nobody changed it since (`Conflict`). */
  async replace(resource: Resource, ref: Ref, body: object, call: Call = {}): Promise<KubeObject> {
    return object(
      await this.json("PUT", pathOf(resource, ref), { ...call, body, what: say("update", resource, ref) }),
    );
  }

  /** JSON merge patch (RFC 7396), or a JSON patch (RFC 6902) when `patch` is an array. */
  async patch(
    resource: Resource,
    ref: Ref,
    patch: object | readonly object[],
    call: Call = {},
  ): Promise<KubeObject> {
    const contentType = `application/${Array.isArray(patch) ? "json-patch" : "merge-patch"}+json`;
    return object(
      await this.json("PATCH", pathOf(resource, ref), {
        ...call,
        body: patch,
        contentType,
        what: say("patch", resource, ref),
      }),
    );
  }

  /**
   * Server-side apply: creates the object or takes the named fields of it over.
   *
   * @param options.force take over fields that another manager set; otherwise that is a `Conflict`.
   */
  async apply(
    resource: Resource,
    ref: Ref,
    body: object,
    options: { fieldManager: string; force?: boolean; dryRun?: boolean } & Call,
  ): Promise<KubeObject> {
    const { fieldManager, force = false } = options;
    return object(
      await this.json("PATCH", pathOf(resource, ref), {
        ...options,
        body,
        contentType: "application/apply-patch+yaml", // JSON is YAML
        query: { fieldManager, force: String(force), ...dryRun(options) },
        what: say("apply", resource, ref),
      }),
    );
  }

  /**
   * Deletes an object. With finalizers or a grace period it is gone only later.
   *
   * @param options.preconditions it must still be this very object, else `Conflict`.
   * @throws ApiError, also for a missing object (reason `NotFound`).
   */
  async delete(
    resource: Resource,
    ref: Ref,
    options: {
      preconditions?: { uid?: string; resourceVersion?: string };
      propagationPolicy?: "Background" | "Foreground" | "Orphan";
      gracePeriodSeconds?: number;
    } & Call = {},
  ): Promise<void> {
    const { signal, ...deleteOptions } = options;
    await this.json("DELETE", pathOf(resource, ref), {
      ...(signal ? { signal } : {}),
      body: { apiVersion: "v1", kind: "DeleteOptions", ...deleteOptions },
      what: say("delete", resource, ref),
    });
  }

  /** One request, its answer's JSON. @throws ApiError */
  async json(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const text = await this.text(method, path, options);
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      const what = options.what ?? `${method} ${path}`;
      throw new ApiError(
        `Can't ${what}: the answer isn't JSON. Is there a proxy in front of the API server?`,
        {
          status: 200,
          reason: "BadAnswer",
          cause,
        },
      );
    }
  }

  /** One request, its answer's text: logs, /version, /readyz. @throws ApiError */
  async text(method: string, path: string, options: RequestOptions = {}): Promise<string> {
    const what = options.what ?? `${method} ${path}`;
    using limit = new TimeLimit(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    const { response, server } = await this.#send(method, path, options, limit.signal, what);
    try {
      return await readText(response, MAX_ANSWER_BYTES, what, limit.signal);
    } catch (cause) {
      throw failureOf(what, server, cause, options.signal);
    }
  }

  /**
   * One GET whose answer goes on: a watch, followed logs. The time limit is for its beginning only.
   *
   * @param options.signal ends it; without being aborted, cancel the stream.
   * @throws ApiError
   */
  async stream(path: string, options: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const what = options.what ?? `GET ${path}`;
    const limit = new TimeLimit(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    try {
      const { response } = await this.#send("GET", path, options, limit.signal, what);
      limit.stop();
      return untilAborted(response.body, limit);
    } catch (error) {
      limit[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /** Sends, with new credentials once after a 401, and again when the server is too busy (429: it did nothing). */
  async #send(
    method: string,
    path: string,
    options: RequestOptions,
    signal: AbortSignal,
    what: string,
  ): Promise<{ response: HttpResponse; server: string }> {
    let renew = false;
    for (let attempt = 1;; attempt++) {
      const access = await unlessAborted(this.#source.access({ renew }), signal);
      const server = urlOf(access, "");
      let error: ApiError;
      try {
        const response = await unlessAborted(this.#once(access, method, path, options, signal), signal);
        if (response.status >= 200 && response.status < 300) return { response, server };
        const text = await readText(response, 1 << 20, what, signal);
        error = errorOfAnswer(what, response.status, text, response.header("retry-after"));
      } catch (cause) {
        throw failureOf(what, server, cause, options.signal);
      }
      const busy = error.status === 429 && (error.retryAfter ?? 1) <= 10;
      if (error.status === 401 && !renew) renew = true;
      else if (!busy || attempt >= ATTEMPTS) throw error;
      else await sleep((error.retryAfter ?? 1) * 1000, signal);
      if (signal.aborted) throw options.signal?.aborted ? options.signal.reason : error;
    }
  }

  async #once(
    access: ApiServerAccess,
    method: string,
    path: string,
    options: RequestOptions,
    signal: AbortSignal,
  ): Promise<HttpResponse> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined && value !== "") query.set(name, value);
    }
    const headers: Record<string, string> = {
      accept: "application/json, */*",
      "user-agent": this.#userAgent,
    };
    if (options.body !== undefined) headers["content-type"] = options.contentType ?? "application/json";
    return await this.#http.send(access, {
      method,
      path: query.size ? `${path}?${query}` : path,
      headers,
      signal,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
  }
}

function object(value: unknown): KubeObject {
  const metadata = typeof value === "object" && value !== null && "metadata" in value
    ? value.metadata
    : undefined;
  const fields = typeof metadata === "object" && metadata !== null ? metadata : {};
  return { ...(value as object), metadata: fields as Record<string, unknown> };
}

function say(verb: string, resource: Resource, at: Partial<Ref>): string {
  const kind = resource.group ? `${resource.plural}.${resource.group}` : resource.plural;
  const name = at.name ? ` "${at.name}"` : "";
  const part = at.subresource ? ` (${at.subresource})` : "";
  const where = !resource.namespaced
    ? ""
    : at.namespace
    ? ` in namespace ${at.namespace}`
    : " in all namespaces";
  return `${verb} ${kind}${name}${part}${where}`;
}

function dryRun(options: { dryRun?: boolean }): Record<string, string> {
  return options.dryRun ? { dryRun: "All" } : {};
}

function failureOf(what: string, server: string, cause: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  return cause instanceof ApiError ? cause : errorOfFailure(what, server, cause);
}

async function readText(
  response: HttpResponse,
  max: number,
  what: string,
  signal: AbortSignal,
): Promise<string> {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await unlessAborted(reader.read(), signal);
      if (done) return parts.join("") + decoder.decode();
      size += value.length;
      if (size > max) {
        throw new ApiError(`Can't ${what}: the answer is larger than ${max >> 20} MiB.`, {
          status: response.status,
          reason: "TooLarge",
        });
      }
      parts.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The body as it is, broken off by the signal of `limit`; that is disposed of at its end. */
function untilAborted(body: ReadableStream<Uint8Array> | null, limit: TimeLimit): ReadableStream<Uint8Array> {
  const reader = (body ?? new Blob().stream()).getReader();
  let listening: Disposable | undefined;
  const over = () => {
    listening?.[Symbol.dispose]();
    limit[Symbol.dispose]();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      listening = onAbort(limit.signal, (reason) => {
        controller.error(reason);
        limit[Symbol.dispose]();
        reader.cancel(reason).catch(() => {});
      });
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        over();
        controller.close();
      } catch (error) {
        over();
        if (!limit.signal.aborted) controller.error(error);
      }
    },
    async cancel(reason) {
      over();
      await reader.cancel(reason).catch(() => {});
    },
  }, { highWaterMark: 0 });
}
