import type { InterceptEntry } from "../control.ts";

/** An intercept of echo.default:80 that is as it should be: both pods are taken, nothing was carried yet. */
export const interceptEntry: InterceptEntry = {
  id: "echo.default:80",
  cluster: "dev",
  namespace: "default",
  service: "echo",
  port: 80,
  portName: "http",
  local: "localhost:8081",
  since: "2026-01-01T11:59:00Z",
  pods: { ready: 2, all: 2 },
  connections: { open: 0, total: 0 },
  alsoTaken: [],
  others: [],
  problems: [],
};
