import assert from "node:assert/strict";
import fc from "fast-check";
import { parseAddress } from "../../net/address.ts";
import { nameBytes } from "../../dns/domain_name.ts";
import { IN, parseMessage, type Resource, types } from "../../dns/message.ts";
import { addressesIn } from "../../dns/service_binding.ts";
import { addressIn, addressResource, aliasResource } from "../../dns/resource.ts";
import { queryFor, replied } from "../testing/fake_upstream.ts";
import { RebindingFilter } from "./rebinding.ts";

const captured = new Set(["10.96.0.10", "10.244.1.5", "fd00:96::a"]);
const filterOf = () => new RebindingFilter((address) => captured.has(address));

function record(name: string, address: string): Resource {
  const parsed = parseAddress(address);
  assert.ok(parsed);
  return addressResource(name, parsed);
}

function answerTo(
  name: string,
  answers: readonly Resource[],
  additionals: readonly Resource[] = [],
): Uint8Array {
  return replied(parseMessage(queryFor(name, types.A)), answers, { additionals, authenticData: true });
}

function textsIn(answer: Uint8Array | undefined): string[] {
  assert.ok(answer);
  const { answers, additionals } = parseMessage(answer);
  return [...answers, ...additionals].flatMap((one) => addressIn(one)?.text ?? []);
}

/** An HTTPS record with hints, as in RFC 9460 §7.3. */
function https(name: string, hints: readonly string[]): Resource {
  const params = hints.flatMap((hint) => {
    const address = parseAddress(hint);
    assert.ok(address);
    const bytes = address.family === 4 ? address.bytes.subarray(12) : address.bytes;
    return [0, address.family === 4 ? 4 : 6, 0, bytes.length, ...bytes];
  });
  return {
    name,
    type: types.HTTPS,
    class: IN,
    ttl: 1,
    data: Uint8Array.of(0, 1, ...nameBytes(""), ...params),
  };
}

Deno.test("a name of the internet doesn't lead to a captured address, by whatever record", () => {
  const filter = filterOf();
  const name = "evil.example";
  const answer = answerTo(
    name,
    [
      aliasResource(name, "x.example"),
      record("x.example", "10.96.0.10"),
      record("x.example", "203.0.113.7"),
      record("x.example", "fd00:96::a"),
    ],
    [record("ns.example", "10.244.1.5")],
  );
  const kept = filter.filter(answer);
  assert.deepEqual(textsIn(kept), ["203.0.113.7"]);
  assert.equal(kept && parseMessage(kept).authenticData, false);
  const hinted = answerTo(name, [https(name, ["203.0.113.7"]), https(name, ["192.0.2.1", "10.96.0.10"])]);
  assert.equal(parseMessage(filter.filter(hinted) ?? new Uint8Array()).answers.length, 1);
  assert.deepEqual(filter.names, ["evil.example"]);
});

Deno.test("an answer that leads to no captured address stays as it is, byte by byte", () => {
  const filter = filterOf();
  const answer = answerTo("good.example", [
    record("good.example", "203.0.113.7"),
    https("good.example", ["fd00::1"]),
  ]);
  assert.equal(filter.filter(answer), answer);
  assert.deepEqual(filter.names, []);
});

Deno.test("names of a domain that the user allows, and those below it, may lead anywhere", () => {
  const filter = filterOf();
  const lead = (name: string) => textsIn(filter.filter(answerTo(name, [record(name, "10.96.0.10")])));
  filter.allow(["Corp.Example"]);
  assert.deepEqual(lead("corp.example"), ["10.96.0.10"]);
  assert.deepEqual(lead("a.b.CORP.example"), ["10.96.0.10"]);
  assert.deepEqual(lead("notcorp.example"), []);
  filter.allow(["notcorp.example"]);
  assert.deepEqual(filter.names, [], "what is allowed by now isn't told any longer");
  assert.deepEqual(lead("corp.example"), []);
});

Deno.test("the last names are told, each once", () => {
  const filter = filterOf();
  for (const i of [...Array(20).keys(), 15]) {
    filter.filter(answerTo(`n${i}.example`, [record(`n${i}.example`, "10.96.0.10")]));
  }
  assert.deepEqual(filter.names, [12, 13, 14, 16, 17, 18, 19, 15].map((i) => `n${i}.example`));
});

Deno.test("whatever a nameserver answers, no captured address comes through", () => {
  const data = fc.uint8Array({ maxLength: 60 });
  const type = fc.constantFrom(types.A, types.AAAA, types.SVCB, types.HTTPS, types.TXT);
  const resource = fc.record({ type, data }).map(({ type, data }) => ({
    name: "x.example",
    type,
    class: IN,
    ttl: 1,
    data,
  }));
  const lead = fc.constantFrom(...captured).map((address) => record("x.example", address));
  const hint = fc.array(fc.constantFrom(...captured, "203.0.113.7"), { maxLength: 3 }).map((all) =>
    https("x.example", all)
  );
  fc.assert(fc.property(fc.array(fc.oneof(resource, lead, hint), { maxLength: 8 }), (answers) => {
    const kept = filterOf().filter(answerTo("x.example", answers));
    assert.ok(kept);
    for (const one of parseMessage(kept).answers) {
      for (const { text } of addressesIn(one)) assert.ok(!captured.has(text));
    }
  }));
});

Deno.test("bytes that are no message are taken for no answer", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    const kept = filterOf().filter(bytes);
    assert.ok(kept === undefined || kept === bytes || kept.length >= 12);
  }));
  assert.equal(filterOf().filter(Uint8Array.of(1, 2, 3)), undefined);
});
