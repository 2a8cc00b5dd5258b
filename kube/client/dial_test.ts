import assert from "node:assert/strict";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import type { ApiServerAccess } from "./access.ts";
import { Api } from "./api.ts";
import { ApiError } from "./api_error.ts";
import { dial } from "./dial.ts";
import { type Certificates, certificates } from "../testing/certificates.ts";
import { fakeProxy } from "../testing/proxy.ts";

/** A server with TLS that asks for a client certificate and answers each request, or greeting, with whom it saw. */
class TlsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #open = new Set<TLSSocket>();
  readonly made: Certificates;

  private constructor(made: Certificates) {
    this.made = made;
    const { key, cert, ca } = made;
    this.#server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }, (socket) => {
      this.#open.add(socket);
      const { subject } = socket.getPeerCertificate();
      const body = JSON.stringify({
        name: socket.authorized ? subject?.CN : "nobody",
        asked: "servername" in socket && socket.servername || "",
      });
      socket.on("error", () => {});
      socket.on(
        "data",
        () => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
      );
    });
  }

  static async start(): Promise<TlsServer> {
    const server = new TlsServer(await certificates());
    await new Promise<void>((resolve) => server.#server.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  access(changes: Partial<ApiServerAccess> = {}): ApiServerAccess {
    const { ca, cert, key } = this.made;
    return {
      tls: true,
      hostname: "127.0.0.1",
      port: this.port,
      pathPrefix: "",
      caCerts: [ca],
      cert,
      key,
      headers: {},
      ...changes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    this.made[Symbol.dispose]();
  }
}

/** What the server says of a connection dialled, and of a request by the same access. */
async function seen(access: ApiServerAccess): Promise<{ dialled: unknown; requested: unknown }> {
  const connection = await dial(access);
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  const into = new Uint8Array(1000);
  const size = await connection.read(into) ?? 0;
  connection.close();
  const [, body = ""] = new TextDecoder().decode(into.subarray(0, size)).split("\r\n\r\n");
  using api = new Api({ access: () => Promise.resolve(access) });
  return { dialled: JSON.parse(body), requested: await api.json("GET", "/") };
}

Deno.test("the client certificate goes with a connection and with a request", async () => {
  await using server = await TlsServer.start();
  const expected = { name: "dana", asked: "" };
  assert.deepEqual(await seen(server.access({ evadesFetchProxy: true })), {
    dialled: expected,
    requested: expected,
  });
});

Deno.test("tls-server-name is what the server is asked for and checked against", async () => {
  await using server = await TlsServer.start();
  const expected = { name: "dana", asked: "kube.example" };
  assert.deepEqual(await seen(server.access({ servername: "kube.example" })), {
    dialled: expected,
    requested: expected,
  });
  await assert.rejects(
    dial(server.access({ servername: "other.example" })),
    /altnames|not valid for name|NotValidForName/i,
  );
});

Deno.test("a certificate of an unknown CA is refused, unless nothing is to be checked", async () => {
  await using server = await TlsServer.start();
  const stranger = server.access({ caCerts: [] });
  await assert.rejects(dial(stranger), /UnknownIssuer/);
  using api = new Api({ access: () => Promise.resolve(stranger) });
  await assert.rejects(api.json("GET", "/"), (error) => {
    assert(ApiError.is(error, "Certificate"), String(error));
    assert.match(error.message, /isn't trusted by this kubeconfig/);
    return true;
  });
  const expected = { name: "dana", asked: "" };
  assert.deepEqual(await seen({ ...stranger, insecure: true }), { dialled: expected, requested: expected });
});

Deno.test("a proxy that fetch would take from the environment is not used where the access has none", async () => {
  await using server = await TlsServer.start();
  const nothing = "socks5://127.0.0.1:1";
  const names = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.set(name, nothing);
  try {
    const expected = { name: "dana", asked: "" };
    assert.deepEqual(await seen(server.access({ evadesFetchProxy: true })), {
      dialled: expected,
      requested: expected,
    });
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) Deno.env.delete(name);
      else Deno.env.set(name, value);
    }
  }
});

