import type { AccessSource } from "./access.ts";
import { ApiError } from "./api_error.ts";
import { type Call, Exchange, type RequestOptions } from "./exchange.ts";
import { pathOf, type Resource } from "./resources.ts";

export type { Call, RequestOptions };

const MAX_OBJECTS = 50_000;
const PAGE = 500;

/** An object as the server sent it: JSON with metadata, everything else unchecked. Parse it where it enters. */
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

/** A part of a list. */
export interface Page {
  readonly items: readonly unknown[];
  /** Of the whole list. */
  readonly resourceVersion: string;
  readonly isLast: boolean;
  /** How many objects come after this page, where the server says so. */
  readonly remaining?: number;
}

export interface Selection {
  /** All namespaces without it. */
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}

/**
 * Talks REST to an API server.
 *
 * Why not `@kubernetes/client-node`: bundled it is 4.1 MB (0.49 MB gzipped, more than the agent's bundle may weigh in its ConfigMaps)
 * and costs 0.25 s to import; its watch doesn't notice a dead connection. What is needed of the API is this file's few verbs.
 */
export class Api implements Disposable {
  readonly #exchange: Exchange;

  constructor(source: AccessSource, options: { userAgent?: string } = {}) {
    this.#exchange = new Exchange(source, options.userAgent ?? "pmz");
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
    const maxObjects = call.maxObjects ?? MAX_OBJECTS;
    const items: unknown[] = [];
    let resourceVersion = "";
    for await (const page of this.pages(resource, selection, call)) {
      for (const item of page.items) items.push(item);
      resourceVersion = page.resourceVersion;
      if (!page.isLast && items.length >= maxObjects) {
        const what = say("list", resource, selection);
        throw new ApiError(
          `Can't ${what}: there are more than ${maxObjects}, which is the limit here. Narrow it to a namespace.`,
          { status: 0, reason: "TooLarge" },
        );
      }
    }
    return { items, resourceVersion };
  }

  /** Lists page by page, without a limit, for callers that don't need all objects at once. @throws as list */
  async *pages(resource: Resource, selection: Selection = {}, call: Call = {}): AsyncGenerator<Page> {
    const { namespace, labelSelector, fieldSelector } = selection;
    const { signal } = call;
    const what = say("list", resource, selection);
    let next: string | undefined;
    for (;;) {
      const page = object(
        await this.json("GET", pathOf(resource, { namespace }), {
          ...(signal ? { signal } : {}),
          query: { labelSelector, fieldSelector, limit: String(PAGE), continue: next },
          what,
        }),
      );
      const { resourceVersion, remainingItemCount } = page.metadata;
      const more = page.metadata.continue;
      next = typeof more === "string" && more !== "" ? more : undefined;
      yield {
        items: Array.isArray(page.items) ? page.items : [],
        resourceVersion: typeof resourceVersion === "string" ? resourceVersion : "",
        isLast: next === undefined,
        ...(typeof remainingItemCount === "number" ? { remaining: remainingItemCount } : {}),
      };
      if (next === undefined) return;
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

  /** Replaces an object. With `metadata.resourceVersion` in it, an object that has changed since is a `Conflict`. */
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
   * Applies server-side: creates the object, or takes over the fields that `body` has.
   *
   * @param options.force also takes over fields that another manager set; otherwise they are a `Conflict`
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
   * Deletes an object. One with finalizers or a grace period disappears later.
   *
   * @param options.preconditions the object must still be this one, otherwise it is a `Conflict`
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

  /** Sends a request to a path and reads its answer as JSON. @throws ApiError */
  json(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    return this.#exchange.json(method, path, options);
  }

  /** Sends a request to a path and reads its answer as text: logs, /readyz. @throws ApiError */
  text(method: string, path: string, options: RequestOptions = {}): Promise<string> {
    return this.#exchange.text(method, path, options);
  }

  /** Streams the answer to a GET; see {@linkcode Exchange.stream}. */
  stream(path: string, options: RequestOptions = {}): Promise<ReadableStream<Uint8Array>> {
    return this.#exchange.stream(path, options);
  }

  /** Drops idle connections, after a change of the network. Requests under way continue. */
  forgetConnections(): void {
    this.#exchange.forgetConnections();
  }

  [Symbol.dispose](): void {
    this.#exchange[Symbol.dispose]();
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
