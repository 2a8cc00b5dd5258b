import type { Api } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { pollUntil } from "../../async/poll_until.ts";
import { field, list, optionalBoolean, record, text } from "../objects/parse.ts";
import type { Resource } from "../client/resources.ts";

/** Finds the REST path of a kind's objects. Each group and version is asked for once. */
export class ApiDiscovery {
  readonly #api: Api;
  readonly #known = new Map<string, Map<string, Resource>>();

  constructor(api: Api) {
    this.#api = api;
  }

  /**
   * @param options.waitMs milliseconds that the kind may still be unknown: one whose CRD was just created appears a moment later
   * @throws ApiError `NotFound` when the cluster doesn't know the kind.
   */
  async resourceOf(
    object: { apiVersion: string; kind: string },
    options: { signal?: AbortSignal; waitMs?: number } = {},
  ): Promise<Resource> {
    const { signal, waitMs = 0 } = options;
    const find = async () => {
      const found = (await this.#kinds(object.apiVersion, signal)).get(object.kind);
      if (!found) this.#known.delete(object.apiVersion);
      return found;
    };
    const found = await pollUntil(find, { everyMs: 250, timeoutMs: waitMs, signal });
    if (found) return found;
    signal?.throwIfAborted();
    throw new ApiError(
      `The cluster doesn't know the kind ${object.kind} of ${object.apiVersion}. Check the cluster's version, and whether its CRD is installed.`,
      { status: 404, reason: "NotFound" },
    );
  }

  async #kinds(apiVersion: string, signal?: AbortSignal): Promise<Map<string, Resource>> {
    const known = this.#known.get(apiVersion);
    if (known) return known;
    const [group, version] = apiVersion.includes("/")
      ? apiVersion.split("/") as [string, string]
      : ["", apiVersion];
    const path = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
    const kinds = new Map<string, Resource>();
    try {
      const answer = await this.#api.json("GET", path, {
        what: `ask which kinds ${apiVersion} has`,
        ...(signal ? { signal } : {}),
      });
      for (const each of list(record(answer, "resources"), "resources", "", 10_000, record)) {
        const plural = text(each, "name", "resource");
        if (plural.includes("/")) continue; // a subresource
        const namespaced = optionalBoolean(each, "namespaced", "resource") ?? false;
        const kind = field(each, "kind");
        if (typeof kind === "string") kinds.set(kind, { group, version, plural, namespaced });
      }
    } catch (error) {
      if (!ApiError.is(error, "NotFound")) throw error;
    }
    this.#known.set(apiVersion, kinds);
    return kinds;
  }
}
