/** What the tests of this room share. */
import { Api } from "../../kube/client/api.ts";
import { Events, type FakeServer, fakeServer, json, status } from "../../kube/testing/api_server.ts";
import { GROUP, VERSION } from "../../wire/intercept.ts";

type Json = Record<string, unknown>;
type Stored = Json & { metadata: Json & { name: string; namespace?: string } };

/** Which objects a path means; `name` for one of them. */
interface Place {
  readonly prefix: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
}

/** An API server of objects in memory, with so much of one as the daemon meets: list, watch, create, patch, delete. */
export class FakeApi implements AsyncDisposable {
  readonly #server: FakeServer;
  /** By "PREFIX PLURAL NAMESPACE/NAME". */
  readonly #objects = new Map<string, Stored>();
  readonly #watches = new Set<{ place: Place; events: Events }>();
  /** What has happened, for watches that begin later than their list. */
  readonly #history: { version: number; kind: string; key: string; object: Stored }[] = [];
  readonly #ended = Promise.withResolvers<Response>();
  #version = 1;
  #open: Api | undefined;
  /** What it answers instead, by "METHOD /path". */
  refuse: (asked: string) => Response | undefined = () => undefined;
  /** What access reviews say: by default everything is allowed. "get pods/portforward in pmz" */
  allows: (action: string) => boolean = () => true;
  /** Answers nothing any more, as a server that is far away and gone. */
  silent = false;

  constructor() {
    this.#server = fakeServer((request, url) => this.#answer(request, url));
    this.put("/api/v1", "namespaces", { metadata: { name: "default" } });
    this.put("/api/v1", "namespaces", { metadata: { name: "kube-system", uid: crypto.randomUUID() } });
  }

  get asked(): string[] {
    return this.#server.asked;
  }

  /** A client of it. */
  get api(): Api {
    return this.#open ??= new Api(this.#server.source);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.access.port}`;
  }