for (const kind of ["http", "socks5"] as const) {
  Deno.test(`a ${kind} proxy is told the server's name and login, and TLS with the client certificate goes through it`, async () => {
    await using server = await TlsServer.start();
    await using proxy = fakeProxy(kind, server.port);
    const proxyUrl = `${kind}://user:p%40ss@127.0.0.1:${proxy.port}`;
    const expected = { name: "dana", asked: "kube.example" };
    const result = await seen(server.access({ hostname: "kube.example", port: 6443, proxyUrl }));
    assert.deepEqual(result, { dialled: expected, requested: expected });
    assert.equal(proxy.asked[0], "kube.example:6443 as user:p@ss");
    assert.equal(proxy.asked.length, 2);
  });

  Deno.test(`a ${kind} proxy that refuses is named, without its password`, async () => {
    await using proxy = fakeProxy(kind, 1, { refuse: true });
    const access = {
      tls: true,
      hostname: "kube.example",
      port: 6443,
      pathPrefix: "",
      caCerts: [],
      headers: {},
    };
    const refused = dial({ ...access, proxyUrl: `${kind}://user:secret@127.0.0.1:${proxy.port}` });
    await assert.rejects(refused, (error: Error) => {
      assert.match(
        error.message,
        new RegExp(`^The proxy ${kind}://127.0.0.1:\\d+ doesn't connect to kube.example:6443: `),
      );
      assert.match(error.message, /407|SOCKS error 2/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
}

Deno.test("an access has its proxy though NO_PROXY of this process has the server", async () => {
  await using server = await TlsServer.start();
  await using proxy = fakeProxy("http", server.port);
  const access = server.access({
    hostname: "kube.example",
    port: 6443,
    proxyUrl: `http://127.0.0.1:${proxy.port}`,
    evadesFetchProxy: true,
  });
  const before = Deno.env.get("NO_PROXY");
  Deno.env.set("NO_PROXY", "kube.example");
  try {
    await seen(access);
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
  assert.equal(proxy.asked.length, 2);
});

Deno.test("a proxy of an unknown kind is refused by name", async () => {
  const access = {
    tls: false,
    hostname: "a",
    port: 1,
    pathPrefix: "",
    caCerts: [],
    headers: {},
    proxyUrl: "quic://p:1",
  };
  await assert.rejects(dial(access), /quic:.*expected http:.*socks5/);
});

Deno.test("dialling ends with the signal's reason", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // accepts nothing: TLS waits
  const { port } = listener.addr;
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error("enough")), 10);
  const access = { tls: true, hostname: "127.0.0.1", port, pathPrefix: "", caCerts: [], headers: {} };
  await assert.rejects(dial(access, stop.signal), /enough/);
  // Without a `prepare` Deno has it until its handshake fails.
  (await listener.accept()).close();
  await new Promise((resolve) => setTimeout(resolve, 20));
});

for (
  const [what, changes] of Object.entries({
    "server": { servername: "kube.example" },
    "http proxy": { proxyUrl: "http" },
    "socks5 proxy": { proxyUrl: "socks5" },
  })
) {
  Deno.test(`a dial that is given up leaves no connection to a ${what} that says nothing`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    const proxy = "proxyUrl" in changes ? { proxyUrl: `${changes.proxyUrl}://127.0.0.1:${port}` } : {};
    const access = {
      tls: true,
      hostname: "127.0.0.1",
      port,
      pathPrefix: "",
      caCerts: [],
      headers: {},
      ...changes,
      ...proxy,
    };
    const giveUp = new AbortController();
    const rejected = assert.rejects(dial(access, giveUp.signal), /enough/);
    const theirs = await listener.accept();
    const late = setTimeout(() => theirs.close(), 3_000); // the read rejects then
    const into = new Uint8Array(65_536);
    await theirs.read(into); // the ClientHello, or what is said to the proxy
    giveUp.abort(new Error("enough"));
    await rejected;
    assert.equal(await theirs.read(into), null);
    clearTimeout(late);
    theirs.close();
  });
}

Deno.test("the connection below is shut down where the dial fails, and not when what it gave is closed", async () => {
  await using server = await TlsServer.start();
  let times = 0;
  const prepare = () => ({ wakeAt: () => {}, shutDown: () => void times++ });
  const connection = await dial(server.access(), undefined, prepare);
  await connection.write(new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  await connection.read(new Uint8Array(1));
  connection.close();
  assert.equal(times, 0);
  await assert.rejects(dial(server.access({ caCerts: [] }), undefined, prepare), /UnknownIssuer/);
  assert.equal(times, 1);
});

Deno.test("a connection by node's sockets ends and breaks as one of Deno's", async () => {
  await using server = await TlsServer.start();
  const connection = await dial(server.access({ insecure: true }));
  const reading = connection.read(new Uint8Array(10));
  connection.close();
  await assert.rejects(reading, /closed/);
});
