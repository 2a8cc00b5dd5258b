import assert from "node:assert/strict";
import { BufferPool, Connection, ErrorCode, type Header, headerValue, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { Router } from "../routing/router.ts";
import { carry } from "./intercepted_connection.ts";
import { Places } from "./places.ts";
import { levelOf, outcomeWords, type Upstreams } from "./upstreams.ts";
import { uid } from "../testing/laptop.ts";

const rule = { uid: uid(10), port: 80, session: uid(1), publicKey: "key" };

/** A caller, a pod that answers "pod:" and what it got, and a laptop that does with streams what it's told. */
function scene(
  options: { onStream?: (stream: Stream) => void; upstreams?: Partial<Upstreams>; tunnels?: number } = {},
) {
  const [caller, accepted] = memoryPair();
  const ends: Connection[] = [];
  const pods: Promise<void>[] = [];
  const tunnels = Array.from({ length: options.tunnels ?? 1 }, () => {
    const [theirs, ours] = memoryPair();
    ends.push(new Connection(theirs, { role: "server", onStream: options.onStream ?? (() => {}) }));
    const connection = new Connection(ours, { role: "client" });
    ends.push(connection);
    return connection;
  });
  const upstreams: Upstreams = {
    flow: "k3v9t0aq-1f",
    pod: "default/echo-1",
    whole: () => rule.uid,
    router: () => new Router([]),
    unrouted: () => {},
    longHeads: new Places(10),
    streams: new Places(1_000),
    tunnels: {
      rule: (wanted) => wanted === rule.uid ? rule : undefined,
      of: () => tunnels as unknown as ReturnType<Upstreams["tunnels"]["of"]>,
    },
    buffers: new BufferPool(),
    classify: () => Promise.resolve("other"),
    dialPod: () => {
      const [pod, dialled] = memoryPair();
      pods.push(echo("pod:", pod));
      return Promise.resolve(dialled);
    },
    ...options.upstreams,
  };
  const outcome = carry({
    transport: accepted,
    caller: { address: "10.244.1.7", port: 51234 },
    destination: { address: "10.244.1.9", port: 8080 },
  }, upstreams);
  return {
    caller,
    outcome,
    tunnels,
    async [Symbol.asyncDispose]() {
      for (const end of ends) end.abort();
      await Promise.all(ends.map((end) => end.closed));
      await Promise.allSettled(pods);
    },
  };
}

/** Says its name, then what it gets, to the end. */
async function echo(name: string, transport: AbortableTransport): Promise<void> {
  await transport.write(new TextEncoder().encode(name));
  const into = new Uint8Array(1024);
  for (let n; (n = await transport.read(into)) !== null;) await transport.write(into.slice(0, n));
  await transport.closeWrite();
}

const takes = (stream: Stream) => {
  stream.respond([[":status", "200"]]);
  echo("laptop:", stream).catch(() => {});
};
const answers = (status: string, ...more: Header[]) => (stream: Stream) =>
  stream.respond([[":status", status], ...more], { end: true });

async function say(caller: AbortableTransport, text: string): Promise<void> {
  await caller.write(new TextEncoder().encode(text));
}
async function rest(caller: AbortableTransport): Promise<string> {
  const into = new Uint8Array(1024);
  let text = "";
  for (let n; (n = await caller.read(into)) !== null;) text += new TextDecoder().decode(into.subarray(0, n));
  return text;
}
async function ask(caller: AbortableTransport, text: string): Promise<string> {
  await say(caller, text);
  await caller.closeWrite();
  return await rest(caller);
}

Deno.test("a connection goes to the laptop with its flow id, caller, pod and destination", async () => {
  let request: Stream["request"] = [];
  await using all = scene({ onStream: (stream) => (request = stream.request, takes(stream)) });
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
  assert.equal((await all.outcome).kind, "laptop");
  assert.equal(headerValue(request, ":authority"), `${rule.uid}:80`);
  assert.equal(headerValue(request, "pmz-flow"), "k3v9t0aq-1f");
  assert.equal(headerValue(request, "pmz-caller"), "10.244.1.7:51234");
  assert.equal(headerValue(request, "pmz-pod"), "default/echo-1");
  assert.equal(headerValue(request, "pmz-destination"), "10.244.1.9:8080");
});

Deno.test("a server on the laptop speaks first: nothing waits for the caller's bytes", async () => {
  await using all = scene({ onStream: takes });
  const into = new Uint8Array(64);
  assert.equal(await all.caller.read(into), 7);
  assert.equal(await ask(all.caller, "then"), "then");
});

Deno.test("the caller's first bytes come with the CONNECT, before the laptop has answered", async () => {
  await using all = scene({
    onStream: async (stream) => {
      const into = new Uint8Array(64);
      const n = await stream.read(into) ?? 0;
      stream.respond([[":status", "200"]]);
      await stream.write(into.subarray(0, n));
      await echo("", stream);
    },
  });
  await say(all.caller, "first ");
  assert.equal(await ask(all.caller, "second"), "first second");
});

Deno.test("the kubelet's probe, a port without rule and a rule without tunnel go to the pod", async () => {
  const probe: Partial<Upstreams> = { classify: () => Promise.resolve("kubelet") };
  const without = { tunnels: { rule: () => rule, of: () => [] } };
  for (const upstreams of [probe, { whole: () => undefined }, { whole: () => uid(11) }, without]) {
    await using all = scene({ onStream: takes, upstreams });
    assert.equal(await ask(all.caller, "hello"), "pod:hello");
    assert.equal((await all.outcome).kind, "pod");
  }
});

Deno.test("a probe that only connects is dropped, NodePort traffic reaches the laptop", async () => {
  const upstreams: Partial<Upstreams> = { classify: () => Promise.resolve("node") };
  {
    await using all = scene({ onStream: () => assert.fail("the laptop saw a probe"), upstreams });
    await all.caller.closeWrite();
    assert.equal((await all.outcome).kind, "dropped");
  }
  {
    await using all = scene({ onStream: () => assert.fail("the laptop saw a probe"), upstreams });
    all.caller.abort(new Error("reset, as the kubelet does it"));
    assert.equal((await all.outcome).kind, "dropped");
  }
  await using all = scene({ onStream: takes, upstreams });
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
});

Deno.test("a connection that the laptop declines goes to the pod with every byte", async () => {
  const refuses = (stream: Stream) => stream.reset(ErrorCode.REFUSED_STREAM);
  for (const onStream of [answers("403"), answers("404"), answers("503"), refuses]) {
    await using all = scene({ onStream });
    assert.equal(await ask(all.caller, "hello"), "pod:hello");
    assert.equal((await all.outcome).kind, "pod");
  }
});

Deno.test("while the laptop's program is down the caller is reset, as by a server that is down", async () => {
  for (const status of ["502", "504", "500"]) {
    await using all = scene({ onStream: answers(status) });
    await assert.rejects(ask(all.caller, "hello"));
    assert.equal((await all.outcome).kind, "reset");
  }
});

Deno.test("an outcome says why the laptop declined or failed a connection", async () => {
  const refusal = (status: string) =>
    answers(status, ["proxy-status", 'pmz-laptop; error=connection_refused; details="127.0.0.1:8081"']);
  const details = (status: string) => `the laptop answered ${status} connection_refused: 127.0.0.1:8081`;
  {
    await using all = scene({ onStream: refusal("502") });
    await assert.rejects(ask(all.caller, "hello"));
    assert.deepEqual(await all.outcome, { kind: "reset", details: details("502"), rule: rule.uid });
  }
  await using all = scene({ onStream: refusal("503") });
  assert.equal(await ask(all.caller, "hello"), "pod:hello");
  assert.deepEqual(await all.outcome, { kind: "pod", details: details("503"), rule: rule.uid });
});

Deno.test("a connection that is carried to its end has no details", async () => {
  await using all = scene({ onStream: takes });
  await ask(all.caller, "hello");
  assert.deepEqual(await all.outcome, { kind: "laptop", rule: rule.uid });
});

Deno.test("a tunnel that breaks before anything was sent gives the connection to the pod", async () => {
  await using all = scene({ onStream: () => {} });
  all.tunnels[0]?.abort();
  assert.equal(await ask(all.caller, "hello"), "pod:hello");
});

Deno.test("a tunnel that breaks after something was sent resets: it may have been acted on", async () => {
  await using all = scene({
    onStream: async (stream) => {
      await stream.read(new Uint8Array(64));
      stream.reset(ErrorCode.INTERNAL_ERROR);
    },
  });
  await assert.rejects(ask(all.caller, "pay"));
  assert.equal((await all.outcome).kind, "reset");
});

Deno.test("a tunnel that takes no more streams is skipped for the next", async () => {
  await using all = scene({ onStream: takes, tunnels: 2 });
  all.tunnels[0]?.drain();
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
});

Deno.test("a caller that resets before the laptop answers is not passed to the pod", async () => {
  await using all = scene({ onStream: () => {} });
  all.caller.abort(new Error("gone"));
  assert.equal((await all.outcome).kind, "reset");
});

Deno.test("an application that can't be dialled resets the caller", async () => {
  const dialPod = () => Promise.reject(new Error("connection refused"));
  await using all = scene({ upstreams: { whole: () => undefined, dialPod } });
  await assert.rejects(ask(all.caller, "hello"));
  assert.equal((await all.outcome).kind, "reset");
});

Deno.test("a caller that resets before the laptop answers is no warning", async () => {
  const came = Promise.withResolvers<Stream>();
  await using all = scene({ onStream: came.resolve });
  await came.promise;
  all.caller.abort(new Error("the caller is gone"));
  const outcome = await all.outcome;
  assert.deepEqual([outcome.by, levelOf(outcome), outcomeWords(outcome)], [
    "caller",
    "info",
    "reset by caller",
  ]);
});

Deno.test("a laptop that resets before it answers is a warning", async () => {
  await using all = scene({ onStream: (stream) => stream.reset(ErrorCode.INTERNAL_ERROR) });
  await say(all.caller, "first");
  const outcome = await all.outcome;
  assert.equal(levelOf(outcome), "warn", JSON.stringify(outcome));
});

Deno.test("the log's words for an outcome say whose end broke, or that the laptop declined", () => {
  assert.equal(outcomeWords({ kind: "laptop", by: "laptop" }), "reset by laptop");
  assert.equal(outcomeWords({ kind: "pod", by: "pod" }), "reset by pod");
  assert.equal(outcomeWords({ kind: "pod" }), "declined");
  assert.equal(outcomeWords({ kind: "reset" }), "reset");
});
