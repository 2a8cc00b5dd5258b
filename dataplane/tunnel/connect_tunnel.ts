import { Connection, headerValue } from "../../hbone/mod.ts";
import { onAbort } from "../../async/abort.ts";
import { agree, type Hello, helloOf, parseHello } from "../../wire/hello.ts";
import { headers, HELLO_PROTOCOL, parseProxyStatus, UDP_TUNNEL_VERSION } from "../../wire/streams.ts";
import { type DialTransport, dialUnlessAborted } from "./dial.ts";

/** The laptop's side of a tunnel's hello. */
export const tunnelHello: Hello = helloOf("tunnel");

/** A connection to a gateway that has greeted it. */
export interface ConnectedTunnel {
  readonly connection: Connection;
  readonly roundTripMs: number;
  /** Whether the gateway carries UDP: those of older releases don't. */
  readonly carriesUdp: boolean;
}

/**
 * Connects to a gateway, and waits until it has answered a ping and agreed on the protocol.
 * @param signal ends the attempt
 * @throws {HelloMismatch} when the gateway speaks no version of the protocol that this pmz does
 * @throws the dial's error, or ConnectionClosed
 */
export async function connectTunnel(
  dial: DialTransport,
  { signal, timeoutMs }: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<ConnectedTunnel> {
  const connection = new Connection(await dialUnlessAborted(dial, signal), { role: "client" });
  using _stopping = onAbort(signal, () => connection.abort());
  try {
    // The gateway's half of the port-forward may be dead although the API server's half is not.
    const roundTripMs = await connection.ping(timeoutMs);
    const version = await greet(connection, timeoutMs);
    return { connection, roundTripMs, carriesUdp: version >= UDP_TUNNEL_VERSION };
  } catch (error) {
    connection.abort();
    await connection.closed;
    throw error;
  }
}

/** Exchanges hellos. @returns the version of the protocol that both speak */
async function greet(connection: Connection, timeoutMs: number): Promise<number> {
  const stream = connection.open([
    [":method", "CONNECT"],
    [":protocol", HELLO_PROTOCOL],
    [":scheme", "https"],
    [":path", "/"],
    [":authority", "pmz"],
    [headers.hello, JSON.stringify(tunnelHello)],
  ], { end: true });
  const timer = setTimeout(() => stream.abort(new Error("the gateway doesn't answer")), timeoutMs);
  try {
    const answer = await stream.response;
    const { version } = agree(tunnelHello, parseHello(parsed(headerValue(answer, headers.hello))));
    if (headerValue(answer, ":status") === "200") return version;
    const said = parseProxyStatus(headerValue(answer, headers.proxyStatus) ?? "");
    throw new Error(`the gateway refuses this pmz: ${said?.details ?? "it doesn't say why"}`);
  } finally {
    clearTimeout(timer);
    stream.close();
  }
}

/** The value of a JSON text; undefined when the text isn't JSON. */
function parsed(json: string | undefined): unknown {
  try {
    return JSON.parse(json ?? "");
  } catch {
    return undefined;
  }
}
