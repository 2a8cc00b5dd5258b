import assert from "node:assert/strict";
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import { type Header, headerValue, type Stream, StreamReset } from "../hbone/mod.ts";
import { connected } from "../hbone/testing/pair.ts";
import { memoryPair } from "../hbone/testing/memory_transport.ts";
import { until } from "../async/testing/until.ts";
import type { AbortableTransport } from "../net/transport.ts";
import { addressOf } from "../net/address.ts";
import type { Flow, Outcome } from "../wire/flow.ts";
import { headers, parseProxyStatus } from "../wire/streams.ts";
import { FlowTable } from "./flow_table.ts";
import { inbound, type InboundParts } from "./inbound.ts";
import { LocalRefusal } from "./local_target.ts";
import { LocalTargets } from "./local_targets.ts";
import { NO_PROGRAMS } from "./testing/flows.ts";
import { RULE } from "./testing/plane.ts";

const none = { seen: 0, taken: 0, declined: 0 };

const END = { address: addressOf(new Uint8Array(16)), port: 1 };

/** An end in memory of a connection to a program. */
function dialled(transport: AbortableTransport): AbortableTransport & ConnectionEnds {
  return Object.assign(transport, { local: END, remote: END });
}

/** Inbound flows of a relay's tunnel, whose rule leads to a program that `dial` reaches. */
function relayTo(dial: NonNullable<InboundParts["dial"]>) {
  const locals = new LocalTargets();
  const target = {
    rule: RULE,
    protocol: "tcp" as const,
    intercept: "echo.default:80",
    port: 80,
    host: "program",
    localPort: 3000,
  };
  locals.replace([target]);
  const failed: Flow[] = [];
  const flows = new FlowTable(
    { failed: (flow) => void failed.push(flow), refused() {}, ended() {} },
    NO_PROGRAMS,
  );
  const outcomes: Promise<Outcome>[] = [];
  const ends = connected((stream) =>
    void outcomes.push(inbound(stream, { cluster: "dev", locals, flows, dial }))
  );
  const outcome = async () => {
    await until("the stream came", () => outcomes.length > 0);
    return await outcomes[0];
  };
  return {
    locals,
    flows,
    failed,
    /** How the first stream's flow ended. */
    outcome,
    async resetBy(by: "client" | "server") {
      const end = await outcome();
      assert.ok(end?.kind === "reset");
      assert.equal(end.by, by);
    },
    open: (authority = `${RULE}:80`, more: readonly Header[] = []) =>
      ends.client.open([[":method", "CONNECT"], [":authority", authority], ...more]),
    [Symbol.asyncDispose]: () => ends[Symbol.asyncDispose](),
  };
}

async function refusal(stream: Stream): Promise<[string | undefined, string | undefined]> {
  const response = await stream.response;
  const said = parseProxyStatus(headerValue(response, headers.proxyStatus) ?? "");
  return [headerValue(response, ":status"), said?.error];
}

Deno.test("whatever a hostile relay names, only the laptop's own rules lead anywhere", async () => {
  await using to = relayTo(() => assert.fail("nothing is dialled"));
  const other = RULE.replace("4", "5");
  const authorities = [
    "127.0.0.1:22",
    "169.254.169.254:80",
    "localhost:80",
    RULE,
    `${RULE}:0`,
    `${RULE}:65536`,
    `${RULE}:81`,
    `${other}:80`,
  ];
  for (const authority of authorities) {
    assert.deepEqual(await refusal(to.open(authority)), ["403", "destination_ip_prohibited"]);
  }
  assert.deepEqual(
    new Set(to.failed.map(({ outcome }) => outcome.kind === "refused" && outcome.by)),
    new Set(["laptop"]),
  );
  assert.equal(to.failed.length, authorities.length);
});

