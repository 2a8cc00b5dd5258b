/** For tests: a proxy on loopback, a web server behind it, and clients. */
import { ConnectionOwners } from "../../ffi/proc/connection_owner.ts";
import { arrivalOf } from "../../ffi/proc/socket_owner.ts";
import { dialTcp } from "../../ffi/sockets/tcp_connection.ts";
import { writeAll } from "../../http/byte_reader.ts";
import { type ProxyOptions, type ProxyServer, serveProxy } from "../proxy/server.ts";
import { type ProxyTarget, ProxyTargetError } from "../proxy/target.ts";

export const uid = Deno.uid();

/** A web server on loopback that tells what it was asked. */
function webServer() {
  const served = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    const headers = Object.fromEntries(request.headers);
    if (pathname === "/bytes") return new Response(new Uint8Array(Number(search.slice(1))));
    if (pathname === "/stream") {
      return new Response(ReadableStream.from(["a", "b", "c"].map((one) => new TextEncoder().encode(one))));
    }
    if (pathname === "/early") return new Response("no", { status: 413 });
    const body = await request.bytes();
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", body)).toHex();
    return Response.json({
      method: request.method,
      path: pathname + search,
      headers,
      size: body.length,
      hash,
    });
  });
  return served;
}

/** Where a test's names lead: `*.origin.svc` to `origin`, some to targets that fail, the others to a web server. */
export function start(more: Partial<ProxyOptions> = {}, origin?: { readonly port: number }) {
  const web = webServer();
  const raw = rawServer();
  const opened: { target: ProxyTarget; first: string }[] = [];
  const stop = new AbortController();
  const owners = new ConnectionOwners();
  const proxy = serveProxy({
    hostname: "127.0.0.1",
    port: 0,
    allow: (conn) => owners.isFrom(arrivalOf(conn), [{ first: uid ?? 0, last: uid ?? 0 }]),
    isOurs: (host) => host.endsWith(".svc"),
    signal: stop.signal,
    associate() {
      throw new Error("no datagrams here");
    },
    async open(_client, target, first) {
      opened.push({ target, first: new TextDecoder().decode(first) });
      const failure = failures[target.host];
      if (failure) throw failure;
      const port = origin && target.host.endsWith(".origin.svc")
        ? origin.port
        : target.host === "raw.default.svc"
        ? raw.addr.port
        : web.addr.port;
      const transport = await dialTcp("127.0.0.1", port, { timeoutMs: 5_000 });
      await writeAll(transport, first ?? new Uint8Array(0));
      return transport;
    },
    ...more,
  });
  return {
    proxy,
    opened,
    stop,
    raw,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await web.shutdown();
      await raw[Symbol.asyncDispose]();
      owners[Symbol.dispose]();
    },
  };
}

const failures: Record<string, Error> = {
  "refused.default.svc": new ProxyTargetError(
    "connection_refused",
    "refused.default.svc:80 refused the connection",
  ),
  "slow.default.svc": new ProxyTargetError("connection_timeout", "slow.default.svc:80 did not answer"),
  "example.com": new ProxyTargetError("destination_not_found", "example.com is not a name of the cluster"),
  "node.default.svc": new ProxyTargetError("destination_ip_prohibited", "pmz dials no nodes"),
  "bug.default.svc": new TypeError("the tunnel has a bug"),
};

/** A server that answers every connection with the same bytes and closes it. */
function rawServer() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const state = { answer: "" };
  const serving = (async () => {
    for await (const conn of listener) {
      await conn.read(new Uint8Array(65536));
      await conn.write(new TextEncoder().encode(state.answer));
      conn.close();
    }
  })();
  return {
    addr: listener.addr,
    state,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

export function curl(proxy: ProxyServer, kind: "http" | "socks5h", ...args: string[]) {
  return curlAs(undefined, proxy, kind, ...args);
}

export async function curlAs(
  account: number | undefined,
  proxy: ProxyServer,
  kind: "http" | "socks5h",
  ...args: string[]
) {
  const command = new Deno.Command("curl", {
    args: [
      "-sS",
      "--max-time",
      "10",
      "--proxy",
      `${kind}://127.0.0.1:${proxy.port}`,
      "--noproxy",
      "",
      ...args,
    ],
    env: { NO_PROXY: "", no_proxy: "" },
    ...(account !== undefined && { uid: account, gid: account, cwd: "/" }),
  });
  const { code, stdout, stderr } = await command.output();
  return { code, body: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
}

/** Sends bytes and gives all that comes back until the proxy ends the connection. */
export async function exchange(proxy: ProxyServer, text: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: proxy.port });
  await conn.write(new TextEncoder().encode(text));
  return await new Response(conn.readable).text();
}
