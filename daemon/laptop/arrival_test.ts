import assert from "node:assert/strict";
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
