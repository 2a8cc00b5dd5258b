import assert from "node:assert/strict";
import { NoAnswer } from "./forward.ts";
import { queryFor } from "../testing/fake_upstream.ts";
import { types } from "../../dns/message.ts";
import { askOverTcp } from "./tcp_upstream.ts";

Deno.test("a nameserver that takes the connection and says nothing is given up", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = silent.accept();
  const given = askOverTcp(
    queryFor("api.example.com", types.A),
    { address: "127.0.0.1", port: silent.addr.port },
    new AbortController().signal,
    200,
  ).then(() => "answered", (error) => error instanceof NoAnswer ? error.kind : error);
  let late: ReturnType<typeof setTimeout> | undefined;
  const ended = await Promise.race([
    given,
    new Promise((resolve) => late = setTimeout(() => resolve("waits for good"), 1_000)),
  ]);
  clearTimeout(late);
  (await taken).close();
  assert.equal(ended, "silent");
  await given;
});
