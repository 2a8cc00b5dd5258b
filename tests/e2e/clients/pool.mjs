// deno-lint-ignore-file no-console -- standard output is how it answers
/** 40 requests by undici's pool, pipelined four deep on two connections, every second one with X-User: alice. */
import { createRequire } from "node:module";
const { Pool } = createRequire("/clients.js")("undici");

const pool = new Pool(process.argv[1], { connections: 2, pipelining: 4 });
const ask = async (i) => {
  const user = i % 2 === 0 ? "alice" : "nobody";
  const body = i % 4 > 1 ? "a body".repeat(1000) : undefined;
  const { body: answer } = await pool.request({
    path: "/",
    method: body ? "PUT" : "GET",
    headers: { "x-user": user },
    body,
  });
  return `${user} ${(await answer.json()).pod}`;
};
console.log((await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i)))).join("\n"));
await pool.close();