  /** A kubeconfig that has it as its only cluster. */
  kubeconfig(context = "dev", namespace = "default"): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": context,
      clusters: [{ name: "c", cluster: { server: this.url } }],
      users: [{ name: "jo", user: { token: "secret" } }],
      contexts: [{ name: context, context: { cluster: "c", user: "jo", namespace } }],
    });
  }

  /** Adds or replaces an object, and tells all watches. */
  put(prefix: string, plural: string, object: Json & { metadata: Json }): void {
    const metadata = { namespace: "default", ...object.metadata } as Stored["metadata"];
    this.#put({ prefix, plural, namespace: metadata.namespace, name: metadata.name }, {
      ...object,
      metadata,
    });
  }

  service(name: string, spec: Json, namespace = "default"): void {
    this.put("/api/v1", "services", {
      metadata: { name, namespace, uid: uid(`s/${namespace}/${name}`) },
      spec,
    });
  }

  pod(
    name: string,
    of: { namespace?: string; labels?: Json; ip?: string; node?: string; more?: Json } = {},
  ): void {
    const { namespace = "default", labels = {}, ip, node = "a", more = {} } = of;
    this.put("/api/v1", "pods", {
      metadata: { name, namespace, uid: uid(`p/${namespace}/${name}`), labels, ...more },
      spec: { nodeName: node, containers: [{ name: "c", ports: [{ name: "web", containerPort: 8080 }] }] },
      status: {
        phase: "Running",
        conditions: [{ type: "Ready", status: "True" }],
        ...(ip ? { podIP: ip, podIPs: [{ ip }] } : {}),
      },
    });
  }

  /** The one slice of a Service, with ready endpoints at these addresses. */
  slice(service: string, addresses: readonly string[], ports: readonly Json[], namespace = "default"): void {
    this.put("/apis/discovery.k8s.io/v1", "endpointslices", {
      metadata: {
        name: `${service}-1`,
        namespace,
        uid: uid(`e/${namespace}/${service}`),
        labels: { "kubernetes.io/service-name": service },
      },
      addressType: "IPv4",
      ports,
      endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    });
  }

  /** The objects of a kind, "namespace/name" first. */
  all(plural: string): [string, Stored][] {
    return [...this.#objects].flatMap(([key, object]) => {
      const [, kind, name = ""] = key.split(" ");
      return kind === plural ? [[name, object]] : [];
    });
  }

  delete(prefix: string, plural: string, name: string, namespace = "default"): void {
    this.#delete({ prefix, plural, name, namespace });
  }

  /** Sets the status of a rule, as attach does. */
  ruleStatus(name: string, pods: readonly Json[], namespace = "default"): void {
    const place = { prefix: `/apis/${GROUP}/${VERSION}`, plural: "interceptrules", namespace, name };
    const there = this.#objects.get(keyOf(place));
    if (!there) throw new Error(`there is no rule ${name}`);
    this.#put(place, { ...there, status: { pods } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open?.[Symbol.dispose]();
    this.#ended.resolve(new Response());
    await this.#server[Symbol.asyncDispose]();
  }

  async #answer(request: Request, url: URL): Promise<Response> {
    const refused = this.refuse(`${request.method} ${url.pathname}`);
    if (refused) return refused;
    if (this.silent) return await this.#ended.promise;
    if (url.pathname === "/version") return json(200, { gitVersion: "v1.34.0" });
    if (url.pathname.endsWith("/selfsubjectreviews")) {
      return json(201, { status: { userInfo: { username: "jo@example.com" } } });
    }
    if (url.pathname.endsWith("/selfsubjectaccessreviews")) {
      const { spec } = await request.json() as { spec: { resourceAttributes: Record<string, string> } };
      const { verb, resource, subresource, namespace } = spec.resourceAttributes;
      const action = `${verb} ${resource}${subresource ? `/${subresource}` : ""}${
        namespace ? ` in ${namespace}` : ""
      }`;
      return json(201, { metadata: {}, status: { allowed: this.allows(action) } });
    }
    const place = placeOf(url.pathname);
    if (!place) return json(404, status(404, "NotFound", `no such path: ${url.pathname}`));
    if (request.method === "POST") return this.#create(place, await request.json());
    if (request.method === "GET" && place.name === undefined) return this.#list(place, url);
    const there = this.#objects.get(keyOf(place));
    if (!there) return json(404, status(404, "NotFound", `${place.plural} "${place.name}" not found`));
    if (request.method === "GET") return json(200, there);
    const body = await request.json() as Json;
    if (request.method === "PATCH") {
      this.#put(place, { ...there, spec: { ...there.spec as Json, ...body.spec as Json } });
      return json(200, this.#objects.get(keyOf(place)));
    }
    const { uid } = (body.preconditions ?? {}) as { uid?: string };
    if (uid !== undefined && uid !== there.metadata.uid) {
      return json(409, status(409, "Conflict", "another uid"));
    }
    this.#delete(place);
    return json(200, { kind: "Status", status: "Success" });
  }

  #create(at: Place, object: Stored): Response {
    const place = { ...at, name: object.metadata.name };
    if (this.#objects.has(keyOf(place))) {
      return json(409, status(409, "AlreadyExists", `${place.plural} "${place.name}" already exists`));
    }
    const creationTimestamp = "2026-01-01T10:00:00Z";
    this.#put(place, {
      ...object,
      metadata: { uid: crypto.randomUUID(), creationTimestamp, ...object.metadata },
    });
    return json(201, this.#objects.get(keyOf(place)));
  }

  #list(place: Place, url: URL): Response {
    if (url.searchParams.get("watch") !== null) {
      const events = new Events();
      const from = Number(url.searchParams.get("resourceVersion"));
      for (const { version, kind, key, object } of this.#history) {
        if (version > from && meets(place, key, object)) events.send(kind, object);
      }
      this.#watches.add({ place, events });
      return new Response(events.body);
    }
    const items = [...this.#objects].filter(([key, object]) => meets(place, key, object)).map(([, one]) =>
      one
    );
    return json(200, { metadata: { resourceVersion: String(this.#version) }, items });
  }

  #put(place: Place, object: Stored): void {
    const key = keyOf(place);
    const kind = this.#objects.has(key) ? "MODIFIED" : "ADDED";
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
    this.#objects.set(key, stored);
    this.#tell(kind, key, stored);
  }

  #delete(place: Place): void {
    const key = keyOf(place);
    const object = this.#objects.get(key);
    this.#objects.delete(key);
    this.#version++;
    if (object) this.#tell("DELETED", key, object);
  }

  #tell(kind: string, key: string, object: Stored): void {
    this.#history.push({ version: this.#version, kind, key, object });
    for (const watch of this.#watches) {
      if (watch.events.cancelled) this.#watches.delete(watch);
      else if (meets(watch.place, key, object)) watch.events.send(kind, object);
    }
  }
}

function placeOf(path: string): Place | undefined {
  const match = /^(\/api\/v1|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?$/.exec(
    path,
  );
  const [, prefix, namespace, plural, name] = match ?? [];
  return prefix && plural ? { prefix, namespace, plural, name } : undefined;
}

function keyOf({ prefix, plural, namespace, name }: Place): string {
  return `${prefix} ${plural} ${plural === "namespaces" ? "" : namespace ?? ""}/${name}`;
}

function meets(place: Place, key: string, { metadata }: Stored): boolean {
  return key.startsWith(`${place.prefix} ${place.plural} `) &&
    (place.namespace === undefined || place.namespace === metadata.namespace);
}

/** A UID that is always the same for the same text. */
export function uid(text: string): string {
  let hash = 0;
  for (const char of text) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  return `00000000-0000-4000-8000-${hash.toString(16).padStart(12, "0")}`;
}

export const forbidden = (what: string): Response => json(403, status(403, "Forbidden", `may not ${what}`));
