import assert from "node:assert/strict";
import { parseWrk, wrkCommand } from "./wrk.ts";

const head = `Running 2s test @ http://127.0.0.1:35241/
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.86ms    2.85ms  36.49ms   94.36%
    Req/Sec    21.03k     5.50k   29.12k    55.00%
  42246 requests in 2.03s, 7.86MB read
`;
const tail = `Requests/sec:  20799.71
Transfer/sec:      3.87MB
`;

Deno.test("wrk's requests a second are read from its last lines", () => {
  assert.deepEqual(parseWrk(head + tail), { requests: 42246, perSecond: 20799.71, errors: 0 });
});

Deno.test("errors of every kind are counted together", () => {
  const errors =
    "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 50000\n";
  assert.equal(parseWrk(head + errors + tail).errors, 54321);
});

Deno.test("what wrk didn't end isn't taken for a result, and the error has what it said", () => {
  assert.throws(() => parseWrk("unable to connect to 127.0.0.1:1 Connection refused\n"), /unable to connect/);
  assert.throws(() => parseWrk(head), /Running 2s/);
});

Deno.test("wrk's command line asks for what was asked for", () => {
  assert.deepEqual(wrkCommand("http://a/", { clients: 50, seconds: 3, fresh: true }).slice(-3), [
    "-H",
    "Connection: close",
    "http://a/",
  ]);
  assert.ok(!wrkCommand("http://a/", { clients: 1, seconds: 3 }).includes("-H"));
});
