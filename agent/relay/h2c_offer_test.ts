import assert from "node:assert/strict";
import { latin1 } from "../../http/field_lines.ts";
import { parseRequestHead } from "../../http/head.ts";
import { withoutH2cOffer } from "./h2c_offer.ts";
import { bytesOf } from "./testing/routed.ts";

function declined(head: string, body = ""): string | undefined {
  const bytes = withoutH2cOffer(parseRequestHead(bytesOf(head)), bytesOf(head + body));
  return bytes && latin1(bytes);
}

Deno.test("an offer of HTTP/2 goes from a request, and everything else stays as it was sent", () => {
  const head =
    "POST /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 5\r\nHost: echo\r\n" +
    "HTTP2-Settings: AAEAAEAA\r\nUpgrade: h2c\r\nUser-Agent:  Java-http-client/17\r\n\r\n";
  assert.equal(
    declined(head, "hello"),
    "POST /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 5\r\nHost: echo\r\n" +
      "User-Agent:  Java-http-client/17\r\n\r\nhello",
  );
});

Deno.test("a request that offers another protocol, or none, is left alone", () => {
  assert.equal(
    declined("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
    undefined,
  );
  assert.equal(declined("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), undefined);
});
