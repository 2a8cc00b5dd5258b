import assert from "node:assert/strict";
import type { MatchedRule } from "../../wire/handover.ts";
import { SeqPacket, SeqPacketListener } from "../../ffi/sockets/seqpacket.ts";
import { ToldMatches } from "./told_matches.ts";

/** As many callers as a rule may have. */
const callers = Array.from({ length: 2_000 }, (_, i) => `10.244.${i >> 8}.${i & 255}`);
const matched = (count: number, changes: Partial<MatchedRule> = {}): MatchedRule[] =>
  Array.from({ length: count }, (_, i) => ({
    rule: `rule-${i}`,
    match: { headers: [{ name: "x-user", exact: `user-${i}` }] },
    ...changes,
  }));

Deno.test("no round tells more matches than the socket to a relay that hasn't read yet holds, and all are told in the end", async () => {
  const folder = await Deno.makeTempDir();
  using listener = SeqPacketListener.listen(`${folder}/socket`);
  using relay = SeqPacket.connect(`${folder}/socket`);
  using attach = await listener.accept() ?? assert.fail();
  for (const rules of [matched(500), matched(40, { callers })]) {
    const told = new ToldMatches();
    const got: unknown[] = [];
    for (let rounds = 0, all = false; !all; rounds++) {
      assert.ok(rounds < 100);
      let sent = 0;
      all = told.tell(rules, {
        send: (message) => {
          attach.send(message); // throws where the socket is full
          return ++sent > 0;
        },
      });
      for (; sent > 0; sent--) got.push((await relay.receive())?.message);
    }
    assert.deepEqual(got, rules.map((rule) => ({ tell: "match", ...rule })));
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a match is told once, again when it changes, and to another relay", () => {
  const sent: string[] = [];
  const relay = { send: (message: { tell: string }) => sent.push(JSON.stringify(message)) > 0 };
  const told = new ToldMatches();
  assert.ok(told.tell(matched(2), relay) && told.tell(matched(2), relay));
  assert.equal(sent.length, 2);
  told.tell([...matched(1, { callers: ["10.244.0.9"] }), ...matched(2).slice(1)], relay);
  assert.match(sent.slice(2).join(), /^[^\n]*rule-0.*10\.244\.0\.9[^\n]*$/);
  told.clear();
  told.tell(matched(2), relay);
  assert.equal(sent.length, 5);
});

Deno.test("a match that relay can't take now is told with the next call, and counts as unknown until then", () => {
  let takes = 1;
  const relay = { send: () => takes-- > 0 };
  const told = new ToldMatches();
  assert.equal(told.tell(matched(3), relay), false);
  assert.deepEqual([told.has("rule-0"), told.has("rule-1")], [true, false]);
  takes = 2;
  assert.equal(told.tell(matched(3), relay), true);
  assert.ok(told.has("rule-2"));
  told.tell(matched(1), relay);
  assert.equal(told.has("rule-2"), false);
});
