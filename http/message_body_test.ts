import assert from "node:assert/strict";
import fc from "fast-check";
import { chunked, lengthOf, noBody, untilClose } from "./body_length.ts";
import { HttpFormatError } from "./error.ts";
import { MessageBody } from "./message_body.ts";
import { bytesOf } from "./testing/heads.ts";

Deno.test("a body's end is found wherever its pieces are cut", () => {
  const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 6 });
  const cuts = fc.array(fc.nat(2_000), { maxLength: 20 });
  const extension = fc.constantFrom("", ";x=y", ' ; a="b;\xe4"', "\t", "  ");
  fc.assert(fc.property(chunks, cuts, fc.boolean(), extension, (data, at, trailers, extension) => {
    const encoded = [
      ...data.flatMap((one) => [...bytesOf(`${one.length.toString(16)}${extension}\r\n`), ...one, 13, 10]),
      ...bytesOf(trailers ? `00${extension}\r\nA: b\r\nC:\r\n\r\n` : "0\r\n\r\n"),
    ];
    const whole = Uint8Array.from([...encoded, ...bytesOf("GET / HTTP/1.1")]);
    assert.equal(taken(new MessageBody(chunked), whole, at), encoded.length);
    assert.equal(taken(new MessageBody(lengthOf(data.length)), whole, at), data.length);
    assert.equal(taken(new MessageBody(untilClose), whole, at), whole.length);
  }));
});

Deno.test("a body's end is found at each of its bytes", () => {
  const encoded = "5;a=b\r\nhello\r\n1F\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\n";
  const whole = bytesOf(encoded + "rest");
  for (let cut = 0; cut <= whole.length; cut++) {
    const body = new MessageBody(chunked);
    const count = body.take(whole.subarray(0, cut));
    assert.equal(count, Math.min(cut, encoded.length));
    assert.equal(body.complete, cut >= encoded.length);
    assert.equal(count + body.take(whole.subarray(count)), encoded.length);
    assert.ok(body.complete);
  }
});

Deno.test("a body without bytes is complete from the start", () => {
  assert.ok(new MessageBody(noBody).complete);
  assert.equal(new MessageBody(noBody).take(bytesOf("GET")), 0);
  assert.ok(!new MessageBody(untilClose).complete);
});

Deno.test("a chunked body that breaks its rules is refused, in whatever pieces it comes", () => {
  for (
    const body of [
      "x\r\n",
      "-1\r\n",
      "0x5\r\nabcde\r\n",
      "\r\n",
      ";a=b\r\n",
      "5\nabcde",
      "5\r\r\n",
      "5\rabcde",
      "5\r\nabcdeXX",
      "5\r\nabcde\n\n",
      "5\r\nabcde\r\r",
      " 5\r\n",
      "5 5\r\n",
      "5;a\nb\r\n",
      "5;a\0b\r\n",
      "5" + "0".repeat(20),
      "5;" + "x".repeat(2000),
      "0\r\nA : b\r\n\r\n",
      "0\r\nA: b\rC: d\r\n\r\n",
      "0\r\nA: b\nC: d\r\n\r\n",
      "0\r\n\n\r\n\r\n",
      "0\r\nContent-Length: 5\r\n\r\n",
      "0\r\nTransfer-Encoding: chunked\r\n\r\n",
      "0\r\nHost: other\r\n\r\n",
      "0\r\n" + "A: b\r\n".repeat(3000),
    ]
  ) {
    const bytes = bytesOf(body + "\r\n\r\n");
    const name = JSON.stringify(body.slice(0, 20));
    assert.throws(() => new MessageBody(chunked).take(bytes), HttpFormatError, name);
    const inPieces = new MessageBody(chunked);
    assert.throws(() => bytes.forEach((byte) => inPieces.take(Uint8Array.of(byte))), HttpFormatError, name);
  }
});

/** How many of the bytes belong to the body when they come in pieces. */
function taken(body: MessageBody, whole: Uint8Array, cuts: readonly number[]): number {
  const edges = [...new Set([...cuts, whole.length])].filter((cut) => cut <= whole.length)
    .sort((one, other) => one - other);
  let [at, count] = [0, 0];
  for (const edge of edges) {
    count += body.take(whole.subarray(at, edge));
    at = edge;
  }
  return count;
}
