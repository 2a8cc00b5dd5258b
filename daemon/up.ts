import { parseAddress } from "../wire/address.ts";
import type { Mode, UpRequest, UpResult } from "../wire/control.ts";
import { formatEndpoint } from "../wire/address.ts";
import { need } from "./agents.ts";
import { readiness } from "./cluster/topology.ts";
import type { Clusters } from "./clusters.ts";
import type { Connected } from "./connected.ts";
import type { Reporter } from "./control/progress.ts";
import type { DaemonParts } from "./parts.ts";
import { Failure } from "./failure.ts";

/** More of a cluster is used with each of these. */
const order: readonly Mode[] = ["intercept", "proxy", "capture"];
const PROOF_TIMEOUT_MS = 5_000;

/**
 * Connects a cluster, or uses more of one that is connected. What an `up` that fails, or is interrupted, has begun is
 * undone.
 */
export async function up(
  request: UpRequest,
  clusters: Clusters,
  parts: DaemonParts,
  report: Reporter,
  signal: AbortSignal,
): Promise<UpResult> {
  const { connected, isNew } = await report.step("Cluster", () => clusters.open(request), ({ connected }) => {
    const { size } = connected.connection.topology.services;
    return `${size} Service${size === 1 ? "" : "s"}`;
  });
  const before = connected.connection.mode;
  try {
    for (const limit of connected.connection.limits) report.warn(limit);
    await need(connected.connection.api, "gateway", request, parts, report, signal);
    await report.step("Tunnel", (detail) => connected.reach(detail, signal), () => tunnelDetail(connected));
    if (order.indexOf(request.mode) > order.indexOf(before)) connected.connection.mode = request.mode;
    const proxy = request.mode === "proxy"
      ? await report.step("Proxy", () => clusters.proxy(request.proxyPort ?? 0), (address) => address)
      : undefined;
    if (request.mode === "capture") {
      const laptop = await report.step(
        "Routes",
        () => clusters.capture(),
        (side) => `${side.routes} addresses`,
      );
      for (const [address, why] of [...laptop.refused].slice(0, 5)) {
        report.warn(`${address} is not captured: ${why}`);
      }
      await report.step("Names", () => clusters.captureNames());
    }
    await clusters.publishCustom();
    signal.throwIfAborted();
    return { ...await result(connected, clusters, request.mode, report), ...(proxy ? { proxy } : {}) };
  } catch (error) {
    connected.connection.mode = before;
    if (isNew) await clusters.remove(connected.id, report);
    throw error;
  }
}

function tunnelDetail(connected: Connected): string | undefined {
  const { tunnel } = connected.connection;
  return tunnel.state === "connected" ? tunnel.pod : undefined;
}

async function result(
  connected: Connected,
  clusters: Clusters,
  mode: Mode,
  report: Reporter,
): Promise<UpResult> {
  const { connection } = connected;
  const topology = connection.topology;
  const ready = topology.slices && readiness(topology.slices);
  const reachable = [...topology.services].flatMap(([key, service]) =>
    service.clusterIPs.slice(0, 1).flatMap((address) =>
      service.ports
        .filter((port) => port.protocol === "TCP" && (ready?.(key).ports.has(port.name) ?? true))
        .map((port) => ({ service, port, address }))
    )
  );
  const own = connection.name.namespace;
  reachable.sort((a, b) => Number(b.service.namespace === own) - Number(a.service.namespace === own));
  const first = reachable.find(({ service }) => service.namespace === own && service.name !== "kubernetes");
  const proof = first && await report.step("Proof", async () => {
    const { service, port, address } = first;
    const ms = await prove(connected, clusters, mode, address, port.port);
    return { service: `${service.name}.${service.namespace}`, port: port.port, ms };
  }, (proof) => `${proof.service}:${proof.port} answers in ${proof.ms} ms`);
  return {
    cluster: connection.name,
    mode,
    services: topology.services.size,
    ...(proof ? { proof } : {}),
    try: reachable.slice(0, 3).map(({ service, port }) => ({
      name: `${service.name}.${service.namespace}.svc`,
      port: port.port,
      http: /^(http|https|h2c|grpc)/.test(port.appProtocol ?? port.name) || port.port === 80,
    })),
    warnings: [],
  };
}

/** Dials a Service as the mode's programs will: by the captured address, or through the tunnel. Milliseconds. */
async function prove(
  connected: Connected,
  clusters: Clusters,
  mode: Mode,
  address: string,
  port: number,
): Promise<number> {
  const started = performance.now();
  try {
    if (mode === "capture") {
      const signal = AbortSignal.timeout(PROOF_TIMEOUT_MS);
      using _conn = await Deno.connect({ hostname: parseAddress(address)?.text ?? address, port, signal });
    }
    await clusters.data.call("dial", { cluster: connected.id, authority: formatEndpoint(address, port) });
    return Math.round((performance.now() - started) * 10) / 10;
  } catch (cause) {
    throw new Failure("agent", `${address}:${port} can't be reached through the tunnel`, {
      hint: "pmz agent status shows how the gateway is",
      cause,
    });
  }
}
