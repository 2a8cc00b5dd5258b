import assert from "node:assert/strict";
import { SystemCallError } from "../ffi/libc.ts";
import { fits, sendAnswer } from "./send_answer.ts";

const [EAGAIN, EPIPE] = [11, 32];
const full = new SystemCallError("sendmsg", EAGAIN);
const gone = new SystemCallError("sendmsg", EPIPE);

/** A daemon's socket, which fails as long as there are failures. */
function daemon(...failures: Error[]) {
  const sent: unknown[] = [];
  const send = (message: unknown) => {
    const failure = failures.shift();
    if (failure) throw failure;
    sent.push(message);
  };
  return { sent, send };
}

Deno.test("an answer waits until the daemon has read the news before it", async () => {
  const { sent, send } = daemon(full, full);
  await sendAnswer({ send }, { ok: true }, []);
  assert.deepEqual(sent, [{ ok: true }]);
});

Deno.test("a daemon that reads nothing, or is gone, gets no answer", async () => {
  const hanging = daemon(...new Array<Error>(1_000).fill(full));
  await assert.rejects(sendAnswer(hanging, { ok: true }, [], 50), /read nothing for 50 ms/);
  await assert.rejects(sendAnswer(daemon(gone), { ok: true }, []), gone);
});

Deno.test("what doesn't fit now is no failure, what can't be sent is one", () => {
  assert.equal(fits(() => daemon(full).send(1)), false);
  assert.equal(fits(() => daemon().send(1)), true);
  assert.throws(() => fits(() => daemon(gone).send(1)), gone);
});
