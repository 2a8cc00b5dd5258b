/** For tests: what TLS clients send first. */

/** The first bytes of a client of node:tls that wants to reach that server. */
export async function clientHello(
  serverName: string,
  options: { groups?: string } = {},
): Promise<Uint8Array> {
  const { connect } = await import("node:tls");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const client = connect({
    host: "127.0.0.1",
    port,
    servername: serverName,
    rejectUnauthorized: false,
    ...(options.groups === undefined ? {} : { ecdhCurve: options.groups }),
  });
  client.on("error", () => {});
  using conn = await listener.accept();
  const into = new Uint8Array(32 * 1024);
  const length = await conn.read(into) ?? 0;
  client.destroy();
  return into.slice(0, length);
}

/** A ClientHello by hand: with this server name, and an extension that makes it so many bytes longer. */
export function madeClientHello(serverName: string, padding = 0): Uint8Array {
  const name = new TextEncoder().encode(serverName);
  const extension = (type: number, body: Uint8Array) =>
    Uint8Array.of(...u16(type), ...u16(body.length), ...body);
  const list = Uint8Array.of(0, ...u16(name.length), ...name);
  const sni = extension(0, Uint8Array.of(...u16(list.length), ...list));
  const extensions = Uint8Array.of(...sni, ...padding > 0 ? extension(21, new Uint8Array(padding)) : []);
  const body = Uint8Array.of(
    ...u16(0x0303),
    ...new Uint8Array(32),
    0,
    ...u16(2),
    ...u16(0x1301),
    1,
    0,
    ...u16(extensions.length),
    ...extensions,
  );
  return Uint8Array.of(1, body.length >> 16, ...u16(body.length & 0xffff), ...body);
}

/** Puts a handshake message into records of at most so many bytes. */
export function records(message: Uint8Array, size: number): Uint8Array {
  const bytes: number[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    bytes.push(22, 3, 1, ...u16(part.length), ...part);
  }
  return Uint8Array.from(bytes);
}

function u16(number: number): [number, number] {
  return [number >> 8, number & 255];
}
