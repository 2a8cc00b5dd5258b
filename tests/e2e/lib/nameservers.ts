import type { Laptop } from "./laptop.ts";
import type { Running } from "./running.ts";

const server = await Deno.readTextFile(new URL("./nameserver.py", import.meta.url));

/** A nameserver on a laptop: it answers these names, or none at all. */
export async function nameserver(laptop: Laptop, address: string, ...rows: string[]): Promise<Running> {
  const running = laptop.spawn("root", ["python3", "-u", "-c", server, address, ...rows]);
  await running.says(/ready/);
  return running;
}

/** Replaces a laptop's resolv.conf, until the end. */
export async function resolvConf(laptop: Laptop) {
  const before = await laptop.output("root", ["cat", "/etc/resolv.conf"]);
  const write = (text: string) =>
    laptop.run("root", ["sh", "-c", "rm -f /etc/resolv.conf; cat >/etc/resolv.conf"], { stdin: text });
  return {
    write,
    [Symbol.asyncDispose]: async () => void await write(before),
  };
}
