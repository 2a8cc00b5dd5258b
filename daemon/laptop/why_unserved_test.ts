import assert from "node:assert/strict";
import { whyUnserved } from "./why_unserved.ts";

Deno.test("a Service's address says which of its ports aren't served, and why", () => {
  const why = (port: number, protocol: "tcp" | "udp" = "tcp") =>
    whyUnserved(
      [
        { protocol: "tcp", port: 80, served: false },
        { protocol: "tcp", port: 443, served: true },
        { protocol: "udp", port: 53, served: true },
        { protocol: "udp", port: 123, served: false },
      ],
      port,
      protocol,
    )?.details;
  assert.equal(why(80), "no ready endpoint");
  assert.equal(why(443), undefined);
  assert.equal(why(53), "the Service has port 53 for UDP only");
  assert.equal(why(81), "the Service has no port 81");
  assert.equal(why(53, "udp"), undefined);
  assert.equal(why(123, "udp"), "no ready endpoint");
  assert.equal(why(443, "udp"), "the Service has port 443 for TCP only");
});

Deno.test("of a pod's ports the cluster says nothing", () => {
  assert.equal(whyUnserved("any", 81, "udp"), undefined);
});