Deno.test("a flow is what the relay says of it, under the relay's id, and its bytes are counted", async () => {
  const [ours, theirs] = memoryPair();
  await using to = relayTo(() => Promise.resolve(dialled(ours)));
  const stream = to.open(`${RULE}:80`, [
    [headers.flow, "k3v9t0aq-1f"],
    [headers.caller, "10.244.1.7:51234"],
    [headers.destination, "10.244.1.9:8080"],
  ]);
  await stream.write(new TextEncoder().encode("ping"));
  const buffer = new Uint8Array(8);
  assert.equal(await theirs.read(buffer), 4);
  await theirs.write(new TextEncoder().encode("welcome"));
  assert.equal(await stream.read(buffer), 7);
  const [flow] = (await to.flows.flows()).open;
  assert.deepEqual({ ...flow, started: "" }, {
    id: "k3v9t0aq-1f",
    kind: "intercepted",
    protocol: "tcp",
    from: "10.244.1.7:51234",
    to: "10.244.1.9:8080",
    cluster: "dev",
    intercept: "echo.default:80",
    started: "",
    sent: 4,
    received: 7,
    outcome: { kind: "open" },
  });
  assert.deepEqual(to.locals.counts(), [{ rule: RULE, open: 1, total: 1, requests: none }]);
  await stream.closeWrite();
  await theirs.closeWrite();
  assert.deepEqual(await to.outcome(), { kind: "done" });
  assert.deepEqual(await to.flows.flows(), { open: [], failed: [], refused: [] });
  assert.deepEqual(to.locals.counts(), [{ rule: RULE, open: 0, total: 1, requests: none }]);
});

Deno.test("a flow without a valid id is given one, and texts that are not addresses are not shown", async () => {
  await using to = relayTo(() => Promise.resolve(dialled(memoryPair()[0])));
  const stream = to.open(`${RULE}:80`, [[headers.flow, "../../etc"], [headers.caller, "\x1b[2J"]]);
  await stream.response;
  const [flow] = (await to.flows.flows()).open;
  assert.match(flow?.id ?? "", /^[a-z0-9]{8}-0$/);
  assert.equal(flow?.from, "unknown");
  stream.abort();
  await to.outcome();
});

Deno.test("a program that refuses is told to the relay, and is the flow's outcome", async () => {
  await using to = relayTo(() =>
    Promise.reject(new LocalRefusal("connection_refused", "nothing listens at 3000"))
  );
  assert.deepEqual(await refusal(to.open()), ["502", "connection_refused"]);
  const outcome = {
    kind: "refused",
    by: "program",
    error: "connection_refused",
    details: "nothing listens at 3000",
  };
  assert.deepEqual(await to.outcome(), outcome);
  assert.deepEqual(to.failed.map((flow) => flow.outcome), [outcome]);
  assert.deepEqual(to.locals.counts(), [{ rule: RULE, open: 0, total: 0, requests: none }]);
});

Deno.test("a reset by the program is a reset of the stream by the server, never its end", async () => {
  const [ours, theirs] = memoryPair();
  await using to = relayTo(() => Promise.resolve(dialled(ours)));
  const stream = to.open();
  await stream.response;
  theirs.abort();
  await assert.rejects(stream.read(new Uint8Array(1)), StreamReset);
  await to.resetBy("server");
});

Deno.test("a caller that resets its connection is the client of the flow", async () => {
  await using to = relayTo(() => Promise.resolve(dialled(memoryPair()[0])));
  const stream = to.open();
  await stream.response;
  stream.abort();
  await to.resetBy("client");
});

Deno.test("a stream that its caller gave up while the program was dialled leaves nothing open", async () => {
  const asked = Promise.withResolvers<void>();
  const program = Promise.withResolvers<AbortableTransport & ConnectionEnds>();
  await using to = relayTo(() => (asked.resolve(), program.promise));
  const stream = to.open();
  await asked.promise;
  stream.abort();
  const [ours, theirs] = memoryPair();
  program.resolve(dialled(ours));
  await to.outcome();
  await theirs.read(new Uint8Array(1)).then((got) => assert.equal(got, null), () => {});
  assert.deepEqual(to.locals.counts(), [{ rule: RULE, open: 0, total: 1, requests: none }]);
});
