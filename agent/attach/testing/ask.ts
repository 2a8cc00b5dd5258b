// deno-lint-ignore-file no-console -- standard output is how it answers
/**
 * Asks an echo server that says its name first: `ask.ts HOST PORT COUNT [COMM]`, COUNT connections at once. Prints how many
 * were answered by whom, as JSON: {"pod": 3, "laptop": 197}; what failed counts as "failed". COMM: what this process is
 * to be called in /proc.
 */
import { patience } from "../../../async/testing/patience.ts";

const [hostname = "", port = "", count = "", comm] = Deno.args;
if (comm) Deno.writeTextFileSync("/proc/self/comm", comm);

async function ask(i: number): Promise<string> {
  const text = `question ${i} `.repeat(200);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const name = await readUntil(connection, ":");
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
  await connection.closeWrite();
  const rest = await readUntil(connection);
  return rest === text ? name.slice(0, -1) : "garbled";
}

async function readUntil(connection: Deno.Conn, mark?: string): Promise<string> {
  let text = "";
  const into = new Uint8Array(mark ? 1 : 65_536);
  for (let n; (mark === undefined || !text.endsWith(mark)) && (n = await connection.read(into)) !== null;) {
    text += new TextDecoder().decode(into.subarray(0, n));
  }
  return text;
}

const counts: Record<string, number> = {};
const late = new Promise<string>((resolve) => setTimeout(() => resolve("late"), 8_000 * patience));
await Promise.all(Array.from({ length: Number(count) }, async (_, i) => {
  const who = await Promise.race([ask(i).catch(() => "failed"), late]);
  counts[who] = (counts[who] ?? 0) + 1;
}));
console.log(JSON.stringify(counts));
Deno.exit();
