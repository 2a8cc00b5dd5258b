import type { ClusterAccess } from "../../kube/client/access.ts";
import { Api } from "../../kube/client/api.ts";
import { fakeServer, json, status } from "../../kube/testing/api_server.ts";
import type { OpenCluster } from "../parts.ts";

/** An action that the fake cluster is asked about: "create pods/portforward in pmz", "list services" everywhere. */
export type Action = string;

export interface FakeClusterOptions {
  /** By default all actions are allowed. */
  readonly allows?: (action: Action) => boolean;
  readonly version?: string;
  /** Instead of a version: how the API server answers. */
  readonly refuses?: number;
  /** As the cluster names the user; by default it doesn't say. */
  readonly user?: string;
  /** How the API server answers for any namespace; by default it is there. */
  readonly namespace?: 200 | 403 | 404;
  readonly server?: string;
  readonly proxyUrl?: string;
}

/** A cluster of a test: its API server answers questions for the version and for rights. */
export interface FakeCluster extends AsyncDisposable {
  readonly open: OpenCluster;
}

export function fakeCluster(options: FakeClusterOptions = {}): FakeCluster {
  const { allows = () => true, version = "v1.34.4", refuses, user, namespace = 200 } = options;
  const server = fakeServer(async (request, url) => {
    if (url.pathname === "/version") {
      return refuses === undefined
        ? json(200, { gitVersion: version })
        : json(refuses, status(refuses, "Refused", "no"));
    }
    if (url.pathname.endsWith("/selfsubjectreviews")) {
      return user === undefined
        ? json(404, status(404, "NotFound", "no"))
        : json(201, { metadata: {}, status: { userInfo: { username: user } } });
    }
    const asked = /^\/api\/v1\/namespaces\/([^/]+)$/.exec(url.pathname)?.[1];
    if (asked !== undefined) {
      const reasons = { 403: "Forbidden", 404: "NotFound" } as const;
      return namespace === 200
        ? json(200, { metadata: { name: asked } })
        : json(namespace, status(namespace, reasons[namespace], "no"));
    }
    const { spec } = await request.json();
    return json(201, { metadata: {}, status: { allowed: allows(actionOf(spec.resourceAttributes)) } });
  });
  const cluster: ClusterAccess = {
    ...server.source,
    context: "dev",
    server: options.server ?? `http://127.0.0.1:${server.access.port}`,
    namespace: "shop",
    user: "jo",
    caHash: "",
  };
  const api = new Api(cluster);
  return {
    open: {
      cluster,
      proxyUrl: options.proxyUrl,
      namespace: "shop",
      api,
      version: async () => {
        const said = await api.json("GET", "/version", { what: "reach the cluster" });
        return (said as { gitVersion: string }).gitVersion;
      },
    },
    async [Symbol.asyncDispose]() {
      api[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function actionOf(
  { verb, resource, subresource, namespace }: Readonly<Record<string, string | undefined>>,
): Action {
  return `${verb} ${resource}${subresource ? `/${subresource}` : ""}${namespace ? ` in ${namespace}` : ""}`;
}
