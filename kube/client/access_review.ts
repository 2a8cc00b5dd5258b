import type { Api } from "./api.ts";
import { child, field, record } from "../objects/parse.ts";
import { resources } from "./resources.ts";

/** Something one may want to do, in RBAC's terms. */
export interface Deed {
  verb: string;
  /** Plural, without its subresource. */
  resource: string;
  /** Empty (the core group) without it. */
  group?: string;
  subresource?: string;
  /** All namespaces, or a kind without them, without it. */
  namespace?: string;
  name?: string;
}

export interface Verdict {
  readonly deed: Deed;
  readonly allowed: boolean;
  /** What the cluster says about it, often nothing. */
  readonly reason: string;
}

const AT_ONCE = 8;

/**
 * Asks the API server what the present user may do (SelfSubjectAccessReview, which everybody may create).
 *
 * @returns one verdict for each deed, in their order.
 * @throws ApiError when it can't be asked.
 */
export async function reviewAccess(
  api: Api,
  deeds: readonly Deed[],
  options: { signal?: AbortSignal } = {},
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (let from = 0; from < deeds.length; from += AT_ONCE) {
    const batch = deeds.slice(from, from + AT_ONCE).map((deed) => reviewOne(api, deed, options));
    verdicts.push(...await Promise.all(batch));
  }
  return verdicts;
}

/** "get pods/portforward in namespace pmz" */
export function describeDeed(deed: Deed): string {
  const { verb, resource, group, subresource, namespace, name } = deed;
  const kind = `${resource}${group ? `.${group}` : ""}${subresource ? `/${subresource}` : ""}`;
  return `${verb} ${kind}${name ? ` "${name}"` : ""}${namespace ? ` in namespace ${namespace}` : ""}`;
}

async function reviewOne(api: Api, deed: Deed, options: { signal?: AbortSignal }): Promise<Verdict> {
  const answer = await api.create(resources.selfSubjectAccessReviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: { ...deed, group: deed.group ?? "" } },
  }, options);
  const status = child(record(answer, "review"), "status", "review");
  const reason = field(status, "reason");
  return {
    deed,
    allowed: field(status, "allowed") === true,
    reason: typeof reason === "string" ? reason.slice(0, 500) : "",
  };
}
