import { type AccessSource, type ApiServerAccess, isSameWay } from "./access.ts";
import { ApiError, errorOfAnswer, errorOfFailure } from "./api_error.ts";
import { sleep } from "../../async/sleep.ts";
import { HttpClient, type HttpResponse } from "./http.ts";
import { onAbort, unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 << 20;
const ATTEMPTS = 3;

export interface Call {
  signal?: AbortSignal;
}

export interface RequestOptions extends Call {
  query?: Record<string, string | undefined>;
  body?: unknown;
  contentType?: string;
  /** What the request is for, in messages: "list services". */
  what?: string;
  /** Milliseconds within which the answer has to begin; 30,000 without it. */
  timeoutMs?: number;
}

/**
 * Requests and their answers: with the credentials of the moment, renewed once after a 401, repeated when the server is too busy,
 * bounded in time and size, and with errors that say what was tried.
 */
export class Exchange implements Disposable {
  readonly #source: AccessSource;
  readonly #http = new HttpClient();
  readonly #userAgent: string;

  constructor(source: AccessSource, userAgent: string) {
    this.#source = source;
    this.#userAgent = userAgent;
  }

  /** Sends a request and reads its answer as JSON. @throws ApiError */
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

  /** Sends a request and reads its answer as text: logs, /version, /readyz. @throws ApiError */
  async text(method: string, path: string, options: RequestOptions = {}): Promise<string> {
    const what = options.what ?? `${method} ${path}`;
    using limit = new TimeLimit(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    const { response, access } = await this.#send(method, path, options, limit, what);
    try {
      return await readText(response, MAX_ANSWER_BYTES, what, limit.signal);
    } catch (cause) {
      throw failureOf(what, access, cause, options.signal);
    }
  }

  /**
   * Streams the answer to a GET: a watch, followed logs. The time limit is for its beginning only.
   *
   * @param options.signal ends the stream; otherwise cancel it
   * @throws ApiError
   */
  async stream(path: string, options: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    const what = options.what ?? `GET ${path}`;
    const limit = new TimeLimit(options.timeoutMs ?? TIMEOUT_MS, options.signal);
    try {
      const { response } = await this.#send("GET", path, options, limit, what);
      limit.stop();
      return untilAborted(response.body, limit);
    } catch (error) {
      limit[Symbol.dispose]();
      throw error;
    }
  }

  /** Drops idle connections, after a change of the network. Requests under way continue. */
  forgetConnections(): void {
    this.#http[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /**
   * Sends: with new credentials once after a 401, to where the server is by now once after no answer, and again when the server is too busy
   * (429: it did nothing).
   */
  async #send(
    method: string,
    path: string,
    options: RequestOptions,
    limit: TimeLimit,
    what: string,
  ): Promise<{ response: HttpResponse; access: ApiServerAccess }> {
    const { signal } = limit;
    let access = await this.#access(limit);
    let renewed = false, reread = false;
    for (let attempt = 1;; attempt++) {
      let error: ApiError;
      try {
        const response = await unlessAborted(this.#once(access, method, path, options, signal), signal);
        if (response.status >= 200 && response.status < 300) return { response, access };
        const text = await readText(response, 1 << 20, what, signal);
        error = errorOfAnswer(what, response.status, text, response.header("retry-after"));
      } catch (cause) {
        const failure = failureOf(what, access, cause, options.signal);
        const moved: ApiServerAccess | undefined = reread || signal.aborted
          ? undefined
          : await this.#moved(access, limit);
        if (!moved) throw failure;
        [access, reread] = [moved, true];
        continue;
      }
      const busy = error.status === 429 && (error.retryAfter ?? 1) <= 10;
      if (error.status === 401 && !renewed) {
        renewed = true;
        access = await this.#access(limit, { renew: true });
      } else if (!busy || attempt >= ATTEMPTS) throw error;
      else await sleep((error.retryAfter ?? 1) * 1000, signal);
      if (signal.aborted) throw options.signal?.aborted ? options.signal.reason : error;
    }
  }

  /** The server isn't waited for meanwhile: a plugin may wait for a person to log in, and the source limits that time itself. */
  async #access(limit: TimeLimit, how?: { renew: boolean }): Promise<ApiServerAccess> {
    limit.stop();
    const access = await unlessAborted(this.#source.access(how), limit.signal);
    limit.resume();
    return access;
  }

  /** The access by now of a server that didn't answer, if it leads elsewhere. */
  async #moved(access: ApiServerAccess, limit: TimeLimit): Promise<ApiServerAccess | undefined> {
    limit.stop();
    const now = await unlessAborted(
      this.#source.access({ reread: true }).catch(() => undefined),
      limit.signal,
    );
    limit.resume();
    return now && !isSameWay(access, now) ? now : undefined;
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

function failureOf(what: string, access: ApiServerAccess, cause: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  return cause instanceof ApiError ? cause : errorOfFailure(what, access, cause);
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

/**
 * The same body, broken off when the signal of `limit` aborts; `limit` is disposed of at its end. fetch's own signal wouldn't do: it
 * loses aborts (docs/decisions.md).
 */
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
