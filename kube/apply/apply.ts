import type { Api, KubeObject, Ref } from "../client/api.ts";
import { ApiError } from "../client/api_error.ts";
import { pollUntil } from "../../async/poll_until.ts";
import { sleep } from "../../async/sleep.ts";
import { ApiDiscovery } from "./discovery.ts";
import { child, field, list, record } from "../objects/parse.ts";
import { type Resource, resources } from "../client/resources.ts";

/** An object to be applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** The label that marks an object as pmz's: only such objects are ever deleted. */
export const OURS = { label: "app.kubernetes.io/managed-by", value: "pmz" } as const;

export interface ApplyProgress {
  /** "Deployment pmz/gateway" */
  readonly object: string;
  readonly outcome: "created" | "changed" | "unchanged" | "deleted" | "absent" | "kept";
  readonly done: number;
  readonly total: number;
}

export interface ApplyOptions {
  signal?: AbortSignal;
  onProgress?: (progress: ApplyProgress) => void;
  /** `pmz` without it. */
  fieldManager?: string;
  /** Only asks the server whether it would accept them. Objects whose namespace or CRD doesn't exist yet are refused then. */
  dryRun?: boolean;
}

const ESTABLISHED_MS = 30_000;
const GONE_MS = 180_000;

/** What other objects need comes first; workloads come last, when their rights and data are there. */
const ORDER = ["Namespace", "CustomResourceDefinition", "", "DaemonSet", "Deployment"];
function rank(manifest: Manifest): number {
  const at = ORDER.indexOf(manifest.kind);
  return at === -1 ? ORDER.indexOf("") : at;
}

/** Sorts manifests into the order in which they can be applied; it keeps the given order otherwise. */
export function ordered(manifests: readonly Manifest[]): Manifest[] {
  return manifests.toSorted((one, other) => rank(one) - rank(other));
}

/**
 * Applies manifests server-side: namespaces, CRDs (it waits until they are served), the rest, workloads. Applying them again changes nothing.
 * Fields of a manifest that another manager set are taken over.
 *
 * @throws {ApiError} at the first object that is refused; those before it stay
 */
export async function apply(
  api: Api,
  manifests: readonly Manifest[],
  options: ApplyOptions = {},
): Promise<void> {
  const { signal, fieldManager = "pmz", dryRun = false } = options;
  const call = signal ? { signal } : {};
  const discovery = new ApiDiscovery(api);
  let done = 0;
  for (const manifest of ordered(manifests)) {
    const resource = await discovery.resourceOf(manifest, { ...call, waitMs: dryRun ? 0 : ESTABLISHED_MS });
    const ref = refOf(manifest, resource);
    const before = await found(api, resource, ref, call);
    // A namespace that was there before belongs to someone else, with all that is in it: it isn't marked as pmz's to delete.
    const isTaken = manifest.kind === "Namespace" && before !== undefined && !isOurs(before);
    const after = await api.apply(resource, ref, isTaken ? withoutOurs(manifest) : manifest, {
      ...call,
      fieldManager,
      force: true,
      dryRun,
    });
    if (manifest.kind === "CustomResourceDefinition" && !dryRun) await established(api, ref, call);
    const same = before?.metadata.resourceVersion === after.metadata.resourceVersion;
    const outcome = before === undefined ? "created" : same ? "unchanged" : "changed";
    options.onProgress?.({ object: describe(manifest), outcome, done: ++done, total: manifests.length });
  }
}

/**
 * Deletes those of the manifests' objects that carry {@linkcode OURS}, in the opposite order, and waits until they are gone. An object
 * of the same name without the label belongs to someone else, and is kept.
 *
 * @throws ApiError when a deletion is refused, or something isn't gone after 3 minutes (reason `Timeout`; a finalizer holds it).
 */
export async function remove(
  api: Api,
  manifests: readonly Manifest[],
  options: Pick<ApplyOptions, "signal" | "onProgress"> = {},
): Promise<void> {
  const call = options.signal ? { signal: options.signal } : {};
  const discovery = new ApiDiscovery(api);
  const going: { manifest: Manifest; resource: Resource; ref: Ref; uid: string }[] = [];
  let done = 0;
  const tell = (manifest: Manifest, outcome: ApplyProgress["outcome"]) =>
    options.onProgress?.({ object: describe(manifest), outcome, done: ++done, total: manifests.length });

  for (const manifest of ordered(manifests).reverse()) {
    const resource = await discovery.resourceOf(manifest, call).catch(absent);
    const ref = resource && refOf(manifest, resource);
    const object = resource && ref && await api.get(resource, ref, call).catch(absent);
    if (!resource || !ref || !object) tell(manifest, "absent");
    else if (!isOurs(object)) tell(manifest, "kept");
    else {
      const uid = String(object.metadata.uid);
      await api.delete(resource, ref, { ...call, preconditions: { uid }, propagationPolicy: "Background" })
        .catch(absent);
      going.push({ manifest, resource, ref, uid });
    }
  }
  for (const { manifest, resource, ref, uid } of going) {
    await gone(api, resource, ref, uid, options.signal);
    tell(manifest, "deleted");
  }
}

