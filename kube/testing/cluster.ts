import type { AccessSource } from "../client/access.ts";
import { type FakeServer, fakeServer, json, status } from "./api_server.ts";

type Stored = { metadata: Record<string, unknown> } & Record<string, unknown>;

const KINDS: Record<string, { name: string; kind: string; namespaced: boolean }[]> = {
  "/api/v1": [
    { name: "namespaces", kind: "Namespace", namespaced: false },
    { name: "namespaces/status", kind: "Namespace", namespaced: false },
    { name: "configmaps", kind: "ConfigMap", namespaced: true },
    { name: "pods", kind: "Pod", namespaced: true },
  ],
  "/apis/apps/v1": [{ name: "deployments", kind: "Deployment", namespaced: true }],
  "/apis/apiextensions.k8s.io/v1": [{
    name: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    namespaced: false,
  }],
};

/** Objects by their path, with so much of an API server as applying and removing meets. */
export class FakeCluster implements AsyncDisposable {
  readonly #server: FakeServer = fakeServer((request, url) => this.#answer(request, url));
  readonly #objects = new Map<string, Stored>();
  #version = 1;
  /** Looks at a CRD until it is established, and at its kind until discovery has it. */
  #crdLooks = 0;
  /** How often a deleted object is still seen. */
  lingers = 0;
  refuse: (path: string) => string | undefined = () => undefined;

  get source(): AccessSource {
    return this.#server.source;
  }
  get asked(): string[] {
    return this.#server.asked;
  }
  has(path: string): boolean {
    return this.#objects.has(path);
  }
  put(path: string, object: Stored): void {
    this.#objects.set(path, {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
    });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #answer(request: Request, url: URL): Promise<Response> {
    const path = url.pathname;
    const notFound = () => json(404, status(404, "NotFound", `${path} not found`));
    if (path in KINDS) return json(200, { resources: KINDS[path] });
    if (path === "/apis/pmz.test/v1") {
      const established = this.has("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gizmos.pmz.test");
      return established && ++this.#crdLooks > 3
        ? json(200, { resources: [{ name: "gizmos", kind: "Gizmo", namespaced: true }] })
        : notFound();
    }
    const reason = request.method === "PATCH" ? this.refuse(path) : undefined;
    if (reason) return json(403, status(403, "Forbidden", reason));
    if (request.method === "PATCH") return this.#applied(path, await request.json());
    if (request.method === "DELETE") return this.#deleted(path, await request.json()) ?? notFound();
    const object = this.#objects.get(path);
    if (object) return json(200, this.#seen(path, object));
    if (!path.endsWith("s")) return notFound();
    const items = [...this.#objects].filter(([each]) => each.startsWith(`${path}/`)).map(([, each]) => each);
    return json(200, { metadata: { resourceVersion: "1" }, items });
  }

  #applied(path: string, given: Stored): Response {
    const before = this.#objects.get(path);
    const changed = !before || JSON.stringify(before.given) !== JSON.stringify(given);
    if (changed) {
      const uid = before?.metadata.uid ?? `uid-${this.#version}`;
      this.put(path, { ...given, metadata: { ...given.metadata, uid }, given });
    }
    return json(before ? 200 : 201, this.#objects.get(path));
  }

  #deleted(path: string, options: { preconditions?: { uid?: string } }): Response | undefined {
    const object = this.#objects.get(path);
    if (!object) return undefined;
    if (options.preconditions?.uid !== object.metadata.uid) return json(409, status(409, "Conflict", "uid"));
    if (this.lingers === 0) this.#objects.delete(path);
    else object.leaving = this.lingers;
    return json(200, { kind: "Status", status: "Success" });
  }

  #seen(path: string, object: Stored): Stored {
    if (typeof object.leaving === "number" && object.leaving-- <= 1) this.#objects.delete(path);
    if (object.kind !== "CustomResourceDefinition") return object;
    const established = ++this.#crdLooks > 1 ? "True" : "False";
    return { ...object, status: { conditions: [{ type: "Established", status: established }] } };
  }
}
