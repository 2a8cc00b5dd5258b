import assert from "node:assert/strict";
import { ConnectionClosed, ConnectionError, ErrorCode, PeerSilent, StreamReset } from "../../hbone/mod.ts";
import { PortForwardError } from "../../kube/port_forward/port_forward.ts";
import { brokenTunnel } from "./broken_tunnel.ts";
import { NoTunnel } from "./no_tunnel.ts";

/** As a stream sees the end of its connection. */
function closed(cause?: Error): ConnectionClosed {
  return cause === undefined
    ? new ConnectionClosed("the peer closed the connection with open streams: 1")
    : new ConnectionClosed(`the connection has ended: ${cause.message}`, { cause });
}

Deno.test("what broke a tunnel is said in words for users, without the protocol's", () => {
  const tls = new Error("peer closed connection without sending TLS close_notify");
  const forward = new PortForwardError(`The port-forward broke (forward port 8101): ${tls.message}`, {
    cause: tls,
  });
  const said = [
    [closed(forward), "the connection to the API server broke, which leads to the gateway"],
    [closed(), "the gateway's pod ended, or the API server closed the connection to it"],
    [
      closed(new PeerSilent("no answer to a PING within 10 s")),
      "the gateway didn't answer in time: the network may have changed, or its pod is gone",
    ],
    [
      closed(new ConnectionError(ErrorCode.PROTOCOL_ERROR, "DATA on stream 0")),
      "pmz and the gateway don't understand each other: are they of the same release?",
    ],
    [closed(new NoTunnel("the cluster is disconnected")), "the cluster is disconnected"],
    [closed(new Error("the bulk lane ended")), "the connection to the gateway broke"],
    [new StreamReset(ErrorCode.CANCEL, "peer"), "the gateway broke the connection off"],
    [new StreamReset(ErrorCode.ENHANCE_YOUR_CALM, "us"), "pmz broke the connection off"],
  ] as const;
  for (const [error, words] of said) assert.equal(brokenTunnel(error, "gateway"), words);
});

Deno.test("a node agent's tunnel is told from the gateway's", () => {
  assert.equal(
    brokenTunnel(closed(), "node agent"),
    "the node agent's pod ended, or the API server closed the connection to it",
  );
});

Deno.test("an error that is its own cause ends", () => {
  const circular = new Error("circular");
  circular.cause = circular;
  assert.equal(brokenTunnel(circular, "gateway"), "the connection to the gateway broke");
});
