import assert from "node:assert/strict";
import { FakeClock } from "../../async/testing/fake_clock.ts";
import { until } from "../../async/testing/until.ts";
import { SystemCallError } from "../../ffi/libc.ts";
import { type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { connected } from "../../hbone/testing/pair.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import { addressOf } from "../../net/address.ts";
import type { Flow, Outcome } from "../../wire/flow.ts";
import { headers, parseProxyStatus, UDP_PROTOCOL } from "../../wire/streams.ts";
import { FlowTable } from "../flow_table.ts";
import { LocalRefusal } from "../local_target.ts";
import { LocalTargets } from "../local_targets.ts";
import { NO_PROGRAMS } from "../testing/flows.ts";
import { RULE } from "../testing/plane.ts";
import { inboundUdp, type OpenProgram } from "./inbound_udp.ts";
import { findUdpProgram } from "./local_program.ts";

const END = { address: addressOf(new Uint8Array(16)), port: 1 };
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);

/** A program that gets datagrams, and what the test does with its socket. */
function program(
  does: (payload: string, answer: (text: string) => void, fail: (error: SystemCallError) => void) => void,
) {
  const seen = { closed: 0 };
  const open: OpenProgram = (_to, { received, failed }) =>
    Promise.resolve({
      ends: { protocol: "udp" as const, local: END, remote: END },
      send(payload: Uint8Array) {
        const said = text(payload);
        queueMicrotask(() => does(said, (answer) => received(bytes(answer)), failed));
      },
      [Symbol.dispose]: () => void seen.closed++,
    });
  return { open, seen };
}

/** UDP flows of a relay's tunnel, whose rule leads to a program. */
async function relayTo(open: OpenProgram, clock = new FakeClock()) {
  const locals = new LocalTargets();
  const target = {
    protocol: "udp",
    rule: RULE,
    intercept: "dns.default:53/udp",
    port: 53,
    host: "h",
    localPort: 5353,
  };
  locals.replace([{ ...target, protocol: "udp" }]);
  const failed: Flow[] = [];
  const flows = new FlowTable(
    { failed: (flow) => void failed.push(flow), refused() {}, ended() {} },
    NO_PROGRAMS,
  );
  const outcomes: Promise<Outcome>[] = [];
  const ends = connected((stream) =>
    void outcomes.push(inboundUdp(stream, { cluster: "dev", locals, flows, open, clock }))
  );
  await ends.client.ready;
  return {
    locals,
    flows,
    failed,
    clock,
    async outcome() {
      await until("the stream came", () => outcomes.length > 0);
      return await outcomes[0];
    },
    open: (authority = `${RULE}:53`) =>
      ends.client.open(
        [
          [":method", "CONNECT"],
          [":protocol", UDP_PROTOCOL],
          [":scheme", "https"],
          [":path", "/"],
          [":authority", authority],
          [headers.caller, "10.244.1.7:40000"],
          [headers.destination, "10.244.1.9:5353"],
          [headers.flow, "k3v9t0aq-1f"],
        ] satisfies Header[],
      ),
    [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
  };
}

async function refusal(stream: Stream): Promise<(string | undefined)[]> {
  const response = await stream.response;
  const said = parseProxyStatus(headerValue(response, headers.proxyStatus) ?? "");
  return [headerValue(response, ":status"), said?.error];
}

Deno.test("datagrams go to the program and its answers back, as a flow with its protocol and counts", async () => {
  const { open, seen } = program((payload, answer) => answer(`program ${payload}`));
  await using to = await relayTo(open);
  const answers: string[] = [];
  const stream = to.open();
  const datagrams = new DatagramStream(stream, (payload) => void answers.push(text(payload)));
  for (const one of ["a", "bc"]) datagrams.send(bytes(one));
  await until("both are answered", () => answers.length === 2);
  assert.deepEqual(answers, ["program a", "program bc"]);
  assert.equal(headerValue(await stream.response, headers.capsuleProtocol), "?1");
  const [flow] = (await to.flows.flows()).open;
  assert.deepEqual([flow?.id, flow?.kind, flow?.protocol, flow?.from, flow?.to, flow?.intercept], [
    "k3v9t0aq-1f",
    "intercepted",
    "udp",
    "10.244.1.7:40000",
    "10.244.1.9:5353",
    "dns.default:53/udp",
  ]);
  assert.equal(to.locals.counts()[0]?.open, 1);
  datagrams.close();
  assert.deepEqual(await to.outcome(), { kind: "done" });
  assert.deepEqual([to.locals.counts()[0]?.open, to.locals.counts()[0]?.total, seen.closed], [0, 1, 1]);
});

Deno.test("only a UDP rule of the laptop leads anywhere", async () => {
  await using to = await relayTo(() => assert.fail("nothing is opened"));
  for (const authority of [`${RULE}:54`, `${RULE.replace("4", "5")}:53`, "127.0.0.1:53"]) {
    assert.deepEqual(await refusal(to.open(authority)), ["403", "destination_ip_prohibited"], authority);
  }
  to.locals.replace([{ protocol: "tcp", rule: RULE, intercept: "i", port: 53, host: "h", localPort: 1 }]);
  assert.deepEqual(await refusal(to.open()), ["403", "destination_ip_prohibited"]);
});

Deno.test("a program that isn't there is a refusal, before anything is sent or by ICMP", async () => {
  await using none = await relayTo(() =>
    Promise.reject(new LocalRefusal("connection_refused", "no program gets datagrams at h:5353"))
  );
  assert.deepEqual(await refusal(none.open()), ["502", "connection_refused"]);
  assert.equal((await none.outcome())?.kind, "refused");

  const { open } = program((_payload, _answer, fail) => fail(new SystemCallError("send", 111)));
  await using late = await relayTo(open);
  const datagrams = new DatagramStream(late.open(), () => {});
  datagrams.send(bytes("a"));
  const outcome = await late.outcome();
  assert.ok(outcome?.kind === "refused" && outcome.by === "program", JSON.stringify(outcome));
  assert.equal((await datagrams.ended).kind, "reset");
  assert.equal(late.failed[0]?.protocol, "udp");
});

Deno.test("a flow that is silent in both directions ends", async () => {
  const { open, seen } = program((payload, answer) => answer(payload));
  await using to = await relayTo(open);
  const answers: string[] = [];
  const datagrams = new DatagramStream(to.open(), (payload) => void answers.push(text(payload)));
  await until("it is open", () => to.clock.pending === 1);
  await to.clock.advance(149_000);
  datagrams.send(bytes("a"));
  await until("it is answered", () => answers.length === 1);
  await to.clock.advance(149_000);
  assert.equal(seen.closed, 0);
  await to.clock.advance(2_000);
  assert.deepEqual(await to.outcome(), { kind: "done" });
  assert.equal(seen.closed, 1);
  assert.equal(to.clock.pending, 0);
});

Deno.test("of this machine's addresses the one with a socket is taken, of others the first", async () => {
  const parts = {
    addresses: () => Promise.resolve(["127.0.0.1", "::1"]),
    isOwn: () => true,
    isReceivedOn: (address: string) => Promise.resolve(address === "::1"),
  };
  assert.equal((await findUdpProgram("localhost", 53, parts)).text, "::1");
  assert.equal((await findUdpProgram("box", 53, { ...parts, isOwn: () => false })).text, "127.0.0.1");
  const silent = findUdpProgram("localhost", 53, { ...parts, isReceivedOn: () => Promise.resolve(false) });
  await assert.rejects(silent, /no program gets datagrams at localhost:53 on the laptop/);
});
