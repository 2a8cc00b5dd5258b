import type { Api } from "./api.ts";
import { child, field, record } from "../objects/parse.ts";
import { resources } from "./resources.ts";

/** An action on objects, as RBAC names it (ResourceAttributes of authorization.k8s.io/v1). */
export interface ResourceAttributes {
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

export interface AccessDecision {
  readonly attributes: ResourceAttributes;
  readonly allowed: boolean;
  /** What the cluster says about it, often nothing. */
  readonly reason: string;
}

const AT_ONCE = 8;

/**
 * Asks the API server what the present user may do (SelfSubjectAccessReview, which everybody may create).
 *
 * @returns one verdict for each action, in their order.
 * @throws ApiError when it can't be asked.
 */
export async function reviewAccess(
  api: Api,
  actions: readonly ResourceAttributes[],
  options: { signal?: AbortSignal } = {},
): Promise<AccessDecision[]> {
  const verdicts: AccessDecision[] = [];
  for (let from = 0; from < actions.length; from += AT_ONCE) {
    const batch = actions.slice(from, from + AT_ONCE).map((action) => reviewOne(api, action, options));
    verdicts.push(...await Promise.all(batch));
  }
  return verdicts;
}

/**
 * "list, watch services, pods in namespace shop; nor get pods/portforward in namespace pmz": the verbs of one kind of
 * object stand together, and so do kinds with the same verbs. It completes "You may not".
 */
export function describeActions(actions: readonly ResourceAttributes[]): string {
  const objects = new Map<
    string,
    { readonly kind: string; readonly place: string; readonly verbs: string[] }
  >();
  for (const action of actions) {
    const kind = kindOf(action), place = placeOf(action);
    const object = objects.get(kind + place) ?? { kind, place, verbs: [] };
    object.verbs.push(action.verb);
    objects.set(kind + place, object);
  }
  const alike = Map.groupBy(objects.values(), ({ verbs, place }) => `${verbs}${place}`);
  return [...alike.values()].flatMap((same) => {
    const [first] = same;
    if (!first) return [];
    return [`${first.verbs.join(", ")} ${same.map(({ kind }) => kind).join(", ")}${first.place}`];
  }).join("; nor ");
}

function kindOf({ resource, group, subresource, name }: ResourceAttributes): string {
  return `${resource}${group ? `.${group}` : ""}${subresource ? `/${subresource}` : ""}${
    name ? ` "${name}"` : ""
  }`;
}

function placeOf({ namespace }: ResourceAttributes): string {
  return namespace ? ` in namespace ${namespace}` : "";
}

async function reviewOne(
  api: Api,
  attributes: ResourceAttributes,
  options: { signal?: AbortSignal },
): Promise<AccessDecision> {
  const answer = await api.create(resources.selfSubjectAccessReviews, {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes: { ...attributes, group: attributes.group ?? "" } },
  }, options);
  const status = child(record(answer, "review"), "status", "review");
  const reason = field(status, "reason");
  return {
    attributes,
    allowed: field(status, "allowed") === true,
    reason: typeof reason === "string" ? reason.slice(0, 500) : "",
  };
}
