// deno-lint-ignore-file no-console -- its output is what it is for
/** grpc-js as a client of peer.py's server, with the same output: `client.mjs GRPC_JS TARGET AUTHORITY USER...`; GRPC_JS is what to import. */
import { Buffer } from "node:buffer";
import process from "node:process";

const [grpcJs, target, authority, ...users] = process.argv.slice(2);
const { default: grpc } = await import(grpcJs);
const bytes = { serialize: (value) => value, deserialize: (value) => value };
const method = (path, requestStream, responseStream) => ({
  path: `/pmz.Test/${path}`,
  requestStream,
  responseStream,
  requestSerialize: bytes.serialize,
  requestDeserialize: bytes.deserialize,
  responseSerialize: bytes.serialize,
  responseDeserialize: bytes.deserialize,
});
const Test = grpc.makeGenericClientConstructor({
  unary: method("Unary", false, false),
  count: method("Count", false, true),
  echo: method("Echo", true, true),
  fail: method("Fail", false, false),
}, "Test");
const options = authority === "-" ? {} : { "grpc.default_authority": authority };
const client = new Test(target, grpc.credentials.createInsecure(), options);

function unary(name, message, metadata) {
  return new Promise((resolve) => {
    let trailers = {};
    const call = client[name](
      message,
      metadata,
      (error, answer) => setTimeout(() => resolve({ error, answer, trailers })),
    );
    call.on("status", (status) => trailers = status.metadata.getMap());
  });
}

async function all(stream) {
  const messages = [];
  for await (const message of stream) messages.push(message.toString());
  return messages;
}

for (const user of users) {
  const metadata = new grpc.Metadata();
  if (user !== "-") metadata.set("x-user", user);
  const { error, answer, trailers } = await unary("unary", Buffer.alloc(100_000, "x"), metadata);
  if (error) throw error;
  const counted = await all(client.count(Buffer.from("50"), metadata));
  const echo = client.echo(metadata);
  for (const message of ["a", "b".repeat(70_000), "c"]) echo.write(Buffer.from(message));
  echo.end();
  const echoed = await all(echo);
  const failed = await unary("fail", Buffer.from(""), metadata);
  console.log(JSON.stringify({
    unary: answer.subarray(0, 20).toString().split(" ")[0],
    bytes: answer.length,
    counted: [counted[0], counted.at(-1), counted.length],
    echoed: echoed.map((one) => one.split(" ")[0]),
    failed: `${grpc.status[failed.error.code]}: ${failed.error.details}`,
    trailers: Object.fromEntries(
      Object.entries(trailers).map((
        [key, value],
      ) => [key, typeof value === "string" ? value : value.toString("hex")]),
    ),
  }));
}
client.close();
