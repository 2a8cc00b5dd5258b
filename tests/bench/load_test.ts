import assert from "node:assert/strict";
import { parseAnswers, parseCarried, parseHeld, parsePorts } from "./load.ts";

Deno.test("load's lines are read", () => {
  const answers =
    '{"requests":5000,"errors":2,"error":"EOF","seconds":0.07,"p50":0.3,"p90":1.3,"p99":5.7,"max":6.7}\n';
  assert.deepEqual(parseAnswers(answers), {
    requests: 5000,
    errors: 2,
    error: "EOF",
    seconds: 0.07,
    p50: 0.3,
    p99: 5.7,
  });
  assert.deepEqual(parseCarried('{"bytes":8,"bitsPerSecond":64}'), { bytes: 8, bitsPerSecond: 64 });
  assert.deepEqual(parsePorts('{"bytes":5201,"http":8080}'), { http: 8080, bytes: 5201 });
  assert.deepEqual(parseHeld('{"open":99,"failed":1,"error":"refused"}'), { open: 99, failed: 1 });
});

Deno.test("a line without what it must have is an error that shows it", () => {
  assert.throws(() => parseCarried('{"bytes":8}'), /bitsPerSecond.*"bytes":8/);
  assert.throws(() => parseAnswers("null"), /null/);
});
