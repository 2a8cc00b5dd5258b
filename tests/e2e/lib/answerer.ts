import type { Laptop, Person } from "./laptop.ts";
import type { Running } from "./running.ts";

/** Under which name the cluster's echo server (tests/cluster/echo) is on a laptop. */
const name = "answerer";

/** The echo server's program file under the name that it has on the laptops. */
export async function answerer(): Promise<AsyncDisposable & { readonly file: string }> {
  const cache = Deno.env.get("PMZ_CACHE") ?? `${Deno.env.get("HOME")}/.cache/pmz-cluster`;
  const folder = await Deno.makeTempDir();
  await Deno.copyFile(`${cache}/bin/echo`, `${folder}/${name}`);
  return {
    file: `${folder}/${name}`,
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
}

/** Where it listens, and what it says it is. */
export interface AnswererOptions {
  as: string;
  http: number;
  tcp: number;
  /** Any, where it doesn't matter. */
  udp?: number;
  /** A network namespace of the laptop's, by name; its own otherwise. */
  netns?: string;
}

/** Starts a program on a laptop that answers as the echo server in the cluster does, HTTP, TCP and UDP. */
export async function answer(
  laptop: Laptop,
  person: Person,
  { as, http, tcp, udp = 0, netns }: AnswererOptions,
): Promise<Running> {
  const env = { POD_NAME: as, HTTP_PORT: String(http), TCP_PORT: String(tcp), UDP_PORT: String(udp) };
  const running = laptop.spawn(person, [...netns ? ["ip", "netns", "exec", netns] : [], name], env);
  await running.says(/: HTTP/);
  return running;
}
