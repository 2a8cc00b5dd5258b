import type { Cluster } from "@kubernetes/client-node";
import type { ApiServerAccess } from "../client/access.ts";

/**
 * Sets KUBERNETES_EXEC_INFO for an exec plugin (client.authentication.k8s.io ExecCredential), which client-node leaves out: the version of
 * its protocol, and that it can't ask anything, since there is no terminal.
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
