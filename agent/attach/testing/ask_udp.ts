// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * Asks an echo server of UDP that says its name: `ask_udp.ts HOST PORT COUNT BYTES`, COUNT sockets at once, each of which asks again
 * after 300 ms without an answer. Prints how many were answered by whom, and the address of theirs that these saw, as JSON:
 * {"pod 192.0.2.9": 3, "laptop": 197}; what wasn't answered counts as "failed", an answer from elsewhere as "foreign".
 */
const [hostname = "", port = "", count = "", bytes = "20"] = Deno.args;

async function ask(i: number): Promise<string> {
  const text = `question ${i} `.padEnd(Number(bytes), ".");
  const socket = Deno.listenDatagram({
    transport: "udp",
    hostname: hostname.includes(":") ? "::" : "0.0.0.0",
    port: 0,
  });
  const answer = socket.receive(new Uint8Array(65_536));
  for (let tries = 0; tries < 10; tries++) {
    await socket.send(new TextEncoder().encode(text), { transport: "udp", hostname, port: Number(port) });
    const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 300));
    const came = await Promise.race([answer, late]);
    if (came === undefined) continue;
    const [payload, from] = came;
    if (!("hostname" in from) || from.hostname !== hostname || from.port !== Number(port)) return "foreign";
    const said = new TextDecoder().decode(payload);
    return said.endsWith(text) ? said.slice(0, -text.length).trim() : "garbled";
  }
  return "failed";
}

const counts: Record<string, number> = {};
await Promise.all(Array.from({ length: Number(count) }, async (_, i) => {
  const who = await ask(i).catch((error) => `failed: ${error.message}`);
  counts[who] = (counts[who] ?? 0) + 1;
}));
console.log(JSON.stringify(counts));
Deno.exit();
