import assert from "node:assert/strict";
import type { Flow } from "../wire/flow.ts";
import { flowWords } from "./flow_lines.ts";

const flow: Flow = {
  id: "k3v9t0aq-1f",
  kind: "captured",
  protocol: "udp",
  from: "198.18.255.254:41234",
  to: "10.96.0.10:53",
  cluster: "dev",
  started: "2026-01-01T12:00:00Z",
  sent: 5,
  received: 2_048,
  outcome: { kind: "open" },
};

Deno.test("a flow has its bytes, and the datagrams that found no room", () => {
  const words = "198.18.255.254:41234 -> 10.96.0.10:53/udp: open; 5 B sent, 2.0 KiB received";
  assert.equal(flowWords(flow), words);
  assert.equal(flowWords({ ...flow, dropped: 1 }), `${words}; 1 datagram dropped`);
  assert.equal(flowWords({ ...flow, dropped: 3 }), `${words}; 3 datagrams dropped`);
});
