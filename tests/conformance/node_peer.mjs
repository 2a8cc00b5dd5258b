// deno-lint-ignore-file no-console -- its output is what it is for
/**
 * Node's node:http2 as both ends of a proxy. It prints the port of its server, then reads lines of JSON: a port to connect to and
 * exchanges to make, all at once on one connection. It answers each line with what both ends have seen of every exchange.
 */
import http2 from "node:http2";
import process from "node:process";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

const { NGHTTP2_FLAG_END_STREAM: END_STREAM } = http2.constants;

let exchanges = [];
/** What the server sees, by the exchange's number. */
let served = [];

/** Header fields as node:http2 takes them: a name that comes again has several values. */
function fields(list, pseudo = {}) {
  const all = { ...pseudo };
  for (const [name, value] of list) all[name] = name in all ? [].concat(all[name], value) : value;
  const secret = list.filter(([, , isSecret]) => isSecret).map(([name]) => name);
  if (secret.length > 0) all[http2.sensitiveHeaders] = secret;
  return all;
}

/** What came: names and values in their order, and the names that are marked as never-indexed. */
function seen(headers, raw) {
  return { raw, secret: [...new Set(headers[http2.sensitiveHeaders] ?? [])].sort() };
}

const body = (size) => Buffer.alloc(size, size % 251);

function collect(stream, into) {
  const hash = createHash("sha256");
  into.bytes = 0;
  stream.on("data", (data) => {
    into.bytes += data.length;
    hash.update(data);
  });
  stream.on("end", () => into.hash = hash.digest("hex"));
  stream.on("trailers", (headers, _, raw) => into.trailers = seen(headers, raw));
  stream.on("error", (error) => into.error = error.code);
  return new Promise((resolve) =>
    stream.on("close", () => {
      into.code = stream.rstCode;
      resolve();
    })
  );
}

/** Sends content, then trailers or the end. */
function send(stream, { pieces, trailers }) {
  if (trailers) stream.once("wantTrailers", () => stream.sendTrailers(fields(trailers)));
  for (const size of pieces) stream.write(body(size));
  stream.end();
}

const server = http2.createServer({ settings: { maxConcurrentStreams: 100 } });
server.on("stream", (stream, headers, flags, raw) => {
  const at = Number(headers[":path"].slice(1));
  const { response, informational, reset } = exchanges[at];
  const into = served[at] = { ...seen(headers, raw), ended: (flags & END_STREAM) !== 0 };
  into.closed = collect(stream, into);
  for (const each of informational) stream.additionalHeaders(fields(each, { ":status": 103 }));
  const endStream = !reset && response.endsWithHeaders && response.pieces.length === 0 && !response.trailers;
  const options = { sendDate: false, waitForTrailers: response.trailers !== null, endStream };
  const answer = () => {
    if (stream.destroyed) return;
    stream.respond(fields(response.fields, { ":status": response.status }), options);
    // How far content comes before a reset depends on windows, so there is none.
    if (reset?.by === "server") setTimeout(() => stream.close(reset.code), 5);
    if (!endStream && !reset) send(stream, response);
  };
  // A stream that is to be reset has no end that could be waited for.
  if (reset) answer();
  else stream.on("end", answer);
});

async function exchange(session, { request, reset }, at) {
  const endStream = request.endsWithHeaders && request.pieces.length === 0 && !request.trailers;
  const pseudo = { ":method": request.method, ":scheme": "http", ":authority": "echo", ":path": `/${at}` };
  const stream = session.request(fields(request.fields, pseudo), {
    endStream,
    waitForTrailers: request.trailers !== null,
  });
  const into = { informational: [] };
  stream.on("headers", (headers, _, raw) => into.informational.push(seen(headers, raw)));
  stream.on("response", (headers, flags, raw) => {
    into.response = { ...seen(headers, raw), ended: (flags & END_STREAM) !== 0 };
    if (reset?.by === "client") stream.close(reset.code);
  });
  const closed = collect(stream, into);
  if (reset) stream.resume();
  else if (!endStream) send(stream, request);
  await closed;
  await served[at]?.closed;
  const server = { ...served[at], closed: undefined };
  // How much comes before a reset is chance, and so is whether the server's end of content does: then the client sees no reset.
  if (reset?.by === "server" && into.code === 0) into.code = reset.code;
  if (reset) { for (const end of [into, server]) delete end.bytes, delete end.hash; }
  return { client: into, server };
}

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
for await (const line of createInterface({ input: process.stdin })) {
  const { port, exchanges: asked } = JSON.parse(line);
  exchanges = asked;
  served = [];
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", (error) => console.error(error));
  const all = await Promise.all(exchanges.map((each, at) => exchange(session, each, at)));
  await new Promise((resolve) => session.close(resolve));
  console.log(JSON.stringify(all));
}
process.exit();
