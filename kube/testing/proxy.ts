import { parseEndpoint } from "../../net/address.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

/** An HTTP CONNECT or SOCKS5 proxy on loopback. */
export interface FakeProxy extends AsyncDisposable {
  readonly port: number;
  /** Each target as it was asked for, with user and password if they were given. */
  readonly asked: string[];
}

/** @param to the port of loopback that every target is connected to; the target itself without it */
export function fakeProxy(
  kind: "http" | "socks5",
  to: number | undefined,
  options: { refuse?: boolean } = {},
): FakeProxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: string[] = [];
  const open = new Set<Deno.TcpConn>();
  const done = (async () => {
    const running: Promise<void>[] = [];
    for await (const conn of listener) running.push(serve(conn).catch(() => closeQuietly(conn)));
    await Promise.all(running);
  })();

  async function serve(conn: Deno.TcpConn): Promise<void> {
    open.add(conn);
    const exactly = async (size: number) => {
      const into = new Uint8Array(size);
      for (let have = 0; have < size;) {
        const more = await conn.read(into.subarray(have));
        if (more === null) throw new Error("closed");
        have += more;
      }
      return into;
    };
    let place: { hostname: string; port: number } | undefined;
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    if (kind === "http") {
      let head = "";
      while (!head.endsWith("\r\n\r\n")) head += text(await exactly(1));
      const auth = /^Proxy-Authorization: Basic (.*)\r$/m.exec(head)?.[1];
      asked.push(`${head.split(" ")[1]}${auth ? ` as ${atob(auth)}` : ""}`);
      const answer = options.refuse
        ? "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        : "HTTP/1.1 200 OK\r\n\r\n";
      await conn.write(new TextEncoder().encode(answer));
      const endpoint = parseEndpoint(head.split(" ")[1] ?? "");
      place = endpoint && { hostname: endpoint.address.text, port: endpoint.port };
    } else {
      const [, methods = 0] = await exactly(2);
      const login = (await exactly(methods)).includes(2);
      await conn.write(Uint8Array.of(5, login ? 2 : 0));
      let as = "";
      if (login) {
        const [, size = 0] = await exactly(2);
        const user = text(await exactly(size));
        const [length = 0] = await exactly(1);
        as = ` as ${user}:${text(await exactly(length))}`;
        await conn.write(Uint8Array.of(1, 0));
      }
      const [, , , type = 0] = await exactly(4);
      const size = type === 1 ? 4 : (await exactly(1))[0] ?? 0;
      const host = type === 1 ? (await exactly(size)).join(".") : text(await exactly(size));
      const [high = 0, low = 0] = await exactly(2);
      asked.push(`${host}:${high << 8 | low}${as}`);
      place = { hostname: host, port: high << 8 | low };
      await conn.write(Uint8Array.of(5, options.refuse ? 2 : 0, 0, 1, 0, 0, 0, 0, 0, 0));
    }
    if (options.refuse) return conn.close();
    const target = await Deno.connect(
      to === undefined && place ? place : { hostname: "127.0.0.1", port: to ?? 0 },
    );
    open.add(target);
    await Promise.all([conn.readable.pipeTo(target.writable), target.readable.pipeTo(conn.writable)]);
  }

  return {
    port: listener.addr.port,
    asked,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of open) closeQuietly(conn);
      await done;
    },
  };
}
