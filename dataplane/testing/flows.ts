import type { Flow } from "../../wire/flow.ts";
import type { RefusedAttempts } from "../protocol.ts";

/** A flow that the gateway refused. */
export function failedFlow(id: string): Flow {
  return {
    id,
    kind: "captured",
    protocol: "tcp",
    from: "198.18.255.254:41234",
    to: "10.96.0.7:80",
    cluster: "dev",
    started: "2026-01-01T00:00:00.000Z",
    ms: 3,
    sent: 0,
    received: 0,
    outcome: {
      kind: "refused",
      by: "gateway",
      error: "destination_unavailable",
      details: "no ready endpoint",
    },
  };
}

/** A connection that the laptop's kernel refused. */
export function attempts(changes: Partial<RefusedAttempts> = {}): RefusedAttempts {
  return {
    protocol: "tcp",
    cluster: "dev",
    to: "10.96.0.7:80",
    name: "echo.default.svc:80",
    from: "198.18.255.254",
    program: { pid: 4312, name: "node" },
    error: "destination_unavailable",
    details: "no ready endpoint",
    times: 1,
    first: 0,
    last: 0,
    ...changes,
  };
}

/** Finds no program. */
export const NO_PROGRAMS = { find: () => undefined, findAll: () => Promise.resolve([]) };
