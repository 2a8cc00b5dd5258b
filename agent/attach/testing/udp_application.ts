/** A pod's application of UDP: echoes each datagram behind "pod ADDRESS ". `udp_application.ts PORT HOST` */
const [port = "", hostname = ""] = Deno.args;
const socket = Deno.listenDatagram({ transport: "udp", hostname, port: Number(port) });
for await (const [payload, from] of socket) {
  const name = new TextEncoder().encode(`pod ${"hostname" in from ? from.hostname : ""} `);
  await socket.send(new Uint8Array([...name, ...payload]), from);
}
