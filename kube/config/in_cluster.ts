import { type ApiServerAccess, certificatesHash, type ClusterAccess, parseServer } from "../client/access.ts";

const ROOT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Milliseconds between reads of the token: the kubelet renews a projected one at 80 % of its life, an hour by default. */
const REREAD_MS = 60_000;

export interface InClusterOptions {
  /** The folder with token, ca.crt and namespace. */
  root?: string;
  env?: (name: string) => string | undefined;
}

/**
 * Reaches the API server as this pod's service account.
 *
 * @throws when this isn't a pod with a mounted service account token.
 */
export async function inClusterAccess(options: InClusterOptions = {}): Promise<ClusterAccess> {
  const { root = ROOT, env = (name) => Deno.env.get(name) } = options;
  const host = env("KUBERNETES_SERVICE_HOST");
  const port = env("KUBERNETES_SERVICE_PORT_HTTPS") ?? env("KUBERNETES_SERVICE_PORT") ?? "443";
  if (!host) {
    throw new Error(
      "KUBERNETES_SERVICE_HOST isn't set: this process doesn't run in a pod. Use a kubeconfig instead.",
    );
  }
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const ca = await readAccountFile(root, "ca.crt");
  const namespace = (await readAccountFile(root, "namespace")).trim();
  let current: { access: ApiServerAccess; readAt: number } | undefined;
  return {
    context: "in-cluster",
    server,
    namespace,
    user: "service account",
    caHash: await certificatesHash(ca),
    async access({ renew = false } = {}) {
      if (current && !renew && performance.now() - current.readAt < REREAD_MS) return current.access;
      const token = (await readAccountFile(root, "token")).trim();
      const access = {
        ...parseServer(server),
        caCerts: [await readAccountFile(root, "ca.crt")],
        headers: { authorization: `Bearer ${token}` },
      };
      current = { access, readAt: performance.now() };
      return access;
    },
  };
}

async function readAccountFile(root: string, name: string): Promise<string> {
  try {
    return await Deno.readTextFile(`${root}/${name}`);
  } catch (cause) {
    throw new Error(
      `Can't read ${root}/${name}: the pod has no service account token mounted. ` +
        "Its spec needs automountServiceAccountToken or a projected volume at that path.",
      { cause },
    );
  }
}
