import assert from "node:assert/strict";
import { meantService } from "./meant_service.ts";

Deno.test("a name is read as the Service that it seems to mean", () => {
  const short = { isWhole: true, isExplicit: false };
  const explicit = { service: "echo", namespace: "default", isWhole: true, isExplicit: true };
  const rows = [
    ["echo", { service: "echo", ...short }],
    ["echo.default", { service: "echo", namespace: "default", ...short }],
    ["echo.default.svc", explicit],
    ["echo.default.svc.cluster.local", explicit],
    ["echo.default.svc.staging", { ...explicit, suffix: "staging" }],
    ["_http._tcp.echo.default.svc", { ...explicit, isWhole: false }],
    ["svc.svc.svc", { ...explicit, service: "svc", namespace: "svc" }],
    ["www.example.com", undefined],
    ["default.svc", { service: "default", namespace: "svc", ...short }],
  ] as const;
  for (const [host, expected] of rows) assert.deepEqual(meantService(host), expected, host);
});
