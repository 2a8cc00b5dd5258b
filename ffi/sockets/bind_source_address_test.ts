import assert from "node:assert/strict";
import { parseAddress } from "../../net/address.ts";
import { bindSourceAddress, closeDescriptor, localEndpoint, startConnect, tcpSocket } from "./socket.ts";

const address = (text: string) => parseAddress(text) ?? assert.fail(text);

for (const [family, source] of [[4, "127.0.0.7"], [6, "::1"]] as const) {
  Deno.test(`a socket connects from the address that it is bound to, by IPv${family}`, async () => {
    using listener = Deno.listen({ hostname: family === 4 ? "127.0.0.1" : "::1", port: 0 });
    const fd = tcpSocket(family);
    try {
      assert.equal(bindSourceAddress(fd, address(source)), true);
      assert.equal(localEndpoint(fd).port, 0, "the port is chosen when it connects");
      startConnect(fd, { address: address(listener.addr.hostname), port: listener.addr.port });
      using accepted = await listener.accept();
      assert.equal(accepted.remoteAddr.hostname, source);
    } finally {
      closeDescriptor(fd);
    }
  });
}

Deno.test("an address that this machine doesn't have is no source", () => {
  for (const [family, source] of [[4, "192.0.2.77"], [6, "2001:db8::77"]] as const) {
    const fd = tcpSocket(family);
    assert.equal(bindSourceAddress(fd, address(source)), false);
    closeDescriptor(fd);
  }
});
