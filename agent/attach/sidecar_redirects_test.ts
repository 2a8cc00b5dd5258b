import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import type { Redirect } from "../../ffi/netfilter/chains.ts";
import { SidecarRedirects } from "./sidecar_redirects.ts";

/** A pod whose packet filter leads all ports to this one. */
function leadingTo(to: { port: number | undefined } & Partial<Redirect>) {
  const clock = new FakeClock();
  let looks = 0;
  const read = () => {
    looks++;
    const { port } = to;
    const others = { how: "REDIRECT", isElsewhere: false, asksMark: false, ...to } as const;
    return () => port === undefined ? undefined : { ...others, port };
  };
  const redirects = new SidecarRedirects(() => [], () => ({ read, [Symbol.dispose]: () => {} }), clock);
  return { clock, redirects, looks: () => looks };
}

Deno.test("a port whose connections a sidecar takes has the reason, and how to leave it out", () => {
  assert.match(
    leadingTo({ port: 4143 }).redirects.keeps(8080) ?? "",
    /to its port 8080 to its port 4143 first \(REDIRECT\).*Linkerd's sidecar: .*skip-inbound-ports/,
  );
  assert.match(leadingTo({ port: 9 }).redirects.keeps(8080) ?? "", /to its port 9 first .*a sidecar's/);
  assert.equal(leadingTo({ port: undefined }).redirects.keeps(8080), undefined);
});

Deno.test("what Istio's sidecar takes is steered behind it", () => {
  assert.equal(leadingTo({ port: 15_006 }).redirects.keeps(8080), undefined);
});

Deno.test("what Istio passes on with the caller's address isn't, and is named", () => {
  assert.match(
    leadingTo({ port: 15_006, how: "TPROXY" }).redirects.keeps(8080) ?? "",
    /to its port 15006 first \(TPROXY\).*interceptionMode TPROXY: .*excludeInboundPorts/,
  );
  assert.match(
    leadingTo({ port: 15_006, asksMark: true }).redirects.keeps(8080) ?? "",
    /to its port 15006 first \(REDIRECT\).*Istio's ztunnel: .*dataplane-mode=none/,
  );
});

Deno.test("rules that are made while the pod starts are seen within a second, and asked for once a second", async () => {
  const to: { port: number | undefined } = { port: undefined };
  const { clock, redirects, looks } = leadingTo(to);
  assert.equal(redirects.keeps(8080), undefined);
  to.port = 4143;
  redirects.keeps(8080);
  assert.equal(looks(), 1);
  await clock.advance(1_000);
  assert.notEqual(redirects.keeps(8080), undefined);
});

Deno.test("a packet filter that can't be read keeps no intercept from working", () => {
  const redirects = new SidecarRedirects(() => [], () => {
    throw new Error("no NET_ADMIN");
  });
  assert.equal(redirects.keeps(8080), undefined);
});
