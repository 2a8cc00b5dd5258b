#!/bin/sh
# Deno 2.9.6: a TLS connection has no setNoDelay, and Deno.connectTls leaves Nagle's algorithm on: a small write after another waits up to 40 ms.
#
# Seen: write, write, and read the answer of a server that waits for both bytes, on loopback. By connectTls nearly every pair takes more
# than 30 ms, since the second write waits for the acknowledgement of the first, which Linux delays for 40 ms. By Deno.connect, setNoDelay
# and Deno.startTls it takes less than one. But startTls has no option for a client certificate, so that a client with one has no way.
# Expected: TlsConn.setNoDelay, as TcpConn has it, or TCP_NODELAY by default, as Node (on by request), Go and reqwest have it.
# Way round: setsockopt(2) by FFI on the connection's descriptor; or node:tls, at more CPU.
#
# Needs npm, openssl and a Linux that Deno's npm package has a binary for. Fails when the behaviour changes.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --no-save deno@2.9.6 >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE 2>/dev/null

cat >try.ts <<'TRY'
const [cert, key] = ["cert.pem", "key.pem"].map((name) => Deno.readTextFileSync(name)) as [string, string];
const PAIRS = 50;

/** Answers each pair of bytes with one. */
async function answer(listener: Deno.TlsListener): Promise<void> {
  using connection = await listener.accept();
  const into = new Uint8Array(64);
  let unanswered = 0;
  for (let size = await connection.read(into); size !== null; size = await connection.read(into)) {
    for (unanswered += size; unanswered >= 2; unanswered -= 2) await connection.write(new Uint8Array(1));
  }
}

async function byConnectTls(port: number): Promise<Deno.TlsConn> {
  return await Deno.connectTls({ hostname: "localhost", port, caCerts: [cert] });
}

async function byStartTls(port: number): Promise<Deno.TlsConn> {
  const connection = await Deno.connect({ hostname: "localhost", port });
  connection.setNoDelay();
  return await Deno.startTls(connection, { hostname: "localhost", caCerts: [cert] });
}

/** How many pairs of small writes took more than 30 ms. */
async function stalls(connect: (port: number) => Promise<Deno.TlsConn>): Promise<number> {
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert, key });
  const answering = answer(listener).catch(() => {});
  const connection = await connect(listener.addr.port);
  await connection.handshake();
  const byte = new Uint8Array(1);
  let slow = 0;
  for (let i = 0; i < PAIRS; i++) {
    const start = performance.now();
    await connection.write(byte);
    await connection.write(byte);
    await connection.read(byte);
    if (performance.now() - start > 30) slow++;
  }
  if (connect === byConnectTls) console.log(`a TLS connection ${"setNoDelay" in connection ? "has" : "has no"} setNoDelay`);
  connection.close();
  await answering;
  return slow;
}

console.log(`Deno ${Deno.version.deno}`);
const slow = await stalls(byConnectTls), fast = await stalls(byStartTls);
console.error(`of ${PAIRS} pairs ${slow} stalled by connectTls, ${fast} by startTls`);
console.log(`by connectTls ${slow > PAIRS / 2 ? "most pairs stall" : "pairs don't stall"}`);
console.log(`by connect, setNoDelay and startTls ${fast > PAIRS / 2 ? "most pairs stall" : "pairs don't stall"}`);
TRY

cat >expected <<'EXPECTED'
Deno 2.9.6
a TLS connection has no setNoDelay
by connectTls most pairs stall
by connect, setNoDelay and startTls pairs don't stall
EXPECTED

NO_COLOR=1 ./node_modules/.bin/deno run --quiet --allow-net --allow-read=. try.ts >seen
cat seen
diff expected seen
