import assert from "node:assert/strict";
import { Connection, ErrorCode, headerValue, type Stream } from "../../hbone/mod.ts";
import { memoryPair } from "../../hbone/testing/memory_transport.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { carry, type Ways } from "./proxied_connection.ts";
import { uid } from "../testing/laptop.ts";

const rule = { uid: uid(10), port: 80, session: uid(1), publicKey: "key" };

/** A caller, a pod that answers "pod:" and what it got, and a laptop that does with streams what it's told. */
function scene(
  options: { onStream?: (stream: Stream) => void; ways?: Partial<Ways>; tunnels?: number } = {},
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
  const ways: Ways = {
    pod: "default/echo-1",
    rule: rule.uid,
    tunnels: {
      rule: (wanted) => wanted === rule.uid ? rule : undefined,
      of: () => tunnels as unknown as ReturnType<Ways["tunnels"]["of"]>,
    },
    whose: () => Promise.resolve("other"),
    dialPod: () => {
      const [pod, dialled] = memoryPair();
      pods.push(echo("pod:", pod));
      return Promise.resolve(dialled);
    },
    ...options.ways,
  };
  const way = carry({
    transport: accepted,
    caller: { address: "10.244.1.7", port: 51234 },
    destination: { address: "10.244.1.9", port: 8080 },
  }, ways);
  return {
    caller,
    way,
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
const answers = (status: string) => (stream: Stream) => stream.respond([[":status", status]], { end: true });

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

Deno.test("a connection goes to the laptop and says whose it is", async () => {
  let request: Stream["request"] = [];
  await using all = scene({ onStream: (stream) => (request = stream.request, takes(stream)) });
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
  assert.equal(await all.way, "laptop");
  assert.equal(headerValue(request, ":authority"), `${rule.uid}:80`);
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
  const probe: Partial<Ways> = { whose: () => Promise.resolve("kubelet") };
  const without = { tunnels: { rule: () => rule, of: () => [] } };
  for (const ways of [probe, { rule: undefined }, { rule: uid(11) }, without]) {
    await using all = scene({ onStream: takes, ways });
    assert.equal(await ask(all.caller, "hello"), "pod:hello");
    assert.equal(await all.way, "pod");
  }
});

Deno.test("a probe that only connects reaches nobody, NodePort traffic the laptop", async () => {
  const ways: Partial<Ways> = { whose: () => Promise.resolve("node") };
  {
    await using all = scene({ onStream: () => assert.fail("the laptop saw a probe"), ways });
    await all.caller.closeWrite();
    assert.equal(await all.way, "nowhere");
  }
  {
    await using all = scene({ onStream: () => assert.fail("the laptop saw a probe"), ways });
    all.caller.abort(new Error("reset, as the kubelet does it"));
    assert.equal(await all.way, "nowhere");
  }
  await using all = scene({ onStream: takes, ways });
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
});

Deno.test("what the laptop says it never took goes to the pod with every byte", async () => {
  const refuses = (stream: Stream) => stream.reset(ErrorCode.REFUSED_STREAM);
  for (const onStream of [answers("403"), answers("404"), answers("503"), refuses]) {
    await using all = scene({ onStream });
    assert.equal(await ask(all.caller, "hello"), "pod:hello");
    assert.equal(await all.way, "pod");
  }
});

Deno.test("a program on the laptop that is down resets the caller, as a server that is down would", async () => {
  for (const status of ["502", "504", "500"]) {
    await using all = scene({ onStream: answers(status) });
    await assert.rejects(ask(all.caller, "hello"));
    assert.equal(await all.way, "reset");
  }
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
  assert.equal(await all.way, "reset");
});

Deno.test("a tunnel that takes no more streams is passed over for the next", async () => {
  await using all = scene({ onStream: takes, tunnels: 2 });
  all.tunnels[0]?.drain();
  assert.equal(await ask(all.caller, "hello"), "laptop:hello");
});

Deno.test("a caller that breaks off before the laptop answers is not given to the pod", async () => {
  await using all = scene({ onStream: () => {} });
  all.caller.abort(new Error("gone"));
  assert.equal(await all.way, "reset");
});

Deno.test("an application that can't be dialled resets the caller", async () => {
  const dialPod = () => Promise.reject(new Error("connection refused"));
  await using all = scene({ ways: { rule: undefined, dialPod } });
  await assert.rejects(ask(all.caller, "hello"));
  assert.equal(await all.way, "reset");
});
