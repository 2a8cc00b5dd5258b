import assert from "node:assert/strict";
import { boundDescriptorOf } from "../../ffi/sockets/own_socket.ts";
import { bindToDevice } from "../../ffi/sockets/transparent.ts";
import { isLedElsewhere } from "./arrival.ts";

Deno.test("a connection that a socket with the dialled address accepts isn't led elsewhere, nor is one that has ended", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  assert.equal(isLedElsewhere(conn), false, "it isn't accepted yet");
  const peer = await listener.accept();
  assert.equal(isLedElsewhere(conn), false);
  peer.close();
  assert.equal(isLedElsewhere(conn), false);
  const { localAddr, remoteAddr } = conn;
  conn.close();
  assert.equal(isLedElsewhere({ localAddr, remoteAddr }), false);
});

Deno.test({
  name: "nor is one that a socket of one device accepts (needs root)",
  ignore: Deno.uid() !== 0,
  async fn() {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    bindToDevice(boundDescriptorOf("tcp", "127.0.0.1", listener.addr.port), "lo");
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    using _peer = await listener.accept();
    assert.equal(isLedElsewhere(conn), false);
  },
});
