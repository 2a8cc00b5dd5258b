import type { Cluster } from "@kubernetes/client-node";
import type { ApiServerAccess } from "../client/access.ts";

/**
 * An exec plugin learns by KUBERNETES_EXEC_INFO which version of its protocol is spoken, and may not ask
 * anybody anything (there is no terminal): client.authentication.k8s.io ExecCredential. client-node leaves it out.
 */
export function tellPlugin(exec: unknown, entry: Cluster, server: Pick<ApiServerAccess, "caCerts">): void {
  if (typeof exec !== "object" || exec === null) return;
  const plugin = exec as {
    apiVersion?: unknown;
    env?: { name: string; value: string }[];
    provideClusterInfo?: unknown;
  };
  const name = "KUBERNETES_EXEC_INFO";
  if (plugin.env?.some((each) => each.name === name)) return;
  const cluster = {
    server: entry.server,
    ...(server.caCerts.length ? { "certificate-authority-data": btoa(server.caCerts.join("\n")) } : {}),
    ...(entry.tlsServerName ? { "tls-server-name": entry.tlsServerName } : {}),
    ...(entry.skipTLSVerify ? { "insecure-skip-tls-verify": true } : {}),
    ...(entry.proxyUrl ? { "proxy-url": entry.proxyUrl } : {}),
  };
  const info = {
    apiVersion: typeof plugin.apiVersion === "string" ? plugin.apiVersion : "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false, ...(plugin.provideClusterInfo === true ? { cluster } : {}) },
  };
  plugin.env = [...(plugin.env ?? []), { name, value: JSON.stringify(info) }];
}
