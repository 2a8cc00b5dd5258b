/** A pod's application: sends "pod:" to each connection, then echoes. `application.ts PORT HOST...` */
const [port = "", ...hosts] = Deno.args;

async function serve(connection: Deno.Conn): Promise<void> {
  const into = new Uint8Array(65_536);
  try {
    await connection.write(new TextEncoder().encode("pod:"));
    for (let n; (n = await connection.read(into)) !== null;) {
      for (let at = 0; at < n;) at += await connection.write(into.subarray(at, n));
    }
    connection.close();
  } catch {
    connection.close();
  }
}

await Promise.all(hosts.map(async (hostname) => {
  for await (const connection of Deno.listen({ hostname, port: Number(port) })) serve(connection);
}));