/**
 * Deletes the objects of a kind that carry {@linkcode OURS} and aren't named in `keep`, as an earlier version left them.
 *
 * @param options.labelSelector narrows it further.
 * @returns the names of those deleted.
 */
export async function prune(
  api: Api,
  resource: Resource,
  options: { namespace: string; keep: ReadonlySet<string>; labelSelector?: string; signal?: AbortSignal },
): Promise<string[]> {
  const { namespace, keep, labelSelector, signal } = options;
  const call = signal ? { signal } : {};
  const ours = `${OURS.label}=${OURS.value}`;
  const selection = { namespace, labelSelector: labelSelector ? `${ours},${labelSelector}` : ours };
  const { items } = await api.list(resource, selection, call);
  const deleted: string[] = [];
  for (const item of items) {
    const metadata = child(record(item, "object"), "metadata", "object");
    const [name, uid] = [field(metadata, "name"), field(metadata, "uid")];
    if (typeof name !== "string" || typeof uid !== "string" || keep.has(name)) continue;
    await api.delete(resource, { namespace, name }, { ...call, preconditions: { uid } }).catch(absent);
    deleted.push(name);
  }
  return deleted;
}

function refOf(manifest: Manifest, resource: Resource): Ref {
  const { name, namespace } = manifest.metadata;
  if (!resource.namespaced) return { name };
  if (!namespace) throw new TypeError(`The manifest of ${describe(manifest)} has no namespace`);
  return { name, namespace };
}

function describe({ kind, metadata: { name, namespace } }: Manifest): string {
  return `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
}

/** The object as it is now. For a user who may apply but not get objects, all of them count as new. */
async function found(api: Api, resource: Resource, ref: Ref, call: { signal?: AbortSignal }) {
  try {
    return await api.get(resource, ref, call);
  } catch (error) {
    if (ApiError.is(error, "NotFound") || ApiError.is(error, "Forbidden")) return undefined;
    throw error;
  }
}

/** Waits until the cluster serves a CRD's kind. @throws {ApiError} when it refuses its names, or the time is up */
async function established(api: Api, ref: Ref, call: { signal?: AbortSignal }): Promise<void> {
  const isServed = async () => {
    const crd = await api.get(resources.customResourceDefinitions, ref, call);
    const conditions = list(child(crd, "status", "crd"), "conditions", "crd.status", 100, record);
    const refused = conditions.find((each) => each.type === "NamesAccepted" && each.status === "False");
    if (refused) throw notServed(ref, String(refused.message ?? "its names are refused"));
    return conditions.some((each) => each.type === "Established" && each.status === "True");
  };
  if (await pollUntil(isServed, { everyMs: 200, timeoutMs: ESTABLISHED_MS, ...call })) return;
  call.signal?.throwIfAborted();
  throw notServed(ref, `it isn't established after ${ESTABLISHED_MS / 1000} s`);
}

function notServed({ name }: Ref, why: string): ApiError {
  return new ApiError(`The cluster doesn't serve the CRD ${name}: ${why}.`, { status: 0, reason: "Timeout" });
}

/** Waits until an object with a UID doesn't exist any more. @throws {ApiError} when the time is up */
async function gone(
  api: Api,
  resource: Resource,
  ref: Ref,
  uid: string,
  signal?: AbortSignal,
): Promise<void> {
  const until = performance.now() + GONE_MS;
  for (let pause = 100;; pause = Math.min(pause * 2, 1_000)) {
    const object = await api.get(resource, ref, signal ? { signal } : {}).catch(absent);
    if (!object || object.metadata.uid !== uid) return;
    if (performance.now() > until) {
      const finalizers = JSON.stringify(object.metadata.finalizers ?? []);
      throw new ApiError(
        `${resource.plural} "${ref.name}" is being deleted but isn't gone after ${
          GONE_MS / 1000
        } s (finalizers: ${finalizers}).`,
        { status: 0, reason: "Timeout" },
      );
    }
    signal?.throwIfAborted();
    await sleep(pause, signal);
  }
}

function withoutOurs(manifest: Manifest): Manifest {
  const { [OURS.label]: _, ...labels } = manifest.metadata.labels ?? {};
  return { ...manifest, metadata: { ...manifest.metadata, labels } };
}

function isOurs(object: KubeObject): boolean {
  const { labels } = object.metadata;
  return typeof labels === "object" && labels !== null && Object.hasOwn(labels, OURS.label) &&
    (labels as Record<string, unknown>)[OURS.label] === OURS.value;
}

function absent(error: unknown): undefined {
  if (!ApiError.is(error, "NotFound")) throw error;
}
