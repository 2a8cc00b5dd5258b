// A reverse proxy of node:http, as a user of Deno writes it: kept connections on both sides, nothing decided. Its arguments
// are the ports to pass requests to; the ports where it listens are what it prints.
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { held } from "./held.ts";

const agent = new Agent({ keepAlive: true, maxSockets: 16_384 });

const ports = await Promise.all(Deno.args.map(async (target) => {
  const server = createServer({ noDelay: true }, (asked, answer) => pass(asked, answer, Number(target)));
  server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}));
void held();
Deno.stdout.writeSync(new TextEncoder().encode(`ready ${ports.join(" ")}\n`));

function pass(asked: IncomingMessage, answer: ServerResponse, port: number): void {
  const { method, url, headers } = asked;
  const onward = request({ host: "127.0.0.1", port, method, path: url, headers, agent }, (answered) => {
    answer.writeHead(answered.statusCode ?? 502, answered.headers);
    answered.pipe(answer);
  });
  onward.on("error", () => answer.destroy());
  asked.pipe(onward);
}
