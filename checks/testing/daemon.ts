import type { ClusterStatus, Status } from "../../wire/control.ts";
import type { DaemonView } from "../../wire/doctor.ts";

/** A daemon that is connected to one cluster, by default as after `pmz up`. */
export function runningDaemon(
  { cluster = {}, status = {} }: { cluster?: Partial<ClusterStatus>; status?: Partial<Status> } = {},
): () => Promise<DaemonView> {
  const view: DaemonView = {
    state: "running",
    namespaces: ["default"],
    names: [],
    status: {
      release: "0.1.0",
      pid: 4711,
      since: "2026-01-01T10:00:00Z",
      clusters: [{
        cluster: { context: "dev", server: "https://192.0.2.1:6443", namespace: "shop", user: "jo" },
        mode: "capture",
        tunnel: { state: "connected", since: "2026-01-01T10:00:00Z", pod: "gateway-7d9" },
        roundTripMs: 9,
        services: 3,
        answering: 3,
        openStreams: 0,
        limits: [],
        acceptedRanges: [],
        unreachable: { count: 0, first: [] },
        ...cluster,
      }],
      helper: { state: "connected", address: "198.18.255.254", routes: 5 },
      intercepts: [],
      failures: [],
      warnings: [],
      ...status,
    },
  };
  return () => Promise.resolve(view);
}

export const noDaemon = (): Promise<DaemonView> => Promise.resolve({ state: "none" });
